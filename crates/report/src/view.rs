//! The report as people see it: findings by package, notes by code, sentences. Shared by the formats
//! that are read by people; makes no markup and does not clean text.

use crate::text::{count, thousands};
use seaworthy_types::{
    Action, Completeness, Decision, Finding, Grade, Note, Report, Severity, Status, TargetKind, Timestamp,
};
use std::collections::BTreeMap;

/// The word of the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Nothing stands against it.
    MaySail,
    /// It may sail, and somebody should look.
    MaySailWarned,
    /// Something stands against it.
    MustNotSail,
    /// Not everything was seen, so nobody can say.
    Incomplete,
}

impl Word {
    /// The word of this report. A denial that rests on gaps alone is called what it is.
    pub fn of(report: &Report) -> Self {
        let verdict = &report.verdict;
        match verdict.decision {
            Decision::Deny if !verdict.incomplete || !verdict.blocking.is_empty() => Self::MustNotSail,
            _ if verdict.incomplete => Self::Incomplete,
            Decision::Deny => Self::MustNotSail,
            Decision::Warn => Self::MaySailWarned,
            Decision::Allow => Self::MaySail,
        }
    }
    /// In capitals.
    pub const fn text(self) -> &'static str {
        match self {
            Self::MaySail => "MAY SAIL",
            Self::MaySailWarned => "MAY SAIL, WITH WARNINGS",
            Self::MustNotSail => "MUST NOT SAIL",
            Self::Incomplete => "INCOMPLETE",
        }
    }
    /// Its meaning without colours.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::MaySail => "✔",
            Self::MaySailWarned => "!",
            Self::MustNotSail => "✘",
            Self::Incomplete => "?",
        }
    }
}

/// Why the verdict is so: up to three sentences.
pub fn reasons(report: &Report) -> Vec<String> {
    let mut out: Vec<String> = report.verdict.reasons.iter().take(6).cloned().collect();
    let left = report.verdict.reasons.len().saturating_sub(out.len());
    if left > 0 {
        out.push(format!("And {}.", count(left as u64, "more reason")));
    }
    let said = report.verdict.reasons.iter().any(|reason| reason.contains("not seen"));
    if Word::of(report) == Word::MustNotSail && report.verdict.incomplete && !said {
        out.push("Not everything was seen either: see what was not seen.".into());
    }
    if out.is_empty() && report.findings.is_empty() && !report.verdict.incomplete {
        out.push("No known vulnerability was found, and nothing was left unseen.".into());
    }
    out
}

/// Findings of one package.
pub struct Group<'a> {
    /// Package.
    pub name: &'a str,
    /// Installed versions, sorted.
    pub versions: Vec<&'a str>,
    /// Version to move to, when every fixable finding of the package is gone with it.
    pub fixed_version: Option<&'a str>,
    /// Findings by severity, as in `Report::counts`.
    pub counts: [u64; 6],
    /// Known to be exploited.
    pub exploited: u64,
    /// Findings that a known version fixes.
    pub fixable: u64,
    /// Most urgent first.
    pub findings: Vec<&'a Finding>,
}

/// Findings by package, the most urgent package first.
pub fn groups(report: &Report) -> Vec<Group<'_>> {
    let mut by_package: BTreeMap<(&str, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in &report.findings {
        let key = (finding.subject.ecosystem.as_str(), finding.subject.name.as_str());
        by_package.entry(key).or_default().push(finding);
    }
    let targets: BTreeMap<(&str, &str), &str> =
        report.actions.iter().map(|a| ((a.ecosystem.as_str(), a.package.as_str()), a.to.as_str())).collect();
    let mut groups: Vec<Group<'_>> = by_package
        .into_iter()
        .map(|((ecosystem, name), findings)| {
            let mut versions: Vec<&str> = findings.iter().map(|f| f.subject.version.as_str()).collect();
            versions.sort_unstable();
            versions.dedup();
            let fixed = findings.iter().find_map(|f| f.fixed_version.as_deref());
            Group {
                name,
                versions,
                fixed_version: targets.get(&(ecosystem, name)).copied().or(fixed),
                counts: counts(&findings),
                exploited: findings.iter().filter(|f| f.kev.is_some()).count() as u64,
                fixable: findings.iter().filter(|f| f.fixed_version.is_some()).count() as u64,
                findings,
            }
        })
        .collect();
    for group in &mut groups {
        group.findings.sort_by_key(|f| std::cmp::Reverse(f.priority));
    }
    // A stable sort: packages of the same urgency stay in the order of their names.
    groups
        .sort_by_key(|g| std::cmp::Reverse((g.findings.first().map_or(0, |f| f.priority), g.findings.len())));
    groups
}

