//! The package lists of images without an rpm database (CBL-Mariner and Azure Linux distroless).
//!
//! Format: `container-manifest-1` is the output of `rpm -qa`, one `name-version-release.arch` a line;
//! `container-manifest-2` has tab-separated columns: name, version-release, time of installation,
//! time of build, vendor, epoch, size, architecture, epoch as a number, source package.

use super::header::set_source;
use crate::database::{Record, clean};

/// Reads a list; the second value counts lines that were left out.
pub fn records(path: &str, text: &str) -> (Vec<Record>, u64) {
    let of_line = if path.ends_with("-2") { of_columns } else { of_name };
    let mut lost = 0;
    let mut records = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match of_line(line) {
            Some(record) if record.name == "gpg-pubkey" => {}
            Some(record) => records.push(record),
            None => lost += 1,
        }
    }
    (records, lost)
}

fn of_columns(line: &str) -> Option<Record> {
    let columns: Vec<&str> = line.split('\t').map(str::trim).collect();
    let column = |at: usize| columns.get(at).copied().filter(|text| *text != "(none)").unwrap_or_default();
    let (name, version) = (clean(column(0)), clean(column(1)));
    if name.is_empty() || version.is_empty() {
        return None;
    }
    let epoch = column(8).parse::<u32>().ok().filter(|epoch| *epoch != 0);
    let mut record = Record { name, architecture: clean(column(7)), ..Record::default() };
    record.version = epoch.map(|epoch| format!("{epoch}:")).unwrap_or_default() + &version;
    set_source(&mut record, &clean(column(9)), epoch);
    let vendor = clean(column(4));
    if !vendor.is_empty() {
        record.facts.push(("vendor".into(), vendor));
    }
    Some(record)
}

fn of_name(line: &str) -> Option<Record> {
    let line = clean(line);
    let (rest, architecture) = line.rsplit_once('.')?;
    let mut parts = rest.rsplitn(3, '-');
    let (release, version, name) = (parts.next()?, parts.next()?, parts.next()?);
    let sound = ![name, version, release, architecture].contains(&"");
    sound.then(|| Record {
        name: name.to_owned(),
        version: format!("{version}-{release}"),
        architecture: architecture.to_owned(),
        ..Record::default()
    })
}
