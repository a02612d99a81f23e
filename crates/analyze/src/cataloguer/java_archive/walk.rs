//! Reads one Java archive and those inside it into facts.
//!
//! Per archive: the directory, the manifest, coordinates, and archives within. Work is bounded by
//! entries, nesting, bytes unpacked and bytes hashed, all counted over the outermost archive.

use super::file_name;
use super::identity::{self, ArchiveFact};
use super::prefixes::Prefixes;
use super::{is_archive_name, manifest, pom};
use crate::cataloguer::{Facts, File};
use crate::zip::{Archive, Entry, Error, Inflater};
use seaworthy_image::{Content, ReadAt};
use seaworthy_types::{Grade, Limits};
use sha1::{Digest, Sha1};
use std::io;

/// Of a manifest only the main section counts; signatures of single entries follow it.
const MANIFEST_BYTES_MAX: u64 = 128 << 10;
const PROPERTIES_BYTES_MAX: u64 = 64 << 10;
const POM_BYTES_MAX: u64 = 1 << 20;
/// Coordinates of one archive.
const POMS_MAX: usize = 20_000;
/// Notes about one outermost archive; more say nothing new and may be an attack on memory.
const REMARKS_MAX: u32 = 200;
/// Piece in which a large archive is hashed.
const PIECE_BYTES: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Manifest,
    Properties,
    Pom,
    Nested,
}

/// Everything counted over the outermost archive.
struct Walk<'w, 'f> {
    facts: &'w mut Facts<'f>,
    limits: &'w Limits,
    inflater: Inflater,
    entries_left: u64,
    hash_bytes_left: u64,
    remarks_left: u32,
}

/// Reads the archive `file` and all within it.
pub fn read(file: &File<'_>, facts: &mut Facts<'_>) {
    // Honest archives unpack to a few times their size; a bomb ends here.
    let budget = (128 << 20) + file.content.len().saturating_mul(20);
    let mut walk = Walk {
        facts,
        limits: file.limits,
        inflater: Inflater::new(budget),
        entries_left: file.limits.archive_entries_max,
        hash_bytes_left: budget,
        remarks_left: REMARKS_MAX,
    };
    if file.content.is_empty() {
        walk.remark(Grade::Info, "archive-empty", "the file is empty".into());
        return;
    }
    walk.archive(file.content, "", file.path, 0);
}

impl Walk<'_, '_> {
    /// `inner` is the path within the outermost archive (`a.jar!/b.jar`), empty for itself.
    fn archive(&mut self, content: Content<'_>, inner: &str, path: &str, depth: u32) {
        let archive = match Archive::open(content, self.limits.record_bytes_max) {
            Ok(archive) => archive,
            Err(error) => return self.gap("archive-unreadable", inner, "", &error),
        };
        let mut prefixes = Prefixes::default();
        let mut wanted = Vec::new();
        let mut count = 0u64;
        for entry in archive.entries() {
            if self.entries_left == 0 {
                let detail = format!("{}more entries than the limit for archives allows", lead(inner, ""));
                self.remark(Grade::Gap, "archive-too-many-entries", detail);
                break;
            }
            self.entries_left -= 1;
            count += 1;
            prefixes.add(entry.name);
            if let Some(kind) = kind_of(entry.name) {
                wanted.push((entry, kind));
            }
        }
        // Old writers count modulo 65,536.
        if self.entries_left > 0 && count & 0xffff != archive.entries_declared & 0xffff {
            let declared = archive.entries_declared;
            let detail = format!("{}{count} entries instead of {declared} can be read", lead(inner, ""));
            self.remark(Grade::Gap, "archive-directory-damaged", detail);
        }
        let mut fact =
            ArchiveFact { inner: inner.to_owned(), prefixes: prefixes.top(), ..ArchiveFact::default() };
        fact.has_classes = prefixes.classes > 0;
        fact.has_archives = wanted.iter().any(|(_, kind)| *kind == Kind::Nested);
        self.entries(&archive, wanted, &mut fact, depth);
        let name = file_name::split(path);
        if identity::of(&name, &fact).is_none() && !identity::is_beside_the_point(&name, &fact) {
            fact.sha1 = self.sha1(content, &fact);
        }
        self.facts.push(&fact);
    }

