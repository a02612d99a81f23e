//! Alpine's package database.
//!
//! Format: apk_db(5), one `LETTER:value` a line, a blank line between packages; `F:` names a folder,
//! `R:` a file in it. Virtual packages (`.build-deps`), which hold nothing, are left out.

use super::{Cataloguer, Facts, File, Pattern};
use crate::assemble::{Builder, View};
use crate::database::{self, Ownership, Record, Strangers, UNREADABLE};
use crate::paths::PathListBuilder;
use crate::third_party;
use seaworthy_types::{About, Origin, Reads};

/// The unit.
pub const CATALOGUER: &dyn Cataloguer = &Apk;

struct Apk;

const ABOUT: About = About {
    name: "apk",
    version: 1,
    ecosystem: "apk",
    reads: Reads::Installed,
    coverage: "Reads lib/apk/db/installed and usr/lib/apk/db/installed with owned files.",
};

const DATABASES: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];

impl Cataloguer for Apk {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn patterns(&self) -> &'static [Pattern] {
        const PATTERNS: &[Pattern] = &[Pattern::Path(DATABASES[0]), Pattern::Path(DATABASES[1])];
        PATTERNS
    }

    fn read(&self, file: &File<'_>, facts: &mut Facts<'_>) {
        let Some(bytes) = file.record(facts) else { return };
        let text = String::from_utf8_lossy(&bytes);
        let mut records = Vec::new();
        let mut damaged = 0u64;
        let mut lines = text.lines().peekable();
        loop {
            while lines.next_if(|line| line.trim().is_empty()).is_some() {}
            if lines.peek().is_none() || !database::has_room(&records, file, facts) {
                break;
            }
            let stanza = std::iter::from_fn(|| lines.next_if(|line| !line.trim().is_empty()));
            match record(stanza) {
                Some(record) if record.name.starts_with('.') => {}
                Some(record) => records.push(record),
                None => damaged += 1,
            }
        }
        if damaged > 0 {
            facts.gap(UNREADABLE, format!("{damaged} records without name or version were left out"));
        }
        database::push_records(facts, records);
    }

    fn assemble(&self, view: &View<'_>, builder: &mut Builder) {
        let mut strangers = Strangers::default();
        let mut ownership = Ownership::default();
        for (record, location, layer) in database::records(view) {
            let mut package = database::package(&ABOUT, &record, location, layer);
            let maintainer = package.facts.get("maintainer").and_then(|field| third_party::maintainer(field));
            if let Some(why) = maintainer {
                strangers.add(&mut package, &why);
            }
            if package.origin == Origin::Distribution {
                let owner = builder.owner(&record.name);
                ownership.claim(view, builder, owner, &record.files);
            }
            builder.package(package);
        }
        strangers.note(&ABOUT, builder);
        database::note_absence(view, builder, &ABOUT, &["lib/apk/db", "usr/lib/apk/db"], &DATABASES, false);
    }
}

/// One package; `None` without name or version.
fn record<'t>(lines: impl Iterator<Item = &'t str>) -> Option<Record> {
    let mut record = Record::default();
    let mut paths = PathListBuilder::default();
    let mut folder = "";
    let mut path = String::new();
    for line in lines {
        let Some((key, value)) = line.split_once(':') else { continue };
        match key {
            "P" => record.name = database::clean(value),
            "V" => record.version = database::clean(value),
            "A" => record.architecture = database::clean(value),
            "o" => record.source_name = database::clean(value),
            "L" => record.licence = database::clean(value),
            "m" if !value.trim().is_empty() => {
                record.facts.push(("maintainer".into(), database::clean(value)));
            }
            "F" => folder = value.trim_matches('/'),
            "R" => {
                path.clear();
                path.push_str(folder);
                if !folder.is_empty() {
                    path.push('/');
                }
                path.push_str(value);
                paths.push(&path);
            }
            _ => {}
        }
    }
    record.files = paths.finish();
    Some(record).filter(|record| !record.name.is_empty() && !record.version.is_empty())
}
