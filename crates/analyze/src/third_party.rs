//! Evidence that a package of a distribution's format was made by somebody else.
//!
//! The rule: a package counts as the distribution's own unless its record proves otherwise, for
//! then the distribution's data does not speak of it. A private e-mail address of the maintainer
//! proves nothing (Debian's and Alpine's developers use them). Proof is
//! 1. a maintainer at the domain of a vendor that publishes packages of its own, or one of the
//!    addresses below (for companies whose staff also maintain packages within distributions);
//! 2. a mark in the version that only a certain repository writes;
//! 3. an `Origin` or `Vendor` field that names another maker (`cataloguer/dpkg`), or the `Vendor` of
//!    an rpm (`cataloguer/rpm`).

/// Domains whose mail addresses appear as maintainer only in the vendor's own packages; sub-domains
/// count.
const DOMAINS: &[&str] = &[
    "adoptium.net",
    "anydesk.com",
    "azul.com",
    "bell-sw.com",
    "chef.io",
    "citusdata.com",
    "cloudflare.com",
    "confluent.io",
    "couchbase.com",
    "datadoghq.com",
    "docker.com",
    "dotnetfoundation.org",
    "dynatrace.com",
    "elastic.co",
    "elasticsearch.com",
    "erlang-solutions.com",
    "f5.com",
    "fluentbit.io",
    "getenvoy.io",
    "gitlab.com",
    "grafana.com",
    "hashicorp.com",
    "icinga.com",
    "influxdata.com",
    "jenkins-ci.org",
    "k6.io",
    "kubernetes.io",
    "mariadb.com",
    "microsoft.com",
    "mongodb.com",
    "mysql.com",
    "neo4j.com",
    "newrelic.com",
    "nginx.com",
    "nodesource.com",
    "nvidia.com",
    "oss.oracle.com",
    "percona.com",
    "perforce.com",
    "puppet.com",
    "puppetlabs.com",
    "questdb.io",
    "rabbitmq.com",
    "redis.com",
    "redis.io",
    "rundeck.com",
    "signalfx.com",
    "slack-corp.com",
    "splunk.com",
    "sury.org",
    "teamviewer.com",
    "timescale.com",
    "treasure-data.com",
    "treasuredata.com",
    "varnish-software.com",
    "vmware.com",
    "yarnpkg.com",
    "zabbix.com",
];

/// Whole addresses.
const ADDRESSES: &[&str] = &[
    "chromium-dev@chromium.org",
    "chromium-dev@google.com",
    "cloudsdk-eng@google.com",
    "corretto-team@amazon.com",
    "maria-developers@lists.launchpad.net",
    "developers@lists.mariadb.org",
    "support@github.com",
    "yarn@dan.cx",
    "sergey@nodesource.com",
];

/// Marks in versions that belong to a repository and to no distribution.
const MARKS: &[&str] = &["nodesource", ".pgdg", "~pgdg", "deb.sury.org", "+maria~", "-percona"];

/// The vendor behind a maintainer field, when it proves a vendor's own package.
pub fn maintainer(field: &str) -> Option<String> {
    let address = match (field.rfind('<'), field.rfind('>')) {
        (Some(start), Some(end)) if start < end => field.get(start + 1..end)?,
        _ => field.trim(),
    };
    let address = address.trim().to_ascii_lowercase();
    let (_, domain) = address.rsplit_once('@')?;
    let known = ADDRESSES.contains(&address.as_str())
        || DOMAINS.iter().any(|vendor| {
            domain.strip_suffix(vendor).is_some_and(|before| before.is_empty() || before.ends_with('.'))
        });
    known.then(|| format!("maintainer {}", crate::database::clean(&address)))
}

/// The mark in a version that proves another repository. `os` is the `ID` of os-release(5).
pub fn version(version: &str, os: &str) -> Option<String> {
    let mark = MARKS.iter().find(|mark| version.contains(**mark)).copied();
    // Docker: `5:24.0.7-1~debian.12~bookworm`, `5:20.10.7~3-0~debian-buster`.
    let docker =
        || ["~debian.", "~debian-", "~ubuntu.", "~ubuntu-"].into_iter().find(|m| version.contains(m));
    // A package built for Ubuntu says nothing of the kind within Ubuntu or what derives from it.
    let ubuntu = || (os == "debian" && is_of_ubuntu(version)).then_some("ubuntu");
    // Builds of deb.sury.org: `8.2.13-1+0~20231122.30+debian12~1.gbp6f3a3c`.
    let sury = || (version.contains("+0~20") && version.contains(".gbp")).then_some("+0~…gbp");
    let mark = mark.or_else(docker).or_else(ubuntu).or_else(sury)?;
    Some(format!("version mark {mark}"))
}

/// `1.2-3ubuntu1`: a revision of Ubuntu, between digits.
fn is_of_ubuntu(version: &str) -> bool {
    version.match_indices("ubuntu").any(|(at, mark)| {
        let (before, after) = (version.get(..at).unwrap_or_default(), version.get(at + mark.len()..));
        before.ends_with(|c: char| c.is_ascii_digit())
            && after.is_some_and(|after| after.starts_with(|c: char| c.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maintainers() {
        for (field, expected) in [
            ("Docker <support@docker.com>", true),
            ("Microsoft <x@packages.microsoft.com>", true),
            ("Guillem Jover <guillem@debian.org>", false),
            ("Lorenzo Puliti <plorenzo@disroot.org>", false),
            ("Someone <someone@notdocker.com>", false),
            ("Someone <someone@google.com>", false),
            ("broken >x< a", false),
            ("", false),
        ] {
            assert_eq!(maintainer(field).is_some(), expected, "{field}");
        }
    }

    #[test]
    fn versions() {
        for (text, os, expected) in [
            ("20.10.0-1nodesource1", "debian", true),
            ("16.1-1.pgdg120+1", "debian", true),
            ("5:24.0.7-1~debian.12~bookworm", "debian", true),
            ("1.2-3ubuntu1", "debian", true),
            ("1.2-3ubuntu1", "ubuntu", false),
            ("78.13.0esr-1~deb10u1", "debian", false),
            ("2.38.1-5+b1", "debian", false),
            ("0+20230101-1", "debian", false),
            ("8.2.13-1+0~20231122.30+debian12~1.gbp6f3a3c", "debian", true),
            ("1.0+git-ubuntu-theme-1", "debian", false),
        ] {
            assert_eq!(version(text, os).is_some(), expected, "{text}");
        }
    }
}
