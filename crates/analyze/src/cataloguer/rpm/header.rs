//! The header blob of one installed rpm package.
//!
//! Format: rpm's `docs/manual/format_header.md` and `format_v4.md`, here without the lead and
//! usually without the magic: number of entries and bytes of data (big-endian), entries of 16 bytes
//! (tag, type, offset, count), then the data. Signatures and digests are not checked.

use super::bytes::{Order, Result, u16_at, u32_at};
use crate::database::{Record, clean};
use crate::paths::PathListBuilder;

const MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];
const ENTRY_BYTES: usize = 16;
/// As rpm itself has it.
const ENTRIES_MAX: usize = 0xffff;
const FOLDER_BYTES_MAX: usize = 4_096;

const TAG_NAME: u32 = 1000;
const TAG_VERSION: u32 = 1001;
const TAG_RELEASE: u32 = 1002;
const TAG_EPOCH: u32 = 1003;
const TAG_VENDOR: u32 = 1011;
const TAG_LICENCE: u32 = 1014;
const TAG_ARCHITECTURE: u32 = 1022;
const TAG_FILE_NAMES_OLD: u32 = 1027;
const TAG_FILE_MODES: u32 = 1030;
const TAG_SOURCE_RPM: u32 = 1044;
const TAG_FOLDER_INDEXES: u32 = 1116;
const TAG_BASE_NAMES: u32 = 1117;
const TAG_FOLDER_NAMES: u32 = 1118;
const TAG_MODULARITY_LABEL: u32 = 5096;

const TYPE_INT16: u32 = 3;
const TYPE_INT32: u32 = 4;
const TYPES_TEXT: [u32; 3] = [6, 8, 9];

struct Header<'a> {
    entries: &'a [u8],
    data: &'a [u8],
}

impl<'a> Header<'a> {
    fn new(blob: &'a [u8]) -> Option<Self> {
        let blob = if blob.starts_with(&MAGIC) { blob.get(8..)? } else { blob };
        let count = usize::try_from(u32_at(blob, 0, Order::Big)?).ok()?;
        let size = usize::try_from(u32_at(blob, 4, Order::Big)?).ok()?;
        if count == 0 || count > ENTRIES_MAX {
            return None;
        }
        let start = 8 + count * ENTRY_BYTES;
        Some(Self { entries: blob.get(8..start)?, data: blob.get(start..start.checked_add(size)?)? })
    }

    /// Data and count of a tag of one of these types. Of several the last one counts: what rpm adds
    /// behind the package's own part replaces it.
    fn entry(&self, tag: u32, types: &[u32]) -> Option<(&'a [u8], usize)> {
        let entry = self.entries.chunks_exact(ENTRY_BYTES).rev().find(|entry| {
            u32_at(entry, 0, Order::Big) == Some(tag)
                && u32_at(entry, 4, Order::Big).is_some_and(|kind| types.contains(&kind))
        })?;
        let offset = usize::try_from(u32_at(entry, 8, Order::Big)?).ok()?;
        let count = usize::try_from(u32_at(entry, 12, Order::Big)?).ok()?;
        Some((self.data.get(offset..)?, count))
    }

    /// The texts of a tag; ends early where the data does.
    fn texts(&self, tag: u32) -> impl Iterator<Item = &'a [u8]> {
        let (mut data, count) = self.entry(tag, &TYPES_TEXT).unwrap_or((&[], 0));
        std::iter::from_fn(move || {
            let end = memchr::memchr(0, data)?;
            let text = data.get(..end)?;
            data = data.get(end + 1..)?;
            Some(text)
        })
        .take(count)
    }

    fn text(&self, tag: u32) -> String {
        let text = self.texts(tag).next().unwrap_or_default();
        let text = clean(&String::from_utf8_lossy(text));
        if text == "(none)" { String::new() } else { text }
    }

    fn number(&self, tag: u32) -> Option<u32> {
        let (data, _) = self.entry(tag, &[TYPE_INT32]).filter(|(_, count)| *count > 0)?;
        u32_at(data, 0, Order::Big)
    }
}

/// Turns a header blob into a record; `None` for the pseudo packages that hold public keys.
pub fn record(blob: &[u8], notes: &mut Vec<String>) -> Result<Option<Record>> {
    let header = Header::new(blob).ok_or("a package header is cut off or has impossible counts")?;
    let name = header.text(TAG_NAME);
    if name == "gpg-pubkey" {
        return Ok(None);
    }
    let (version, release) = (header.text(TAG_VERSION), header.text(TAG_RELEASE));
    if name.is_empty() || version.is_empty() {
        return Err("a package header has no name or version".into());
    }
    let epoch = header.number(TAG_EPOCH).filter(|epoch| *epoch != 0);
    let mut record = Record {
        version: evr(epoch, &version, &release),
        architecture: header.text(TAG_ARCHITECTURE),
        licence: header.text(TAG_LICENCE),
        ..Record::default()
    };
    set_source(&mut record, &header.text(TAG_SOURCE_RPM), epoch);
    for (key, tag) in [("vendor", TAG_VENDOR), ("modularity", TAG_MODULARITY_LABEL)] {
        let value = header.text(tag);
        if !value.is_empty() {
            record.facts.push((key.into(), value));
        }
    }
    if !files(&header, blob.len(), &mut record) {
        notes.push(format!("the file list of {name} is damaged: its files may be reported as nobody's"));
    }
    record.name = name;
    Ok(Some(record))
}

