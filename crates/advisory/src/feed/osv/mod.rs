//! OSV: <https://ossf.github.io/osv-schema/> (1.7), as zip archives per ecosystem, single records or
//! folders of them. Git ranges are not kept: packages of an image carry versions, not commits.
//! Channels that need a contract never stand for the free one: Ubuntu Pro goes to shards of its own
//! (`ubuntu:pro-18.04`), Red Hat's extended streams and the like are left out and counted.

mod convert;
mod label;
mod schema;

use crate::feed::{Address, Feed, FeedError, ReadSeek, Sink};
use crate::intake::archive::{self, Plan};
use seaworthy_types::{About, Reads, distribution, ecosystem};

/// The feed.
pub const FEED: &dyn Feed = &Osv;

const NAME: &str = "osv";
const ABOUT: About = About {
    name: NAME,
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "OSV records of every language ecosystem and distribution in the registries; no git ranges.",
};
const ROOT: &str = "https://osv-vulnerabilities.storage.googleapis.com";
/// Names our records know but the bucket has no archive of.
const WITHOUT_ARCHIVE: &[&str] = &["CPAN", "Oracle Linux"];

struct Osv;

impl Feed for Osv {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn claims(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix("osv/")?;
        let (folder, file) = rest.rsplit_once('/').unwrap_or(("", rest));
        // `_format-samples` and the like are no ecosystem's data.
        if rest.split('/').any(|part| part.starts_with(['_', '.'])) {
            return None;
        }
        let archive = file == "all.zip" && !folder.is_empty();
        (archive || file.ends_with(".json")).then(|| folder.to_owned())
    }
    fn addresses(&self) -> Vec<Address> {
        let languages = ecosystem::ALL.iter().flat_map(|record| record.osv);
        let distributions = distribution::ALL.iter().flat_map(|record| record.osv);
        let mut names: Vec<&str> = languages.chain(distributions).copied().collect();
        names.retain(|name| !WITHOUT_ARCHIVE.contains(name));
        names.sort_unstable();
        names
            .into_iter()
            .map(|name| Address {
                url: format!("{ROOT}/{}/all.zip", name.replace(' ', "%20")),
                path: format!("osv/{name}/all.zip"),
            })
            .collect()
    }
    fn read(&self, _part: &str, input: &mut dyn ReadSeek, sink: &mut dyn Sink) -> Result<(), FeedError> {
        archive::read(
            input,
            sink,
            Plan {
                feed: NAME,
                wants: &|path| path.ends_with(".json"),
                parse: &convert::record,
                deliver: &mut |advisory, sink| {
                    if let Some(advisory) = advisory {
                        sink.advisory(advisory);
                    }
                },
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_addresses() {
        for (path, part) in [
            ("osv/npm/all.zip", Some("npm")),
            ("osv/AlmaLinux:8/all.zip", Some("AlmaLinux:8")),
            ("osv/GHSA-x.json", Some("")),
            ("osv/Rocky Linux/2023/RLSA-1.json", Some("Rocky Linux/2023")),
            ("osv/ecosystems.txt", None),
            ("osv/all.zip", None),
            ("osv/_format-samples/all.zip", None),
            ("nvd/x.json", None),
        ] {
            assert_eq!(FEED.claims(path).as_deref(), part, "{path}");
        }
        let addresses = FEED.addresses();
        assert!(addresses.iter().all(|address| FEED.claims(&address.path).is_some()));
        assert!(addresses.iter().any(|a| a.url.ends_with("/Rocky%20Linux/all.zip")));
        assert!(addresses.len() > 30 && addresses.windows(2).all(|pair| pair[0].path < pair[1].path));
    }

    /// Names of the schema's section "Defined ecosystems": none may be unknown to us.
    #[test]
    fn every_ecosystem_of_the_schema_is_known() {
        for name in [
            "AlmaLinux",
            "Alpaquita",
            "Alpine",
            "Android",
            "Azure Linux",
            "BellSoft Hardened Containers",
            "Bioconductor",
            "Bitnami",
            "Chainguard",
            "CleanStart",
            "ConanCenter",
            "CRAN",
            "crates.io",
            "Debian",
            "Docker Hardened Images",
            "Echo",
            "FreeBSD",
            "GHC",
            "GitHub Actions",
            "Go",
            "Hackage",
            "Hex",
            "Julia",
            "Kubernetes",
            "Linux",
            "Mageia",
            "Maven",
            "MinimOS",
            "npm",
            "NuGet",
            "opam",
            "openEuler",
            "openSUSE",
            "OSS-Fuzz",
            "Packagist",
            "Photon OS",
            "Pub",
            "PyPI",
            "Red Hat",
            "Rocky Linux",
            "Root",
            "RubyGems",
            "SUSE",
            "SwiftURL",
            "TuxCare",
            "Ubuntu",
            "VSCode",
            "Wolfi",
        ] {
            let known = ecosystem::by_osv(name).is_some() || distribution::by_osv(name).is_some();
            assert!(known != label::NO_IMAGE_PACKAGES.contains(&name), "{name}");
        }
    }
}
