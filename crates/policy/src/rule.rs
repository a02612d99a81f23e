//! The rule, and how it is applied.

use crate::ignore::{IgnoreFile, holds};
use seaworthy_types::{Date, Decision, Finding, Grade, Note, Severity, Suppression, Verdict};

/// When a finding means no.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FailOn {
    /// Known to be exploited; or high or critical with a fix.
    #[default]
    Default,
    /// This severity or worse, fix or not; known exploitation always.
    Severity(Severity),
    /// Only what is known to be exploited.
    Exploited,
    /// Anything at all.
    Any,
    /// Nothing: report only.
    Never,
}

impl FailOn {
    /// Parses the word of the command line.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "default" => Self::Default,
            "exploited" | "kev" => Self::Exploited,
            "any" => Self::Any,
            "never" | "none" => Self::Never,
            severity => match Severity::parse(severity)? {
                Severity::Unknown => return None,
                severity => Self::Severity(severity),
            },
        })
    }
    /// The rule in one sentence.
    pub fn sentence(self) -> String {
        match self {
            Self::Default => {
                "no, when something is known to be exploited, or is high or critical and has a fix".into()
            }
            Self::Severity(severity) => {
                format!("no, when something is {severity} or worse, or known to be exploited")
            }
            Self::Exploited => "no, when something is known to be exploited".into(),
            Self::Any => "no, when there is any finding".into(),
            Self::Never => "findings are reported and never mean no".into(),
        }
    }
}

/// What shall be looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only findings with a fix.
    pub only_fixed: bool,
    /// Only these severities; empty for all.
    pub severities: Vec<Severity>,
    /// Only these ids; empty for all.
    pub only_ids: Vec<String>,
    /// Not these ids.
    pub not_ids: Vec<String>,
}

/// Everything people configure about the verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// When a finding means no.
    pub fail_on: FailOn,
    /// Unknown severity counts as this; `Unknown` itself means over any threshold.
    pub unknown_as: Severity,
    /// What is looked at.
    pub filter: Filter,
    /// Decisions.
    pub decisions: IgnoreFile,
    /// An incomplete result means no.
    pub strict: bool,
}

/// What the policy makes of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The answer.
    pub verdict: Verdict,
    /// What counts, in the order it came.
    pub findings: Vec<Finding>,
    /// What the policy left out, each with its suppression.
    pub suppressed: Vec<Finding>,
    /// Notes that stand, decisions of people about expiry added.
    pub coverage: Vec<Note>,
    /// Gaps that are accepted, each with why.
    pub accepted: Vec<(Note, String)>,
}

/// Applies a policy. `notes` are the coverage of all stages.
pub fn apply(policy: &Policy, mut findings: Vec<Finding>, notes: Vec<Note>, today: Date) -> Applied {
    let mut coverage = expired_decisions(policy, &findings, &notes, today);
    let does_not_count = |finding: &mut Finding| {
        finding.suppression = decision(policy, finding, today).or_else(|| filtered(&policy.filter, finding));
        finding.suppression.is_some()
    };
    let suppressed = findings.extract_if(.., does_not_count).collect();
    let mut accepted = Vec::new();
    for note in notes {
        let entry =
            policy.decisions.accept.iter().find(|entry| entry.names(&note) && holds(entry.expires, today));
        match entry {
            Some(entry) if note.grade == Grade::Gap => accepted.push((note, entry.reason.clone())),
            _ => coverage.push(note),
        }
    }
    coverage.sort_by(|a, b| b.grade.cmp(&a.grade).then_with(|| a.cmp(b)));
    coverage.dedup();
    accepted.sort();
    let verdict = verdict(policy, &findings, &coverage);
    Applied { verdict, findings, suppressed, coverage, accepted }
}

fn decision(policy: &Policy, finding: &Finding, today: Date) -> Option<Suppression> {
    let entry =
        policy.decisions.ignore.iter().find(|entry| entry.names(finding) && holds(entry.expires, today))?;
    Some(Suppression { by: "ignore-file".into(), reason: entry.reason.clone(), expires: entry.expires })
}

fn filtered(filter: &Filter, finding: &Finding) -> Option<Suppression> {
    let reason = if filter.only_fixed && finding.fixed_version.is_none() {
        "only findings with a fix were asked for"
    } else if !filter.severities.is_empty() && !filter.severities.contains(&finding.severity) {
        "its severity was not asked for"
    } else if !filter.only_ids.is_empty() && !filter.only_ids.iter().any(|id| finding.is_called(id)) {
        "its id was not asked for"
    } else if filter.not_ids.iter().any(|id| finding.is_called(id)) {
        "its id was left out on the command line"
    } else {
        return None;
    };
    Some(Suppression { by: "filter".into(), reason: reason.into(), expires: None })
}