fn counts(findings: &[&Finding]) -> [u64; 6] {
    let mut counts = [0; 6];
    for finding in findings {
        if let Some(slot) =
            Severity::ALL.iter().position(|s| *s == finding.severity).and_then(|at| counts.get_mut(at))
        {
            *slot += 1;
        }
    }
    counts
}

/// `2 critical, 14 high`, worst first; severities without findings are left out.
pub fn counts_text(counts: &[u64; 6]) -> String {
    let parts: Vec<String> = Severity::ALL
        .iter()
        .zip(counts)
        .filter(|(_, n)| **n > 0)
        .map(|(severity, n)| format!("{} {severity}", thousands(*n)))
        .collect();
    parts.join(", ")
}

/// `upgrade openssl to 3.0.17` and `clears 12 (2 critical, 1 exploited)`.
pub fn action(action: &Action) -> (String, String) {
    let what = format!("upgrade {} to {}", action.package, action.to);
    let mut inside = Vec::new();
    let worst = Severity::ALL.iter().zip(action.clears_by_severity).filter(|(_, n)| *n > 0).take(2);
    inside.extend(worst.map(|(severity, n)| format!("{n} {severity}")));
    if action.clears_exploited > 0 {
        inside.push(format!("{} exploited", action.clears_exploited));
    }
    let total = action.clears_by_severity.iter().sum::<u64>().max(action.clears.len() as u64);
    let detail = if inside.is_empty() { String::new() } else { format!(" ({})", inside.join(", ")) };
    (what, format!("clears {}{detail}", thousands(total)))
}

/// Notes that say the same kind of thing.
pub struct NoteGroup<'a> {
    /// Gap or info.
    pub grade: Grade,
    /// Code.
    pub code: &'a str,
    /// Units that say so, sorted.
    pub units: Vec<&'a str>,
    /// The notes, in report order.
    pub notes: Vec<&'a Note>,
}

/// Notes by grade and code: gaps first, the largest group first.
pub fn note_groups(notes: &[Note]) -> Vec<NoteGroup<'_>> {
    let mut by_code: BTreeMap<(bool, &str), Vec<&Note>> = BTreeMap::new();
    for note in notes {
        by_code.entry((note.grade == Grade::Info, note.code.as_str())).or_default().push(note);
    }
    let mut groups: Vec<NoteGroup<'_>> = by_code
        .into_iter()
        .map(|((info, code), notes)| {
            let mut units: Vec<&str> = notes.iter().map(|n| n.unit.as_str()).collect();
            units.sort_unstable();
            units.dedup();
            NoteGroup { grade: if info { Grade::Info } else { Grade::Gap }, code, units, notes }
        })
        .collect();
    groups.sort_by_key(|g| (g.grade == Grade::Info, std::cmp::Reverse(g.notes.len())));
    groups
}

/// How much was scanned: `142 packages of Debian GNU/Linux 12, 6 layers, 187.4 MB`.
pub fn scope(report: &Report) -> String {
    let packages = count(report.inventory.packages.len() as u64, "package");
    let mut parts = vec![match &report.inventory.os {
        Some(os) => format!("{packages} on {}", os.label()),
        None => packages,
    }];
    if !report.layers.is_empty() {
        parts.push(count(report.layers.len() as u64, "layer"));
        parts.push(crate::text::bytes(report.layers.iter().fold(0, |n, l| n.saturating_add(l.layer.bytes))));
    }
    parts.join(", ")
}

