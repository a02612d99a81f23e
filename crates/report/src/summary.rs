//! Several reports in one table for people: a line for each target, the verdict first.

use crate::format::{FormatError, Options};
use crate::text::{clean, clip_start, count, thousands, width, wrap};
use crate::view::Word;
use anstyle::{AnsiColor, Style};
use seaworthy_types::{Grade, Report, Severity};
use std::io;

/// Columns when there is no terminal.
const COLUMNS_DEFAULT: usize = 100;
/// Columns of everything but the name.
const COLUMNS_OF_FIGURES: usize = 67;
/// Before the reason why a target could not be scanned.
const INDENT: &str = "    ";
/// A shorter name than this tells nothing.
const NAME_COLUMNS_MIN: usize = 20;

/// What one target came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    name: String,
    result: Result<Figures, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Figures {
    word: Word,
    incomplete: bool,
    /// Findings by severity, as in `Report::counts`.
    counts: [u64; 6],
    exploited: u64,
    fixable: u64,
    packages: u64,
    gaps: u64,
}

impl Row {
    /// Of a report.
    pub fn of(report: &Report) -> Self {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let figures = Figures {
            word: Word::of(report),
            incomplete: report.verdict.incomplete,
            counts: report.counts(),
            exploited: number(report.findings.iter().filter(|f| f.kev.is_some()).count()),
            fixable: number(report.findings.iter().filter(|f| f.fixed_version.is_some()).count()),
            packages: number(report.inventory.packages.len()),
            gaps: number(report.coverage.iter().filter(|note| note.grade == Grade::Gap).count()),
        };
        Self { name: report.target.name.clone(), result: Ok(figures) }
    }
    /// Of a target that could not be scanned.
    pub fn failed(name: &str, why: String) -> Self {
        Self { name: name.to_owned(), result: Err(why) }
    }
    /// Why it could not be scanned.
    pub fn failure(&self) -> Option<&str> {
        self.result.as_ref().err().map(String::as_str)
    }
}

/// Writes the table and what it comes to.
pub fn write(rows: &[Row], options: &Options, out: &mut dyn io::Write) -> Result<(), FormatError> {
    let columns = if options.width == 0 { COLUMNS_DEFAULT } else { options.width.clamp(40, 200) };
    let widest = rows.iter().map(|row| width(&clean(&row.name))).max().unwrap_or(0);
    let name_columns = widest.min(columns.saturating_sub(COLUMNS_OF_FIGURES).max(NAME_COLUMNS_MIN)).max(6);
    let paint = |style: Style, text: &str| match options.colour {
        true => format!("{style}{text}{style:#}"),
        false => text.to_owned(),
    };
    let head = format!(
        "  {:name_columns$}  {:>5} {:>5} {:>5} {:>5} {:>5} {:>5} {:>5} {:>5} {:>8} {:>5}",
        "target", "crit", "high", "med", "low", "negl", "unkn", "kev", "fix", "packages", "gaps"
    );
    writeln!(out, "{}", paint(Style::new().bold(), &head))?;
    for row in rows {
        let name = clip_start(&clean(&row.name), name_columns);
        let pad = " ".repeat(name_columns.saturating_sub(width(&name)));
        match &row.result {
            Ok(figures) => {
                let mark = paint(style(figures.word), figures.word.mark());
                writeln!(out, "{mark} {name}{pad}  {}", numbers(figures, &paint))?;
            }
            Err(why) => {
                let mark = paint(AnsiColor::Red.on_default().bold(), "✘");
                writeln!(out, "{mark} {name}{pad}  could not be scanned")?;
                for line in wrap(&clean(why), columns.saturating_sub(INDENT.len())) {
                    writeln!(out, "{INDENT}{}", paint(AnsiColor::Red.on_default(), &line))?;
                }
            }
        }
    }
    writeln!(out, "\n{}", totals(rows))?;
    Ok(())
}

fn style(word: Word) -> Style {
    match word {
        Word::MaySail => AnsiColor::Green.on_default().bold(),
        Word::MaySailWarned => AnsiColor::Yellow.on_default().bold(),
        Word::MustNotSail => AnsiColor::Red.on_default().bold(),
        Word::Incomplete => AnsiColor::Magenta.on_default().bold(),
    }
}

fn numbers(figures: &Figures, paint: &dyn Fn(Style, &str) -> String) -> String {
    let severities =
        Severity::ALL.iter().zip(figures.counts).map(|(s, number)| (number, 5, severity_style(*s)));
    let others = [
        (figures.exploited, 5, severity_style(Severity::Critical)),
        (figures.fixable, 5, Style::new()),
        (figures.packages, 8, Style::new()),
        (figures.gaps, 5, AnsiColor::Magenta.on_default()),
    ];
    let dim = Style::new().dimmed();
    let cells = severities.chain(others).map(|(number, columns, style)| match number {
        0 => paint(dim, &format!("{:>columns$}", "-")),
        _ => paint(style, &format!("{:>columns$}", thousands(number))),
    });
    cells.collect::<Vec<String>>().join(" ")
}

fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::Red.on_default().bold(),
        Severity::High => AnsiColor::Red.on_default(),
        Severity::Medium => AnsiColor::Yellow.on_default(),
        Severity::Unknown => AnsiColor::Magenta.on_default(),
        _ => Style::new(),
    }
}

/// One sentence; the parts that are nothing are left out.
fn totals(rows: &[Row]) -> String {
    let of = |wanted: &[Word]| {
        let has = |row: &&Row| row.result.as_ref().is_ok_and(|figures| wanted.contains(&figures.word));
        rows.iter().filter(has).count() as u64
    };
    let failed = rows.iter().filter(|row| row.result.is_err()).count() as u64;
    let also = |row: &&Row| {
        row.result.as_ref().is_ok_and(|figures| figures.incomplete && figures.word == Word::MustNotSail)
    };
    let parts = [
        (of(&[Word::MaySail, Word::MaySailWarned]), "may sail"),
        (of(&[Word::MustNotSail]), "must not sail"),
        (of(&[Word::Incomplete]), "not seen whole"),
        (failed, "could not be scanned"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", thousands(*n))).collect();
    let also = match rows.iter().filter(also).count() as u64 {
        0 => String::new(),
        n => format!(
            " Of those that must not sail {} not seen whole either.",
            if n == 1 { "one was".into() } else { format!("{} were", thousands(n)) }
        ),
    };
    format!("{}: {}.{also}", count(rows.len() as u64, "target"), parts.join(", "))
}
