//! Ratings from CVSS vectors and words. Scores are base scores: temporal, threat and environmental
//! metrics are left out of the computation (the vector is kept as published).

use crate::intake::text::clip;
use seaworthy_types::{Rating, Severity};
use std::str::FromStr;

/// Bytes of the longest vector we keep; a full CVSS 4.0 vector has about 250.
const VECTOR_BYTES_MAX: usize = 400;

const V2: &[&str] = &["AV", "AC", "Au", "C", "I", "A"];
const V3: &[&str] = &["AV", "AC", "PR", "UI", "S", "C", "I", "A"];
const V4: &[&str] = &["AV", "AC", "AT", "PR", "UI", "VC", "VI", "VA", "SC", "SI", "SA"];

/// A rating from a CVSS vector of any version; `None` when it is not one.
pub(crate) fn from_vector(source: &str, vector: &str) -> Option<Rating> {
    let vector = vector.trim().trim_start_matches("CVSS2#").trim_matches(['(', ')']);
    if vector.len() > VECTOR_BYTES_MAX || !looks_like_vector(vector) {
        return None;
    }
    let score = cvss::Cvss::from_str(&base_of(vector)).ok()?.score();
    let tenths = tenths(score)?;
    let severity = match Severity::from_score(score) {
        // CVSS 2.0 has no `critical`.
        Severity::Critical if !vector.starts_with("CVSS:") => Severity::High,
        severity => severity,
    };
    Some(Rating { source: source.into(), severity, vector: vector.into(), score_tenths: Some(tenths) })
}

/// A rating that is only a word.
pub(crate) fn from_word(source: &str, severity: Severity) -> Rating {
    Rating { source: source.into(), severity, vector: String::new(), score_tenths: None }
}

/// A published vector, score and word, any of which may be missing or wrong: `None` when nothing is
/// usable. The published score and word win over computed ones.
pub(crate) fn published(source: &str, vector: &str, score: Option<f64>, word: &str) -> Option<Rating> {
    let computed = from_vector(source, vector);
    let word = Severity::parse(word).filter(|severity| *severity != Severity::Unknown);
    let score_tenths = score.and_then(tenths).or(computed.as_ref().and_then(|rating| rating.score_tenths));
    let from_score = score.filter(|score| tenths(*score).is_some()).map(Severity::from_score);
    let severity = word.or(computed.as_ref().map(|rating| rating.severity)).or(from_score)?;
    let vector = computed.map(|rating| rating.vector).unwrap_or_default();
    Some(Rating { source: clip(source, 80).into(), severity, vector, score_tenths })
}

/// Whether a text begins like a CVSS vector.
pub(crate) fn looks_like_vector(text: &str) -> bool {
    text.starts_with("CVSS:") || text.starts_with("AV:")
}

/// Score in tenths when it lies within 0 and 10.
pub(crate) fn tenths(score: f64) -> Option<u8> {
    (0.0..=10.0).contains(&score).then(|| (score * 10.0).round() as u8)
}

fn base_of(vector: &str) -> String {
    let kept = match vector.get(..7) {
        Some("CVSS:3.") => V3,
        Some("CVSS:4.") => V4,
        _ => V2,
    };
    let base =
        |part: &&str| part.split_once(':').is_some_and(|(name, _)| name == "CVSS" || kept.contains(&name));
    vector.split('/').filter(base).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_the_specifications_examples() {
        for (vector, tenths, severity) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 98, Severity::Critical),
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 61, Severity::Medium),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:U/RL:O/RC:C", 98, Severity::Critical),
            ("AV:N/AC:L/Au:N/C:C/I:C/A:C", 100, Severity::High),
            ("(AV:N/AC:M/Au:N/C:N/I:P/A:N)", 43, Severity::Medium),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 93, Severity::Critical),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:U", 93, Severity::Critical),
        ] {
            let rating = from_vector("x", vector).expect(vector);
            assert_eq!((rating.score_tenths, rating.severity), (Some(tenths), severity), "{vector}");
        }
    }

    #[test]
    fn refuses_what_is_no_vector() {
        let long = format!("CVSS:3.1/{}", "AV:N/".repeat(10_000));
        for bad in
            ["", "low", "CVSS:3.1", "CVSS:3.1/AV:Q", "CVSS:9.9/AV:N/AC:L", "AV:N", "CVSS:3.é/AV:N", &long]
        {
            assert_eq!(from_vector("x", bad), None, "{bad}");
        }
    }

    #[test]
    fn published_figures_win() {
        let rating = published("nvd", "AV:N/AC:M/Au:N/C:N/I:P/A:N", Some(4.4), "MEDIUM").expect("rating");
        assert_eq!((rating.score_tenths, rating.severity), (Some(44), Severity::Medium));
        assert_eq!(published("nvd", "", Some(11.0), ""), None);
        assert_eq!(published("nvd", "", Some(9.1), "").map(|r| r.severity), Some(Severity::Critical));
    }
}
