//! Layers: the first byte says how (bit 0: set tar checksums right; bits 1 and 2: as it is, gzip, zstd,
//! as it is), the rest is the tar. Walked with one thread and with two, by a visitor that wants all:
//! both must see the same entries and contents, or both must fail.

use seaworthy_image::{
    Content, Entry, Error, LayerRef, MemorySource, Source, Visitor, WalkMode, WalkResult, Want, walk_layer,
};
use seaworthy_types::{Digest, Limits};
use std::io::Write;
use std::sync::Arc;

/// Writes everything down.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Recorder {
    entries: Vec<String>,
    contents: Vec<(u32, Vec<u8>)>,
    failures: usize,
}

impl Visitor for Recorder {
    fn entry(&mut self, entry: &Entry<'_>, head: &[u8]) -> Want {
        let path = entry.path;
        let safe = !path.starts_with('/') && path.split('/').all(|part| !matches!(part, "." | ".."));
        assert!(safe, "the path `{path}` leaves the layer");
        self.entries.push(format!("{entry:?} {head:?}"));
        Want::Content
    }
    fn content(&mut self, index: u32, content: Content<'_>) {
        assert!((index as usize) < self.entries.len(), "content of an entry that was never shown");
        match content.whole(1 << 20) {
            Ok(Some(bytes)) => self.contents.push((index, bytes.into_owned())),
            _ => self.failures += 1,
        }
    }
}

fn walk(layer: &LayerRef, limits: &Limits, mode: WalkMode) -> (Result<WalkResult, Error>, Recorder) {
    let mut recorder = Recorder::default();
    let result = walk_layer(layer, limits, &mut recorder, mode);
    (result, recorder)
}

fn packed(how: u8, tar: &[u8]) -> Vec<u8> {
    match (how >> 1) & 3 {
        1 => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(tar).expect("memory takes everything");
            encoder.finish().expect("memory takes everything")
        }
        2 => zstd::encode_all(tar, 1).expect("memory takes everything"),
        _ => tar.to_vec(),
    }
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let mut tar = rest.to_vec();
    if how & 1 == 1 {
        crate::tar::repair(&mut tar);
    }
    let source: Arc<dyn Source> = Arc::new(MemorySource(packed(*how, &tar)));
    let layer = |digest| LayerRef::from_source(Arc::clone(&source), digest, None);
    let limits = crate::limits();
    let mut reference = layer(Digest::from_bytes([0; 32]));
    // The first walk tells the digest; only then are large files and hard links handed over.
    if let (Err(Error::DigestMismatch { found, .. }), _) = walk(&reference, &limits, WalkMode::Inline) {
        reference = layer(found);
    }
    let (alone, alone_saw) = walk(&reference, &limits, WalkMode::Inline);
    let (piped, piped_saw) = walk(&reference, &limits, WalkMode::Piped);
    match (alone, piped) {
        (Ok(alone), Ok(piped)) => {
            assert_eq!(alone, piped, "with one thread and with two");
            assert_eq!(alone_saw, piped_saw, "with one thread and with two");
        }
        (Err(_), Err(_)) => {}
        (alone, piped) => panic!("with one thread: {alone:?}; with two: {piped:?}"),
    }
}
