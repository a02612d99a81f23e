//! The output formats: each is one file.

use seaworthy_types::{About, Report, sbom};
use std::io;

// tidy:begin
pub mod csv;
pub mod cyclonedx;
pub mod github;
pub mod gitlab;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod sarif;
pub mod spdx;
pub mod table;
pub mod template;

/// Every output format, sorted by name.
pub const ALL: &[&dyn Format] = &[
    csv::FORMAT,
    cyclonedx::FORMAT,
    github::FORMAT,
    gitlab::FORMAT,
    html::FORMAT,
    json::FORMAT,
    junit::FORMAT,
    markdown::FORMAT,
    sarif::FORMAT,
    spdx::FORMAT,
    table::FORMAT,
    template::FORMAT,
];
// tidy:end

/// One output format.
pub trait Format: Sync {
    /// Name as on the command line, version, coverage.
    fn about(&self) -> &'static About;
    /// File ending without the dot.
    fn extension(&self) -> &'static str;
    /// Media type.
    fn media_type(&self) -> &'static str;
    /// Whether the options will do, as far as that can be known without a report: asked before the work.
    fn check(&self, _options: &Options) -> Result<(), FormatError> {
        Ok(())
    }
    /// Whether writing may fail for another reason than its output, after a part is written.
    fn may_fail(&self) -> bool {
        false
    }
    /// Writes the report: the same report and options give the same bytes.
    fn write(&self, report: &Report, options: &Options, out: &mut dyn io::Write) -> Result<(), FormatError>;
}

/// What a format may be told.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Terminal colours.
    pub colour: bool,
    /// Columns of the terminal; 0 when there is none.
    pub width: usize,
    /// Show everything that is shortened by default.
    pub full: bool,
    /// Text of the user's template, for `template`.
    pub template: Option<String>,
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Writing failed.
    #[error("writing the report failed")]
    Io(#[from] io::Error),
    /// The report could not be put into JSON.
    #[error("the report could not be written as JSON")]
    Json(#[from] serde_json::Error),
    /// The user's template is wrong or missing.
    #[error("the template cannot be used: {0}")]
    Template(String),
}

/// The format with this name.
pub fn by_name(name: &str) -> Option<&'static dyn Format> {
    ALL.iter().copied().find(|format| format.about().name == name)
}

/// What the writers of bills of materials say of the document as a whole.
fn document_properties(report: &Report) -> Result<sbom::Properties, serde_json::Error> {
    let mut out = vec![
        (sbom::VOCABULARY.to_owned(), sbom::VOCABULARY_VERSION.to_owned()),
        (sbom::TARGET_NAME.to_owned(), report.target.name.clone()),
    ];
    if let serde_json::Value::String(kind) = serde_json::to_value(report.target.kind)? {
        out.push((sbom::TARGET_KIND.to_owned(), kind));
    }
    if let Some(image) = &report.image {
        out.push((sbom::IMAGE.to_owned(), serde_json::to_string(image)?));
    }
    // An accepted gap is a gap for the next reader: the acceptance is not part of the target.
    let notes = report.coverage.iter().chain(report.accepted.iter().map(|(note, _)| note));
    let carried: std::collections::BTreeSet<_> = notes.filter(|note| sbom::is_carried(note)).collect();
    for note in carried {
        out.push((sbom::NOTE.to_owned(), serde_json::to_string(note)?));
    }
    Ok(out)
}
