//! The user's own template in the Jinja language (minijinja). It sees the report as `json` writes it:
//! `{{ target.name }}`, `{% for f in findings %}`. Bounded: fuel, recursion and size of output; there
//! is no loader, so that nothing is read from disk. Text is not escaped unless the template asks
//! (`|e` for HTML, `|tojson`); `|clean` makes control characters visible.

use super::{Format, FormatError, Options};
use crate::text;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use seaworthy_types::{About, Reads, Report};
use std::error::Error;
use std::io;

/// The format.
pub const FORMAT: &dyn Format = &Template;

struct Template;

const ABOUT: About = About {
    name: "template",
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "The user's own Jinja template over the report as `json` writes it.",
};

/// Steps of the template engine: enough for a hundred lines for each of 100,000 findings.
const FUEL: u64 = 100_000_000;
const RECURSION_MAX: usize = 64;
/// Columns of the line at fault that an error repeats.
const LINE_COLUMNS_MAX: usize = 100;
const OUTPUT_BYTES_MAX: u64 = 256 << 20;

impl Format for Template {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn extension(&self) -> &'static str {
        "txt"
    }
    fn may_fail(&self) -> bool {
        true
    }
    fn media_type(&self) -> &'static str {
        "text/plain; charset=utf-8"
    }
    fn check(&self, options: &Options) -> Result<(), FormatError> {
        let source = source(options)?;
        environment().template_from_str(source).map(drop).map_err(|error| failed(&error, source))
    }
    fn write(&self, report: &Report, options: &Options, out: &mut dyn io::Write) -> Result<(), FormatError> {
        let source = source(options)?;
        let failed = |error| failed(&error, source);
        let environment = environment();
        let template = environment.template_from_str(source).map_err(failed)?;
        let mut bounded = Bounded { out, left: OUTPUT_BYTES_MAX };
        template.render_captured_to(Serde(report), &mut bounded).map_err(failed)?;
        Ok(())
    }
}

fn source(options: &Options) -> Result<&str, FormatError> {
    let missing = || FormatError::Template("none was given: use --template FILE".into());
    options.template.as_deref().ok_or_else(missing)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION_MAX);
    // A misspelt field must not make an empty report that looks clean.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("clean", |value: String| text::clean(&value));
    environment
}

/// `line 3, `{% for x %}`: syntax error: …`
fn failed(error: &minijinja::Error, source: &str) -> FormatError {
    let mut text = String::new();
    if let Some(number) = error.line() {
        let line = source.lines().nth(number.saturating_sub(1)).unwrap_or_default().trim();
        text.push_str(&format!("line {number}, `{}`: ", text::clip(&text::clean(line), LINE_COLUMNS_MAX)));
    }
    text.push_str(&error.kind().to_string());
    if let Some(detail) = error.detail() {
        text.push_str(&format!(": {detail}"));
    }
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    FormatError::Template(text)
}

struct Bounded<'a> {
    out: &'a mut dyn io::Write,
    left: u64,
}

impl io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self
            .left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| io::Error::other("the output of the template exceeds 256 MiB"))?;
        self.out.write_all(bytes)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
