//! CVE records, format 5: <https://cveproject.github.io/cve-schema/>, single or in zip archives of the
//! repositories `cvelistV5` and `vulnrichment`. Ratings, weaknesses, descriptions, SSVC and the marker
//! of known exploitation, from the numbering authority (CNA) and from data publishers (ADP). Affected
//! products are not read: they name products, not packages.

use crate::feed::ssvc::ssvc;
use crate::feed::{Address, Feed, FeedError, ReadSeek, Sink};
use crate::intake::archive::{self, Plan};
use crate::intake::json::{self, List, Loose, Number, Text};
use crate::intake::tally::Tally;
use crate::intake::{rating, text};
use seaworthy_types::{About, Date, Enrichment, Kev, Reads, Ssvc, is_cve};
use serde::Deserialize;

/// The feed.
pub const FEED: &dyn Feed = &Cve5;

const NAME: &str = "cve5";
const ABOUT: About = About {
    name: NAME,
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "Ratings, weaknesses, descriptions and rejection by the numbering authorities; CISA's SSVC.",
};

struct Cve5;

impl Feed for Cve5 {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn claims(&self, path: &str) -> Option<String> {
        let (folder, file) = path.rsplit_once('/')?;
        let archive = file.ends_with(".zip") && (folder == "cves" || file.starts_with("vulnrichment"));
        let top = folder.split('/').next().unwrap_or(folder);
        let single = matches!(top, "cves" | "vulnrichment") && is_record(file);
        (archive || single).then(|| file.trim_end_matches(".zip").to_owned())
    }
    fn addresses(&self) -> Vec<Address> {
        let archive = |repository: &str, branch: &str, path: &str| Address {
            url: format!("https://github.com/{repository}/archive/refs/heads/{branch}.zip"),
            path: path.into(),
        };
        vec![
            archive("CVEProject/cvelistV5", "main", "cves/cvelistV5.zip"),
            archive("cisagov/vulnrichment", "develop", "cves/vulnrichment.zip"),
        ]
    }
    fn read(&self, _part: &str, input: &mut dyn ReadSeek, sink: &mut dyn Sink) -> Result<(), FeedError> {
        archive::read(
            input,
            sink,
            Plan {
                feed: NAME,
                wants: &|path| is_record(path.rsplit('/').next().unwrap_or(path)),
                parse: &record,
                deliver: &mut |found, sink| {
                    if let Some((id, enrichment)) = found {
                        sink.enrichment(&id, enrichment);
                    }
                },
            },
        )
    }
}

