//! In which order people should work: severity, exploitation and fix weighed together.

use seaworthy_types::{Finding, Severity};

/// 0 to 1000. Known exploitation outweighs any severity; probability of exploitation separates equals;
/// a fix that exists comes before one that does not.
pub fn priority(finding: &Finding) -> u32 {
    let severity = match finding.severity {
        Severity::Critical => 400,
        Severity::High => 300,
        // Unknown counts as over any threshold, so it stands above what is known to be harmless.
        Severity::Unknown => 200,
        Severity::Medium => 160,
        Severity::Low => 60,
        Severity::Negligible => 0,
    };
    let exploited = match (&finding.kev, &finding.ssvc) {
        (Some(kev), _) if kev.ransomware => 420,
        (Some(_), _) => 400,
        (None, Some(ssvc)) if ssvc.exploitation == "active" => 250,
        (None, Some(ssvc)) if ssvc.exploitation == "poc" => 30,
        _ => 0,
    };
    let likely = finding.epss.map_or(0, |epss| (epss.probability.clamp(0.0, 1.0) * 120.0) as u32);
    let fixable = if finding.fixed_version.is_some() { 40 } else { 0 };
    (severity + exploited + likely + fixable).min(1_000)
}
