//! Findings → the smallest set of changes. Does not know how findings are found.

use seaworthy_types::{Action, ActionKind, Finding, Severity, ecosystem};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The upgrades that clear everything that has a fix, most useful first: those that clear known
/// exploited vulnerabilities, then by severity, then by number.
pub fn plan(findings: &[Finding]) -> Vec<Action> {
    let mut groups: BTreeMap<(&str, &str, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.fixed_version.is_some()) {
        let subject = &finding.subject;
        groups.entry((&subject.ecosystem, &subject.name, &subject.version)).or_default().push(finding);
    }
    let mut actions: BTreeMap<(String, String, String), Action> = BTreeMap::new();
    for ((ecosystem, package, version), group) in groups {
        let Some(to) = target_version(ecosystem, &group) else { continue };
        let action = action(ecosystem, package, version, &to, &group);
        match actions.get_mut(&(ecosystem.to_owned(), package.to_owned(), to.clone())) {
            Some(known) => join(known, action),
            None => {
                actions.insert((ecosystem.to_owned(), package.to_owned(), to), action);
            }
        }
    }
    let mut actions: Vec<Action> = actions.into_values().collect();
    actions.sort_by(|a, b| {
        let weight = |action: &Action| (action.clears_exploited, action.clears_by_severity);
        weight(b).cmp(&weight(a)).then_with(|| (&a.package, &a.to).cmp(&(&b.package, &b.to)))
    });
    actions
}

/// The greatest of the fixes: it clears them all.
fn target_version(ecosystem: &str, group: &[&Finding]) -> Option<String> {
    let scheme = ecosystem::by_id(ecosystem).and_then(|e| seaworthy_version::by_name(e.scheme));
    let order = |a: &&String, b: &&String| match scheme {
        Some(scheme) => (scheme.compare)(a, b).unwrap_or(Ordering::Equal).then_with(|| a.cmp(b)),
        None => a.cmp(b),
    };
    group.iter().filter_map(|finding| finding.fixed_version.as_ref()).max_by(order).cloned()
}

fn action(ecosystem: &str, package: &str, version: &str, to: &str, group: &[&Finding]) -> Action {
    let mut clears: Vec<String> = group.iter().map(|finding| finding.id.0.clone()).collect();
    clears.sort();
    let mut by_severity = [0; 6];
    for finding in group {
        let at = Severity::ALL.iter().position(|severity| *severity == finding.severity).unwrap_or(5);
        by_severity[at] += 1;
    }
    Action {
        kind: ActionKind::Upgrade,
        ecosystem: ecosystem.into(),
        package: package.into(),
        from: vec![version.into()],
        to: to.into(),
        clears,
        clears_by_severity: by_severity,
        clears_exploited: group.iter().filter(|finding| finding.kev.is_some()).count() as u64,
        how: how(ecosystem, package, to, group),
        layer: group.iter().filter_map(|finding| finding.subject.layer).min(),
    }
}

/// The command, with the binary packages in place of a distribution's source package.
fn how(ecosystem: &str, package: &str, to: &str, group: &[&Finding]) -> String {
    let template = ecosystem::by_id(ecosystem).map_or("", |e| e.upgrade);
    let mut names: Vec<&str> = group
        .iter()
        .flat_map(|f| &f.subject.binaries)
        .filter_map(|binary| binary.split(' ').next())
        .collect();
    names.sort_unstable();
    names.dedup();
    let names = if names.is_empty() { package.to_owned() } else { names.join(" ") };
    template.replace("{name}", &names).replace("{version}", to)
}

fn join(known: &mut Action, other: Action) {
    known.from.extend(other.from);
    known.from.sort();
    known.from.dedup();
    known.clears.extend(other.clears);
    known.clears.sort();
    known.clears.dedup();
    for (sum, more) in known.clears_by_severity.iter_mut().zip(other.clears_by_severity) {
        *sum += more;
    }
    known.clears_exploited += other.clears_exploited;
    known.layer = match (known.layer, other.layer) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
}
