//! The rpm database, in its three forms, and package lists in place of one.
//!
//! The readers beside this file say where each format is specified. Which form a file has is told
//! by its content, not its name. A write-ahead log counts with the database of its layer; one that lies in
//! another layer than its database is a gap.

mod bdb;
mod bytes;
mod header;
mod log;
mod manifest;
mod ndb;
mod sqlite;
mod together;

use self::bytes::{Bytes, Losses};
use self::log::Log;
use super::{Cataloguer, Facts, File, Pattern};
use crate::assemble::{Builder, View};
use crate::database::{self, DatabaseFact, Ownership, Record, Strangers, UNREADABLE};
use seaworthy_image::Content;
use seaworthy_types::{About, Grade, Note, Origin, Reads, distribution};

/// The unit.
pub const CATALOGUER: &dyn Cataloguer = &Rpm;

struct Rpm;

const ABOUT: About = About {
    name: "rpm",
    version: 3,
    ecosystem: "rpm",
    reads: Reads::Installed,
    coverage: "Reads rpm databases (SQLite, NDB, Berkeley DB) in var/lib/rpm, usr/lib/sysimage/rpm and \
               usr/share/rpm, and var/lib/rpmmanifest/container-manifest-*; SQLite databases with the \
               write-ahead log of their layer (one in another layer is noted as a gap).",
};

const MANIFEST_1: &str = "var/lib/rpmmanifest/container-manifest-1";
const MANIFEST_2: &str = "var/lib/rpmmanifest/container-manifest-2";
const FOLDERS: [&str; 3] = ["var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"];
const DATABASES: [&str; 11] = [
    "var/lib/rpm/Packages",
    "var/lib/rpm/Packages.db",
    "var/lib/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm/Packages",
    "usr/lib/sysimage/rpm/Packages.db",
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
    "usr/share/rpm/Packages",
    "usr/share/rpm/Packages.db",
    "usr/share/rpm/rpmdb.sqlite",
    MANIFEST_1,
    MANIFEST_2,
];
/// Databases and their write-ahead logs.
const LOGS: [(&str, &str); 3] = [
    ("var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite-wal"),
    ("usr/lib/sysimage/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/rpmdb.sqlite-wal"),
    ("usr/share/rpm/rpmdb.sqlite", "usr/share/rpm/rpmdb.sqlite-wal"),
];
const PATTERNS: [Pattern; 14] = {
    let mut patterns = [Pattern::Path(""); 14];
    let mut at = 0;
    while at < DATABASES.len() {
        patterns[at] = Pattern::Path(DATABASES[at]);
        at += 1;
    }
    while at < patterns.len() {
        patterns[at] = Pattern::Path(LOGS[at - DATABASES.len()].1);
        at += 1;
    }
    patterns
};

impl Cataloguer for Rpm {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn patterns(&self) -> &'static [Pattern] {
        &PATTERNS
    }

    fn read(&self, file: &File<'_>, facts: &mut Facts<'_>) {
        if file.path.ends_with("-wal") {
            read_log(file, facts);
        } else if file.path == MANIFEST_1 || file.path == MANIFEST_2 {
            read_manifest(file, facts);
        } else {
            read_database(file, None, facts);
        }
    }

    fn companions(&self) -> &'static [(&'static str, &'static str)] {
        &LOGS
    }

    fn read_together(&self, file: &File<'_>, companion: Content<'_>, facts: &mut Facts<'_>) {
        // A log that cannot be read was noted when it was read alone.
        if let Ok(Some(log)) = Log::read(companion) {
            // SQLite removes a log beside an empty file.
            let log = Some(log).filter(|_| !file.content.is_empty());
            read_database(file, log, facts);
        }
    }

    fn assemble(&self, view: &View<'_>, builder: &mut Builder) {
        let distribution = view.os().and_then(distribution::of);
        let mut strangers = Strangers::default();
        let mut ownership = Ownership::default();
        let both = view.exists(MANIFEST_1) && view.exists(MANIFEST_2);
        if !both && view.visible().any(|fact| fact.path == MANIFEST_1) {
            let detail = "this list gives neither source packages nor epochs: packages that are built from a \
                          source of another name may be judged wrongly";
            builder.note(Note::gap("package-source-unknown", ABOUT.name, MANIFEST_1, detail));
        }
        let facts = together::facts(view, builder);
        let mut remarks = Vec::new();
        let records = database::records_of(&facts, &ABOUT, &mut remarks);
        remarks.into_iter().for_each(|remark| builder.note(remark));
        for (record, location, layer) in records {
            // The first list says less of the same packages.
            if both && location.path == MANIFEST_1 {
                continue;
            }
            let mut package = database::package(&ABOUT, &record, location, layer);
            let vendor = package.facts.get("vendor").cloned().unwrap_or_default();
            if distribution.is_some_and(|record| record.is_strange_vendor(&vendor)) {
                strangers.add(&mut package, &format!("vendor {vendor}"));
            }
            if package.origin == Origin::Distribution {
                let owner = builder.owner(&record.name);
                ownership.claim(view, builder, owner, &record.files);
            }
            builder.package(package);
        }
        strangers.note(&ABOUT, builder);
        database::note_absence(view, builder, &ABOUT, &FOLDERS, &DATABASES, false);
    }
}

