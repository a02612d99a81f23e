//! The tar walker of layers: fed with chunks, it tells a visitor of entries and hands over content.
//!
//! Formats: v7, ustar, star, PAX, GNU with long names and sparse files (all four kinds). What counts is
//! what Go's archive/tar does, because Docker and containerd unpack with it. Chunks must be whole blocks
//! except the last. Content that is not at hand in the one pass (large files, hard links, sparse files)
//! is put on a list and delivered by [`crate::reread`].

use crate::notebook::Notebook;
use crate::reread::{Deferred, DeferredPair};
use crate::tar::extended::{EXTENSION_BYTES_MAX, Extended, SEGMENTS_MAX, Segment, decimal, map_fits};
use crate::tar::header::{self, BLOCK, Block, Flavour, Header, NoHeader};
use crate::tar::index::body_size;
use crate::tar::path::{self, Whiteout};
use crate::{Content, Entry, EntryKind, Error, Pair, Visitor, Want};
use seaworthy_types::Limits;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

/// Bytes of the end of a large file that are kept from the first pass: a zip's directory is there.
const TAIL_BYTES: u64 = 1 << 20;
/// How many such ends are kept.
const TAILS_MAX: usize = 8;
/// Sparse segments remembered for all files of a layer.
const SEGMENTS_KEPT_MAX: usize = 1 << 18;

/// What a walk leaves behind.
#[derive(Debug)]
pub(crate) struct Walked {
    pub entries: u64,
    pub deferred: Vec<Deferred>,
    pub pairs: Vec<DeferredPair>,
    pub notes: Notebook,
    pub buffer: Vec<u8>,
}

/// Where to find the content of a file that a later hard link may name: 24 bytes each.
#[derive(Debug, Clone, Copy)]
struct Target {
    path_hash: u64,
    offset: u64,
    stored: u64,
}

#[derive(Debug)]
struct WantedLink {
    index: u32,
    path_hash: u64,
    /// Targets seen before the link.
    before: usize,
    path: String,
}

#[derive(Debug)]
struct SparseFile {
    size: u64,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The next block is a header.
    Header,
    /// This many bytes to pass over.
    Skip(u64),
    /// The body of an extension: bytes missing, padding after them.
    Extension { flag: u8, left: u64, padding: u64 },
    /// Blocks of an old GNU sparse map.
    OldSparse,
    /// The map at the start of a sparse 1.0 body.
    SparseMap,
    /// An entry is known, its head is the next block.
    Head,
    /// Content goes into the buffer: bytes missing, padding after them.
    Collect { left: u64, padding: u64 },
    /// A large file whose end is kept.
    Tail { left: u64, padding: u64 },
    /// After the end mark.
    Ended,
    /// Nothing more can be made of it.
    Broken,
}

/// The entry in hand.
#[derive(Debug, Default)]
struct Current {
    flag: u8,
    /// Stored bytes.
    stored: u64,
    /// Length of the file.
    size: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    segments: Vec<Segment>,
    sparse: bool,
    /// Whether it is an AUFS file that only hard links may name.
    hidden: bool,
    index: u32,
}

/// Walks one layer.
pub(crate) struct Walker<'v> {
    visitor: &'v mut dyn Visitor,
    limits: &'v Limits,
    what: &'v str,
    keep_tails: bool,
    state: State,
    /// Offset of the next byte in the layer.
    position: u64,
    zero_blocks: u32,
    extended: Extended,
    extension: Vec<u8>,
    map_lines: usize,
    current: Current,
    path: String,
    link: String,
    buffer: Vec<u8>,
    index: u32,
    entries: u64,
    hasher: DefaultHasher,
    targets: Vec<Target>,
    sparse: HashMap<u64, SparseFile>,
    segments_kept: usize,
    links: Vec<WantedLink>,
    deferred: Vec<Deferred>,
    tails: usize,
    notes: Notebook,
}

