//! Alpine's security database: <https://secdb.alpinelinux.org/>, one JSON file per branch and
//! repository: package → version → the ids fixed in it. It knows fixed vulnerabilities only: what is
//! not listed is not known to be unaffected. Version `0` means that Alpine was never affected.

use crate::feed::{Address, Feed, FeedError, ReadSeek, Sink};
use crate::intake::json::{self, List, Loose, Pairs, Text};
use crate::intake::tally::Tally;
use crate::intake::{range, text};
use seaworthy_types::{
    About, Advisory, Affected, Event, Range, RangeKind, Reads, Status, distribution, is_bulletin, is_cve,
};
use serde::Deserialize;
use std::io::Read;

/// The feed.
pub const FEED: &dyn Feed = &AlpineSecdb;

const NAME: &str = "alpine-secdb";
const ABOUT: About = About {
    name: NAME,
    version: 1,
    ecosystem: "apk",
    reads: Reads::Any,
    coverage: "Fixed vulnerabilities of Alpine's main and community repositories, every branch.",
};
/// Bytes of one file; the largest real one has about 200 kB.
const FILE_BYTES_MAX: u64 = 64 << 20;
const ROOT: &str = "https://secdb.alpinelinux.org";

struct AlpineSecdb;

impl Feed for AlpineSecdb {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn claims(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix("alpine-secdb/")?.strip_suffix(".json")?;
        let (branch, repository) = rest.split_once('/')?;
        let known = shard(branch).is_some() && !repository.is_empty() && !repository.contains('/');
        known.then(|| rest.to_owned())
    }
    fn addresses(&self) -> Vec<Address> {
        let numbered = distribution::alpine::DISTRIBUTION.end_of_life.iter();
        let branches = numbered.map(|(release, _)| format!("v{release}")).chain(["edge".to_owned()]);
        let files = branches
            .flat_map(|branch| ["main", "community"].map(|repository| format!("{branch}/{repository}.json")));
        files
            .map(|file| Address { url: format!("{ROOT}/{file}"), path: format!("alpine-secdb/{file}") })
            .collect()
    }
    fn read(&self, part: &str, input: &mut dyn ReadSeek, sink: &mut dyn Sink) -> Result<(), FeedError> {
        let mut bytes = Vec::new();
        input
            .take(FILE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| FeedError::Io { feed: NAME, source })?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(FeedError::Format { feed: NAME, why: "the file is far too large".into() });
        }
        json::odd_take();
        let file: File = serde_json::from_slice(&bytes)
            .map_err(|error| FeedError::Format { feed: NAME, why: error.to_string() })?;
        let odd = json::odd_take();
        // The file's own word on its branch counts, the path stands in for it.
        let branch = match file.distroversion.trim() {
            "" => part.split('/').next().unwrap_or(part),
            version => version,
        };
        let Some(shard) = shard(branch) else {
            return Err(FeedError::Format {
                feed: NAME,
                why: format!("`{}` is no branch of Alpine", text::clip(branch, 60)),
            });
        };
        let Some(packages) = file.packages else {
            return Err(FeedError::Format { feed: NAME, why: "it has no `packages`".into() });
        };
        let mut tally = Tally::default();
        if odd > 0 {
            tally.gap("odd-field", part, || format!("{odd} fields have the wrong type"));
        }
        for Loose(Package { pkg: Loose(package) }) in &packages.0 {
            of_package(package, &shard, sink, &mut tally);
        }
        tally.report(NAME, sink);
        Ok(())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    distroversion: Text,
    packages: Option<List<Loose<Package>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Package {
    pkg: Loose<Fixes>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fixes {
    name: Text,
    secfixes: Pairs<List<Text>>,
}

fn shard(branch: &str) -> Option<String> {
    let release = (distribution::alpine::DISTRIBUTION.osv_release)(branch)?;
    Some(format!("alpine:{release}"))
}

fn of_package(package: &Fixes, shard: &str, sink: &mut dyn Sink, tally: &mut Tally) {
    let name = package.name.trim();
    if name.is_empty() || name.len() > text::NAME_BYTES_MAX {
        tally.gap("broken-record", text::clip(name, 100), || "a package without a usable name".into());
        return;
    }
    for (version, entries) in &package.secfixes.0 {
        let version = version.trim();
        if version.is_empty() || version.len() > text::NAME_BYTES_MAX || range::is_commit_hash(version) {
            tally.lost((shard, name), "broken-record", name, || "fixes without a usable version".into());
            continue;
        }
        for entry in &entries.0 {
            let found = ids(entry);
            if found.is_empty() {
                tally.lost((shard, name), "broken-record", name, || {
                    format!("`{}` names no vulnerability", text::clip(entry, 60))
                });
            }
            for (id, aliases) in found {
                sink.advisory(advisory(name, version, shard, id, aliases));
            }
        }
    }
}

/// The vulnerabilities of one entry with their aliases: `CVE-2019-17340 XSA-284`, `CVE-2021-1234
/// (LMP)`, `CVE-2019-17349 CVE-2019-17350 XSA-295`, `GHSA-…`. Each CVE id stands for itself; other ids
/// are aliases only where there is one CVE id, and bulletins (XSA) never are.
fn ids(entry: &str) -> Vec<(String, Vec<String>)> {
    let looks = |word: &&str| {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let start = word.starts_with(|c: char| c.is_ascii_alphabetic());
        start && (digits >= 4 || (digits > 0 && word.contains('-')))
    };
    // `CVE 2025-48379`
    let entry = text::clip(entry, text::NAME_BYTES_MAX).replace("CVE ", "CVE-");
    let mut words: Vec<String> = Vec::new();
    let split = entry.split([' ', ',', ';', '(', ')', '\t']);
    split.filter(looks).for_each(|word| text::add(&mut words, word));
    let (cves, others): (Vec<String>, Vec<String>) = words.into_iter().partition(|word| is_cve(word));
    match cves.as_slice() {
        [] => match others.split_first() {
            Some((first, rest)) => {
                let rest = rest.iter().filter(|id| !is_bulletin(id)).cloned().collect();
                vec![(first.clone(), rest)]
            }
            None => Vec::new(),
        },
        [cve] => vec![(cve.clone(), others.into_iter().filter(|id| !is_bulletin(id)).collect())],
        _ => cves.into_iter().map(|cve| (cve, Vec::new())).collect(),
    }
}

fn advisory(name: &str, version: &str, shard: &str, id: String, aliases: Vec<String>) -> Advisory {
    let mut affected = Affected { shard: shard.to_owned(), package: name.to_owned(), ..Affected::default() };
    if version == "0" {
        affected.status = Status::NotAffected;
        affected.status_reason = "Alpine was never affected".into();
    } else {
        affected.status = Status::Fixed;
        affected.ranges = vec![Range {
            kind: RangeKind::Ecosystem,
            events: vec![Event::Introduced("0".into()), Event::Fixed(version.to_owned())],
        }];
    }
    let references = vec![format!("https://security.alpinelinux.org/vuln/{id}")];
    Advisory {
        id,
        source: "alpine".into(),
        aliases,
        references,
        affected: vec![affected],
        ..Advisory::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_entries() {
        for (entry, expected) in [
            ("CVE-2021-1234", "CVE-2021-1234"),
            ("CVE-2019-17340 XSA-284", "CVE-2019-17340"),
            ("CVE-2019-17349 CVE-2019-17350 XSA-295", "CVE-2019-17349|CVE-2019-17350"),
            ("CVE-2021-1234 (IKEv1)", "CVE-2021-1234"),
            ("CVE-2021-1234 GHSA-aaaa-bbbb-2222", "CVE-2021-1234 GHSA-aaaa-bbbb-2222"),
            ("CVE-????-????? TS-2022-001", "TS-2022-001"),
            ("XSA-123", "XSA-123"),
            ("CVE 2025-48379", "CVE-2025-48379"),
            ("VSV00019", "VSV00019"),
            ("ELEMENTSEC-2022-1, GHSA-aaaa-bbbb-2222", "ELEMENTSEC-2022-1 GHSA-aaaa-bbbb-2222"),
            ("", ""),
            ("none", ""),
        ] {
            let shown: Vec<String> =
                ids(entry).into_iter().map(|(id, more)| [vec![id], more].concat().join(" ")).collect();
            assert_eq!(shown.join("|"), expected, "{entry}");
        }
    }

    #[test]
    fn paths() {
        assert_eq!(FEED.claims("alpine-secdb/v3.20/main.json").as_deref(), Some("v3.20/main"));
        for none in
            ["alpine-secdb/branch-points.json", "alpine-secdb/v3.20/x/main.json", "alpine-secdb/x/main.json"]
        {
            assert_eq!(FEED.claims(none), None);
        }
        assert!(FEED.addresses().iter().all(|address| FEED.claims(&address.path).is_some()));
    }
}
