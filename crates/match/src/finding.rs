//! Records to findings: everything that speaks of one vulnerability in one subject becomes one.

use crate::answer::Answer;
use crate::coverage::Coverage;
use crate::priority::priority;
use crate::range::{Hit, Judgement};
use crate::severity::{self, Nearness};
use crate::subject::{Judged, Paid, Question};
use seaworthy_advisory::{Lookup, LookupError, Record, Vulnerability};
use seaworthy_types::{
    Advisory, Comparison, Enrichment, Finding, FindingId, FindingKind, Rating, Reason, Status, Subject,
    Suppression, is_bulletin, is_cve,
};
use seaworthy_version::Scheme;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// Gathers hits and turns them into findings.
pub(crate) struct Collector<'a> {
    data: &'a dyn Lookup,
    /// Boxed: the map moves its values when it grows.
    drafts: BTreeMap<Key<'a>, Box<Draft<'a>>>,
}

/// Vulnerability, identity of the subject, version, owner.
type Key<'a> = (String, &'a str, &'a str, &'a str);

/// What is gathered about one finding.
struct Draft<'a> {
    id: FindingId,
    subject: Subject,
    owner: Option<&'a str>,
    scheme: &'static str,
    aliases: Vec<String>,
    hits: Vec<Heard>,
}

/// One record's word.
#[derive(Clone)]
struct Heard {
    advisory: Arc<Advisory>,
    /// What it says of this package in particular.
    ratings: Arc<Vec<Rating>>,
    reason: Reason,
    /// Its fix is one for this installation.
    offers_fix: bool,
}

impl Heard {
    fn is_withdrawn(&self) -> bool {
        self.advisory.withdrawn.is_some()
    }
}

impl<'a> Collector<'a> {
    pub(crate) fn new(data: &'a dyn Lookup) -> Self {
        Self { data, drafts: BTreeMap::new() }
    }

    /// Takes what data answered to a question about a subject.
    pub(crate) fn take(
        &mut self,
        judged: &'a Judged<'_>,
        question: &Question<'_>,
        answer: Answer,
        coverage: &mut Coverage<'_>,
    ) {
        if answer.no_scheme {
            coverage.no_scheme(judged.scheme, judged);
        }
        if answer.version_unknown {
            coverage.version_unknown(judged);
        }
        let heard = match answer.heard {
            Ok(heard) => heard,
            Err(error) => return coverage.data_error(&judged.shard, &error),
        };
        if let Some((count, version)) = &answer.guessed {
            coverage.version_guessed(judged, *count, version);
        }
        for said in heard {
            match said.judgement {
                Judgement::Affected(hit) => {
                    let paid = judged.paid.as_ref().filter(|_| said.paid);
                    self.hear(judged, question, (said.record, paid), &hit);
                }
                Judgement::Unaffected => {}
                Judgement::Unreadable(what) => coverage.version_unreadable(judged, &said.record, &what),
            }
        }
    }

    fn hear(
        &mut self,
        judged: &'a Judged<'_>,
        question: &Question<'_>,
        (record, paid): (Record, Option<&Paid>),
        hit: &Hit,
    ) {
        let Record { advisory, affected, vulnerabilities } = record;
        let shard = paid.map_or(&judged.shard, |paid| &paid.shard).clone();
        // A fix that the owner of this installation cannot have.
        let out_of_reach = paid.filter(|paid| !paid.held).zip(hit.fixed.as_deref());
        let reason = Reason {
            advisory: advisory.id.clone(),
            source: advisory.source.clone(),
            shard,
            comparison: Comparison {
                scheme: judged.scheme.into(),
                installed: question.version.to_owned(),
                range: hit.range.clone(),
            },
            status: match (hit.fixed.is_some(), affected.status) {
                (true, Status::Affected) if out_of_reach.is_none() => Status::Fixed,
                (_, Status::Fixed) if out_of_reach.is_some() => Status::Affected,
                (_, status) => status,
            },
            status_reason: match out_of_reach {
                Some((paid, fixed)) => format!("fixed in {fixed} with {}", paid.label),
                None => affected.status_reason,
            },
            fixed_versions: hit.fixed.iter().cloned().collect(),
        };
        let advisory = Arc::new(advisory);
        let ratings = Arc::new(affected.ratings);
        let heard = Heard { advisory, ratings, reason, offers_fix: out_of_reach.is_none() };
        let times = vulnerabilities.len();
        for (vulnerability, heard) in vulnerabilities.into_iter().zip(std::iter::repeat_n(heard, times)) {
            self.keep(judged, vulnerability, heard);
        }
    }

