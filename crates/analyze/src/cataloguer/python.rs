//! Installed Python distributions.
//!
//! Formats: *Core metadata specifications* and *Recording installed projects* of the Python
//! Packaging User Guide (`NAME-VERSION.dist-info/METADATA`, `direct_url.json`), and the older egg
//! formats of setuptools (`*.egg-info/PKG-INFO`, `*.egg-info`, `EGG-INFO/PKG-INFO`). Only the
//! header of a record is read. A zipped egg is named by its file name. Does not read `RECORD`, nor
//! packages that lost their metadata; a wheel file that lies about is not installed.

use super::{Cataloguer, Fact, Facts, File, Pattern};
use crate::assemble::{Builder, View};
use crate::loose::{self, Fields, Object, Text, clip, is_word};
use seaworthy_types::{About, Package, Reads};
use serde::de::MapAccess;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The cataloguer of installed Python distributions.
pub const CATALOGUER: &dyn Cataloguer = &Python;

/// The header of a record; a description in it (metadata before 2.1) may be long.
const HEADER_BYTES_MAX: usize = 512 << 10;
const NAME_BYTES_MAX: usize = 214;
const VERSION_BYTES_MAX: usize = 128;
const LICENCE_CHARS_MAX: usize = 120;
const LICENCES_MAX: usize = 16;
const URL_CHARS_MAX: usize = 512;

struct Python;

#[derive(Serialize, Deserialize)]
enum Raw {
    Distribution {
        name: String,
        version: String,
        licences: Vec<String>,
        /// Name or version are those of the folder or file name.
        by_path: bool,
    },
    DirectUrl {
        url: String,
        commit: String,
        editable: bool,
    },
}

enum Kind {
    Metadata,
    DirectUrl,
    Zipped,
}

impl Cataloguer for Python {
    fn about(&self) -> &'static About {
        &About {
            name: "python",
            version: 1,
            ecosystem: "pypi",
            reads: Reads::Installed,
            coverage: "Python distributions installed with metadata: dist-info, egg-info (folder or file) and eggs (a zipped one by its file name).",
        }
    }
    fn patterns(&self) -> &'static [Pattern] {
        &[
            Pattern::Name("METADATA"),
            Pattern::Name("PKG-INFO"),
            Pattern::Name("direct_url.json"),
            Pattern::Extension(".egg-info"),
            Pattern::Extension(".egg"),
        ]
    }
    fn accepts(&self, path: &str, _head: &[u8]) -> bool {
        kind_of(path).is_some()
    }
    fn read(&self, file: &File<'_>, facts: &mut Facts<'_>) {
        match kind_of(file.path) {
            Some(Kind::Metadata) => read_metadata(file, facts),
            Some(Kind::DirectUrl) => read_direct_url(file, facts),
            Some(Kind::Zipped) => read_zipped(file, facts),
            None => {}
        }
    }
    fn assemble(&self, view: &View<'_>, builder: &mut Builder) {
        let mut urls = BTreeMap::new();
        for fact in view.visible() {
            if let Some(Raw::DirectUrl { url, commit, editable }) = fact.get() {
                urls.insert(folder_of(fact.path), (url, commit, editable));
            }
        }
        for fact in view.visible() {
            if let Some(mut package) = package(fact) {
                if let Some((url, commit, editable)) = urls.get(folder_of(fact.path)) {
                    package.facts.insert("direct_url".into(), url.clone());
                    if !commit.is_empty() {
                        package.facts.insert("commit".into(), commit.clone());
                    }
                    if *editable {
                        package.facts.insert("editable".into(), "true".into());
                    }
                }
                view.place(fact, &mut package);
                builder.package(package);
            }
        }
    }
}

fn package(fact: &Fact<'_>) -> Option<Package> {
    let Some(Raw::Distribution { name, version, licences, by_path }) = fact.get() else { return None };
    let mut package = Package::new("pypi", name, version, "python");
    package.licences = licences;
    if by_path {
        package.evidence = "file name".into();
    }
    Some(package)
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Folder names are compared without regard to case, as `importlib.metadata` does.
fn kind_of(path: &str) -> Option<Kind> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = folder.rsplit('/').next().unwrap_or(folder).to_ascii_lowercase();
    let of_wheel = folder == "dist-info" || folder.ends_with(".dist-info");
    let of_egg = folder == "egg-info" || folder.ends_with(".egg-info");
    match name {
        "METADATA" if of_wheel => Some(Kind::Metadata),
        "PKG-INFO" if of_egg => Some(Kind::Metadata),
        "direct_url.json" if of_wheel => Some(Kind::DirectUrl),
        _ if name.to_ascii_lowercase().ends_with(".egg") => Some(Kind::Zipped),
        _ if name.len() > 9 && name.to_ascii_lowercase().ends_with(".egg-info") => Some(Kind::Metadata),
        _ => None,
    }
}

