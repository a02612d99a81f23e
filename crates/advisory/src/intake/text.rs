//! Small texts: clipping, ids, lists without repetition.

use seaworthy_types::is_cve;

/// Bytes kept of a long description.
pub(crate) const DETAILS_BYTES_MAX: usize = 2_048;
/// Bytes kept of a one-line summary.
pub(crate) const SUMMARY_BYTES_MAX: usize = 300;
/// Bytes of an id, a package name, a version: longer ones are no such thing.
pub(crate) const NAME_BYTES_MAX: usize = 512;

/// The longest start of `text` that has at most `bytes_max` bytes and ends between characters.
pub(crate) fn clip(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let end = (0..=bytes_max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or("")
}

/// The first line that says something, clipped to a summary's length.
pub(crate) fn one_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
    clip(line, SUMMARY_BYTES_MAX).to_owned()
}

/// Clipped with all white space around cut off.
pub(crate) fn paragraph(text: &str) -> String {
    clip(text.trim(), DETAILS_BYTES_MAX).to_owned()
}

/// The CVE id that a namespaced copy (`DEBIAN-CVE-2021-1234`) ends in, or that the text is.
pub(crate) fn cve_within(id: &str) -> Option<&str> {
    let at = id.find("CVE-")?;
    let cve = id.get(at..)?;
    let before = id.get(..at)?;
    (is_cve(cve) && (before.is_empty() || before.ends_with(['-', '_']))).then_some(cve)
}

/// Adds `text` unless it is empty, too long or there already.
pub(crate) fn add(list: &mut Vec<String>, text: &str) {
    let text = text.trim();
    if !text.is_empty() && text.len() <= NAME_BYTES_MAX && !list.iter().any(|known| known == text) {
        list.push(text.to_owned());
    }
}

/// The `CWE-79` that a text starts with (`CWE-79 Cross-site Scripting`), also from a bare number.
pub(crate) fn cwe(text: &str) -> Option<String> {
    let text = text.trim();
    let (digits, marked) = match text.strip_prefix("CWE-") {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let end = digits.bytes().take_while(u8::is_ascii_digit).count();
    let number = digits.get(..end).filter(|number| (1..=5).contains(&number.len()))?;
    (marked || end == digits.len()).then(|| format!("CWE-{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_between_characters() {
        assert_eq!(clip("aäb", 2), "a");
        assert_eq!(clip("aäb", 3), "aä");
        assert_eq!(clip("", 0), "");
        assert_eq!(clip(&"ä".repeat(2_000), DETAILS_BYTES_MAX).len(), DETAILS_BYTES_MAX);
    }

    #[test]
    fn finds_the_cve_of_copies() {
        assert_eq!(cve_within("UBUNTU-CVE-2021-3782"), Some("CVE-2021-3782"));
        assert_eq!(cve_within("CVE-2021-3782"), Some("CVE-2021-3782"));
        for none in ["AZL-1", "XCVE-2021-3782", "DEBIAN-CVE-2021-3782-x", "CVE-1", ""] {
            assert_eq!(cve_within(none), None, "{none}");
        }
    }

    #[test]
    fn cwe_ids() {
        for (text, id) in [
            ("CWE-79", Some("CWE-79")),
            ("CWE-79 Cross-site Scripting", Some("CWE-79")),
            ("CWE-79: x", Some("CWE-79")),
            ("79", Some("CWE-79")),
            ("NVD-CWE-noinfo", None),
            ("n/a", None),
            ("CWE-", None),
            ("12 monkeys", None),
        ] {
            assert_eq!(cwe(text).as_deref(), id, "{text}");
        }
    }
}
