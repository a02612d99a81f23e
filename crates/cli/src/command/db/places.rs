//! Places of published data, by what a person writes: folders, web servers, object stores, registries. Thin
//! adapters between the carriers (`net`) and what delivery asks of them (`advisory`).

use crate::arguments::{Arguments, RegistryArguments};
use crate::command::setup::{cache_folder, now};
use crate::config::Config;
use anyhow::{Context, Result, bail};
use seaworthy_advisory::deliver::{Depot, Folder, INDEX_NAME, Store};
use seaworthy_net::Web;
use seaworthy_net::carrier::{Carrier, Http, Names, Oci, S3, Taker};
use seaworthy_net::registry::{Client, Options, System};
use seaworthy_scan::Cache;
use seaworthy_types::ImageRef;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const NAMES: Names = Names { index: INDEX_NAME, files: "files/" };
/// Folder below the cache's where the last index of each web server is kept.
const KEPT_FOLDER: &str = "published";

/// Longest pause before a place is asked again after which another can be asked.
const BRIEF_PAUSE_MAX: Duration = Duration::from_secs(2);

/// How to get to places.
pub struct Ways {
    options: Options,
    /// Where to keep the last index of each.
    kept: PathBuf,
}

impl Ways {
    /// As configured, and as typed.
    pub fn new(arguments: &Arguments, config: &Config, registry: &RegistryArguments) -> Self {
        let mut ways = Self::configured(arguments, config, &registry.ca);
        ways.options.insecure_all = registry.insecure;
        ways.options.is_anonymous = registry.anonymous;
        ways
    }

    /// As configured, with more certificate authorities.
    pub fn configured(arguments: &Arguments, config: &Config, ca: &[PathBuf]) -> Self {
        let ca_files = config.database.ca.iter().chain(ca).cloned().collect();
        let options = Options {
            ca_files,
            insecure: config.database.insecure.iter().cloned().collect(),
            ..Options::default()
        };
        Self { options, kept: cache_folder(arguments, config).join(KEPT_FOLDER) }
    }

    fn web(&self) -> Arc<Web> {
        Arc::new(Web::new(self.options.clone(), Arc::new(System)))
    }

    fn registry(&self, text: &str, name: &str) -> Result<Oci> {
        let image = ImageRef::parse(name).with_context(|| format!("`{text}`"))?;
        let client = Client::new(self.options.clone(), Arc::new(System));
        Ok(Oci::new(Arc::new(client), image, NAMES))
    }

    /// Places of the same data, in this order. All but the last get less patience: after them comes another.
    pub fn stores(&self, texts: &[String]) -> Result<Vec<Box<dyn Store>>> {
        let mut brief = Self { options: self.options.clone(), kept: self.kept.clone() };
        let patience = &mut brief.options.patience;
        (patience.tries, patience.breaks, patience.pause_max) = (2, 2, BRIEF_PAUSE_MAX);
        let last = texts.len().saturating_sub(1);
        let ways = |index| if index < last { &brief } else { self };
        texts.iter().enumerate().map(|(index, text)| ways(index).store(text)).collect()
    }

    /// A place to read from. Nothing is sent yet.
    fn store(&self, text: &str) -> Result<Box<dyn Store>> {
        let carrier: Box<dyn Carrier> = match Scheme::of(text)? {
            Scheme::Folder(path) => {
                if path.is_file() {
                    bail!("`{text}` is a file: `seaworthy db import` installs from one");
                }
                if !path.is_dir() {
                    bail!("there is no folder `{text}`");
                }
                return Ok(Box::new(Folder::new(&path)));
            }
            Scheme::Web => {
                let key = Cache::key(&[text.trim_end_matches('/').as_bytes()]);
                let kept = self.kept.join(format!("{}.index", key.get(..16).unwrap_or(&key)));
                Box::new(Http::new(self.web(), text, NAMES, Some(kept))?)
            }
            Scheme::S3 => Box::new(S3::new(self.web(), text, NAMES)?),
            Scheme::Oci(name) => Box::new(self.registry(text, name)?),
        };
        Ok(Box::new(Reading(carrier)))
    }

    /// A place to publish to, where files stay for some days after they were last referred to, if it is a
    /// registry. Nothing is sent yet.
    pub fn depot(&self, text: &str, days: u32) -> Result<Box<dyn Depot>> {
        let taker: Box<dyn Taker> = match Scheme::of(text)? {
            Scheme::Folder(path) => return Ok(Box::new(Folder::new(&path))),
            Scheme::Web => bail!(
                "`{text}`: a web server of static files takes none; publish into the folder that it serves, \
                 or to s3:// or oci://"
            ),
            Scheme::S3 => Box::new(S3::new(self.web(), text, NAMES)?),
            Scheme::Oci(name) => Box::new(self.registry(text, name)?.keeping(now(), days)),
        };
        Ok(Box::new(Writing(taker)))
    }
}

enum Scheme<'a> {
    Folder(PathBuf),
    Web,
    S3,
    Oci(&'a str),
}

impl<'a> Scheme<'a> {
    fn of(text: &'a str) -> Result<Self> {
        if let Some(name) = text.strip_prefix("oci://") {
            return Ok(Self::Oci(name));
        }
        if text.starts_with("s3://") {
            return Ok(Self::S3);
        }
        if text.starts_with("https://") || text.starts_with("http://") {
            return Ok(Self::Web);
        }
        if let Some(path) = text.strip_prefix("file://") {
            return Ok(Self::Folder(path.into()));
        }
        if text.contains("://") {
            bail!("`{text}` is no place of published data: write a folder, https://…, s3://… or oci://…");
        }
        if text.is_empty() {
            bail!("the name of the place is empty");
        }
        Ok(Self::Folder(Path::new(text).to_owned()))
    }
}

/// A carrier as delivery asks for it.
struct Reading(Box<dyn Carrier>);

/// A carrier that takes files, as delivery asks for it.
struct Writing(Box<dyn Taker>);

fn open<'a>(
    carrier: &'a (impl Carrier + ?Sized),
    name: &str,
    bytes_max: u64,
) -> io::Result<Option<Box<dyn Read + 'a>>> {
    Ok(carrier.open(name, bytes_max)?.map(|reader| reader as Box<dyn Read>))
}

impl Store for Reading {
    fn name(&self) -> String {
        self.0.name()
    }
    fn open(&self, name: &str, bytes_max: u64) -> io::Result<Option<Box<dyn Read + '_>>> {
        open(&*self.0, name, bytes_max)
    }
}

impl Store for Writing {
    fn name(&self) -> String {
        self.0.name()
    }
    fn open(&self, name: &str, bytes_max: u64) -> io::Result<Option<Box<dyn Read + '_>>> {
        open(&*self.0, name, bytes_max)
    }
}

impl Depot for Writing {
    fn has(&self, name: &str, bytes: u64) -> io::Result<bool> {
        self.0.has(name, bytes)
    }
    fn put(&self, name: &str, bytes: u64, content: &mut dyn Read) -> io::Result<()> {
        self.0.put(name, bytes, content)
    }
    fn replace_index(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.replace_index(bytes)
    }
    fn list(&self) -> io::Result<Option<Vec<String>>> {
        self.0.list()
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }
}
