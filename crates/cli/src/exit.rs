//! Exit codes, and how errors are told.

use anyhow::Error;
use seaworthy_types::{Decision, Report};
use std::process::ExitCode;

/// What the program says to the shell. When several hold: error before findings before incomplete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// It may sail: nothing over the threshold, and everything was seen.
    Clean = 0,
    /// It may not sail: findings over the threshold (or, with `--strict`, something was not seen).
    Findings = 1,
    /// The program could not do what was asked.
    Error = 2,
    /// Nothing over the threshold was found, but something was not seen.
    Incomplete = 3,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        ExitCode::from(code as u8)
    }
}

impl Code {
    /// The one that counts of two.
    pub fn worse(self, other: Self) -> Self {
        const ORDER: [Code; 4] = [Code::Clean, Code::Incomplete, Code::Findings, Code::Error];
        let rank = |code| ORDER.iter().position(|one| *one == code);
        if rank(other) > rank(self) { other } else { self }
    }
    /// The code for a report.
    pub fn of(report: &Report) -> Self {
        match report.verdict.decision {
            Decision::Deny => Self::Findings,
            _ if report.verdict.incomplete => Self::Incomplete,
            _ => Self::Clean,
        }
    }
}

/// One paragraph: what was tried, then why. Names may come from an image: they are made harmless.
pub fn error_text(error: &Error) -> String {
    let mut text = format!("seaworthy: {error}");
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    // Parsers of text draw the line at fault over several lines.
    let lines =
        text.lines().map(str::trim).filter(|line| !line.trim_matches(['|', '^', '-', ' ']).is_empty());
    let mut paragraph = String::new();
    for line in lines {
        let ends = paragraph.is_empty() || paragraph.ends_with(['.', ':', ';', '?', '!', ',']);
        paragraph.push_str(match (paragraph.is_empty(), ends || !line.starts_with("Try:")) {
            (true, _) => "",
            (false, true) => " ",
            (false, false) => ". ",
        });
        paragraph.push_str(line);
    }
    seaworthy_report::text::clean(&paragraph)
}
