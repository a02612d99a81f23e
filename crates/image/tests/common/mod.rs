//! What the tests of this crate share: a visitor that writes everything down.
#![allow(dead_code)]

use seaworthy_image::{
    Content, Entry, EntryKind, Error, Image, LayerRef, MemorySource, Source, Visitor, WalkMode, WalkResult,
    Want, Wish, open_archive, walk_layer,
};
use seaworthy_testkit::{Layer, digest};
use seaworthy_types::{Digest, Limits, Note};
use std::sync::Arc;

/// Everything a walk said.
#[derive(Default, Debug, Clone, PartialEq, Eq)]
pub struct Recorder {
    pub entries: Vec<(String, EntryKind, u64, String)>,
    pub modes: Vec<(u32, u32, u32)>,
    pub heads: Vec<Vec<u8>>,
    /// Path, bytes, whether by random access.
    pub contents: Vec<(String, Vec<u8>, bool)>,
    /// Content is wanted of paths that contain this; all if empty.
    pub wants: &'static str,
    pub skips: bool,
    pub errors: Vec<String>,
}

impl Visitor for Recorder {
    fn entry(&mut self, entry: &Entry<'_>, head: &[u8]) -> Want {
        self.entries.push((entry.path.into(), entry.kind, entry.size, entry.link.into()));
        self.modes.push((entry.mode, entry.uid, entry.gid));
        self.heads.push(head.to_vec());
        if !self.skips && entry.path.contains(self.wants) { Want::Content } else { Want::Skip }
    }
    fn content(&mut self, index: u32, content: Content<'_>) {
        let path = self.entries[index as usize].0.clone();
        let large = matches!(content, Content::Large(_));
        match content.whole(1 << 30) {
            Ok(Some(bytes)) => self.contents.push((path, bytes.into_owned(), large)),
            Ok(None) => self.errors.push(format!("{path}: not whole")),
            Err(error) => self.errors.push(format!("{path}: {error}")),
        }
    }
}

impl Recorder {
    pub fn paths(&self) -> Vec<&str> {
        self.entries.iter().map(|entry| entry.0.as_str()).collect()
    }
    pub fn content(&self, path: &str) -> Option<&[u8]> {
        self.contents.iter().find(|content| content.0 == path).map(|content| content.1.as_slice())
    }
}

pub fn source(bytes: Vec<u8>) -> Arc<dyn Source> {
    Arc::new(MemorySource(bytes))
}

pub fn layer_ref(layer: &Layer) -> LayerRef {
    let blob = layer.blob();
    let claimed = Digest::parse(&digest(&blob)).expect("digest");
    LayerRef::from_source(source(blob), Digest::parse(&digest(&layer.tar)).expect("digest"), Some(claimed))
}

pub fn walk(layer: &Layer, limits: &Limits, mode: WalkMode) -> Result<(Recorder, WalkResult), Error> {
    let mut recorder = Recorder::default();
    let result = walk_layer(&layer_ref(layer), limits, &mut recorder, mode)?;
    Ok((recorder, result))
}

/// Walks a plain tar and gives what was seen.
pub fn walk_tar(tar: Vec<u8>) -> (Recorder, Vec<Note>) {
    let layer = Layer { tar, ..Layer::default() };
    let (recorder, result) = walk(&layer, &Limits::default(), WalkMode::Inline).expect("a walk");
    (recorder, result.notes)
}

pub fn open(bytes: Vec<u8>) -> Result<Image, Error> {
    open_archive(source(bytes), &Wish::default(), &Limits::default())
}

pub fn codes(notes: &[Note]) -> Vec<&str> {
    notes.iter().map(|note| note.code.as_str()).collect()
}
