//! Cataloguers: first byte the unit, second the length of a path, then the path, then the file. A path
//! that the unit does not want is replaced by one made from its patterns, so that every input reaches
//! a unit. The file is read whole and by random access in small pieces; packages must be the same,
//! unless a limit spoke; answers stay in proportion to bytes. Where the unit reads files together, the
//! first part of the bytes is the file, the rest its companion.

use seaworthy_analyze::cataloguer::{ALL, Cataloguer, Pattern, Target};
use seaworthy_analyze::read::{Matcher, units_for};
use seaworthy_analyze::{LayerFacts, LayerReader, assemble};
use seaworthy_image::{Content, Entry, EntryKind, ReadAt, Visitor, Want};
use seaworthy_types::{Grade, Inventory, Limits, Outcome};
use std::io;
use std::sync::OnceLock;

struct Pieces<'d>(&'d [u8]);

impl ReadAt for Pieces<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        // Short answers, as a decoder gives them.
        let count = rest.len().min(buffer.len()).min(1_021);
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

/// A path that the unit wants, and the bytes with which its file must begin.
fn wanted_path(unit: &dyn Cataloguer, choice: usize) -> (String, &'static [u8]) {
    let patterns = unit.patterns();
    let nothing: &[u8] = b"";
    match patterns[choice % patterns.len()] {
        Pattern::Path(path) => (path.to_owned(), nothing),
        Pattern::Name(name) => (format!("srv/app/{name}"), nothing),
        Pattern::Extension(extension) => (format!("srv/app/some{extension}"), nothing),
        Pattern::InFolder(folder, ending) => (format!("{folder}/some{ending}"), nothing),
        Pattern::Ending(ending) => (format!("usr/lib/some{ending}"), nothing),
        Pattern::Magic(magic) => ("usr/bin/some".to_owned(), magic),
    }
}

fn read(matcher: &Matcher, limits: &Limits, path: &str, content: Content<'_>) -> Option<LayerFacts> {
    let mut reader = LayerReader::new(matcher, limits);
    let size = content.len();
    let entry = Entry { path, kind: EntryKind::File, mode: 0o755, uid: 0, gid: 0, size, link: "" };
    let head = content.range(0, 512).expect("memory can be read");
    if reader.entry(&entry, &head) != Want::Content {
        return None;
    }
    reader.content(0, content);
    Some(reader.finish(Vec::new()))
}

/// Reads the bytes as a file and its companion.
fn together(matcher: &Matcher, limits: &Limits, paths: [&str; 2], contents: [Content<'_>; 2]) -> LayerFacts {
    let mut reader = LayerReader::new(matcher, limits);
    for (index, (path, content)) in paths.into_iter().zip(contents).enumerate() {
        let size = content.len();
        let entry = Entry { path, kind: EntryKind::File, mode: 0o755, uid: 0, gid: 0, size, link: "" };
        let head = content.range(0, 512).expect("memory can be read");
        if reader.entry(&entry, &head) == Want::Content {
            reader.content(index as u32, content);
        }
    }
    for pair in reader.pairs() {
        reader.pair(&pair, contents[0], contents[1]);
    }
    reader.finish(Vec::new())
}

fn inventory(facts: &LayerFacts) -> Outcome<Inventory> {
    let outcome = assemble(&[facts], Target::Source);
    for package in &outcome.value.packages {
        let _ = package.purl(outcome.value.os.as_ref());
    }
    outcome
}

fn is_complete(outcome: &Outcome<Inventory>) -> bool {
    outcome.notes.iter().all(|note| note.grade != Grade::Gap)
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let Some((unit, rest)) = crate::choose(ALL, data) else { return };
    let Some((length, rest)) = rest.split_first() else { return };
    let (path, file) = rest.split_at(usize::from(*length).min(rest.len()));
    let path = String::from_utf8_lossy(path);
    let path = path.trim_matches('/');
    static MATCHER: OnceLock<Matcher> = OnceLock::new();
    let all = MATCHER.get_or_init(|| Matcher::new(units_for(Target::Source)));
    let limits = crate::limits();
    let alone = Matcher::new(vec![unit]);
    let mut chosen = (path.to_owned(), file.to_vec());
    if read(&alone, &limits, &chosen.0, Content::Whole(&chosen.1)).is_none() {
        let (path, magic) = wanted_path(unit, usize::from(*length));
        chosen = (path, [magic, file].concat());
    }
    let (path, bytes) = (chosen.0.as_str(), chosen.1.as_slice());
    let Some(whole) = read(all, &limits, path, Content::Whole(bytes)) else { return };
    let again = read(all, &limits, path, Content::Whole(bytes));
    assert_eq!(Some(&whole), again.as_ref(), "{path}: the same bytes give the same facts");
    let pieces = Pieces(bytes);
    let pieces = read(all, &limits, path, Content::Large(&pieces)).expect("the same entry");
    let (whole, pieces) = (inventory(&whole), inventory(&pieces));
    let said = whole.value.packages.len() + whole.value.unidentified.len() + whole.notes.len();
    assert!(said <= bytes.len() + 64, "{path}: {said} answers from {} bytes", bytes.len());
    if is_complete(&whole) && is_complete(&pieces) {
        assert_eq!(whole.value.packages, pieces.value.packages, "{path}: whole and in pieces");
        assert_eq!(whole.value.os, pieces.value.os, "{path}: whole and in pieces");
    }
    let Some((file, companion)) = unit.companions().iter().find(|(file, _)| *file == path) else { return };
    // A database's page may be the whole of it.
    let (one, other) = bytes.split_at(bytes.len().min(512 << (length % 8)));
    let facts = together(all, &limits, [file, companion], [Content::Whole(one), Content::Whole(other)]);
    let in_pieces = [&Pieces(one), &Pieces(other)];
    let again = together(all, &limits, [file, companion], in_pieces.map(|part| Content::Large(part)));
    let (whole, pieces) = (inventory(&facts), inventory(&again));
    if is_complete(&whole) && is_complete(&pieces) {
        assert_eq!(whole.value.packages, pieces.value.packages, "{path}: together, whole and in pieces");
    }
}
