//! Guessing what a target is, when nobody said it.

use crate::disk::is_disk;
use crate::source::read_full;
use crate::stream::{Packing, Stored, Stream};
use crate::tar::header;
use crate::tar::index::{Index, index};
use crate::{Error, Source};
use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, statat};
use seaworthy_types::{Limits, TargetKind};
use std::sync::Arc;

/// What a folder is.
pub fn recognise_folder(folder: BorrowedFd<'_>) -> TargetKind {
    let has = |name| statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    if has("oci-layout") || (has("index.json") && has("blobs")) {
        TargetKind::OciLayout
    } else {
        TargetKind::Folder
    }
}

/// What a file is: an archive of images, a disk, or just a file. A compressed tar is an error with advice, because scanning it as a file would
/// see nothing of what is in it.
pub fn recognise_file(source: &Arc<dyn Source>) -> Result<TargetKind, Error> {
    let mut start = vec![0; header::BLOCK];
    let count = read_full(&**source, 0, &mut start).map_err(|error| Error::io("the file", error))?;
    start.truncate(count);
    if is_tar(&start) {
        // A tar that breaks later still deserves the error of opening it as what it looks like.
        return Ok(index(&**source, "the archive").map_or(TargetKind::File, |index| kind_of(&index)));
    }
    if let Some(packing @ (Packing::Gzip | Packing::Zstd)) = Packing::of(&start)
        && is_tar(&unpacked_start(source, packing))
    {
        let how = if packing == Packing::Gzip { "gunzip" } else { "zstd -d" };
        let detail = format!("it is a compressed tar; unpack it first ({how}), or scan it as file:");
        return Err(Error::NotAnImage { what: "the file".into(), detail });
    }
    Ok(if is_disk(&**source) { TargetKind::Disk } else { TargetKind::File })
}

fn kind_of(index: &Index) -> TargetKind {
    let saved_layer = |path: &str| path.len() == 74 && path.ends_with("/layer.tar");
    if index.has("manifest.json") || index.paths().any(saved_layer) {
        TargetKind::DockerArchive
    } else if index.has("index.json") || index.has("oci-layout") {
        TargetKind::OciArchive
    } else if index.paths().any(|path| path.starts_with("blobs/sha256/")) {
        TargetKind::DockerArchive
    } else {
        TargetKind::File
    }
}

fn is_tar(start: &[u8]) -> bool {
    start.first_chunk().is_some_and(|block| header::parse(block).is_ok())
}

fn unpacked_start(source: &Arc<dyn Source>, packing: Packing) -> Vec<u8> {
    let mut block = vec![0; header::BLOCK];
    let stored = Stored::new(Arc::clone(source), 0, source.len(), false);
    let count = Stream::new(stored, packing, "the file", &Limits::default())
        .and_then(|mut stream| stream.fill(&mut block))
        .unwrap_or(0);
    block.truncate(count);
    block
}
