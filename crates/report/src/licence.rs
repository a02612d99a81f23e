//! Which recorded licence texts are expressions of the SPDX licence list (SPDX 2.3, annex D). Only
//! the identifiers that packages commonly carry are known here; everything else is passed on as a
//! name or a `LicenseRef-`, never dropped.

const KNOWN: [&str; 62] = [
    "0BSD",
    "AFL-2.1",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-1.1",
    "Apache-2.0",
    "Artistic-1.0-Perl",
    "Artistic-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-4-Clause",
    "BSL-1.0",
    "BlueOak-1.0.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC0-1.0",
    "CDDL-1.0",
    "CDDL-1.1",
    "CPL-1.0",
    "EPL-1.0",
    "EPL-2.0",
    "FSFAP",
    "FTL",
    "GFDL-1.3-only",
    "GFDL-1.3-or-later",
    "GPL-1.0-or-later",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "HPND",
    "ICU",
    "IJG",
    "ISC",
    "LGPL-2.0-only",
    "LGPL-2.0-or-later",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "Libpng",
    "MIT",
    "MIT-0",
    "MPL-1.1",
    "MPL-2.0",
    "MS-PL",
    "NCSA",
    "OFL-1.1",
    "OLDAP-2.8",
    "OpenSSL",
    "PHP-3.01",
    "PSF-2.0",
    "PostgreSQL",
    "Python-2.0",
    "Ruby",
    "SMLNJ",
    "TCL",
    "Unicode-3.0",
    "Unlicense",
    "WTFPL",
    "Zlib",
    "curl",
];

/// Whether the text is one identifier of the SPDX licence list that we know.
pub fn is_identifier(text: &str) -> bool {
    KNOWN.contains(&text)
}

/// Whether the text is an SPDX expression of known identifiers without parentheses.
pub fn is_expression(text: &str) -> bool {
    let words: Vec<&str> = text.split(' ').collect();
    words.len() % 2 == 1
        && words.iter().enumerate().all(|(index, word)| match index % 2 {
            0 => is_identifier(word),
            _ => matches!(*word, "AND" | "OR"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        for good in ["MIT", "MIT OR Apache-2.0", "MIT AND ISC OR Zlib"] {
            assert!(is_expression(good), "{good}");
        }
        for bad in ["", "MIT OR", "mit", "MIT Apache-2.0", "GPL", "MIT  OR Apache-2.0", "AND"] {
            assert!(!is_expression(bad), "{bad}");
        }
    }
}
