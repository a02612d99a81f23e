//! One self-contained HTML page for people who decide: verdict, numbers, layers, what to do, findings,
//! coverage, data. It asks nobody for anything: style and script are inside, and a content security
//! policy allows exactly that script. Every text is escaped (`text::markup`); there is no data in the
//! script. Without scripts everything is readable, only search and sorting are missing.

mod parts;
mod tables;

use super::{Format, FormatError, Options};
use crate::text::markup;
use crate::view::Word;
use seaworthy_types::{About, Reads, Report};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::io;

/// The format.
pub const FORMAT: &dyn Format = &Html;

struct Html;

const ABOUT: About = About {
    name: "html",
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "One self-contained page: verdict, layers, what to do, findings, coverage, packages, data.",
};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

impl Format for Html {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn extension(&self) -> &'static str {
        "html"
    }
    fn media_type(&self) -> &'static str {
        "text/html; charset=utf-8"
    }
    fn write(&self, report: &Report, _options: &Options, out: &mut dyn io::Write) -> Result<(), FormatError> {
        let mut page = String::new();
        // Writing to a string cannot fail.
        let _ = document(&mut page, report);
        out.write_all(page.as_bytes())?;
        Ok(())
    }
}

fn document(out: &mut String, report: &Report) -> std::fmt::Result {
    let word = Word::of(report);
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        base64(&Sha256::digest(SCRIPT.as_bytes()))
    );
    writeln!(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(out, "<meta name=\"referrer\" content=\"no-referrer\">")?;
    writeln!(out, "<title>{}: {}</title>", word.text(), markup(&report.target.name))?;
    writeln!(out, "<style>\n{STYLE}</style>\n</head>\n<body>")?;
    parts::banner(out, report)?;
    writeln!(out, "<main id=\"main\">")?;
    parts::numbers(out, report)?;
    parts::severities(out, report)?;
    parts::actions(out, report)?;
    parts::layers(out, report)?;
    tables::findings(out, report)?;
    parts::coverage(out, report)?;
    tables::suppressed(out, report)?;
    tables::packages(out, report)?;
    parts::data(out, report)?;
    let tool = markup(&format!("{} {}", report.tool.name, report.tool.version));
    writeln!(out, "<footer>Made by {tool} on {}.</footer>\n</main>", report.created)?;
    writeln!(out, "<script>{SCRIPT}</script>\n</body>\n</html>")
}

/// Base64 (RFC 4648, section 4), for the digest in the content security policy.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let six = (word >> (18 - 6 * place)) & 63;
            let letter = ALPHABET.get(six as usize).copied().unwrap_or(b'=');
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_of_rfc_4648() {
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(super::base64(plain.as_bytes()), encoded);
        }
    }
}