fn expired_decisions(policy: &Policy, findings: &[Finding], notes: &[Note], today: Date) -> Vec<Note> {
    let mut said = Vec::new();
    for entry in policy.decisions.ignore.iter().filter(|entry| !holds(entry.expires, today)) {
        if findings.iter().any(|finding| entry.names(finding)) {
            let day = entry.expires.map(|d| d.to_string()).unwrap_or_default();
            let detail =
                format!("the decision to ignore it ended on {day} ({}): it counts again", entry.reason);
            said.push(Note::info("ignore-expired", "policy", &entry.id, detail));
        }
    }
    for entry in policy.decisions.accept.iter().filter(|entry| !holds(entry.expires, today)) {
        if notes.iter().any(|note| entry.names(note)) {
            let day = entry.expires.map(|d| d.to_string()).unwrap_or_default();
            let detail = format!("the acceptance of this gap ended on {day} ({})", entry.reason);
            said.push(Note::info("acceptance-expired", "policy", &entry.gap, detail));
        }
    }
    said
}

/// Why a finding means no, if it does.
fn blocks(policy: &Policy, finding: &Finding) -> bool {
    let severity = match finding.severity {
        Severity::Unknown if policy.unknown_as == Severity::Unknown => Severity::Critical,
        Severity::Unknown => policy.unknown_as,
        known => known,
    };
    let exploited = finding.kev.is_some();
    match policy.fail_on {
        FailOn::Default => exploited || (severity >= Severity::High && finding.fixed_version.is_some()),
        FailOn::Severity(threshold) => exploited || severity >= threshold,
        FailOn::Exploited => exploited,
        FailOn::Any => true,
        FailOn::Never => false,
    }
}

fn verdict(policy: &Policy, findings: &[Finding], coverage: &[Note]) -> Verdict {
    let blocking: Vec<&Finding> = findings.iter().filter(|finding| blocks(policy, finding)).collect();
    let gaps = coverage.iter().filter(|note| note.grade == Grade::Gap).count();
    let incomplete = gaps > 0;
    let mut reasons = blocking_reasons(&blocking);
    if incomplete {
        let (thing, was) = if gaps == 1 { ("thing", "was") } else { ("things", "were") };
        reasons.push(format!("{gaps} {thing} {was} not seen: the result is incomplete."));
    }
    let decision = match () {
        () if !blocking.is_empty() => Decision::Deny,
        () if incomplete && policy.strict => Decision::Deny,
        () if incomplete || !findings.is_empty() => Decision::Warn,
        () => Decision::Allow,
    };
    if blocking.is_empty() && !findings.is_empty() {
        reasons.insert(0, format!("{} below the threshold.", counted(findings.len(), "finding")));
    }
    if findings.is_empty() && !incomplete {
        reasons.push("Nothing known is wrong with it.".into());
    }
    let strict = if policy.strict { "; no, when something was not seen" } else { "" };
    Verdict {
        decision,
        incomplete,
        reasons,
        blocking: blocking.iter().map(|finding| finding.id.0.clone()).collect(),
        rule: format!("{}{strict}", policy.fail_on.sentence()),
    }
}

fn blocking_reasons(blocking: &[&Finding]) -> Vec<String> {
    let mut reasons = Vec::new();
    let exploited = blocking.iter().filter(|finding| finding.kev.is_some()).count();
    if exploited > 0 {
        let is = if exploited == 1 { "is" } else { "are" };
        reasons.push(format!("{} {is} known to be exploited.", counted(exploited, "vulnerability")));
    }
    for severity in Severity::ALL {
        let these = blocking.iter().filter(|f| f.kev.is_none() && f.severity == severity);
        let (fixed, total) = (these.clone().filter(|f| f.fixed_version.is_some()).count(), these.count());
        if total > 0 {
            let word = match severity {
                Severity::Unknown => "of unknown severity".into(),
                known => known.to_string(),
            };
            let fix = match total - fixed {
                0 if total == 1 => "and has a fix".into(),
                0 => "and have fixes".into(),
                _ => format!("({fixed} with a fix)"),
            };
            let is = if total == 1 { "is" } else { "are" };
            reasons.push(format!("{} {is} {word} {fix}.", counted(total, "vulnerability")));
        }
    }
    reasons
}

fn counted(count: usize, noun: &str) -> String {
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {noun}s"),
    }
}
