//! `seaworthy db status` and `seaworthy db verify`: what is installed, and whether it is sound.

use crate::exit::Code;
use anyhow::{Result, bail};
use seaworthy_advisory::database::index::Publication;
use seaworthy_advisory::{Database, Index, Lookup as _};
use seaworthy_report::text::{clean, thousands};
use seaworthy_types::{Completeness, DataStatus, Outcome};
use std::io::Write;
use std::path::Path;

/// Says what is in the database, how old and how complete.
pub fn status(folder: &Path, json: bool) -> Result<Code> {
    let Outcome { value: database, notes } = Database::open(folder)?;
    let status = database.status();
    let publication = Index::read(folder)?.and_then(|(index, _)| index.publication);
    let mut out = crate::output::stdout();
    if json {
        let mut value = with_losses(&status, &database)?;
        if let (Some(publication), Some(value)) = (&publication, value.as_object_mut()) {
            value.insert("publication".into(), serde_json::to_value(publication)?);
        }
        writeln!(out, "{}", serde_json::to_string_pretty(&value)?)?;
        return Ok(Code::Clean);
    }
    print_status(&mut out, folder, &status)?;
    if let Some(publication) = &publication {
        print_publication(&mut out, publication)?;
    }
    print_losses(&mut out, &database)?;
    for note in notes {
        writeln!(out, "{}: {}", note.code, clean(&note.detail))?;
    }
    Ok(Code::Clean)
}

/// The status with what import lost of each shard beside it.
fn with_losses(status: &DataStatus, database: &Database) -> Result<serde_json::Value> {
    let mut value = serde_json::to_value(status)?;
    for source in value.get_mut("sources").and_then(|list| list.as_array_mut()).into_iter().flatten() {
        let lost = source.get("shard").and_then(|name| name.as_str()).map(|name| database.lost(name));
        let lost = serde_json::to_value(lost.unwrap_or_default())?;
        if let Some(source) = source.as_object_mut() {
            source.insert("lost".into(), lost);
        }
    }
    Ok(value)
}

/// Where the data were fetched from, and what else there is.
fn print_publication(out: &mut impl Write, publication: &Publication) -> Result<()> {
    let Publication { sequence, made, expires, signers, missing, .. } = publication;
    let by = match signers.is_empty() {
        true => "not signed".to_owned(),
        false => format!("signed by {}", signers.join(", ")),
    };
    let name = clean(&publication.publication);
    writeln!(out, "\nfetched from publication {sequence} of `{name}`, made {made}, {by}")?;
    let is_over = crate::command::setup::now() >= *expires;
    writeln!(out, "fresh until {expires}{}", if is_over { ": it has expired" } else { "" })?;
    if !missing.is_empty() {
        let missing: Vec<String> = missing.iter().map(|shard| clean(shard)).collect();
        writeln!(out, "not installed of it: {}", missing.join(", "))?;
    }
    Ok(())
}

/// One line for each shard and kind of loss.
fn print_losses(out: &mut impl Write, database: &Database) -> Result<()> {
    const NAMES_MAX: usize = 5;
    let mut first = true;
    for facts in database.installed() {
        for loss in &facts.lost {
            if std::mem::take(&mut first) {
                writeln!(out, "\nlost when the data were imported")?;
            }
            let mut names: Vec<String> = loss
                .packages
                .iter()
                .map(|(name, of)| {
                    format!("{} ({})", clean(name), clean(of.records.first().map_or("", String::as_str)))
                })
                .collect();
            let more = names.len().saturating_sub(NAMES_MAX);
            names.truncate(NAMES_MAX);
            if more > 0 {
                names.push(format!("{more} more"));
            }
            if loss.unnamed > 0 {
                names.push(format!("{} on packages that are not known", thousands(loss.unnamed)));
            }
            let names = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
            let count = thousands(loss.count);
            writeln!(out, "{:24} {count:>9}  {} ({}){names}", facts.shard, loss.code, clean(&loss.detail))?;
        }
    }
    Ok(())
}

fn print_status(out: &mut impl Write, folder: &Path, status: &DataStatus) -> Result<()> {
    match status.built {
        Some(built) => writeln!(out, "database in {}, built {built}\n", folder.display())?,
        None => writeln!(out, "no database in {}: the built-in starter set is used\n", folder.display())?,
    }
    writeln!(out, "{:24} {:>9}  {:10}  {:8}", "shard", "records", "as of", "complete")?;
    for source in &status.sources {
        let day = source.as_of.map(|time| time.date().to_string()).unwrap_or_else(|| "unknown".into());
        let complete = match source.completeness {
            Completeness::Complete => "yes",
            Completeness::Partial => "partly",
            Completeness::Starter => "starter",
        };
        let remark =
            if source.completeness == Completeness::Partial { clean(&source.remark) } else { String::new() };
        let line =
            format!("{:24} {:>9}  {day:10}  {complete:8} {remark}", source.shard, thousands(source.records));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Checks every block of the database.
pub fn verify(folder: &Path) -> Result<Code> {
    let Outcome { value: database, .. } = Database::open(folder)?;
    if database.built().is_none() {
        bail!("there is no database in `{}`: `seaworthy db update` installs one", folder.display());
    }
    database.verify()?;
    println!("every block of the database in {} is sound", folder.display());
    Ok(Code::Clean)
}
