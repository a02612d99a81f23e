//! The verdict, case by case.

use seaworthy_policy::{FailOn, Filter, IgnoreFile, Policy, apply};
use seaworthy_types::*;

fn finding(id: &str, severity: Severity, fixed: Option<&str>, exploited: bool) -> Finding {
    Finding {
        id: FindingId::new(FindingKind::Vulnerability, id, "pkg:npm/a", "app"),
        kind: FindingKind::Vulnerability,
        vulnerability: id.into(),
        aliases: vec![format!("GHSA-{id}")],
        bulletins: Vec::new(),
        title: String::new(),
        description: String::new(),
        subject: Subject {
            name: "a".into(),
            version: "1".into(),
            purl: "pkg:npm/a@1".into(),
            ..Subject::default()
        },
        severity,
        severity_source: String::new(),
        ratings: Vec::new(),
        status: Status::Affected,
        fixed_version: fixed.map(Into::into),
        kev: exploited.then_some(Kev { added: Date(0), due: None, ransomware: false }),
        epss: None,
        ssvc: None,
        priority: 0,
        cwes: Vec::new(),
        references: Vec::new(),
        published: None,
        reasons: Vec::new(),
        suppression: None,
    }
}

const TODAY: Date = Date(20_000);

fn decide(policy: &Policy, findings: Vec<Finding>, notes: Vec<Note>) -> (Decision, bool, usize) {
    let applied = apply(policy, findings, notes, TODAY);
    (applied.verdict.decision, applied.verdict.incomplete, applied.verdict.blocking.len())
}

#[test]
fn the_default_rule() {
    let policy = Policy::default();
    let cases = [
        (vec![], Decision::Allow),
        (vec![finding("1", Severity::High, None, false)], Decision::Warn),
        (vec![finding("1", Severity::High, Some("2"), false)], Decision::Deny),
        (vec![finding("1", Severity::Medium, Some("2"), false)], Decision::Warn),
        (vec![finding("1", Severity::Low, None, true)], Decision::Deny),
        (vec![finding("1", Severity::Unknown, Some("2"), false)], Decision::Deny),
    ];
    for (findings, expected) in cases {
        let what = format!("{findings:?}");
        assert_eq!(decide(&policy, findings, Vec::new()).0, expected, "{what}");
    }
}

#[test]
fn unknown_counts_as_over_any_threshold_unless_configured() {
    let unknown = || vec![finding("1", Severity::Unknown, None, false)];
    let mut policy = Policy { fail_on: FailOn::Severity(Severity::Critical), ..Policy::default() };
    assert_eq!(decide(&policy, unknown(), Vec::new()).0, Decision::Deny);
    policy.unknown_as = Severity::Low;
    assert_eq!(decide(&policy, unknown(), Vec::new()).0, Decision::Warn);
}

#[test]
fn gaps_make_incomplete_and_strict_makes_that_a_no() {
    let gap = || vec![Note::gap("data-partial", "match", "npm", "")];
    let info = || vec![Note::info("x", "match", "", "")];
    assert_eq!(decide(&Policy::default(), vec![], gap()), (Decision::Warn, true, 0));
    assert_eq!(decide(&Policy::default(), vec![], info()), (Decision::Allow, false, 0));
    let strict = Policy { strict: true, ..Policy::default() };
    assert_eq!(decide(&strict, vec![], gap()), (Decision::Deny, true, 0));
    let accept = "[[accept]]\ngap='data-partial'\nsubject='npm'\nreason='known'\n";
    let accepting = |more: &str| Policy {
        decisions: IgnoreFile::parse(&format!("{accept}{more}")).expect("file"),
        ..strict.clone()
    };
    assert_eq!(decide(&accepting(""), vec![], gap()), (Decision::Allow, false, 0));
    let expired = accepting("expires='1990-01-01'\n");
    let applied = apply(&expired, vec![], gap(), TODAY);
    assert!(applied.verdict.incomplete);
    assert!(applied.coverage.iter().any(|note| note.code == "acceptance-expired"));
}

#[test]
fn decisions_name_any_id_and_expire() {
    let policy =
        |text: &str| Policy { decisions: IgnoreFile::parse(text).expect("file"), ..Policy::default() };
    let bad = || vec![finding("CVE-2024-0001", Severity::Critical, Some("2"), true)];
    let by_alias = policy("[[ignore]]\nid='ghsa-cve-2024-0001'\npackage='pkg:npm/a'\nreason='unreachable'");
    let applied = apply(&by_alias, bad(), Vec::new(), TODAY);
    assert_eq!(applied.verdict.decision, Decision::Allow);
    assert_eq!(applied.suppressed[0].suppression.as_ref().map(|s| s.by.as_str()), Some("ignore-file"));
    let expired = policy("[[ignore]]\nid='CVE-2024-0001'\nreason='r'\nexpires='2001-01-01'");
    let applied = apply(&expired, bad(), Vec::new(), TODAY);
    assert_eq!(applied.verdict.decision, Decision::Deny);
    assert_eq!(applied.coverage[0].code, "ignore-expired");
    let other = policy("[[ignore]]\nid='CVE-2024-0001'\nversion='9'\nreason='r'");
    assert_eq!(decide(&other, bad(), Vec::new()).0, Decision::Deny);
}

#[test]
fn filters_keep_what_they_leave_out() {
    let filter = Filter { only_fixed: true, not_ids: vec!["3".into()], ..Filter::default() };
    let policy = Policy { filter, ..Policy::default() };
    let findings = vec![
        finding("1", Severity::Critical, None, true),
        finding("2", Severity::Low, Some("2"), false),
        finding("3", Severity::Critical, Some("2"), true),
    ];
    let applied = apply(&policy, findings, Vec::new(), TODAY);
    assert_eq!((applied.findings.len(), applied.suppressed.len()), (1, 2));
    assert_eq!(applied.verdict.decision, Decision::Warn);
}
