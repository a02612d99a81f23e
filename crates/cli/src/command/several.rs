//! Several targets in one run, one after another, with one cache: a layer that they share is read once.
//! A target that cannot be scanned is told and keeps none of the others back.

use super::scan::Shown;
use super::setup::Setup;
use super::targets::Planned;
use crate::exit::{Code, error_text};
use crate::output::{self, ToFile};
use crate::progress::Bar;
use anyhow::{Context, Result, bail};
use seaworthy_policy::Policy;
use seaworthy_report::summary::{self, Row};
use seaworthy_report::text::clean;
use seaworthy_types::Report;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// Bytes that go to standard output at a time.
const PIECE_BYTES: usize = 64 << 10;
/// A file's name without its ending is no longer than this.
const NAME_BYTES_MAX: usize = 200;

/// A format and the folder that its files go to.
pub struct Folder {
    file: ToFile,
    taken: BTreeSet<String>,
}

/// Says what will not do for several targets, and makes the folders of their reports.
pub fn check(shown: &Shown) -> Result<Vec<Folder>> {
    let name = shown.format.about().name;
    if !matches!(name, "table" | "json") {
        bail!(
            "several targets can be printed as `table` (a summary) or as `json` (a list of reports); \
             for a file of each target write `-o {name}=FOLDER/`"
        );
    }
    shown.format.check(&shown.options)?;
    let mut folders = Vec::new();
    for file in &shown.files {
        let path = file.path();
        std::fs::create_dir_all(path).with_context(|| {
            format!("of several targets each gets a file of its own: `{}` must be a folder", path.display())
        })?;
        output::check(shown.format, &[file.within("report")], &shown.options)?;
        folders.push(Folder { file: file.clone(), taken: BTreeSet::new() });
    }
    Ok(folders)
}

/// Scans all; the code is the worst: error before findings before incomplete.
pub fn run(
    quiet: bool,
    setup: &Setup,
    planned: Vec<Planned>,
    policy: &Policy,
    shown: &Shown,
    mut folders: Vec<Folder>,
) -> Result<Code> {
    if planned.is_empty() {
        eprintln!("seaworthy: there is nothing to scan");
        return Ok(Code::Incomplete);
    }
    let is_json = shown.format.about().name == "json";
    let total = planned.len();
    let mut out = BufWriter::with_capacity(PIECE_BYTES, output::stdout());
    let mut rows = Vec::with_capacity(total);
    let mut worst = Code::Clean;
    for (index, target) in planned.into_iter().enumerate() {
        let name = target.name().to_owned();
        let bar = Bar::within(quiet, format!("{} of {total} {}", index + 1, clean(&name)));
        let result =
            target.find().and_then(|target| Ok(seaworthy_scan::scan(&setup.request(&target, policy), &bar)?));
        bar.finish();
        let (row, code) = match &result {
            Ok(report) => (Row::of(report), Code::of(report)),
            Err(error) => {
                let why = error_text(error);
                let why = why.strip_prefix("seaworthy: ").unwrap_or(&why).to_owned();
                (Row::failed(&name, why), Code::Error)
            }
        };
        worst = worst.worse(code);
        if let Ok(report) = &result {
            for folder in &mut folders {
                folder.write(report, shown)?;
            }
        }
        if is_json {
            write!(out, "{}", if index == 0 { "[\n" } else { ",\n" })?;
        }
        match (&result, is_json) {
            (Ok(report), true) => shown.format.write(report, &shown.options, &mut out)?,
            (Err(_), true) => {
                serde_json::to_writer(
                    &mut out,
                    &json!({ "target": { "name": name }, "error": row.failure() }),
                )?;
            }
            (Ok(report), false) if shown.options.full => {
                shown.format.write(report, &shown.options, &mut out)?;
                writeln!(out)?;
            }
            _ => {}
        }
        out.flush()?;
        rows.push(row);
    }
    match is_json {
        true => writeln!(out, "]")?,
        false => summary::write(&rows, &shown.options, &mut out)?,
    }
    out.flush().context("writing to standard output")?;
    Ok(worst)
}

impl Folder {
    fn write(&mut self, report: &Report, shown: &Shown) -> Result<()> {
        let mut stem = file_stem(&report.target.name);
        let mut number = 1;
        while !self.taken.insert(stem.clone()) {
            number += 1;
            stem = format!("{}-{number}", file_stem(&report.target.name));
        }
        let name = PathBuf::from(format!("{stem}.{}", self.file.extension()));
        output::write_file(report, &self.file.within(name), &shown.options)
    }
}

/// A name for a file: what could be a path, or mean something to a shell, becomes `_`.
fn file_stem(target: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-+=@".contains(c) { c } else { '_' };
    let stem: String = target.trim_start_matches(['.', '/']).chars().map(plain).collect();
    // The end of a long name tells more.
    let stem =
        stem.get(stem.len().saturating_sub(NAME_BYTES_MAX)..).unwrap_or_default().trim_start_matches('.');
    if stem.is_empty() { "target".to_owned() } else { stem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_leave_no_folder() {
        assert_eq!(file_stem("registry.example/team/app:1.0"), "registry.example_team_app_1.0");
        assert_eq!(file_stem("../../etc/passwd"), "etc_passwd");
        assert_eq!(file_stem("./..//.x"), "x");
        assert_eq!(file_stem("/"), "target");
        assert_eq!(file_stem("a b\n;rm"), "a_b__rm");
        assert_eq!(file_stem(&"é".repeat(500)).len(), NAME_BYTES_MAX);
    }
}