fn read_log(file: &File<'_>, facts: &mut Facts<'_>) {
    if file.content.is_empty() {
        return;
    }
    match Log::read(file.content) {
        Ok(None) => {}
        Ok(Some(log)) => facts.push(&DatabaseFact::Log(log.count())),
        Err(why) => facts.gap(UNREADABLE, why),
    }
}

fn read_manifest(file: &File<'_>, facts: &mut Facts<'_>) {
    let Some(bytes) = file.record(facts) else { return };
    let (records, lost) = manifest::records(file.path, &String::from_utf8_lossy(&bytes));
    if lost > 0 {
        facts.gap(UNREADABLE, format!("{lost} lines without name or version were left out"));
    }
    database::push_records(facts, records);
}

fn read_database(file: &File<'_>, log: Option<Log<'_>>, facts: &mut Facts<'_>) {
    let mut remark = |grade, code: &str, detail| {
        facts.push(&DatabaseFact::Remark(grade, code.to_owned(), detail));
    };
    let mut records: Vec<Record> = Vec::new();
    let mut remarks = Vec::new();
    // In a sound database records do not overlap: together they are no larger than the file and its log.
    let mut left = file.content.len().saturating_add(log.as_ref().map_or(0, Log::len));
    let packages_max = file.limits.packages_max;
    let mut each = |blob: &[u8]| {
        left = left.checked_sub(blob.len() as u64).ok_or("records overlap")?;
        if records.len() as u64 >= packages_max {
            return Err(format!("there are more than {packages_max} packages"));
        }
        records.extend(header::record(blob, &mut remarks)?);
        Ok(())
    };
    let result = read_any(file, log, &mut each);
    match result {
        Ok(Losses { count: 0, .. }) => {}
        Ok(Losses { count, first }) => {
            let detail = format!("{count} records could not be read; the first: {first}");
            remark(Grade::Gap, UNREADABLE, detail);
        }
        Err(why) => remark(Grade::Gap, UNREADABLE, format!("the database could not be read: {why}")),
    }
    if let Some(first) = remarks.first() {
        let count = remarks.len();
        let detail = format!("{count} packages; the first: {first}");
        remark(Grade::Info, "package-files-damaged", detail);
    }
    database::push_records(facts, records);
}

fn read_any(
    file: &File<'_>,
    log: Option<Log<'_>>,
    each: &mut dyn FnMut(&[u8]) -> bytes::Result<()>,
) -> bytes::Result<Losses> {
    if file.content.is_empty() {
        return Ok(Losses::default());
    }
    let mut bytes = Bytes::new(file.content);
    let head = file.content.range(0, 32).map_err(|error| error.to_string())?;
    let header_bytes_max = usize::try_from(file.limits.record_bytes_max).unwrap_or(usize::MAX);
    if log.is_some() || head.starts_with(sqlite::MAGIC) {
        sqlite::headers(&mut bytes, log, header_bytes_max, each)
    } else if head.starts_with(ndb::MAGIC) {
        ndb::headers(&mut bytes, header_bytes_max, each)
    } else if bdb::order(&head).is_some() {
        bdb::headers(&mut bytes, header_bytes_max, each)
    } else {
        Err("the content is none of the known formats".into())
    }
}
