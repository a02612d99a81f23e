//! Readers of bills of materials: the input is a document. What was read is written in both formats
//! that we write and read again: the same inventory must come back.

use seaworthy_analyze::sbom;
use seaworthy_report::{Options, by_name};
use seaworthy_types::{Outcome, Report, TargetKind};

/// Runs one input.
pub fn run(data: &[u8]) {
    let limits = crate::limits();
    let _ = sbom::looks_like(data);
    let Ok(Outcome { value, .. }) = sbom::read(data, &limits) else { return };
    let mut report: Report = crate::format::base();
    report.target.kind = TargetKind::Sbom;
    report.findings.clear();
    report.suppressed.clear();
    report.actions.clear();
    report.layers.clear();
    report.coverage.clear();
    report.accepted.clear();
    report.image = value.image.clone();
    report.inventory = value.inventory;
    for format in ["cyclonedx", "spdx"] {
        let mut bytes = Vec::new();
        let format = by_name(format).expect("a known format");
        format.write(&report, &Options::default(), &mut bytes).expect("memory takes everything");
        if bytes.len() as u64 > limits.record_bytes_max {
            continue;
        }
        let name = format.about().name;
        let again = sbom::read(&bytes, &limits).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(again.value.inventory, report.inventory, "{name}: it comes back");
    }
}
