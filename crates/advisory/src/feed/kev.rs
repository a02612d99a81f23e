//! CISA's catalogue of Known Exploited Vulnerabilities:
//! <https://www.cisa.gov/known-exploited-vulnerabilities-catalog>.

use crate::feed::{Address, Feed, FeedError, ReadSeek, Sink};
use crate::intake::json::{self, Loose, Text};
use crate::intake::tally::Tally;
use crate::intake::{stream, text};
use seaworthy_types::{About, Date, Enrichment, Kev, Reads, is_cve};
use serde::Deserialize;

/// The feed.
pub const FEED: &dyn Feed = &KevFeed;

const NAME: &str = "kev";
const ABOUT: About = About {
    name: NAME,
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "Every entry of CISA's catalogue: date added, date due, use by ransomware.",
};
const FILE: &str = "known_exploited_vulnerabilities.json";

struct KevFeed;

impl Feed for KevFeed {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn claims(&self, path: &str) -> Option<String> {
        (path.rsplit('/').next() == Some(FILE)).then(String::new)
    }
    fn addresses(&self) -> Vec<Address> {
        vec![Address {
            url: format!("https://www.cisa.gov/sites/default/files/feeds/{FILE}"),
            path: format!("prioritisation/{FILE}"),
        }]
    }
    fn read(&self, _part: &str, input: &mut dyn ReadSeek, sink: &mut dyn Sink) -> Result<(), FeedError> {
        let mut tally = Tally::default();
        let mut input = input;
        let result = stream::elements(
            NAME,
            &mut input,
            "vulnerabilities",
            &mut tally,
            &mut |Loose(entry): Loose<Entry>, tally| one(&entry, sink, tally),
        );
        tally.report(NAME, sink);
        result
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Entry {
    #[serde(rename = "cveID")]
    cve_id: Text,
    date_added: Text,
    due_date: Text,
    known_ransomware_campaign_use: Text,
}

fn one(entry: &Entry, sink: &mut dyn Sink, tally: &mut Tally) {
    json::odd_take();
    let id = entry.cve_id.trim();
    match Date::parse(entry.date_added.trim()) {
        Some(added) if is_cve(id) => {
            let kev = Kev {
                added,
                due: Date::parse(entry.due_date.trim()),
                ransomware: entry.known_ransomware_campaign_use.trim().eq_ignore_ascii_case("known"),
            };
            sink.enrichment(id, Enrichment { kev: Some(kev), ..Enrichment::default() });
        }
        _ => tally.gap("broken-record", text::clip(id, 60), || "no CVE id or no `dateAdded`".into()),
    }
}
