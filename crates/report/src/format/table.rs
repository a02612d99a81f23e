//! The report for a person at a terminal: the verdict first, then what to do, then what is wrong by
//! package, then what was not seen, then the data. Nothing is lost without colours. Text from the
//! target is cleaned before it is shown; widths follow `Options::width`.

use super::{Format, FormatError, Options};
use crate::text::{bytes, clean, clip, clip_start, count, thousands, width, wrap};
use crate::view::{self, Group, NoteGroup, Word};
use anstyle::{AnsiColor, Style};
use seaworthy_types::{About, Finding, Grade, Reads, Report, Severity};
use std::collections::BTreeMap;
use std::io;

/// The format.
pub const FORMAT: &dyn Format = &Table;

struct Table;

const ABOUT: About = About {
    name: "table",
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "For people at a terminal: verdict, first steps, findings by package, coverage, data.",
};

/// Columns when there is no terminal.
const COLUMNS_DEFAULT: usize = 100;
/// Rows and actions shown unless `full`.
const PACKAGES_MAX: usize = 25;
const ACTIONS_MAX: usize = 5;
const NOTES_MAX: usize = 8;

impl Format for Table {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn extension(&self) -> &'static str {
        "txt"
    }
    fn media_type(&self) -> &'static str {
        "text/plain; charset=utf-8"
    }
    fn write(&self, report: &Report, options: &Options, out: &mut dyn io::Write) -> Result<(), FormatError> {
        let columns = if options.width == 0 { COLUMNS_DEFAULT } else { options.width.clamp(40, 200) };
        let mut page = Page { out: Vec::new(), columns, colour: options.colour, full: options.full };
        page.verdict(report);
        page.actions(report);
        page.findings(report);
        page.coverage(report);
        page.data(report);
        out.write_all(&page.out)?;
        Ok(())
    }
}

struct Page {
    out: Vec<u8>,
    columns: usize,
    colour: bool,
    full: bool,
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::Red.on_default().bold(),
        Severity::High => AnsiColor::Red.on_default(),
        Severity::Medium => AnsiColor::Yellow.on_default(),
        Severity::Low => AnsiColor::Cyan.on_default(),
        Severity::Negligible => DIM,
        Severity::Unknown => AnsiColor::Magenta.on_default(),
    }
}