    fn keep(&mut self, judged: &'a Judged<'_>, vulnerability: Vulnerability, heard: Heard) {
        let Vulnerability { id, aliases } = vulnerability;
        let owner = judged.owner();
        let key = (id, judged.identity.as_str(), judged.subject.version.as_str(), owner.unwrap_or_default());
        let draft = match self.drafts.entry(key) {
            Entry::Occupied(draft) => draft.into_mut(),
            Entry::Vacant(place) => {
                let id = &place.key().0;
                let draft = Draft {
                    id: FindingId::new(FindingKind::Vulnerability, id, &judged.identity, judged.place),
                    subject: judged.subject.clone(),
                    owner,
                    scheme: judged.scheme,
                    aliases: Vec::new(),
                    hits: Vec::new(),
                };
                place.insert(Box::new(draft))
            }
        };
        draft.aliases.extend(aliases);
        if !is_bulletin(&heard.advisory.id) {
            draft.aliases.push(heard.advisory.id.clone());
        }
        draft.hits.push(heard);
    }

    /// Findings that count, and those that do not.
    pub(crate) fn finish(self, coverage: &mut Coverage<'_>) -> (Vec<Finding>, Vec<Finding>) {
        let data = self.data;
        let mut drafts = self.drafts.into_iter();
        let count = drafts.len();
        let half = if count < DRAFTS_MIN { count } else { count / 2 };
        // Drafts are sorted: few vulnerabilities stand in both halves.
        let first: Vec<(Key<'_>, Box<Draft<'_>>)> = drafts.by_ref().take(half).collect();
        let second: Vec<(Key<'_>, Box<Draft<'_>>)> = drafts.collect();
        let (mut finished, second) = std::thread::scope(|scope| {
            let other =
                (!second.is_empty()).then(|| scope.spawn(move || finish_some(data, second, count - half)));
            let finished = finish_some(data, first, count);
            let join = |other: std::thread::ScopedJoinHandle<'_, Finished>| {
                other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            (finished, other.map(join).unwrap_or_default())
        });
        finished.findings.extend(second.findings);
        finished.suppressed.extend(second.suppressed);
        for error in finished.errors.iter().chain(&second.errors) {
            coverage.data_error("cve", error);
        }
        (finished.findings, finished.suppressed)
    }
}

/// Below this many drafts a second thread costs more than it saves.
const DRAFTS_MIN: usize = 128;

/// What came of a part of the drafts.
#[derive(Default)]
struct Finished {
    findings: Vec<Finding>,
    suppressed: Vec<Finding>,
    errors: Vec<LookupError>,
}

fn finish_some(data: &dyn Lookup, drafts: Vec<(Key<'_>, Box<Draft<'_>>)>, room: usize) -> Finished {
    let mut known: BTreeMap<String, Enrichment> = BTreeMap::new();
    let mut finished = Finished { findings: Vec::with_capacity(room), ..Finished::default() };
    for ((vulnerability, ..), draft) in drafts {
        // Nobody says that it is affected: there is nothing to suppress.
        if draft.hits.iter().all(|heard| heard.reason.status == Status::NotAffected) {
            continue;
        }
        let enrichment = known.entry(vulnerability.clone()).or_insert_with(|| {
            data.enrichment(&vulnerability).unwrap_or_else(|error| {
                finished.errors.push(error);
                Enrichment::default()
            })
        });
        let finding = finding(vulnerability, *draft, enrichment);
        match finding.suppression {
            Some(_) => finished.suppressed.push(finding),
            None => finished.findings.push(finding),
        }
    }
    finished
}

fn finding(vulnerability: String, mut draft: Draft<'_>, enrichment: &Enrichment) -> Finding {
    draft.hits.sort_by(|a, b| {
        a.reason
            .advisory
            .cmp(&b.reason.advisory)
            .then_with(|| a.reason.comparison.range.cmp(&b.reason.comparison.range))
    });
    draft.hits.dedup_by(|a, b| a.reason == b.reason);
    let suppression = suppression(&draft, enrichment);
    let standing: Vec<&Heard> = match draft.hits.iter().any(|heard| !heard.is_withdrawn()) {
        true => draft.hits.iter().filter(|heard| !heard.is_withdrawn()).collect(),
        false => draft.hits.iter().collect(),
    };
    let fixed_version = fixed_version(&standing, draft.scheme);
    let (severity, severity_source, ratings) =
        severity::choose(all_ratings(&standing, enrichment, &draft.subject));
    let aliases = aliases(std::mem::take(&mut draft.aliases), &vulnerability);
    let mut bulletins: Vec<String> =
        draft.hits.iter().map(|h| h.advisory.id.clone()).filter(|id| is_bulletin(id)).collect();
    bulletins.dedup();
    let mut finding = Finding {
        id: draft.id,
        kind: FindingKind::Vulnerability,
        title: String::new(),
        description: String::new(),
        aliases,
        bulletins,
        severity,
        severity_source,
        ratings,
        status: status(&standing, fixed_version.is_some()),
        fixed_version,
        kev: enrichment.kev.clone(),
        epss: enrichment.epss,
        ssvc: enrichment.ssvc.clone(),
        priority: 0,
        cwes: joined(standing.iter().flat_map(|h| &h.advisory.cwes).chain(&enrichment.cwes)),
        references: references(&standing),
        published: standing.iter().filter_map(|heard| heard.advisory.published).min(),
        reasons: Vec::new(),
        subject: draft.subject,
        vulnerability,
        suppression,
    };
    (finding.title, finding.description) = texts(&mut draft.hits);
    if finding.title.is_empty() {
        finding.title.clone_from(&enrichment.summary);
    }
    finding.reasons = draft.hits.into_iter().map(|heard| heard.reason).collect();
    finding.priority = priority(&finding);
    finding
}

