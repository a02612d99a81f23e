//! `seaworthy scan`.

use super::setup::{Chosen, Setup};
use super::{several, targets};
use crate::arguments::{Arguments, ScanArguments};
use crate::config::Config;
use crate::exit::Code;
use crate::output::{self, ToFile};
use crate::progress::Bar;
use anyhow::{Context, Result, bail};
use seaworthy_policy::{FailOn, Filter, IgnoreFile, Policy};
use seaworthy_report::{Format, Options};
use seaworthy_types::Severity;
use std::path::{Path, PathBuf};

/// The ignore file that is used when none is named.
const IGNORE_FILE: &str = ".seaworthy-ignore.toml";

/// How results are written.
pub struct Shown {
    /// Format of standard output.
    pub format: &'static dyn Format,
    /// Formats of files.
    pub files: Vec<ToFile>,
    /// What formats are told.
    pub options: Options,
}

/// Scans and prints; everything that can be wrong with the arguments is said before the work begins.
pub fn run(arguments: &Arguments, config: &Config, options: &ScanArguments) -> Result<Code> {
    let name = options.format.as_deref().or(config.format.as_deref()).unwrap_or("table");
    let format = output::format(name)?;
    let files = options.output.iter().map(|text| output::to_file(text)).collect::<Result<Vec<_>>>()?;
    let shown = Options {
        colour: output::colours(arguments.color),
        width: output::columns(),
        full: options.full,
        template: options.template.as_deref().map(template).transpose()?,
    };
    if shown.template.is_some() && !output::uses(format, &files, "template") {
        bail!("--template is for the format `template`: add `-f template` or `-o template=FILE`");
    }
    let shown = Shown { format, files, options: shown };
    let policy = policy(config, options)?;
    let mut planned = targets::planned(&options.target, &options.targets)?;
    match planned.pop() {
        // All of an engine or of an index are a list, even if it is one.
        Some(target) if planned.is_empty() && !targets::wants_all(&options.target) => {
            output::check(shown.format, &shown.files, &shown.options)?;
            let setup = Setup::new(arguments, config, &options.target)?;
            one(arguments, setup, &target.find()?, &policy, &shown)
        }
        last => {
            planned.extend(last);
            let folders = several::check(&shown)?;
            let setup = Setup::new(arguments, config, &options.target)?;
            several::run(arguments.quiet, &setup, planned, &policy, &shown, folders)
        }
    }
}

fn one(arguments: &Arguments, setup: Setup, target: &Chosen, policy: &Policy, shown: &Shown) -> Result<Code> {
    let bar = Bar::new(arguments.quiet);
    let result = seaworthy_scan::scan(&setup.request(target, policy), &bar);
    bar.finish();
    let report = result?;
    for file in &shown.files {
        output::write_file(&report, file, &shown.options)?;
    }
    output::print(&report, shown.format, &shown.options)?;
    let code = Code::of(&report);
    // The process ends here: giving back a million small pieces one by one would take longer than
    // some scans.
    std::mem::forget((report, setup));
    Ok(code)
}

fn template(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading the template `{}`", path.display()))
}

fn policy(config: &Config, options: &ScanArguments) -> Result<Policy> {
    let rule = options.fail_on.as_deref().or(config.fail_on.as_deref()).unwrap_or("default");
    let fail_on = FailOn::parse(rule).with_context(|| {
        format!("`{rule}` is no rule: write default, low, medium, high, critical, exploited, any or never")
    })?;
    let unknown = options.unknown_as.as_deref().or(config.unknown_as.as_deref());
    let severities = options.severity.iter().map(|word| severity(word)).collect::<Result<Vec<_>>>()?;
    Ok(Policy {
        fail_on,
        unknown_as: unknown.map(severity).transpose()?.unwrap_or(Severity::Unknown),
        filter: Filter {
            only_fixed: options.only_fixed || config.only_fixed,
            severities,
            only_ids: options.only.clone(),
            not_ids: options.ignore.clone(),
        },
        decisions: decisions(config, options)?,
        strict: options.strict || config.strict,
    })
}

fn severity(word: &str) -> Result<Severity> {
    match Severity::parse(word) {
        Some(severity) => Ok(severity),
        None => bail!("`{word}` is no severity: write critical, high, medium, low, negligible or unknown"),
    }
}

fn decisions(config: &Config, options: &ScanArguments) -> Result<IgnoreFile> {
    let mut paths: Vec<PathBuf> = config.ignore_files.iter().chain(&options.ignore_file).cloned().collect();
    if paths.is_empty() && Path::new(IGNORE_FILE).is_file() {
        paths.push(IGNORE_FILE.into());
    }
    let mut all = IgnoreFile::default();
    for path in paths {
        let what = || format!("reading the ignore file `{}`", path.display());
        let text = std::fs::read_to_string(&path).with_context(what)?;
        all.extend(IgnoreFile::parse(&text).with_context(what)?);
    }
    Ok(all)
}