/// Kind of target for people.
pub const fn kind(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::DockerArchive => "image in a docker archive",
        TargetKind::OciArchive => "image in an OCI archive",
        TargetKind::OciLayout => "image in an OCI layout",
        TargetKind::Registry => "image in a registry",
        TargetKind::Engine => "image in a container engine",
        TargetKind::Container => "container",
        TargetKind::Folder => "folder",
        TargetKind::File => "file",
        TargetKind::Sbom => "software bill of materials",
        TargetKind::Disk => "disk",
        TargetKind::RootFs => "root file system",
    }
}

/// The state of the data in one sentence, and whether people should act on it.
pub fn data(report: &Report) -> (String, bool) {
    let sources = &report.data.sources;
    let starter =
        report.data.built.is_none() || sources.iter().any(|s| s.completeness == Completeness::Starter);
    let records: u64 = sources.iter().fold(0, |n, s| n.saturating_add(s.records));
    let counted = format!("{} from {}", count(records, "record"), count(sources.len() as u64, "source"));
    if starter {
        return (format!("starter set only ({counted}): run `seaworthy db update`"), true);
    }
    let age = report.data.built.map_or_else(String::new, |built| age(built, report.created));
    let partial: Vec<&str> = sources
        .iter()
        .filter(|s| s.completeness == Completeness::Partial)
        .map(|s| s.shard.as_str())
        .collect();
    let old = report.data.built.is_some_and(|built| built.date().days_until(report.created.date()) > 7);
    let advice = if old { ": run `seaworthy db update`" } else { "" };
    if partial.is_empty() {
        (format!("{counted}, built {age}{advice}"), old)
    } else {
        (format!("{counted}, built {age}; known to be partial: {}{advice}", partial.join(", ")), true)
    }
}

fn age(then: Timestamp, now: Timestamp) -> String {
    match then.date().days_until(now.date()) {
        0 => format!("today ({})", then.date()),
        1 => format!("yesterday ({})", then.date()),
        days if days > 1 => format!("{} ago ({})", count(days.unsigned_abs(), "day"), then.date()),
        _ => format!("on {}", then.date()),
    }
}

/// Why no version to move to is known, for people.
pub const fn status(status: Status) -> &'static str {
    match status {
        Status::Affected => "no fix yet",
        Status::Fixed => "fixed",
        Status::WillNotFix => "will not be fixed",
        Status::Deferred => "fix put off",
        Status::UnderInvestigation => "under investigation",
        Status::NotAffected => "not affected",
        Status::EndOfLife => "end of support",
    }
}

/// Why there is no version to move to, for one finding: a fix that only a subscription gives is named.
pub fn unfixed(finding: &Finding) -> &str {
    match out_of_reach(finding) {
        Some(reason) => reason,
        None => status(finding.status),
    }
}

/// The words on a fix that is not one for everybody.
fn out_of_reach(finding: &Finding) -> Option<&str> {
    let mut reasons = finding.reasons.iter().filter(|_| finding.fixed_version.is_none());
    let reason = reasons.find(|reason| !reason.fixed_versions.is_empty())?;
    Some(reason.status_reason.as_str()).filter(|text| text.starts_with("fixed in "))
}

/// Findings without a known fix by status: (status text, number), most first.
pub fn unfixable(report: &Report) -> Vec<(&'static str, u64)> {
    let mut by_status: BTreeMap<&'static str, u64> = BTreeMap::new();
    for finding in report.findings.iter().filter(|f| f.fixed_version.is_none()) {
        let why = out_of_reach(finding).map_or(status(finding.status), |_| "fixed for subscribers only");
        *by_status.entry(why).or_default() += 1;
    }
    let mut list: Vec<_> = by_status.into_iter().collect();
    list.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    list
}

/// CVSS base score to show: the highest of the ratings whose severity counts, else of any.
pub fn score_tenths(finding: &Finding) -> Option<u8> {
    let named = finding.ratings.iter().find(|r| r.source == finding.severity_source);
    named.and_then(|r| r.score_tenths).or_else(|| finding.ratings.iter().filter_map(|r| r.score_tenths).max())
}

/// `9.8`.
pub fn score(tenths: u8) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}
