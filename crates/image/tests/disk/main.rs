//! Disks say the same as the tree that was put into them.
#![allow(missing_docs)]

#[path = "../common/mod.rs"]
mod common;
mod make;

mod containers;
mod fixed;
mod hostile;
mod systems;

use common::*;
use seaworthy_image::{EntryKind, Error, FileSource, FolderResult, open_disk, walk_disk, walk_folder};
use seaworthy_types::Limits;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

/// One entry: path, kind, size, link, mode, head, content.
type Line = (String, EntryKind, u64, String, u32, Vec<u8>, Option<Vec<u8>>);

/// Limits with which large files are large.
pub fn limits() -> Limits {
    Limits { file_bytes_whole_max: 1 << 20, ..Limits::default() }
}

pub fn walked(disk: &Path) -> Result<(Recorder, FolderResult), Error> {
    walked_as(disk, None)
}

pub fn walked_as(disk: &Path, wish: Option<&str>) -> Result<(Recorder, FolderResult), Error> {
    let source = FileSource::new(File::open(disk).expect("a disk")).expect("a source");
    let disk = open_disk(Arc::new(source), wish, &limits())?;
    let mut seen = Recorder::default();
    let result = walk_disk(&disk, &limits(), &mut seen)?;
    Ok((seen, result))
}

pub fn folder(root: &Path) -> (Recorder, FolderResult) {
    let fd: OwnedFd = File::open(root).expect("folder").into();
    let mut seen = Recorder::default();
    let result = walk_folder(fd, &limits(), &mut seen).expect("a walk");
    (seen, result)
}

/// What a walk said, without what a file system makes for itself.
pub fn lines(seen: &Recorder) -> Vec<Line> {
    let mut contents = seen.contents.iter().map(|(path, bytes, _)| (path, bytes)).peekable();
    let mut lines = Vec::new();
    for (index, (path, kind, size, link)) in seen.entries.iter().enumerate() {
        let content = contents.next_if(|(of, _)| *of == path).map(|(_, bytes)| bytes.clone());
        if path != "lost+found" {
            let mode = if *kind == EntryKind::Symlink { 0o777 } else { seen.modes[index].0 };
            let head = seen.heads[index].clone();
            lines.push((path.clone(), *kind, *size, link.clone(), mode, head, content));
        }
    }
    assert!(contents.next().is_none(), "contents come in order");
    assert!(seen.errors.is_empty(), "{:?}", seen.errors);
    lines
}

/// The walk of a disk says what the walk of its tree says.
#[track_caller]
pub fn same(disk: &Path, root: &Path, what: &str) {
    let (seen, result) = walked(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let (expected, folder) = folder(root);
    let (found, expected) = (lines(&seen), lines(&expected));
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(
            (&found.0, found.1, found.2, &found.3, found.4),
            (&expected.0, expected.1, expected.2, &expected.3, expected.4),
            "{what}"
        );
        assert!(found.5 == expected.5, "{what}: head of {}", found.0);
        assert!(found.6 == expected.6, "{what}: content of {}", found.0);
    }
    assert_eq!(found.len(), expected.len(), "{what}");
    assert_eq!(result.bytes, folder.bytes, "{what}");
    let codes = codes(&result.notes);
    let odd = codes.iter().filter(|code| **code != "path-not-utf8").count();
    assert_eq!(odd, 0, "{what}: {:?}", result.notes);
}
