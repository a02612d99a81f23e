//! NVD's CVE data, JSON 2.0: <https://nvd.nist.gov/developers/vulnerabilities>, as pages of the API or
//! as the yearly feed files. Ratings, weaknesses and descriptions only: its CPE configurations name
//! products, not packages, and are not read.

use crate::feed::{Address, Feed, FeedError, ReadSeek, Sink};
use crate::intake::json::{self, List, Loose, Number, Text};
use crate::intake::tally::Tally;
use crate::intake::{rating, stream, text};
use seaworthy_types::{About, Enrichment, Rating, Reads, is_cve};
use serde::Deserialize;

/// The feed.
pub const FEED: &dyn Feed = &Nvd;

const NAME: &str = "nvd";
const ABOUT: About = About {
    name: NAME,
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "CVSS 2.0 to 4.0, weaknesses, English description and rejection of every CVE; no CPE.",
};
const ROOT: &str = "https://nvd.nist.gov/feeds/json/cve/2.0";
/// The first file holds everything before it, too.
const FIRST_YEAR: u32 = 2002;
/// A file that does not exist yet is the downloader's to report.
const LAST_YEAR: u32 = 2026;

struct Nvd;

impl Feed for Nvd {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn claims(&self, path: &str) -> Option<String> {
        let file = path.strip_prefix("nvd/")?;
        let file = file.strip_suffix(".gz").unwrap_or(file).strip_suffix(".json")?;
        Some(file.strip_prefix("nvdcve-2.0-").unwrap_or(file).to_owned())
    }
    fn addresses(&self) -> Vec<Address> {
        let years = (FIRST_YEAR..=LAST_YEAR).map(|year| year.to_string());
        years
            .chain(["modified".to_owned()])
            .map(|part| format!("nvdcve-2.0-{part}.json.gz"))
            .map(|file| Address { url: format!("{ROOT}/{file}"), path: format!("nvd/{file}") })
            .collect()
    }
    fn read(&self, _part: &str, input: &mut dyn ReadSeek, sink: &mut dyn Sink) -> Result<(), FeedError> {
        let mut tally = Tally::default();
        let mut input = input;
        json::odd_take();
        let result = stream::elements(
            NAME,
            &mut input,
            "vulnerabilities",
            &mut tally,
            &mut |Loose(item): Loose<Item>, tally| one(&item.cve.0, sink, tally),
        );
        tally.report(NAME, sink);
        result
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item {
    cve: Loose<Cve>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Cve {
    id: Text,
    vuln_status: Text,
    descriptions: List<Loose<Words>>,
    metrics: Loose<Metrics>,
    weaknesses: List<Loose<Weakness>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Words {
    lang: Text,
    value: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Weakness {
    description: List<Loose<Words>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metrics {
    cvss_metric_v40: List<Loose<Metric>>,
    cvss_metric_v31: List<Loose<Metric>>,
    cvss_metric_v30: List<Loose<Metric>>,
    cvss_metric_v2: List<Loose<Metric>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metric {
    source: Text,
    cvss_data: Loose<Data>,
    /// CVSS 2.0 has its word here.
    base_severity: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Data {
    vector_string: Text,
    base_score: Number,
    base_severity: Text,
}

fn one(cve: &Cve, sink: &mut dyn Sink, tally: &mut Tally) {
    let id = cve.id.trim();
    if json::odd_take() > 0 {
        tally
            .info("odd-field", text::clip(id, 60), || "fields of the wrong type are taken as missing".into());
    }
    if !is_cve(id) {
        tally.gap("broken-record", text::clip(id, 60), || "the record has no CVE id".into());
        return;
    }
    let rejected = cve.vuln_status.trim().eq_ignore_ascii_case("rejected");
    let english = cve.descriptions.0.iter().find(|words| words.0.lang.starts_with("en"));
    let mut cwes = Vec::new();
    for words in cve.weaknesses.0.iter().flat_map(|weakness| &weakness.0.description.0) {
        if let Some(cwe) = text::cwe(&words.0.value) {
            text::add(&mut cwes, &cwe);
        }
    }
    let summary = english.map(|words| text::paragraph(&words.0.value)).unwrap_or_default();
    let ratings = ratings(id, &cve.metrics.0, tally);
    sink.enrichment(id, Enrichment { ratings, summary, cwes, rejected, ..Enrichment::default() });
}

fn ratings(id: &str, metrics: &Metrics, tally: &mut Tally) -> Vec<Rating> {
    let newest_first = [
        &metrics.cvss_metric_v40,
        &metrics.cvss_metric_v31,
        &metrics.cvss_metric_v30,
        &metrics.cvss_metric_v2,
    ];
    let mut ratings = Vec::new();
    for Loose(metric) in newest_first.into_iter().flat_map(|list| &list.0) {
        let data = &metric.cvss_data.0;
        let word = if data.base_severity.is_empty() { &metric.base_severity } else { &data.base_severity };
        match rating::published(source(&metric.source), &data.vector_string, data.base_score.0, word) {
            Some(rating) if !ratings.contains(&rating) => ratings.push(rating),
            Some(_) => {}
            None => tally.info("bad-severity", id, || {
                format!("`{}` is no CVSS vector", text::clip(&data.vector_string, 100))
            }),
        }
    }
    ratings
}

/// NVD itself, CISA's data publisher, or the address of the numbering authority.
fn source(identifier: &str) -> &str {
    match identifier.trim() {
        "" | "nvd@nist.gov" => "nvd",
        "134c704f-9b21-4f2e-91b3-4a467353bcc0" => "cisa-adp",
        other => other,
    }
}