impl<'v> Walker<'v> {
    /// A walker at the start of a layer. `key` goes into the path hashes, so that nobody can make
    /// two paths collide beforehand; `keep_tails` when reading again is dear.
    pub fn new(
        visitor: &'v mut dyn Visitor,
        limits: &'v Limits,
        what: &'v str,
        key: &[u8],
        keep_tails: bool,
        buffer: Vec<u8>,
    ) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(key);
        Self {
            visitor,
            limits,
            what,
            keep_tails,
            state: State::Header,
            position: 0,
            zero_blocks: 0,
            extended: Extended::default(),
            extension: Vec::new(),
            map_lines: 0,
            current: Current::default(),
            path: String::new(),
            link: String::new(),
            buffer,
            index: 0,
            entries: 0,
            hasher,
            targets: Vec::new(),
            sparse: HashMap::new(),
            segments_kept: 0,
            links: Vec::new(),
            deferred: Vec::new(),
            tails: 0,
            notes: Notebook::default(),
        }
    }

    /// Takes the next bytes of the layer.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let mut rest = chunk;
        while !rest.is_empty() {
            let used = self.step(rest)?.min(rest.len());
            self.position += used as u64;
            rest = rest.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// One step: how many bytes it used. Each state but a change of state uses some.
    fn step(&mut self, rest: &[u8]) -> Result<usize, Error> {
        match self.state {
            State::Header | State::OldSparse | State::SparseMap => {
                let Some(block) = rest.first_chunk::<BLOCK>() else {
                    self.truncated();
                    return Ok(rest.len());
                };
                match self.state {
                    State::Header => self.header(block)?,
                    State::OldSparse => self.old_sparse_block(block),
                    _ => self.sparse_map_block(block),
                }
                Ok(BLOCK)
            }
            State::Skip(left) => {
                let used = shorter(left, rest.len());
                self.state = after(left - used as u64);
                Ok(used)
            }
            State::Extension { flag, left, padding } => {
                let used = shorter(left, rest.len());
                self.extension.extend_from_slice(rest.get(..used).unwrap_or_default());
                let left = left - used as u64;
                self.state = State::Extension { flag, left, padding };
                if left == 0 {
                    self.extension_complete(flag);
                    self.state = after(padding);
                }
                Ok(used)
            }
            State::Head => self.head(rest),
            State::Collect { left, padding } => {
                let used = shorter(left, rest.len());
                self.buffer.extend_from_slice(rest.get(..used).unwrap_or_default());
                self.state = State::Collect { left: left - used as u64, padding };
                if used as u64 == left {
                    self.visitor.content(self.current.index, Content::Whole(&self.buffer));
                    self.state = after(padding);
                }
                Ok(used)
            }
            State::Tail { left, padding } => Ok(self.tail(rest, left, padding)),
            State::Ended => {
                if !header::is_zero(rest) {
                    let detail = "there are bytes after the end mark of the tar; Docker ignores them too";
                    self.notes.info("trailing-data", "", detail);
                    self.state = State::Broken;
                }
                Ok(rest.len())
            }
            State::Broken => Ok(rest.len()),
        }
    }

    fn truncated(&mut self) {
        let detail = "the tar ends in the middle of an entry: what follows was not seen";
        self.notes.gap("tar-truncated", &self.path, detail);
        self.state = State::Broken;
    }

    fn header(&mut self, block: &Block) -> Result<(), Error> {
        let header = match header::parse(block) {
            Ok(header) => header,
            Err(NoHeader::Zero) => {
                self.zero_blocks += 1;
                if self.zero_blocks == 2 {
                    self.state = State::Ended;
                }
                return Ok(());
            }
            Err(_) => {
                let detail = format!("no valid tar header at byte {}: the rest was not seen", self.position);
                self.notes.gap("tar-broken", &self.path, &detail);
                self.state = State::Broken;
                return Ok(());
            }
        };
        if self.zero_blocks > 0 {
            self.zero_blocks = 0;
            self.notes.info("lone-zero-block", "", "entries go on after a single zero block");
        }
        self.entries += 1;
        if self.entries > self.limits.layer_entries_max {
            return Err(Error::limit(self.what, "layer_entries_max", self.limits.layer_entries_max));
        }
        match header.flag {
            b'x' | b'X' | b'L' | b'K' => self.begin_extension(&header),
            b'g' => {
                self.state = after(padded(header.size));
                self.notes.info("global-pax-header", "", "a global PAX header is ignored, as Docker does");
            }
            _ => self.begin_entry(block, &header)?,
        }
        Ok(())
    }

    fn begin_extension(&mut self, header: &Header<'_>) {
        self.extension.clear();
        if header.size > EXTENSION_BYTES_MAX {
            let detail =
                format!("a tar extension of {} bytes was passed over: a name may be wrong", header.size);
            self.notes.gap("tar-extension-too-large", &self.path, &detail);
            self.state = after(padded(header.size));
            return;
        }
        let padding = padded(header.size) - header.size;
        self.state = match header.size {
            0 => State::Header,
            left => State::Extension { flag: header.flag, left, padding },
        };
    }

    fn extension_complete(&mut self, flag: u8) {
        match flag {
            b'L' => self.extended.add_gnu_path(&self.extension),
            b'K' => self.extended.add_gnu_link(&self.extension),
            _ => self.extended.add_pax(&self.extension),
        }
    }

    /// Takes name, numbers and kind from the header and what preceded it.
    fn begin_entry(&mut self, block: &Block, header: &Header<'_>) -> Result<(), Error> {
        let extended =
            if self.extended.any { std::mem::take(&mut self.extended) } else { Extended::default() };
        let (prefix, name) = extended.path().map_or((header.prefix, header.name), |path| (&[][..], path));
        let mut oddity = path::make_safe(prefix, name, &mut self.path);
        let is_file = !matches!(header.flag, b'1'..=b'6' | b'D' | b'V' | b'M');
        let is_folder = header.flag == b'5' || header.flag == b'D' || (is_file && name.ends_with(b"/"));
        let raw_link = extended.link().unwrap_or(header.link);
        match header.flag {
            b'1' => oddity.not_utf8 |= path::make_safe(b"", raw_link, &mut self.link).not_utf8,
            b'2' => oddity.not_utf8 |= path::make_text(raw_link, &mut self.link).not_utf8,
            _ => self.link.clear(),
        }
        self.remark(oddity, &extended);
        let stored = body_size(header, &extended);
        self.current = Current {
            flag: if is_folder { b'5' } else { header.flag },
            stored,
            size: if is_file && !is_folder { stored } else { 0 },
            mode: header.mode,
            uid: extended.uid.unwrap_or(header.uid),
            gid: extended.gid.unwrap_or(header.gid),
            ..Current::default()
        };
        if matches!(header.flag, b'V' | b'M' | b'N') {
            self.notes.info(
                "tar-housekeeping",
                &self.path,
                "a tar volume header or continuation was passed over",
            );
            self.state = after(padded(stored));
            return Ok(());
        }
        if header.flag == b'S' && header.flavour == Flavour::Gnu {
            self.begin_old_sparse(block);
        } else if let Some(claim) = extended.sparse.filter(|_| is_file && !is_folder) {
            self.current.sparse = true;
            self.current.size = claim.real_size.unwrap_or(stored);
            self.current.segments = claim.segments;
            if claim.map_in_body {
                self.current.segments.clear();
                self.extension.clear();
                self.map_lines = 0;
                self.state = State::SparseMap;
            } else {
                self.entry_known();
            }
        } else {
            self.entry_known();
        }
        Ok(())
    }

    fn remark(&mut self, oddity: path::Oddity, extended: &Extended) {
        if oddity.climbs {
            let detail = "the name had `..` or a zero byte; it was kept inside the root";
            self.notes.info("odd-path", &self.path, detail);
        }
        if oddity.not_utf8 {
            self.notes.info(
                "path-not-utf8",
                &self.path,
                "bytes that are not UTF-8 were replaced in the name",
            );
        }
        if extended.broken {
            let detail = "its PAX header could not be understood: name, size or content may be wrong";
            self.notes.gap("pax-broken", &self.path, detail);
        }
    }

    fn begin_old_sparse(&mut self, block: &Block) {
        self.current.sparse = true;
        self.current.size = header::number(&block[483..495]).unwrap_or(0);
        self.take_old_segments(&block[386..482]);
        if block[482] != 0 {
            self.state = State::OldSparse;
        } else {
            self.entry_known();
        }
    }

    fn old_sparse_block(&mut self, block: &Block) {
        self.take_old_segments(&block[..504]);
        if block[504] == 0 {
            self.entry_known();
        }
    }

    fn take_old_segments(&mut self, raw: &[u8]) {
        for pair in raw.chunks_exact(24) {
            let (offset, length) = pair.split_at(12);
            if header::is_zero(offset) || self.current.segments.len() >= SEGMENTS_MAX {
                continue;
            }
            if let (Some(offset), Some(length)) = (header::number(offset), header::number(length)) {
                self.current.segments.push(Segment { offset, length });
            }
        }
    }

    /// Sparse 1.0: a count, then pairs, one number a line, padded to whole blocks.
    fn sparse_map_block(&mut self, block: &Block) {
        self.extension.extend_from_slice(block);
        self.map_lines += block.iter().filter(|byte| **byte == b'\n').count();
        self.current.stored = self.current.stored.saturating_sub(BLOCK as u64);
        match sparse_map(&self.extension, self.map_lines) {
            Some(Ok(segments)) => {
                self.current.segments = segments;
                self.entry_at(self.position.saturating_add(BLOCK as u64));
            }
            None if self.current.stored > 0 && (self.extension.len() as u64) < EXTENSION_BYTES_MAX => {}
            _ => {
                self.current.segments.clear();
                self.entry_at(self.position.saturating_add(BLOCK as u64));
            }
        }
    }

    fn entry_known(&mut self) {
        self.entry_at(self.position.saturating_add(BLOCK as u64));
    }

    /// The entry is complete; its stored bytes begin at `offset`.
    fn entry_at(&mut self, offset: u64) {
        let too_long = self.path.len() as u64 > self.limits.path_bytes_max
            || self.link.len() as u64 > self.limits.path_bytes_max;
        if too_long {
            let detail = "a name is longer than path_bytes_max: the entry was left out";
            let start = self.path.clone();
            self.notes.gap("path-too-long", &start, detail);
            self.state = after(padded(self.current.stored));
            return;
        }
        if self.current.sparse && !map_fits(&self.current.segments, self.current.size, self.current.stored) {
            self.notes.gap(
                "sparse-broken",
                &self.path,
                "its sparse map makes no sense: its content was not seen",
            );
            self.current.segments.clear();
            self.emit(EntryKind::File, &[]);
            self.state = after(padded(self.current.stored));
            return;
        }
        let kind = self.kind();
        if self.marks_removal() {
            self.state = after(padded(self.current.stored));
            return;
        }
        if kind == EntryKind::File {
            self.remember_target(offset);
            if self.current.stored > 0 {
                self.state = State::Head;
                return;
            }
        } else if matches!(kind, EntryKind::Hardlink) {
            self.remember_link_as_target();
        }
        if !self.path.is_empty() && !self.current.hidden {
            let want = self.emit(kind, &[]);
            self.answer_without_body(kind, want, offset);
        }
        self.state = after(padded(self.current.stored));
    }

    fn kind(&mut self) -> EntryKind {
        match self.current.flag {
            b'1' => EntryKind::Hardlink,
            b'2' => EntryKind::Symlink,
            b'3' | b'4' | b'6' => EntryKind::Special,
            b'5' => EntryKind::Folder,
            0 | b'0' | b'7' | b'S' => EntryKind::File,
            other => {
                let detail = format!("unknown tar type {other}; it was taken for a regular file");
                self.notes.info("unknown-tar-type", &self.path, &detail);
                EntryKind::File
            }
        }
    }

    /// Reports whiteouts; true when the entry is done with.
    fn marks_removal(&mut self) -> bool {
        let (kind, path) = match path::whiteout(&self.path) {
            Whiteout::None => return false,
            Whiteout::Removes { folder: "", name } => (EntryKind::Whiteout, name.to_owned()),
            Whiteout::Removes { folder, name } => (EntryKind::Whiteout, format!("{folder}/{name}")),
            Whiteout::Opaque { folder } => (EntryKind::OpaqueFolder, folder.to_owned()),
            Whiteout::Housekeeping => {
                self.current.hidden = true;
                return false;
            }
            Whiteout::Nonsense => {
                self.notes.info("odd-whiteout", &self.path, "a whiteout without a usable name was ignored");
                return true;
            }
        };
        let mark = std::mem::replace(&mut self.path, path);
        self.current.size = 0;
        self.link.clear();
        self.emit(kind, &[]);
        self.path = mark;
        true
    }

    fn emit(&mut self, kind: EntryKind, head: &[u8]) -> Want {
        let entry = Entry {
            path: &self.path,
            kind,
            mode: self.current.mode,
            uid: self.current.uid,
            gid: self.current.gid,
            size: self.current.size,
            link: &self.link,
        };
        self.current.index = self.index;
        self.index = self.index.saturating_add(1);
        self.visitor.entry(&entry, head)
    }

    fn hash(&self, path: &str) -> u64 {
        let mut hasher = self.hasher.clone();
        hasher.write(path.as_bytes());
        hasher.finish()
    }

    fn remember_target(&mut self, offset: u64) {
        let path_hash = self.hash(&self.path);
        self.targets.push(Target { path_hash, offset, stored: self.current.stored });
        if self.current.sparse && self.segments_kept + self.current.segments.len() <= SEGMENTS_KEPT_MAX {
            self.segments_kept += self.current.segments.len();
            let segments = self.current.segments.clone();
            self.sparse.insert(offset, SparseFile { size: self.current.size, segments });
        }
    }

    /// A later link may name this link, or its own name may be reused: it stands for its target.
    fn remember_link_as_target(&mut self) {
        self.targets.push(Target {
            path_hash: self.hash(&self.path),
            offset: LINK,
            stored: self.hash(&self.link),
        });
    }

    fn answer_without_body(&mut self, kind: EntryKind, want: Want, offset: u64) {
        match (kind, want) {
            (EntryKind::Hardlink, Want::Content) => self.links.push(WantedLink {
                index: self.current.index,
                path_hash: self.hash(&self.link),
                // The link itself is the last target and is not its own.
                before: self.targets.len().saturating_sub(1),
                path: self.path.clone(),
            }),
            (EntryKind::File, Want::Content) if self.current.size == 0 => {
                self.visitor.content(self.current.index, Content::Whole(&[]));
            }
            (EntryKind::File, Want::Content) => self.defer(offset),
            _ => {}
        }
    }

    /// The first block of a body is at hand: ask the visitor, then decide how content comes.
    fn head(&mut self, rest: &[u8]) -> Result<usize, Error> {
        let Current { stored, size, .. } = self.current;
        let shown = rest.get(..shorter(stored, BLOCK)).unwrap_or(rest);
        let padding = padded(stored) - stored;
        self.state = after(padded(stored));
        if self.current.hidden || self.path.is_empty() {
            return Ok(0);
        }
        let want = if self.current.sparse {
            let mut head = [0; BLOCK];
            let length = expand_head(shown, &self.current.segments, size, &mut head);
            self.emit(EntryKind::File, head.get(..length).unwrap_or_default())
        } else {
            self.emit(EntryKind::File, shown)
        };
        if want == Want::Skip {
            return Ok(0);
        }
        if self.current.sparse {
            self.defer(self.position);
            return Ok(0);
        }
        if let Some(content) = usize::try_from(stored).ok().and_then(|length| rest.get(..length)) {
            self.visitor.content(self.current.index, Content::Whole(content));
            return Ok(0);
        }
        if size <= self.limits.file_bytes_whole_max {
            self.buffer.clear();
            self.buffer.reserve(usize::try_from(size).unwrap_or(0));
            self.state = State::Collect { left: stored, padding };
            return Ok(0);
        }
        self.defer(self.position);
        if self.keep_tails && self.tails < TAILS_MAX {
            self.tails += 1;
            self.state = State::Tail { left: stored, padding };
        }
        Ok(0)
    }

    fn defer(&mut self, offset: u64) {
        let Current { index, stored, size, .. } = self.current;
        let segments = self.current.sparse.then(|| std::mem::take(&mut self.current.segments));
        self.deferred.push(Deferred { index, offset, stored, size, segments, tail: Vec::new() });
    }

    fn tail(&mut self, rest: &[u8], left: u64, padding: u64) -> usize {
        let used = if left > TAIL_BYTES {
            shorter(left - TAIL_BYTES, rest.len())
        } else {
            let used = shorter(left, rest.len());
            if let Some(deferred) = self.deferred.last_mut() {
                deferred.tail.reserve_exact(shorter(left, usize::MAX));
                deferred.tail.extend_from_slice(rest.get(..used).unwrap_or_default());
            }
            used
        };
        let left = left - used as u64;
        self.state = if left == 0 { after(padding) } else { State::Tail { left, padding } };
        used
    }

    /// The end of the layer.
    pub fn finish(mut self) -> Walked {
        match self.state {
            State::Header if !self.extended.any => {}
            State::Ended | State::Broken => {}
            // Padding after the last body may be missing.
            State::Skip(left) if left < BLOCK as u64 => {}
            _ => self.truncated(),
        }
        let pairs = self.visitor.pairs();
        let order = if self.links.is_empty() && pairs.is_empty() { Vec::new() } else { self.target_order() };
        self.resolve_links(&order);
        // What reaches over the end has been noted as truncated.
        let end = self.position;
        let is_there = |one: &Deferred| one.offset.checked_add(one.stored).is_some_and(|last| last <= end);
        let pairs = self.resolve_pairs(pairs, &order, is_there);
        self.deferred.retain(is_there);
        self.deferred.sort_by_key(|deferred| (deferred.offset, deferred.index));
        let Self { entries, deferred, notes, buffer, .. } = self;
        Walked { entries, deferred, pairs, notes, buffer }
    }

    /// The targets by the hash of their path, then by their place.
    fn target_order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..u32::try_from(self.targets.len()).unwrap_or(u32::MAX)).collect();
        order.sort_by_key(|at| (self.targets.get(*at as usize).map(|target| target.path_hash), *at));
        order
    }

    /// Finds both contents of each pair: the last entry of each name.
    fn resolve_pairs(
        &self,
        pairs: Vec<Pair>,
        order: &[u32],
        is_there: impl Fn(&Deferred) -> bool,
    ) -> Vec<DeferredPair> {
        let find = |path: &str| {
            let target = self.find_target(order, self.hash(path), self.targets.len())?;
            Some(self.deferred_target(0, target)).filter(&is_there)
        };
        let both = |pair: Pair| {
            let (file, companion) = (find(&pair.file)?, find(&pair.companion)?);
            Some(DeferredPair { pair, file, companion })
        };
        let mut found: Vec<DeferredPair> = pairs.into_iter().filter_map(both).collect();
        found.sort_by_key(|both| both.file.offset);
        found
    }

    fn deferred_target(&self, index: u32, target: Target) -> Deferred {
        let sparse = self.sparse.get(&target.offset);
        Deferred {
            index,
            offset: target.offset,
            stored: target.stored,
            size: sparse.map_or(target.stored, |file| file.size),
            segments: sparse.map(|file| file.segments.clone()),
            tail: Vec::new(),
        }
    }

    /// Finds the content of each wanted hard link: the last entry of that name before it.
    fn resolve_links(&mut self, order: &[u32]) {
        for link in std::mem::take(&mut self.links) {
            match self.find_target(order, link.path_hash, link.before) {
                Some(target) => self.deferred.push(self.deferred_target(link.index, target)),
                None => {
                    let detail =
                        "the file it is a hard link to is not in its layer: its content was not seen";
                    self.notes.gap("hardlink-target-missing", &link.path, detail);
                }
            }
        }
    }

    fn find_target(&self, order: &[u32], path_hash: u64, before: usize) -> Option<Target> {
        let (mut path_hash, mut before) = (path_hash, before);
        // Each hop goes to an earlier entry, so this ends; the bound keeps it short.
        for _ in 0..64 {
            let key =
                |at: &u32| (self.targets.get(*at as usize).map(|target| target.path_hash), *at as usize);
            let end = order.partition_point(|at| key(at) < (Some(path_hash), before));
            let at = *order.get(end.checked_sub(1)?)? as usize;
            let target = *self.targets.get(at)?;
            if target.path_hash != path_hash {
                return None;
            }
            if target.offset != LINK {
                return Some(target);
            }
            (path_hash, before) = (target.stored, at);
        }
        None
    }
}

