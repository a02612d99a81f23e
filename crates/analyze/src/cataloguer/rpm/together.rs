//! Which reading of an SQLite database counts: the one with the write-ahead log of its layer, or the one
//! without, when an upper layer took the log away. A log of another layer is not read with it but noted.

use super::{ABOUT, LOGS};
use crate::assemble::{Builder, View};
use crate::cataloguer::Fact;
use crate::database::{DatabaseFact, UNREADABLE};
use seaworthy_types::Note;
use std::collections::BTreeSet;

/// The unit's facts as they count, those of one path one after the other.
pub fn facts<'a>(view: &View<'a>, builder: &mut Builder) -> Vec<Fact<'a>> {
    let mut logs = Vec::new();
    let mut together = Vec::new();
    for fact in view.all() {
        let Some((database, _)) = LOGS.iter().find(|(_, log)| *log == fact.path) else { continue };
        match fact.get::<DatabaseFact>() {
            Some(DatabaseFact::Log(pages)) => logs.push((*database, *fact, pages)),
            _ if log_counts(view, database, fact) => {
                let visible = view.layer(database) == Some(fact.layer);
                together.push(Fact { path: database, visible, ..*fact });
            }
            _ => {}
        }
    }
    let read: BTreeSet<(&str, u32)> = together.iter().map(|fact| (fact.path, fact.layer)).collect();
    for (database, log, pages) in logs.iter().filter(|(_, log, _)| log.visible) {
        let layer = view.layer(database);
        if layer != Some(log.layer) || !read.contains(&(*database, log.layer)) {
            builder.note(left_out(database, log, *pages, layer));
        }
    }
    let is_log = |fact: &Fact<'_>| LOGS.iter().any(|(_, log)| *log == fact.path);
    let alone = view.all().iter().filter(|fact| !is_log(fact) && !read.contains(&(fact.path, fact.layer)));
    let mut facts: Vec<Fact<'a>> = alone.copied().chain(together).collect();
    facts.sort_by(|a, b| a.path.cmp(b.path).then(a.layer.cmp(&b.layer)));
    facts
}

/// A copy that upper layers replaced was used with its log; one that is visible only while that is too.
fn log_counts(view: &View<'_>, database: &str, log: &Fact<'_>) -> bool {
    log.visible || view.layer(database) != Some(log.layer)
}

fn left_out(database: &str, log: &Fact<'_>, pages: u64, database_layer: Option<u32>) -> Note {
    let advice = "close the database (`rpm --rebuilddb`) before the image is made";
    match database_layer {
        None => {
            let detail = format!("the write-ahead log holds {pages} pages, but {database} is not there");
            Note::info("package-log-alone", ABOUT.name, log.path, detail)
        }
        Some(layer) if layer != log.layer => {
            let detail = format!(
                "the write-ahead log holds {pages} pages, but it lies in layer {} and its database in layer \
                 {layer}: they were not read together; {advice}",
                log.layer
            );
            Note::gap(UNREADABLE, ABOUT.name, log.path, detail)
        }
        Some(_) => {
            let detail = format!(
                "the write-ahead log holds {pages} pages that could not be read with the database; {advice}"
            );
            Note::gap(UNREADABLE, ABOUT.name, log.path, detail)
        }
    }
}