    /// Reads what is wanted in the order in which it lies in the file.
    fn entries(
        &mut self,
        archive: &Archive<'_>,
        mut wanted: Vec<(Entry<'_>, Kind)>,
        fact: &mut ArchiveFact,
        depth: u32,
    ) {
        wanted.sort_by_key(|(entry, _)| (entry.offset, entry.name));
        let mut poms = Vec::new();
        for (entry, kind) in &wanted {
            match kind {
                Kind::Manifest => {
                    if let Some(bytes) =
                        self.small(archive, entry, fact, MANIFEST_BYTES_MAX).map(|(bytes, _)| bytes)
                        && fact.manifest.is_empty()
                    {
                        fact.manifest = manifest::parse(&bytes);
                    }
                }
                Kind::Properties if fact.poms.len() < POMS_MAX => {
                    if let Some(bytes) = self.whole(archive, entry, fact, PROPERTIES_BYTES_MAX) {
                        let path = String::from_utf8_lossy(entry.name);
                        match pom::from_properties(&path, &bytes) {
                            Some(pom) => fact.poms.push(pom),
                            None => {
                                let detail = format!("{}it holds no coordinates", lead(&fact.inner, &path));
                                self.remark(Grade::Info, "pom-without-coordinates", detail);
                            }
                        }
                    }
                }
                Kind::Pom => poms.push(entry),
                Kind::Nested => self.nested(archive, entry, &fact.inner, depth),
                Kind::Properties => {
                    let detail = format!("{}more than {POMS_MAX} coordinates", lead(&fact.inner, ""));
                    self.remark(Grade::Gap, "archive-too-many-entries", detail);
                    break;
                }
            }
        }
        for entry in poms {
            let path = String::from_utf8_lossy(entry.name).into_owned();
            let folder = path.trim_end_matches("pom.xml");
            let known = fact.poms.iter().any(|pom| {
                pom.path.strip_prefix(folder) == Some("pom.properties") && !pom.version.is_empty()
            });
            if known || fact.poms.len() >= POMS_MAX {
                continue;
            }
            if let Some(bytes) = self.whole(archive, entry, fact, POM_BYTES_MAX)
                && let Some(pom) = pom::from_xml(&path, &bytes)
            {
                fact.poms.retain(|other| other.path.strip_prefix(folder) != Some("pom.properties"));
                fact.poms.push(pom);
            }
        }
        fact.poms.sort_by(|a, b| (&a.path, &a.version).cmp(&(&b.path, &b.version)));
        fact.poms.dedup();
    }

    /// The first bytes of a record all of which counts: a note when there are more.
    fn whole<'a>(
        &mut self,
        archive: &Archive<'a>,
        entry: &Entry<'_>,
        fact: &ArchiveFact,
        bytes_max: u64,
    ) -> Option<std::borrow::Cow<'a, [u8]>> {
        let (bytes, all) = self.small(archive, entry, fact, bytes_max)?;
        if !all {
            let name = String::from_utf8_lossy(entry.name);
            let detail = format!(
                "{}it is larger than {bytes_max} bytes; only its start was read",
                lead(&fact.inner, &name)
            );
            self.remark(Grade::Gap, "archive-entry-unreadable", detail);
        }
        Some(bytes)
    }

    /// The first bytes of a small record and whether that is all of it, or a note.
    fn small<'a>(
        &mut self,
        archive: &Archive<'a>,
        entry: &Entry<'_>,
        fact: &ArchiveFact,
        bytes_max: u64,
    ) -> Option<(std::borrow::Cow<'a, [u8]>, bool)> {
        match archive.read_start(entry, bytes_max, &mut self.inflater) {
            Ok(read) => Some(read),
            Err(error) => {
                self.gap(
                    "archive-entry-unreadable",
                    &fact.inner,
                    &String::from_utf8_lossy(entry.name),
                    &error,
                );
                None
            }
        }
    }

    fn nested(&mut self, archive: &Archive<'_>, entry: &Entry<'_>, inner: &str, depth: u32) {
        let name = String::from_utf8_lossy(entry.name);
        if depth >= self.limits.nesting_max || (inner.len() + name.len()) as u64 > self.limits.path_bytes_max
        {
            let detail = format!(
                "{}it lies deeper than {} archives; it was not read",
                lead(inner, &name),
                self.limits.nesting_max
            );
            return self.remark(Grade::Gap, "archive-too-deep", detail);
        }
        let path = if inner.is_empty() { name.to_string() } else { format!("{inner}!/{name}") };
        // All buffers on the way down share one limit; what lies in memory is not copied.
        let buffer_bytes_max = self.limits.record_bytes_max >> depth.min(8);
        let window = archive.window(entry).ok().flatten();
        let in_memory = window.is_some() && matches!(archive.content(), Content::Whole(_));
        if let Some((start, length)) = window.filter(|(_, length)| !in_memory && *length > buffer_bytes_max) {
            let window = Window { content: archive.content(), start, length };
            return self.archive(Content::Large(&window), &path, &path, depth + 1);
        }
        let bytes_max = if in_memory { u64::MAX } else { buffer_bytes_max };
        match archive.read(entry, bytes_max, &mut self.inflater) {
            Ok(bytes) if !bytes.starts_with(b"PK") && !super::is_surely_java(&name) => {}
            Ok(bytes) if bytes.is_empty() => {
                self.remark(Grade::Info, "archive-empty", format!("{}the file is empty", lead(inner, &name)));
            }
            Ok(bytes) => self.archive(Content::Whole(&bytes), &path, &path, depth + 1),
            Err(error) => self.gap("archive-unreadable", &path, "", &error),
        }
    }

    /// SHA-1 of all bytes; of a large archive of archives nobody publishes one.
    fn sha1(&mut self, content: Content<'_>, fact: &ArchiveFact) -> String {
        let skipped = matches!(content, Content::Large(_)) && fact.has_archives;
        if skipped || content.len() > self.hash_bytes_left {
            return String::new();
        }
        self.hash_bytes_left -= content.len();
        let mut hasher = Sha1::new();
        let mut at = 0u64;
        while at < content.len() {
            let count = if matches!(content, Content::Whole(_)) { usize::MAX } else { PIECE_BYTES };
            match content.range(at, count) {
                Ok(piece) if !piece.is_empty() => {
                    hasher.update(&piece);
                    at += piece.len() as u64;
                }
                Ok(_) => return String::new(),
                Err(error) => {
                    self.gap("archive-unreadable", &fact.inner, "", &Error::Read(error));
                    return String::new();
                }
            }
        }
        use std::fmt::Write;
        hasher.finalize().iter().fold(String::with_capacity(40), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    fn remark(&mut self, grade: Grade, code: &str, detail: String) {
        match (self.remarks_left, grade) {
            (0, _) => return,
            (1, _) => {
                let detail =
                    format!("more than {REMARKS_MAX} things are odd in it; the others are not listed");
                self.facts.gap("archive-too-many-notes", detail);
            }
            (_, Grade::Gap) => self.facts.gap(code, detail),
            (_, Grade::Info) => self.facts.info(code, detail),
        }
        self.remarks_left -= 1;
    }

    fn gap(&mut self, code: &str, inner: &str, entry: &str, error: &Error) {
        self.remark(Grade::Gap, code, format!("{}{error}", lead(inner, entry)));
    }
}

/// `a.jar!/b.jar!/META-INF/x: `, or nothing for the outermost archive itself.
fn lead(inner: &str, entry: &str) -> String {
    match (inner, entry) {
        ("", "") => String::new(),
        (one, "") | ("", one) => format!("{one}: "),
        (inner, entry) => format!("{inner}!/{entry}: "),
    }
}

fn kind_of(name: &[u8]) -> Option<Kind> {
    // Most names are classes: the last byte tells.
    match name.last()? {
        b'F' if name == b"META-INF/MANIFEST.MF" => Some(Kind::Manifest),
        b's' if name.ends_with(b"/pom.properties") || name == b"pom.properties" => Some(Kind::Properties),
        b'l' if name.ends_with(b"/pom.xml") && in_maven_folder(name) => Some(Kind::Pom),
        b's' => None,
        _ => is_archive_name(name).then_some(Kind::Nested),
    }
}

fn in_maven_folder(name: &[u8]) -> bool {
    memchr::memmem::find(name, b"META-INF/maven/")
        .is_some_and(|at| at == 0 || name.get(at - 1) == Some(&b'/'))
}

/// A stored archive within a larger file.
struct Window<'a> {
    content: Content<'a>,
    start: u64,
    length: u64,
}

impl ReadAt for Window<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let count =
            usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..count) else { return Ok(0) };
        let start = self.start.saturating_add(offset);
        match self.content {
            Content::Large(file) => file.read_at(start, buffer),
            Content::Whole(_) => {
                let bytes = self.content.range(start, count)?;
                if let Some(place) = buffer.get_mut(..bytes.len()) {
                    place.copy_from_slice(&bytes);
                }
                Ok(bytes.len())
            }
        }
    }
    fn len(&self) -> u64 {
        self.length
    }
}
