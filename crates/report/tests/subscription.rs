//! A fix that only a subscription gives is named where a version to move to would stand.

mod common;

use seaworthy_report::{Options, by_name};
use seaworthy_types::Status;

#[test]
fn a_fix_for_subscribers_is_named() {
    const WORDS: &str = "fixed in 1.0+esm1 with Ubuntu Pro";
    let mut report = common::busy();
    report.findings.truncate(1);
    let finding = report.findings.first_mut().expect("a finding");
    (finding.status, finding.fixed_version) = (Status::Affected, None);
    let reason = finding.reasons.first_mut().expect("a reason");
    reason.fixed_versions = vec!["1.0+esm1".into()];
    reason.status_reason = WORDS.into();
    let options = Options { colour: false, width: 200, full: true, template: None };
    for name in ["csv", "html", "junit", "markdown", "sarif", "table"] {
        let mut bytes = Vec::new();
        by_name(name).expect("a format").write(&report, &options, &mut bytes).expect("written");
        assert!(String::from_utf8_lossy(&bytes).contains(WORDS), "{name}");
    }
}