/// Title and description by the best of the records that stand: moved out of a record that speaks of
/// nothing else.
fn texts(hits: &mut [Heard]) -> (String, String) {
    let all_withdrawn = hits.iter().all(Heard::is_withdrawn);
    let best = hits
        .iter_mut()
        .filter(|heard| all_withdrawn || !heard.is_withdrawn())
        .min_by_key(|heard| (is_bulletin(&heard.advisory.id), heard.advisory.summary.is_empty()));
    let Some(best) = best else { return Default::default() };
    match Arc::get_mut(&mut best.advisory) {
        Some(own) => (std::mem::take(&mut own.summary), std::mem::take(&mut own.details)),
        None => (best.advisory.summary.clone(), best.advisory.details.clone()),
    }
}

/// Why a finding does not count, if it does not.
fn suppression(draft: &Draft<'_>, enrichment: &Enrichment) -> Option<Suppression> {
    let by = |by: &str, reason: String| Some(Suppression { by: by.into(), reason, expires: None });
    if draft.hits.iter().all(|heard| heard.is_withdrawn()) {
        return by("withdrawn", "every advisory that says so has been withdrawn".into());
    }
    if enrichment.rejected {
        return by("withdrawn", "the CVE has been rejected".into());
    }
    if let Some(heard) = draft.hits.iter().find(|heard| heard.reason.status == Status::NotAffected) {
        let why = match heard.reason.status_reason.as_str() {
            "" => "no reason given",
            reason => reason,
        };
        return by(
            "vendor",
            format!("{} says that this package is not affected: {why}", heard.reason.source),
        );
    }
    draft.owner.as_ref().and_then(|owner| {
        by(
            "owned-by-os-package",
            format!("its files belong to the distribution package {owner}, whose own data decide"),
        )
    })
}

/// The smallest version that every source that knows a fix calls fixed.
fn fixed_version(standing: &[&Heard], scheme: &str) -> Option<String> {
    let scheme: &Scheme = seaworthy_version::by_name(scheme)?;
    standing
        .iter()
        .filter(|heard| heard.offers_fix)
        .filter_map(|heard| heard.reason.fixed_versions.first())
        .max_by(|a, b| (scheme.compare)(a, b).unwrap_or(Ordering::Equal))
        .cloned()
}

/// A fix outweighs everything; otherwise the most definite word.
fn status(standing: &[&Heard], fixed: bool) -> Status {
    if fixed {
        return Status::Fixed;
    }
    let definite = [
        Status::NotAffected,
        Status::WillNotFix,
        Status::EndOfLife,
        Status::Deferred,
        Status::UnderInvestigation,
    ];
    definite
        .into_iter()
        .find(|status| standing.iter().any(|heard| heard.reason.status == *status))
        .unwrap_or(Status::Affected)
}

fn all_ratings(standing: &[&Heard], enrichment: &Enrichment, subject: &Subject) -> Vec<(Nearness, Rating)> {
    let own = subject.binaries.is_empty();
    let mut all = Vec::new();
    for heard in standing {
        let nearness = match (is_bulletin(&heard.advisory.id), own) {
            (true, _) => Nearness::Bulletin,
            (false, true) => Nearness::Advisory,
            (false, false) => Nearness::Package,
        };
        all.extend(heard.ratings.iter().map(|rating| (nearness.min(Nearness::Package), rating.clone())));
        all.extend(heard.advisory.ratings.iter().map(|rating| (nearness, rating.clone())));
    }
    all.extend(enrichment.ratings.iter().map(|rating| (Nearness::Database, rating.clone())));
    all
}

/// Other ids, sorted; never a second CVE id and never the main id.
fn aliases(mut aliases: Vec<String>, vulnerability: &str) -> Vec<String> {
    let main_is_cve = is_cve(vulnerability);
    aliases.retain(|alias| alias != vulnerability && !(main_is_cve && is_cve(alias)));
    aliases.sort();
    aliases.dedup();
    aliases
}

fn joined<'a>(words: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut all: Vec<&String> = words.collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter().cloned().collect()
}

fn references(standing: &[&Heard]) -> Vec<String> {
    const REFERENCES_MAX: usize = 12;
    let mut all: Vec<String> = Vec::new();
    for reference in standing.iter().flat_map(|heard| &heard.advisory.references) {
        if all.len() < REFERENCES_MAX && !all.contains(reference) {
            all.push(reference.clone());
        }
    }
    all
}
