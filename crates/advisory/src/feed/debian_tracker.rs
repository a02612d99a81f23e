//! Debian's security tracker: <https://security-tracker.debian.org/tracker/data/json>, one object
//! source package → CVE → releases. The meaning of the fields is in the tracker's documentation
//! ("security_tracker.debian.org, Introduction"). The versions in `repositories` say what the archive
//! holds, not what is affected, and are not read. One advisory comes per package and CVE.

use crate::feed::{Address, Feed, FeedError, ReadSeek, Sink};
use crate::intake::json::{self, Loose, Pairs, Text};
use crate::intake::tally::Tally;
use crate::intake::{rating, stream, text};
use seaworthy_types::distribution::debian::release_of_codename;
use seaworthy_types::{About, Advisory, Affected, Event, Range, RangeKind, Reads, Severity, Status};
use serde::Deserialize;

/// The feed.
pub const FEED: &dyn Feed = &DebianTracker;

const NAME: &str = "debian-tracker";
const ABOUT: About = About {
    name: NAME,
    version: 1,
    ecosystem: "deb",
    reads: Reads::Any,
    coverage: "Every source package and CVE of Debian's security tracker, open and unimportant ones too.",
};

struct DebianTracker;

impl Feed for DebianTracker {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn claims(&self, path: &str) -> Option<String> {
        let file = path.strip_prefix("debian/")?;
        let json = file.strip_suffix(".gz").unwrap_or(file).strip_suffix(".json")?;
        json.starts_with("tracker-data-json").then(String::new)
    }
    fn addresses(&self) -> Vec<Address> {
        vec![Address {
            url: "https://security-tracker.debian.org/tracker/data/json".into(),
            path: "debian/tracker-data-json.json".into(),
        }]
    }
    fn read(&self, _part: &str, input: &mut dyn ReadSeek, sink: &mut dyn Sink) -> Result<(), FeedError> {
        let mut tally = Tally::default();
        let result = {
            let mut input = input;
            stream::pairs(NAME, &mut input, &mut tally, &mut |package, id, entry: Loose<Entry>, tally| {
                if let Some(advisory) = advisory(package, id, &entry.0, tally) {
                    sink.advisory(advisory);
                }
            })
        };
        tally.report(NAME, sink);
        result
    }
}

/// What the tracker says of one vulnerability in one source package.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    description: Text,
    releases: Pairs<Loose<Release>>,
}

/// The same in one release.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Release {
    status: Text,
    fixed_version: Text,
    urgency: Text,
    nodsa: Option<Text>,
    nodsa_reason: Text,
}

fn advisory(package: &str, id: &str, entry: &Entry, tally: &mut Tally) -> Option<Advisory> {
    let id = id.trim();
    if json::odd_take() > 0 {
        tally.info("odd-field", id, || "fields of the wrong type are taken as missing".into());
    }
    let usable = |text: &str| !text.is_empty() && text.len() <= text::NAME_BYTES_MAX;
    if !usable(id) || !usable(package) {
        tally.gap("broken-record", text::clip(id, 100), || "no usable package name or id".into());
        return None;
    }
    let mut affected = Vec::new();
    for (codename, Loose(release)) in &entry.releases.0 {
        match release_of_codename(codename) {
            Some(number) => affected.extend(in_release(package, id, number, release, tally)),
            None => {
                tally.info("unknown-release", codename, || "no release of this code name is known".into())
            }
        }
    }
    if affected.is_empty() {
        tally.info("no-packages", id, || format!("no release of `{package}` can be matched"));
        return None;
    }
    Some(Advisory {
        id: id.to_owned(),
        source: "debian".into(),
        details: text::paragraph(&entry.description),
        references: vec![format!("https://security-tracker.debian.org/tracker/{id}")],
        affected,
        ..Advisory::default()
    })
}

fn in_release(
    package: &str,
    id: &str,
    number: &str,
    release: &Release,
    tally: &mut Tally,
) -> Option<Affected> {
    let mut affected =
        Affected { shard: format!("debian:{number}"), package: package.to_owned(), ..Affected::default() };
    let fixed = release.fixed_version.trim();
    // `high**` was set by a machine, `high` by a person.
    let urgency = release.urgency.trim().trim_end_matches('*');
    match (release.status.trim(), fixed) {
        ("resolved", "0") => {
            affected.status = Status::NotAffected;
            affected.status_reason = "no version of this release was ever affected".into();
        }
        ("resolved", version) if !version.is_empty() && version.len() <= text::NAME_BYTES_MAX => {
            affected.ranges = vec![range(Some(version))];
            affected.status = Status::Fixed;
        }
        ("open", _) => {
            affected.ranges = vec![range(None)];
            (affected.status, affected.status_reason) = undecided(urgency, release);
        }
        ("undetermined", _) => {
            affected.ranges = vec![range(None)];
            affected.status = Status::UnderInvestigation;
            affected.status_reason = "undetermined".into();
        }
        (status, _) => {
            tally.lost((&affected.shard, package), "broken-record", id, || {
                format!("`{package}`: status `{}` without a usable version", text::clip(status, 60))
            });
            return None;
        }
    }
    if let Some(severity) = Severity::parse(urgency).filter(|severity| *severity != Severity::Unknown) {
        affected.ratings.push(rating::from_word("debian", severity));
    }
    Some(affected)
}

/// Status of what is open, and why.
fn undecided(urgency: &str, release: &Release) -> (Status, String) {
    if urgency == "end-of-life" {
        return (Status::EndOfLife, "end-of-life".into());
    }
    if urgency == "unimportant" {
        return (Status::WillNotFix, "unimportant".into());
    }
    let Some(said) = &release.nodsa else { return (Status::Affected, String::new()) };
    let (status, word) = match release.nodsa_reason.trim() {
        "ignored" => (Status::WillNotFix, "ignored"),
        "postponed" => (Status::Deferred, "postponed"),
        _ => (Status::Deferred, "no-dsa"),
    };
    let said = text::clip(said.trim(), 200);
    (status, if said.is_empty() { word.to_owned() } else { format!("{word}: {said}") })
}

fn range(fixed: Option<&str>) -> Range {
    let mut events = vec![Event::Introduced("0".into())];
    events.extend(fixed.map(|version| Event::Fixed(version.to_owned())));
    Range { kind: RangeKind::Ecosystem, events }
}