impl Page {
    fn line(&mut self, text: &str) {
        self.out.extend_from_slice(text.trim_end().as_bytes());
        self.out.push(b'\n');
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// A paragraph with `first` before its first line and blanks of that width before the others.
    fn paragraph(&mut self, first: &str, text: &str, style: Style) {
        let indent = width(first);
        let lines = wrap(text, self.columns.saturating_sub(indent));
        for (index, line) in lines.iter().enumerate() {
            let start = if index == 0 { first.to_owned() } else { " ".repeat(indent) };
            let line = format!("{start}{}", self.paint(style, line));
            self.line(&line);
        }
    }

    fn heading(&mut self, text: &str) {
        let text = self.paint(BOLD, text);
        self.line("");
        self.line(&text);
    }

    fn verdict(&mut self, report: &Report) {
        let word = Word::of(report);
        let banner_style = match word {
            Word::MaySail => AnsiColor::Black.on(AnsiColor::Green).bold(),
            Word::MaySailWarned => AnsiColor::Black.on(AnsiColor::Yellow).bold(),
            Word::MustNotSail => AnsiColor::White.on(AnsiColor::Red).bold(),
            Word::Incomplete => AnsiColor::Black.on(AnsiColor::Magenta).bold(),
        };
        let banner = format!(" {} {} ", word.mark(), word.text());
        let name = clip(&clean(&report.target.name), self.columns.saturating_sub(width(&banner) + 1));
        let line = format!("{} {}", self.paint(banner_style, &banner), self.paint(BOLD, &name));
        self.line(&line);
        self.paragraph("   ", &clean(&view::reasons(report).join(" ")), Style::new());
        if !report.verdict.rule.is_empty() {
            self.paragraph("   ", &format!("Rule: {}", clean(&report.verdict.rule)), DIM);
        }
        self.line("");
        self.paragraph("Scanned   ", &clean(&view::scope(report)), Style::new());
        let found = if report.findings.is_empty() {
            "nothing that is known".to_owned()
        } else {
            let exploited = report.findings.iter().filter(|f| f.kev.is_some()).count();
            let fixable = report.findings.iter().filter(|f| f.fixed_version.is_some()).count();
            let exploited = match exploited {
                0 => String::new(),
                n => format!("; {n} known to be exploited (KEV)"),
            };
            let total = count(report.findings.len() as u64, "finding");
            let counts = view::counts_text(&report.counts());
            format!("{total}: {counts}{exploited}; {} with a fix", thousands(fixable as u64))
        };
        self.paragraph("Found     ", &found, Style::new());
    }

    fn actions(&mut self, report: &Report) {
        if report.actions.is_empty() {
            return;
        }
        self.heading("What to do first");
        let shown = if self.full { report.actions.len() } else { ACTIONS_MAX };
        for (index, action) in report.actions.iter().take(shown).enumerate() {
            let (what, clears) = view::action(action);
            let lead = format!("{:>3}. ", index + 1);
            self.paragraph(&lead, &clean(&format!("{what}: {clears}")), Style::new());
            if !action.how.is_empty() && (self.full || index < 3) {
                self.paragraph("     $ ", &clean(&action.how), DIM);
            }
        }
        let rest = report.actions.get(shown..).unwrap_or_default();
        if !rest.is_empty() {
            let cleared: u64 = rest.iter().flat_map(|a| a.clears_by_severity).sum();
            let text = format!("and {}, which clear {cleared} more", count(rest.len() as u64, "more step"));
            self.paragraph("     ", &text, DIM);
        }
    }

    fn findings(&mut self, report: &Report) {
        let groups = view::groups(report);
        if !groups.is_empty() {
            self.heading("Findings by package, most urgent first");
            let shown = if self.full { groups.len() } else { PACKAGES_MAX };
            let plan = Columns::new(self.columns, report, &groups);
            self.line(&plan.header(self));
            for group in groups.iter().take(shown) {
                self.line(&plan.row(self, group));
                if self.full {
                    self.details(group);
                }
            }
            let partly = |g: &Group<'_>| g.fixable > 0 && g.fixable < g.findings.len() as u64;
            if groups.iter().take(shown).any(|g| g.exploited > 0) {
                self.paragraph("  ", "▲ holds a vulnerability that is known to be exploited (KEV)", DIM);
            }
            if plan.fixed > 0 && groups.iter().take(shown).any(partly) {
                self.paragraph("  ", "* fixes some of them, not all", DIM);
            }
            self.paragraph("  ", "why one is reported: seaworthy explain ID TARGET", DIM);
            let rest = groups.get(shown..).unwrap_or_default();
            if !rest.is_empty() {
                let hidden: usize = rest.iter().map(|g| g.findings.len()).sum();
                let packages = count(rest.len() as u64, "more package");
                let text =
                    format!("and {packages} with {} (show all: --full)", count(hidden as u64, "finding"));
                self.paragraph("  ", &text, DIM);
            }
        }
        let unfixable = view::unfixable(report);
        if !unfixable.is_empty() {
            let total: u64 = unfixable.iter().map(|(_, n)| n).sum();
            let parts: Vec<String> = unfixable.iter().map(|(status, n)| format!("{n} {status}")).collect();
            self.line("");
            let text = format!("{}: {}", count(total, "finding"), parts.join(", "));
            self.paragraph("No version to move to   ", &text, Style::new());
        }
        if !report.suppressed.is_empty() {
            let mut by: BTreeMap<&str, u64> = BTreeMap::new();
            for suppression in report.suppressed.iter().filter_map(|f| f.suppression.as_ref()) {
                *by.entry(suppression.by.as_str()).or_default() += 1;
            }
            let parts: Vec<String> = by.iter().map(|(by, n)| format!("{} {n}", clean(by))).collect();
            let text = format!("{} ({})", count(report.suppressed.len() as u64, "finding"), parts.join(", "));
            self.paragraph("Suppressed              ", &text, Style::new());
        }
    }

    /// Every finding of one package.
    fn details(&mut self, group: &Group<'_>) {
        for finding in &group.findings {
            let score = view::score_tenths(finding).map(view::score).unwrap_or_else(|| "-".into());
            let kev = if finding.kev.is_some() { "KEV " } else { "" };
            let fix = match &finding.fixed_version {
                Some(version) => format!("fixed in {}", clean(version)),
                None => view::unfixed(finding).to_owned(),
            };
            let id = clip(&clean(&finding.vulnerability), 24);
            let text = format!("{} {score:>4} {kev}{fix}. {}", pad(&id, 16), clean(&finding.title));
            let severity =
                self.paint(severity_style(finding.severity), &format!("{:<10}", finding.severity.word()));
            let line = format!("    {severity} {}", clip(&text, self.columns.saturating_sub(15)));
            self.line(&line);
        }
    }

    fn coverage(&mut self, report: &Report) {
        let groups = view::note_groups(&report.coverage);
        let (gaps, infos): (Vec<_>, Vec<_>) = groups.iter().partition(|g| g.grade == Grade::Gap);
        if gaps.is_empty() {
            self.line("");
            self.paragraph("Coverage  ", "everything that was found could be read", Style::new());
        } else {
            let total: u64 = gaps.iter().map(|g| g.notes.len() as u64).sum();
            self.heading(&format!(
                "Not seen: {} of {}",
                count(total, "gap"),
                count(gaps.len() as u64, "kind")
            ));
            self.notes(&gaps, AnsiColor::Magenta.on_default());
        }
        if !report.accepted.is_empty() {
            let accepted: Vec<String> = report
                .accepted
                .iter()
                .take(NOTES_MAX)
                .map(|(note, why)| format!("{} {} ({})", note.code, note.subject, why))
                .collect();
            let more = if report.accepted.len() > NOTES_MAX { ", …" } else { "" };
            let text = format!("{}{more}", clean(&accepted.join(", ")));
            self.paragraph("Accepted  ", &text, DIM);
        }
        if !infos.is_empty() {
            self.heading("Good to know");
            self.notes(&infos, Style::new());
        }
    }

    fn notes(&mut self, groups: &[&NoteGroup<'_>], style: Style) {
        let shown = if self.full { groups.len() } else { NOTES_MAX };
        for group in groups.iter().take(shown) {
            let times = match group.notes.len() {
                1 => String::new(),
                n => format!(" ×{}", thousands(n as u64)),
            };
            let head = format!("{}{times}", clip(&clean(group.code), self.columns.saturating_sub(24)));
            let units =
                clip(&clean(&group.units.join(", ")), self.columns.saturating_sub(width(&head) + 5).min(40));
            let head = format!("  {} {}", self.paint(style, &head), self.paint(DIM, &format!("[{units}]")));
            self.line(&head);
            let examples = if self.full { group.notes.len() } else { 1 };
            for note in group.notes.iter().take(examples) {
                let subject = clean(&note.subject);
                let text = match subject.is_empty() {
                    true => clean(&note.detail),
                    false => format!("{subject}: {}", clean(&note.detail)),
                };
                self.paragraph("      ", &clip(&text, 600), Style::new());
            }
            let more = group.notes.len().saturating_sub(examples);
            if more > 0 {
                self.paragraph("      ", &format!("and {} like it", thousands(more as u64)), DIM);
            }
        }
        let rest = groups.len().saturating_sub(shown);
        if rest > 0 {
            self.paragraph("  ", &format!("and {} (show all: --full)", count(rest as u64, "more kind")), DIM);
        }
    }

    fn data(&mut self, report: &Report) {
        let (text, act) = view::data(report);
        if report.coverage.iter().any(|note| note.grade == Grade::Info) || !report.accepted.is_empty() {
            self.line("");
        }
        let style = if act { AnsiColor::Yellow.on_default() } else { Style::new() };
        self.paragraph("Data      ", &clean(&text), style);
        let image = report.image.as_ref().and_then(|image| image.config_digest);
        if let Some(digest) = image {
            let stored: u64 = report.layers.iter().fold(0, |n, l| n.saturating_add(l.layer.stored_bytes));
            let text = format!("{} ({} stored)", digest.short(), bytes(stored));
            self.paragraph("Image     ", &text, DIM);
        }
    }
}

/// Which columns fit, and how wide they are.
struct Columns {
    package: usize,
    installed: usize,
    fixed: usize,
    unknown: bool,
    worst: usize,
}

impl Columns {
    fn new(columns: usize, report: &Report, groups: &[Group<'_>]) -> Self {
        let unknown = report.findings.iter().any(|f| f.severity == Severity::Unknown);
        let longest = |text: fn(&Group<'_>) -> String, least: usize, most: usize| {
            groups.iter().map(|g| width(&text(g))).max().unwrap_or(0).clamp(least, most)
        };
        // The indent and five columns for each severity are fixed; the rest is shared out, least
        // important last. A column of no width is left out.
        let mut left = columns.saturating_sub(if unknown { 27 } else { 22 });
        let mut take = |wanted: usize, least: usize| {
            let width = if left >= least + 2 { wanted.min(left - 2) } else { 0 };
            left -= if width > 0 { width + 2 } else { 0 };
            width
        };
        let package = take(longest(package_text, 7, (columns / 4).max(11)), 7).max(1);
        let worst = take(14, 14);
        let fixed = take(longest(fixed_text, 8, 30), 8);
        let installed = take(longest(installed_text, 9, 30), 9);
        // What is left over goes to the ids, if there are any.
        let worst = if worst > 0 { worst + left } else { 0 };
        Self { package, installed, fixed, unknown, worst }
    }

    fn header(&self, page: &Page) -> String {
        let mut text = format!("  {} CRIT HIGH  MED  LOW", pad("PACKAGE", self.package));
        if self.unknown {
            text.push_str("    ?");
        }
        let rest = [("WORST", self.worst), ("INSTALLED", self.installed), ("FIXED IN", self.fixed)];
        for (name, width) in rest.into_iter().filter(|(_, width)| *width > 0) {
            text.push_str(&format!("  {}", pad(name, width)));
        }
        page.paint(DIM, text.trim_end())
    }

    fn row(&self, page: &Page, group: &Group<'_>) -> String {
        let [critical, high, medium, low, negligible, unknown] = group.counts;
        let mark = if group.exploited > 0 {
            page.paint(severity_style(Severity::Critical), "▲")
        } else {
            " ".into()
        };
        let mut text =
            format!("{mark} {}", pad(&clip_start(&package_text(group), self.package), self.package));
        let mut cells = vec![
            (Severity::Critical, critical),
            (Severity::High, high),
            (Severity::Medium, medium),
            (Severity::Low, low.saturating_add(negligible)),
        ];
        if self.unknown {
            cells.push((Severity::Unknown, unknown));
        }
        for (severity, number) in cells {
            let cell = if number == 0 { "   ·".to_owned() } else { format!("{number:>4}") };
            let style = if number == 0 { DIM } else { severity_style(severity) };
            text.push_str(&format!(" {}", page.paint(style, &cell)));
        }
        let rest = [
            (worst(&group.findings, self.worst), self.worst),
            (installed_text(group), self.installed),
            (fixed_text(group), self.fixed),
        ];
        for (cell, width) in rest.into_iter().filter(|(_, width)| *width > 0) {
            text.push_str(&format!("  {}", pad(&clip(&cell, width), width)));
        }
        text
    }
}

fn package_text(group: &Group<'_>) -> String {
    clean(group.name)
}

fn installed_text(group: &Group<'_>) -> String {
    clean(&group.versions.join(", "))
}

fn fixed_text(group: &Group<'_>) -> String {
    match group.fixed_version {
        Some(version) if group.fixable < group.findings.len() as u64 => format!("{} *", clean(version)),
        Some(version) => clean(version),
        None => "-".into(),
    }
}

/// As many of the worst ids as fit, those known to be exploited first.
fn worst(findings: &[&Finding], columns: usize) -> String {
    let (exploited, others): (Vec<&Finding>, Vec<&Finding>) = findings.iter().partition(|f| f.kev.is_some());
    let mut text = String::new();
    for finding in exploited.iter().chain(&others) {
        let id = clean(&finding.vulnerability);
        let joined = if text.is_empty() { id } else { format!("{text}, {id}") };
        if width(&joined) > columns {
            return if text.is_empty() { clip(&joined, columns) } else { text };
        }
        text = joined;
    }
    text
}

fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}