/// Marks a [`Target`] that is a link: `stored` is then the hash of the path it names.
const LINK: u64 = u64::MAX;

fn after(skip: u64) -> State {
    if skip == 0 { State::Header } else { State::Skip(skip) }
}

fn padded(size: u64) -> u64 {
    size.checked_next_multiple_of(BLOCK as u64).unwrap_or(u64::MAX)
}

fn shorter(left: u64, length: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(length)
}

/// The segments, `None` when more blocks are needed, `Err` when it is no map. `complete` lines of the
/// text end with a newline.
fn sparse_map(text: &[u8], complete: usize) -> Option<Result<Vec<Segment>, ()>> {
    let mut lines = text.split(|byte| *byte == b'\n');
    if complete == 0 {
        return if text.len() > 32 { Some(Err(())) } else { None };
    }
    let count = match lines.next().and_then(decimal).and_then(|count| usize::try_from(count).ok()) {
        Some(count) if count <= SEGMENTS_MAX => count,
        _ => return Some(Err(())),
    };
    if complete < 1 + 2 * count {
        return None;
    }
    let mut segments = Vec::with_capacity(count);
    for _ in 0..count {
        let (Some(offset), Some(length)) = (lines.next().and_then(decimal), lines.next().and_then(decimal))
        else {
            return Some(Err(()));
        };
        segments.push(Segment { offset, length });
    }
    Some(Ok(segments))
}

/// The first bytes of a sparse file from its first stored bytes.
fn expand_head(stored: &[u8], segments: &[Segment], size: u64, head: &mut Block) -> usize {
    let mut rest = stored;
    for segment in segments {
        let start = shorter(segment.offset, BLOCK);
        let length = shorter(segment.length, (BLOCK - start).min(rest.len()));
        if let (Some(to), Some(from)) = (head.get_mut(start..start + length), rest.get(..length)) {
            to.copy_from_slice(from);
        }
        rest = rest.get(length..).unwrap_or_default();
        if start + length >= BLOCK {
            break;
        }
    }
    shorter(size, BLOCK)
}