/// `epoch:version-release`, the epoch left out when it is 0.
pub fn evr(epoch: Option<u32>, version: &str, release: &str) -> String {
    let epoch = epoch.map(|epoch| format!("{epoch}:")).unwrap_or_default();
    let dash = if release.is_empty() { "" } else { "-" };
    format!("{epoch}{version}{dash}{release}")
}

/// Source name and version out of `bash-5.1.8-6.el9.src.rpm`; the source's epoch is the package's.
pub fn set_source(record: &mut Record, file: &str, epoch: Option<u32>) {
    let Some(stem) = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm")) else {
        return;
    };
    let mut parts = stem.rsplitn(3, '-');
    if let (Some(release), Some(version), Some(name)) = (parts.next(), parts.next(), parts.next()) {
        record.source_name = name.to_owned();
        record.source_version = evr(epoch, version, release);
    }
}

/// Collects the paths of files, not folders; false when lists do not fit together.
fn files(header: &Header<'_>, blob_bytes: usize, record: &mut Record) -> bool {
    let modes = header.entry(TAG_FILE_MODES, &[TYPE_INT16]);
    let is_folder = |at: usize| {
        let mode = modes.filter(|(_, count)| at < *count).and_then(|(m, _)| u16_at(m, at * 2, Order::Big));
        mode.is_some_and(|mode| mode & 0o170_000 == 0o040_000)
    };
    let mut paths = PathListBuilder::default();
    // Folder names are stored once and may be long: hostile lists must not multiply them.
    let bytes_max = blob_bytes.saturating_mul(4).saturating_add(1 << 16);
    let mut sound = true;
    let mut push = |at: usize, folder: &[u8], name: &[u8]| {
        if is_folder(at) {
            return true;
        }
        if folder.len() > FOLDER_BYTES_MAX || name.len() > FOLDER_BYTES_MAX || paths.bytes() > bytes_max {
            return false;
        }
        let path = [folder, name].concat();
        paths.push(String::from_utf8_lossy(&path).trim_start_matches('/'));
        true
    };
    for (at, name) in header.texts(TAG_FILE_NAMES_OLD).enumerate() {
        sound &= push(at, b"", name);
    }
    let folders: Vec<&[u8]> = header.texts(TAG_FOLDER_NAMES).collect();
    let indexes = header.entry(TAG_FOLDER_INDEXES, &[TYPE_INT32]);
    for (at, name) in header.texts(TAG_BASE_NAMES).enumerate() {
        let index = indexes.filter(|(_, count)| at < *count).and_then(|(i, _)| u32_at(i, at * 4, Order::Big));
        let folder = index.and_then(|index| folders.get(usize::try_from(index).ok()?));
        sound &= folder.is_some_and(|folder| push(at, folder, name));
    }
    record.files = paths.finish();
    sound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        for (file, epoch, name, version) in [
            ("bash-5.1.8-6.el9_1.src.rpm", None, "bash", "5.1.8-6.el9_1"),
            ("java-11-openjdk-11.0.1-1.el8.src.rpm", Some(1), "java-11-openjdk", "1:11.0.1-1.el8"),
            ("x-1-2.nosrc.rpm", None, "x", "1-2"),
            ("(none)", None, "", ""),
            ("a.src.rpm", None, "", ""),
        ] {
            let mut record = Record::default();
            set_source(&mut record, file, epoch);
            assert_eq!((record.source_name.as_str(), record.source_version.as_str()), (name, version));
        }
    }

    #[test]
    fn hostile_counts_are_refused() {
        for blob in [&[][..], &[0; 7], &[0; 8], &[0xff; 64], &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]] {
            assert!(record(blob, &mut Vec::new()).is_err());
        }
        // An entry whose offset and count point out of the data.
        let mut blob = vec![0, 0, 0, 1, 0, 0, 0, 4];
        for number in [TAG_NAME, 6, u32::MAX, u32::MAX] {
            blob.extend(number.to_be_bytes());
        }
        blob.extend(*b"abc\0");
        assert!(record(&blob, &mut Vec::new()).is_err());
    }
}
