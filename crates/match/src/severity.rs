//! Which severity counts, out of everything that sources say.
//!
//! Order: the distribution on its own package; the advisory's own rating of the vulnerability; a
//! database that rates CVEs (NVD, then CISA, then whoever numbered it); a bulletin's rating, which
//! speaks of its worst vulnerability. Scores come from vectors by the CVSS specifications.

use seaworthy_types::{Rating, Severity};
use std::str::FromStr;

/// Base metrics that a vector must have to be scored, by its start; the library scores what is
/// missing as harmless.
const MANDATORY: [(&str, &[&str]); 3] = [
    ("CVSS:3.", &["AV", "AC", "PR", "UI", "S", "C", "I", "A"]),
    ("CVSS:4.", &["AV", "AC", "AT", "PR", "UI", "VC", "VI", "VA", "SC", "SI", "SA"]),
    ("", &["AV", "AC", "Au", "C", "I", "A"]),
];

/// Base score in tenths of a CVSS vector of any version, or `None` when it is malformed.
pub fn rate_vector(vector: &str) -> Option<u8> {
    let vector = vector.trim();
    let (_, mandatory) = MANDATORY.iter().find(|(start, _)| vector.starts_with(start))?;
    let named: Vec<&str> = vector.split('/').filter_map(|part| part.split(':').next()).collect();
    if !mandatory.iter().all(|metric| named.contains(metric)) {
        return None;
    }
    let score = cvss::Cvss::from_str(vector).ok()?.score();
    (0.0..=10.0).contains(&score).then(|| (score * 10.0).round() as u8)
}

/// A rating from what a feed gave: a word, a vector or both. A vector's score decides only where
/// there is no word.
pub fn rating(source: &str, word: Option<Severity>, vector: &str) -> Rating {
    complete(Rating {
        source: source.into(),
        severity: word.unwrap_or_default(),
        vector: vector.into(),
        score_tenths: None,
    })
}

/// Fills in score and word from the vector.
pub(crate) fn complete(mut rating: Rating) -> Rating {
    if rating.score_tenths.is_none() && !rating.vector.is_empty() {
        rating.score_tenths = rate_vector(&rating.vector);
    }
    if rating.severity == Severity::Unknown
        && let Some(tenths) = rating.score_tenths
    {
        rating.severity = Severity::from_score(f64::from(tenths) / 10.0);
    }
    rating
}

/// How near a rating stands to the finding; smaller counts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Nearness {
    /// About this package by its own distribution or ecosystem.
    Package,
    /// About this vulnerability, by the advisory.
    Advisory,
    /// About the CVE, by a database of CVEs.
    Database,
    /// About a bulletin that fixes several.
    Bulletin,
}

/// All ratings, completed and put in order, and the one that counts.
pub(crate) fn choose(ratings: Vec<(Nearness, Rating)>) -> (Severity, String, Vec<Rating>) {
    let mut ratings: Vec<(Nearness, Rating)> =
        ratings.into_iter().map(|(nearness, rating)| (nearness, complete(rating))).collect();
    ratings.sort_by(|(a, x), (b, y)| {
        a.cmp(b)
            .then_with(|| database_rank(&x.source).cmp(&database_rank(&y.source)))
            .then_with(|| vector_rank(&x.vector).cmp(&vector_rank(&y.vector)))
            .then_with(|| y.severity.cmp(&x.severity))
            .then_with(|| (&x.source, &x.vector).cmp(&(&y.source, &y.vector)))
    });
    let chosen = ratings.iter().find(|(_, rating)| rating.severity != Severity::Unknown);
    let (severity, source) = match chosen {
        Some((_, rating)) => (rating.severity, rating.source.clone()),
        None => (Severity::Unknown, String::new()),
    };
    let mut all: Vec<Rating> = Vec::with_capacity(ratings.len());
    for (_, rating) in ratings {
        if !all.contains(&rating) {
            all.push(rating);
        }
    }
    (severity, source, all)
}

fn database_rank(source: &str) -> u8 {
    match source {
        "nvd" => 0,
        "cisa-adp" => 1,
        _ => 2,
    }
}

/// Newer versions of CVSS first; a word alone stands before an old vector.
fn vector_rank(vector: &str) -> u8 {
    match vector.get(..8) {
        Some("CVSS:4.0") => 1,
        Some("CVSS:3.1") => 0,
        Some("CVSS:3.0") => 2,
        _ if vector.is_empty() => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_all_versions() {
        let cases = [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", Some(100)),
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", Some(61)),
            ("AV:N/AC:L/Au:N/C:P/I:P/A:P", Some(75)),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", Some(93)),
            ("", None),
            ("CVSS:3.1/AV:N", None),
            ("CVSS:9.9/AV:N/AC:L", None),
            ("\u{0}/:é", None),
        ];
        for (vector, tenths) in cases {
            assert_eq!(rate_vector(vector), tenths, "{vector}");
        }
    }

    #[test]
    fn the_nearest_word_counts() {
        let debian = rating("debian", Some(Severity::Low), "");
        let nvd = rating("nvd", None, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H");
        let silent = rating("ubuntu", None, "");
        let (severity, source, all) = choose(vec![
            (Nearness::Database, nvd.clone()),
            (Nearness::Package, silent),
            (Nearness::Package, debian),
        ]);
        assert_eq!((severity, source.as_str(), all.len()), (Severity::Low, "debian", 3));
        let (severity, source, _) = choose(vec![(Nearness::Database, nvd)]);
        assert_eq!((severity, source.as_str()), (Severity::Critical, "nvd"));
        assert_eq!(choose(Vec::new()), (Severity::Unknown, String::new(), Vec::new()));
    }
}
