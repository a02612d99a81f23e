//! FIRST's Exploit Prediction Scoring System: <https://www.first.org/epss/data_stats>, a CSV file with
//! a comment line and the columns `cve,epss,percentile`.

use crate::feed::{Address, Feed, FeedError, ReadSeek, Sink};
use crate::intake::csv;
use seaworthy_types::{About, Enrichment, Epss, Reads, is_cve};

/// The feed.
pub const FEED: &dyn Feed = &EpssFeed;

const NAME: &str = "epss";
const ABOUT: About = About {
    name: NAME,
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "Probability of exploitation in the next 30 days and percentile of every scored CVE.",
};

struct EpssFeed;

impl Feed for EpssFeed {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn claims(&self, path: &str) -> Option<String> {
        let file = path.rsplit('/').next()?;
        let day = file.strip_prefix("epss_scores-")?;
        let day = day.strip_suffix(".csv.gz").or_else(|| day.strip_suffix(".csv"))?;
        Some(day.to_owned())
    }
    fn addresses(&self) -> Vec<Address> {
        vec![Address {
            url: "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz".into(),
            path: "prioritisation/epss_scores-current.csv.gz".into(),
        }]
    }
    fn read(&self, _part: &str, input: &mut dyn ReadSeek, sink: &mut dyn Sink) -> Result<(), FeedError> {
        csv::rows(NAME, input, &["cve", "epss", "percentile"], sink, &mut |fields, sink| {
            let [id, probability, percentile] = fields else { return false };
            match (share(probability), share(percentile)) {
                (Some(probability), Some(percentile)) if is_cve(id) => {
                    let epss = Some(Epss { probability, percentile });
                    sink.enrichment(id, Enrichment { epss, ..Enrichment::default() });
                    true
                }
                _ => false,
            }
        })
    }
}

fn share(text: &str) -> Option<f32> {
    text.parse::<f32>().ok().filter(|share| (0.0..=1.0).contains(share))
}