/// `NAME-VERSION-py3.9.egg` (*The Internal Structure of Python Eggs* of setuptools): the name of
/// the file is part of the format.
fn read_zipped(file: &File<'_>, facts: &mut Facts<'_>) {
    match file.content.range(0, 2) {
        Ok(magic) if magic.as_ref() == b"PK" => {}
        Ok(_) => return,
        Err(error) => return facts.gap("file-unreadable", error.to_string()),
    }
    match of_path(file.path) {
        (Some(name), Some(version)) if is_name(name) && is_version(version) => {
            facts.push(&Raw::Distribution {
                name: name.to_owned(),
                version: version.to_owned(),
                licences: Vec::new(),
                by_path: true,
            });
        }
        _ => facts.gap("package-without-name", "the name of this zipped egg does not say what it is"),
    }
}

#[derive(Default)]
struct Header {
    name: Option<String>,
    version: Option<String>,
    expression: Option<String>,
    licence: Option<String>,
    classifiers: Vec<String>,
}

fn read_metadata(file: &File<'_>, facts: &mut Facts<'_>) {
    let bytes = match file.content.range(0, HEADER_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) => return facts.gap("file-unreadable", error.to_string()),
    };
    let (header, ended) = header(&bytes);
    if !ended && file.content.len() > bytes.len() as u64 {
        facts.info("header-cut", format!("only the first {HEADER_BYTES_MAX} bytes of its header were read"));
    }
    let (path_name, path_version) = of_path(file.path);
    let name = header.name.clone().filter(|text| is_name(text));
    let version = header.version.clone().filter(|text| is_version(text));
    let by_path = name.is_none() || version.is_none();
    let name = name.or_else(|| path_name.map(str::to_owned)).filter(|text| is_name(text));
    let version = version.or_else(|| path_version.map(str::to_owned)).filter(|text| is_version(text));
    match (name, version) {
        (Some(name), Some(version)) => {
            if by_path {
                facts.info("named-by-path", "its header has no usable name or version; its path says which");
            }
            facts.push(&Raw::Distribution { name, version, licences: licences(header), by_path });
        }
        (None, _) => facts.gap("package-without-name", "neither its header nor its path has a usable name"),
        (Some(name), None) => facts.gap(
            "package-without-version",
            format!("`{}`: neither its header nor its path has a usable version", clip(&name, 80)),
        ),
    }
}

/// The grammar of names of the core metadata, which all that may be published keep to.
fn is_name(text: &str) -> bool {
    is_word(text, NAME_BYTES_MAX)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && text.bytes().any(|b| b.is_ascii_alphanumeric())
}

/// Wide enough for versions from before PEP 440.
fn is_version(text: &str) -> bool {
    is_word(text, VERSION_BYTES_MAX)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+!~*".contains(&b))
}

/// The header and whether its end was seen. Lines that are no field are passed over: old records
/// have summaries that run over several lines without indentation.
fn header(bytes: &[u8]) -> (Header, bool) {
    let mut header = Header::default();
    let mut in_licence = false;
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default();
        rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.first() {
            None => return (header, true),
            Some(b' ' | b'\t') if in_licence => {
                // A licence over several lines is its text, not its name.
                header.licence = None;
            }
            Some(b' ' | b'\t') => {}
            Some(_) => in_licence = field(line, &mut header),
        }
    }
    (header, false)
}

/// Keeps a field that counts; true when it is `License`. Of a repeated field the first counts.
fn field(line: &[u8], header: &mut Header) -> bool {
    let Some(colon) = memchr::memchr(b':', line) else { return false };
    let (name, value) = line.split_at(colon);
    let value = || {
        let text = String::from_utf8_lossy(value.get(1..).unwrap_or_default());
        text.trim().strip_prefix('\u{feff}').unwrap_or(text.trim()).to_owned()
    };
    let name = name.strip_prefix(b"\xef\xbb\xbf").unwrap_or(name);
    let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
    if is("Name") {
        header.name.get_or_insert_with(value);
    } else if is("Version") {
        header.version.get_or_insert_with(value);
    } else if is("License-Expression") {
        header.expression.get_or_insert_with(value);
    } else if is("License") {
        header.licence.get_or_insert_with(value);
        return true;
    } else if is("Classifier") && header.classifiers.len() < LICENCES_MAX {
        let text = value();
        if let Some(licence) = text.strip_prefix("License ::") {
            let last = licence.rsplit("::").next().unwrap_or(licence).trim();
            if last != "OSI Approved" {
                header.classifiers.push(clip(last, LICENCE_CHARS_MAX));
            }
        }
    }
    false
}