fn is_record(file: &str) -> bool {
    file.strip_suffix(".json").is_some_and(is_cve)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Record {
    #[serde(rename = "cveMetadata")]
    metadata: Loose<Metadata>,
    containers: Loose<Containers>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    cve_id: Text,
    state: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Containers {
    cna: Loose<Container>,
    adp: List<Loose<Container>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    title: Text,
    provider_metadata: Loose<Provider>,
    descriptions: List<Loose<Words>>,
    rejected_reasons: List<Loose<Words>>,
    metrics: List<Loose<Metric>>,
    problem_types: List<Loose<Problem>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Provider {
    short_name: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Words {
    lang: Text,
    value: Text,
    cwe_id: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    descriptions: List<Loose<Words>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metric {
    #[serde(rename = "cvssV4_0")]
    v4_0: Loose<Cvss>,
    #[serde(rename = "cvssV3_1")]
    v3_1: Loose<Cvss>,
    #[serde(rename = "cvssV3_0")]
    v3_0: Loose<Cvss>,
    #[serde(rename = "cvssV2_0")]
    v2_0: Loose<Cvss>,
    other: Loose<Other>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Cvss {
    vector_string: Text,
    base_score: Number,
    base_severity: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Other {
    #[serde(rename = "type")]
    kind: Text,
    content: Loose<Content>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Content {
    /// SSVC.
    options: List<Loose<Decision>>,
    /// KEV.
    date_added: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Decision {
    #[serde(rename = "Exploitation")]
    exploitation: Text,
    #[serde(rename = "Automatable")]
    automatable: Text,
    #[serde(rename = "Technical Impact")]
    technical_impact: Text,
}

fn record(path: &str, bytes: &[u8], tally: &mut Tally) -> Option<(String, Enrichment)> {
    json::odd_take();
    let record: Record = match serde_json::from_slice(bytes) {
        Ok(record) => record,
        Err(error) => {
            tally.gap("broken-record", path, || format!("no readable JSON record: {error}"));
            return None;
        }
    };
    let Loose(Metadata { cve_id: Text(id), state }) = record.metadata;
    if !is_cve(&id) {
        tally.gap("broken-record", path, || "the record has no CVE id".into());
        return None;
    }
    if json::odd_take() > 0 {
        tally.info("odd-field", &id, || "fields of the wrong type are taken as missing".into());
    }
    let Loose(Containers { cna: Loose(cna), adp }) = record.containers;
    let mut enrichment = Enrichment {
        rejected: state.trim().eq_ignore_ascii_case("rejected"),
        summary: summary(&cna),
        ..Enrichment::default()
    };
    let own = source(&cna, "cna");
    container(&id, &own, &cna, &mut enrichment, tally);
    for Loose(publisher) in &adp.0 {
        container(&id, &source(publisher, "adp"), publisher, &mut enrichment, tally);
    }
    Some((id, enrichment))
}

/// Title, or what the English description or the reason of rejection begins with.
fn summary(cna: &Container) -> String {
    let words = cna.descriptions.0.iter().chain(&cna.rejected_reasons.0);
    let english = words.map(|words| &words.0).find(|words| words.lang.starts_with("en"));
    match english {
        Some(words) => text::paragraph(&words.value),
        None => text::one_line(&cna.title),
    }
}

/// Short name in lower case: `mitre`, `cisa-adp`.
fn source(container: &Container, otherwise: &str) -> String {
    match container.provider_metadata.0.short_name.trim() {
        "" => otherwise.to_owned(),
        name => text::clip(name, 80).to_ascii_lowercase(),
    }
}

fn container(id: &str, source: &str, container: &Container, enrichment: &mut Enrichment, tally: &mut Tally) {
    for words in container.problem_types.0.iter().flat_map(|problem| &problem.0.descriptions.0) {
        if let Some(cwe) = text::cwe(&words.0.cwe_id).filter(|_| !words.0.cwe_id.is_empty()) {
            text::add(&mut enrichment.cwes, &cwe);
        }
    }
    for Loose(metric) in &container.metrics.0 {
        let Metric { v4_0, v3_1, v3_0, v2_0, other } = metric;
        for Loose(cvss) in [v4_0, v3_1, v3_0, v2_0] {
            if cvss.vector_string.is_empty() && cvss.base_score.0.is_none() {
                continue;
            }
            let found =
                rating::published(source, &cvss.vector_string, cvss.base_score.0, &cvss.base_severity);
            match found {
                Some(rating) if !enrichment.ratings.contains(&rating) => enrichment.ratings.push(rating),
                Some(_) => {}
                None => tally.info("bad-severity", id, || {
                    format!("`{}` is no CVSS vector", text::clip(&cvss.vector_string, 100))
                }),
            }
        }
        match other.0.kind.trim() {
            "ssvc" => enrichment.ssvc = decisions(&other.0.content.0).or(enrichment.ssvc.take()),
            "kev" => {
                let added = Date::parse(other.0.content.0.date_added.trim());
                let kev = added.map(|added| Kev { added, due: None, ransomware: false });
                enrichment.kev = kev.or(enrichment.kev.take());
            }
            _ => {}
        }
    }
}

/// The options are objects of one key each.
fn decisions(content: &Content) -> Option<Ssvc> {
    let pick = |read: fn(&Decision) -> &Text| {
        let mut values = content.options.0.iter().map(|option| read(&option.0).trim());
        values.find(|value| !value.is_empty()).unwrap_or("").to_owned()
    };
    ssvc(&pick(|d| &d.exploitation), &pick(|d| &d.automatable), &pick(|d| &d.technical_impact))
}
