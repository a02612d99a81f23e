//! `seaworthy list`: what the program can read, judge and write, from the registries themselves.

use crate::arguments::{ListArguments, Listing};
use crate::exit::Code;
use crate::output::columns;
use anyhow::Result;
use seaworthy_report::text::wrap;
use seaworthy_types::{About, Reads, distribution, ecosystem};
use std::io::Write;

/// Columns where there is no terminal.
const COLUMNS_DEFAULT: usize = 100;
/// Columns that a text gets at least, however narrow the terminal.
const TEXT_COLUMNS_MIN: usize = 20;

const ALL: [(Listing, &str); 7] = [
    (Listing::Cataloguers, "cataloguers"),
    (Listing::Ecosystems, "ecosystems"),
    (Listing::Distributions, "distributions"),
    (Listing::Schemes, "schemes"),
    (Listing::Feeds, "feeds"),
    (Listing::Sboms, "sboms"),
    (Listing::Formats, "formats"),
];

/// Prints one list or all.
pub fn run(options: &ListArguments) -> Result<Code> {
    let chosen = ALL.iter().filter(|(listing, _)| options.what.is_none_or(|what| what == *listing));
    let columns = match columns() {
        0 => COLUMNS_DEFAULT,
        columns => columns,
    };
    let mut out = crate::output::stdout();
    if options.json {
        let lists: serde_json::Map<String, serde_json::Value> = chosen
            .map(|(listing, name)| {
                let rows = rows(*listing)
                    .into_iter()
                    .map(|(name, what)| serde_json::json!({"name": name, "about": what}));
                ((*name).to_owned(), rows.collect())
            })
            .collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&lists)?)?;
        return Ok(Code::Clean);
    }
    for (index, (listing, name)) in chosen.enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        let rows = rows(*listing);
        writeln!(out, "{name} ({})", rows.len())?;
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, what) in rows {
            let mut lines = wrap(&what, columns.saturating_sub(width + 4).max(TEXT_COLUMNS_MIN));
            if lines.is_empty() {
                lines.push(String::new());
            }
            for (number, line) in lines.iter().enumerate() {
                let name = if number == 0 { name.as_str() } else { "" };
                writeln!(out, "{}", format!("  {name:width$}  {line}").trim_end())?;
            }
        }
    }
    Ok(Code::Clean)
}

fn rows(listing: Listing) -> Vec<(String, String)> {
    let row = |about: &About| (about.name.to_owned(), about.coverage.to_owned());
    match listing {
        Listing::Cataloguers => seaworthy_analyze::cataloguer::ALL
            .iter()
            .map(|unit| {
                let about = unit.about();
                let place = if about.reads == Reads::Declared { " (source folders)" } else { "" };
                (about.name.to_owned(), format!("{}{place}", about.coverage))
            })
            .collect(),
        Listing::Ecosystems => ecosystem::ALL.iter().map(|e| (e.id.to_owned(), e.label.to_owned())).collect(),
        Listing::Distributions => distribution::ALL
            .iter()
            .map(|d| {
                let releases: Vec<&str> = d.end_of_life.iter().map(|(release, _)| *release).collect();
                let known =
                    if releases.is_empty() { String::new() } else { format!(": {}", releases.join(", ")) };
                (d.id.to_owned(), format!("{}{known}", d.label))
            })
            .collect(),
        Listing::Schemes => {
            seaworthy_version::scheme::ALL.iter().map(|s| (s.name.to_owned(), String::new())).collect()
        }
        Listing::Feeds => seaworthy_advisory::feed::ALL.iter().map(|feed| row(feed.about())).collect(),
        Listing::Sboms => seaworthy_analyze::sbom::ALL.iter().map(|reader| row(reader.about())).collect(),
        Listing::Formats => seaworthy_report::format::ALL.iter().map(|format| row(format.about())).collect(),
    }
}