/// The expression, else the licence field when it is a name and no text, else the classifiers.
fn licences(header: Header) -> Vec<String> {
    let named = |text: &String| {
        !text.is_empty()
            && !text.eq_ignore_ascii_case("unknown")
            && text.chars().nth(LICENCE_CHARS_MAX).is_none()
    };
    match header.expression.or(header.licence).filter(named) {
        Some(licence) => vec![clip(&licence, LICENCE_CHARS_MAX)],
        None => header.classifiers,
    }
}

/// Name and version in `NAME-VERSION.dist-info/…`, `NAME-VERSION-py3.9.egg-info`,
/// `NAME-VERSION-py3.9.egg/EGG-INFO/…`.
fn of_path(path: &str) -> (Option<&str>, Option<&str>) {
    let mut parts = path.rsplit('/');
    let mut part = parts.next().unwrap_or_default();
    if part == "METADATA" || part == "PKG-INFO" {
        part = parts.next().unwrap_or_default();
    }
    if part.eq_ignore_ascii_case("EGG-INFO") {
        part = parts.next().unwrap_or_default();
    }
    let Some((stem, ".dist-info" | ".egg-info" | ".egg")) =
        part.rfind('.').and_then(|at| part.split_at_checked(at))
    else {
        return (None, None);
    };
    let mut words = stem.split('-');
    let name = words.next().filter(|name| !name.is_empty());
    let version = words.next().filter(|version| version.starts_with(|c: char| c.is_ascii_digit()));
    (name, version)
}

#[derive(Default)]
struct DirectUrl<'a> {
    url: Text<'a>,
    vcs: Object<Vcs<'a>>,
    folder: Object<Folder>,
}

#[derive(Default)]
struct Vcs<'a> {
    commit: Text<'a>,
}

#[derive(Default)]
struct Folder {
    editable: loose::Flag,
}

impl<'de> Fields<'de> for DirectUrl<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "url" => self.url = map.next_value()?,
            "vcs_info" => self.vcs = map.next_value()?,
            "dir_info" => self.folder = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Fields<'de> for Vcs<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "commit_id" => self.commit = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Fields<'de> for Folder {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "editable" => self.editable = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Where a distribution came from that did not come from an index. Nothing of the inventory hangs
/// on it, so a bad one is worth no more than an information.
fn read_direct_url(file: &File<'_>, facts: &mut Facts<'_>) {
    let bytes = match file.content.whole(64 << 10) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return facts.info("direct-url-unreadable", "it is larger than such a record can be"),
        Err(error) => return facts.info("direct-url-unreadable", error.to_string()),
    };
    let text = loose::text(&bytes, facts);
    match serde_json::from_str::<Object<DirectUrl<'_>>>(&text) {
        Ok(Object(Some(record))) => {
            let Some(url) = record.url.get() else { return };
            facts.push(&Raw::DirectUrl {
                url: without_secrets(url),
                commit: record
                    .vcs
                    .0
                    .and_then(|vcs| vcs.commit.get().map(|text| clip(text, 80)))
                    .unwrap_or_default(),
                editable: record.folder.0.is_some_and(|folder| folder.editable.0),
            });
        }
        Ok(Object(None)) => facts.info("direct-url-unreadable", "it is no JSON object"),
        Err(error) => facts.info("direct-url-unreadable", error.to_string()),
    }
}

/// A web address without user, password, query and fragment: they may hold secrets.
fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    let bare = match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit('@').next().unwrap_or(host);
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    };
    clip(&bare, URL_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_paths() {
        for (path, name, version) in [
            ("a/typing_extensions-4.4.0.dist-info/METADATA", Some("typing_extensions"), Some("4.4.0")),
            ("distlib-0.3.1-py3.9.egg-info", Some("distlib"), Some("0.3.1")),
            ("a/x-1.0-py2.7.egg/EGG-INFO/PKG-INFO", Some("x"), Some("1.0")),
            ("cryptography.egg-info/PKG-INFO", Some("cryptography"), None),
            ("no-version-py3.8.egg-info", Some("no"), None),
            ("egg-info/PKG-INFO", None, None),
            ("-.dist-info/METADATA", None, None),
        ] {
            assert_eq!(of_path(path), (name, version), "{path}");
        }
    }

    #[test]
    fn addresses_lose_their_secrets() {
        for (url, bare) in [
            ("https://user:word@host/a.git?x=1#y", "https://host/a.git"),
            ("https://host/a@b", "https://host/a@b"),
            ("file:///src/app", "file:///src/app"),
        ] {
            assert_eq!(without_secrets(url), bare);
        }
    }
}
