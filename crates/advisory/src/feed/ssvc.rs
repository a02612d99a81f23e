//! A compact table of CISA's Vulnrichment decisions, made from the CVE records of
//! <https://github.com/cisagov/vulnrichment>: columns `cve`, `ssvc_exploitation`, `ssvc_automatable`,
//! `ssvc_technical_impact`, `cisa_adp_cvss`, `cisa_adp_cwe`, `kev_date`. There is no live address: the
//! records themselves are read by the feed `cve5`.

use crate::feed::{Address, Feed, FeedError, ReadSeek, Sink};
use crate::intake::{csv, rating, text};
use seaworthy_types::{About, Date, Enrichment, Kev, Reads, Ssvc, is_cve};

/// The feed.
pub const FEED: &dyn Feed = &SsvcFeed;

const NAME: &str = "ssvc";
const ABOUT: About = About {
    name: NAME,
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "CISA's SSVC decision points, CVSS vector, weakness and day of known exploitation.",
};
const COLUMNS: [&str; 7] = [
    "cve",
    "ssvc_exploitation",
    "ssvc_automatable",
    "ssvc_technical_impact",
    "cisa_adp_cvss",
    "cisa_adp_cwe",
    "kev_date",
];

struct SsvcFeed;

impl Feed for SsvcFeed {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn claims(&self, path: &str) -> Option<String> {
        let file = path.rsplit('/').next()?;
        matches!(file, "vulnrichment-ssvc-compact.csv" | "vulnrichment-ssvc-compact.csv.gz").then(String::new)
    }
    fn addresses(&self) -> Vec<Address> {
        Vec::new()
    }
    fn read(&self, _part: &str, input: &mut dyn ReadSeek, sink: &mut dyn Sink) -> Result<(), FeedError> {
        csv::rows(NAME, input, &COLUMNS, sink, &mut |fields, sink| {
            let [id, exploitation, automatable, impact, vector, cwe, day] = fields else { return false };
            if !is_cve(id) {
                return false;
            }
            let odd_vector = !vector.is_empty() && rating::from_vector("cisa-adp", vector).is_none();
            let odd_day = !day.is_empty() && Date::parse(day).is_none();
            sink.enrichment(
                id,
                Enrichment {
                    ssvc: ssvc(exploitation, automatable, impact),
                    ratings: rating::from_vector("cisa-adp", vector).into_iter().collect(),
                    cwes: cwe.split([' ', ';', '|']).filter_map(text::cwe).collect(),
                    kev: Date::parse(day).map(|added| Kev { added, due: None, ransomware: false }),
                    ..Enrichment::default()
                },
            );
            !odd_vector && !odd_day
        })
    }
}

/// Decision points in lower case; `None` when none of the three is given.
pub(crate) fn ssvc(exploitation: &str, automatable: &str, technical_impact: &str) -> Option<Ssvc> {
    let word = |text: &str| text::clip(text.trim(), 20).to_ascii_lowercase();
    let given = [exploitation, automatable, technical_impact].iter().any(|text| !text.trim().is_empty());
    given.then(|| Ssvc {
        exploitation: word(exploitation),
        automatable: word(automatable),
        technical_impact: word(technical_impact),
    })
}
