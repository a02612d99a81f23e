//! Keys of published data: whom to believe, what to sign with, `seaworthy db keygen`.

use crate::config::Config;
use crate::exit::Code;
use anyhow::{Context, Result, bail};
use seaworthy_advisory::deliver::{PrivateKey, PublicKey, Trusted, make_key};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const KEY_BYTES_MAX: u64 = 1 << 20;

fn text(path: &Path) -> Result<String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(KEY_BYTES_MAX).read_to_string(&mut text));
    read.with_context(|| format!("reading the key `{}`", path.display()))?;
    Ok(text)
}

/// Whom to believe: the keys that were typed, else the configured ones, else those of the program.
pub fn trusted(typed: &[String], config: &Config) -> Result<Trusted> {
    let named = if typed.is_empty() { &config.database.keys } else { typed };
    let mut keys = Vec::new();
    for name in named {
        match name.starts_with("seaworthy-key-") {
            true => keys.push(PublicKey::parse(name).with_context(|| format!("`{name}`"))?),
            false => {
                let found = PublicKey::parse_all(&text(Path::new(name))?);
                let found = found.with_context(|| format!("in `{name}`"))?;
                if found.is_empty() {
                    bail!("`{name}` holds no public key (a line `seaworthy-key-1 …`)");
                }
                keys.extend(found);
            }
        }
    }
    Ok(Trusted::new(&keys)?)
}

/// Keys to sign with.
pub fn private(paths: &[PathBuf]) -> Result<Vec<PrivateKey>> {
    let read = |path: &PathBuf| {
        PrivateKey::parse_pem(&text(path)?).with_context(|| format!("in `{}`", path.display()))
    };
    paths.iter().map(read).collect()
}

/// Makes a key pair. Files that exist are never overwritten.
pub fn make(prefix: &Path) -> Result<Code> {
    let (secret, open) = (prefix.with_added_extension("pem"), prefix.with_added_extension("pub"));
    for path in [&secret, &open] {
        if fs::symlink_metadata(path).is_ok() {
            bail!("`{}` exists already: a key is never overwritten", path.display());
        }
    }
    let mut seed = [0; 32];
    let random = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut seed));
    random.context("reading randomness from /dev/urandom")?;
    let (pem, public) = make_key(&seed)?;
    write(&secret, 0o600, &pem)?;
    write(&open, 0o644, &format!("{public}\n")).inspect_err(|_| drop(fs::remove_file(&secret)))?;
    let mut out = crate::output::stdout();
    writeln!(
        out,
        "{} signs: keep it secret and safe, whoever has it can publish in your name",
        secret.display()
    )?;
    writeln!(out, "{} is for everybody else (`keys` in seaworthy.toml, or --key):", open.display())?;
    writeln!(out, "{public}")?;
    Ok(Code::Clean)
}

fn write(path: &Path, mode: u32, content: &str) -> Result<()> {
    let mut options = File::options();
    let written = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(content.as_bytes()).and_then(|()| file.sync_all()));
    written.with_context(|| format!("writing `{}`", path.display()))
}
