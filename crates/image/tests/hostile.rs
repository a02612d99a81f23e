//! Bombs, lies, mutations: bounded, never a panic, never silent.

mod common;

use common::*;
use seaworthy_image::{
    Content, Entry, Error, LayerRef, MemorySource, Source, Visitor, WalkMode, Want, is_budget, walk_layer,
};
use seaworthy_testkit::{Fields, Layer, Packing, Tar, digest};
use seaworthy_types::{Digest, Limits};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn paths_never_lead_out() {
    let mut tar = Tar::new();
    for name in ["../../etc/shadow", "/abs/path", "a/../../../b", "./x/./y//z", "..", "/", "a/\u{202e}b"] {
        tar.header(&Fields { name: name.as_bytes(), ..Fields::default() });
    }
    tar.header(&Fields { name: b"bad\xff\xfe", ..Fields::default() });
    tar.pax(&[("path", "nul\0byte")]).file("x", b"");
    tar.hardlink("link", "../../etc/shadow").symlink("sym", "/../../etc/shadow");
    tar.file("x/.wh...", b"").file("x/.wh.", b"");
    let (seen, notes) = walk_tar(tar.finish());
    let expected = [
        "etc/shadow",
        "abs/path",
        "b",
        "x/y/z",
        "a/\u{202e}b",
        "bad\u{fffd}\u{fffd}",
        "nul\u{fffd}byte",
        "link",
        "sym",
    ];
    assert_eq!(seen.paths(), expected);
    assert_eq!(codes(&notes), ["odd-path", "odd-whiteout", "path-not-utf8"]);
    for path in seen.paths() {
        assert!(path.split('/').all(|part| !part.is_empty() && part != "." && part != ".."), "{path}");
    }
}

#[test]
fn long_names() {
    let long = "d/".repeat(3_000);
    let mut tar = Tar::new();
    tar.gnu_long_name(&long).file("x", b"1").file("after", b"2");
    tar.extension(b'x', &vec![b'0'; 2 << 20]).file("over", b"3");
    let (seen, notes) = walk_tar(tar.finish());
    assert_eq!(seen.paths(), ["after", "over"]);
    assert_eq!(codes(&notes), ["path-too-long", "tar-extension-too-large"]);
}

#[test]
fn hostile_sizes() {
    for size in [1 << 33, 1 << 61, u64::MAX >> 1, u64::MAX] {
        for flag in [b'0', b'x', b'L', b'g', b'S', b'5', b'1'] {
            let mut tar = Tar::new();
            tar.file("a", b"1")
                .header(&Fields { name: b"b", flag, size, ..Fields::default() })
                .file("c", b"2");
            let (seen, notes) = walk_tar(tar.finish());
            assert!(seen.paths().starts_with(&["a"]));
            let whole = seen.paths().ends_with(&["c"]);
            assert!(whole || !notes.is_empty(), "{size} {flag} was silent");
        }
    }
    let mut tar = Tar::new();
    tar.pax(&[("size", "18446744073709551615")]).file("a", b"1");
    tar.pax(&[("size", "99999999999999999999999")]).file("b", b"1");
    let (_, notes) = walk_tar(tar.finish());
    assert!(!notes.is_empty());
}

#[test]
fn broken_sparse_maps() {
    let mut tar = Tar::new();
    tar.sparse_old("overlap", 100, &[(50, b"abc"), (10, b"abc")]).sparse_old("beyond", 10, &[(50, b"abc")]);
    tar.pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.realsize", "9")]).file("no-map", &[b'9'; 5_000]);
    tar.pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.realsize", "9")]).file("short", b"7\n1\n");
    tar.pax(&[("GNU.sparse.map", "1,2,3"), ("GNU.sparse.size", "9")]).file("odd", b"ab").file("end", b"end");
    let (seen, notes) = walk_tar(tar.finish());
    assert_eq!(seen.paths(), ["overlap", "beyond", "no-map", "short", "odd", "end"]);
    assert_eq!(codes(&notes), ["pax-broken", "sparse-broken"]);
    assert_eq!(seen.content("end"), Some(&b"end"[..]));
}

#[test]
fn bombs() {
    let mut tar = Tar::new();
    tar.file("zeros", &vec![0; 66 << 20]);
    let tar = tar.finish();
    let limit = |limits: Limits, packing| match walk(
        &Layer { tar: tar.clone(), packing },
        &limits,
        WalkMode::Piped,
    ) {
        Err(Error::Limit { limit, .. }) => limit,
        other => panic!("{packing:?}: {:?}", other.map(|walked| walked.1)),
    };
    let ratio = || Limits { inflate_ratio_max: 20, inflate_excess_bytes_max: 4 << 20, ..Limits::default() };
    assert_eq!(limit(ratio(), Packing::Gzip), "inflate_ratio_max");
    assert_eq!(limit(ratio(), Packing::Zstd), "inflate_ratio_max");
    let bytes = || Limits { layer_bytes_max: 1 << 20, ..Limits::default() };
    assert_eq!(limit(bytes(), Packing::Plain), "layer_bytes_max");
    assert_eq!(limit(bytes(), Packing::Gzip), "layer_bytes_max");
    assert_eq!(
        limit(Limits { layer_entries_max: 0, ..Limits::default() }, Packing::Plain),
        "layer_entries_max"
    );
}

#[test]
fn a_hundred_thousand_entries() {
    let mut tar = Tar::new();
    for number in 0..50_000 {
        tar.file(&format!("f/{number}"), b"");
        tar.hardlink(&format!("l/{number}"), &format!("f/{number}"));
    }
    let layer = Layer { tar: tar.finish(), packing: Packing::Gzip };
    let (seen, result) = walk(&layer, &Limits::default(), WalkMode::Inline).expect("a walk");
    assert_eq!((seen.contents.len(), result.notes.len()), (100_000, 0));
}

#[test]
fn wrong_digests() {
    let mut tar = Tar::new();
    tar.file("a", b"1");
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let layer = Layer { tar: tar.clone().finish(), packing };
        let blob = layer.blob();
        let (right, stored) = (Digest::parse(&digest(&layer.tar)), Digest::parse(&digest(&blob)));
        let (right, stored) = (right.expect("digest"), stored.expect("digest"));
        let wrong = Digest::from_bytes([1; 32]);
        for (diff_id, blob_digest, good) in [
            (right, Some(stored), true),
            (right, None, true),
            (wrong, Some(stored), false),
            (right, Some(wrong), false),
            (wrong, None, false),
        ] {
            for mode in [WalkMode::Inline, WalkMode::Piped] {
                let layer = LayerRef::from_source(source(blob.clone()), diff_id, blob_digest);
                let walked = walk_layer(&layer, &Limits::default(), &mut Recorder::default(), mode);
                assert_eq!(walked.is_ok(), good, "{packing:?} {walked:?}");
                assert!(good || matches!(walked, Err(Error::DigestMismatch { .. })));
            }
        }
    }
}

/// A layer cut anywhere cannot have its digest.
#[test]
fn truncated_layers() {
    let mut tar = Tar::new();
    tar.file("a", b"123").symlink("b", "c").file("d", &[5; 2_000]);
    for packing in [Packing::Plain, Packing::Gzip, Packing::GzipMembers, Packing::Zstd] {
        let layer = Layer { tar: tar.clone().finish(), packing };
        let (blob, diff_id) = (layer.blob(), Digest::parse(&digest(&layer.tar)).expect("digest"));
        for cut in 0..blob.len() {
            let layer = LayerRef::from_source(source(blob[..cut].to_vec()), diff_id, None);
            let walked = walk_layer(&layer, &Limits::default(), &mut Recorder::default(), WalkMode::Inline);
            assert!(walked.is_err(), "{packing:?} cut at {cut}");
        }
    }
}

/// Changes bytes of a tar and of its packed form: any result but a panic or an unsafe path will do.
#[test]
fn mutations() {
    let mut tar = Tar::new();
    tar.gnu_long_name(&"n".repeat(150))
        .file("x", b"long")
        .pax(&[("path", "p/q"), ("size", "3")])
        .file("y", b"pax");
    tar.sparse_old("s", 1_000, &[(10, b"abc"), (700, b"d")]).sparse_pax("1.0", "t", 900, &[(5, b"abcdef")]);
    tar.hardlink("h", "p/q").symlink("l", "h").whiteout("w").opaque("o");
    let tar = tar.finish();
    let mut state = 7u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    for round in 0..1_500 {
        let mut bytes = tar.clone();
        for _ in 0..1 + round % 4 {
            let at = next() % bytes.len();
            bytes[at] = next() as u8;
            if round % 2 == 0 {
                mend_checksum(&mut bytes, at);
            }
        }
        let (seen, _) = walk_tar(bytes);
        for path in seen.paths() {
            assert!(path.split('/').all(|part| part != "." && part != ".."), "{path:?}");
        }
    }
    for packing in [Packing::Gzip, Packing::Zstd] {
        let blob = Layer { tar: tar.clone(), packing }.blob();
        for _ in 0..400 {
            let mut bytes = blob.clone();
            let at = next() % bytes.len();
            bytes[at] ^= 1 << (next() % 8);
            let diff_id = Digest::parse(&digest(&tar)).expect("digest");
            let claimed = Digest::parse(&digest(&blob)).expect("digest");
            let layer = LayerRef::from_source(source(bytes), diff_id, Some(claimed));
            let walked = walk_layer(&layer, &Limits::default(), &mut Recorder::default(), WalkMode::Inline);
            assert!(walked.is_err());
        }
    }
}

fn mend_checksum(bytes: &mut [u8], at: usize) {
    let block = &mut bytes[at / 512 * 512..][..512];
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Reads the large file backwards, which a compressed layer pays with restarts.
struct Backwards {
    results: Vec<std::io::Result<usize>>,
}

impl Visitor for Backwards {
    fn entry(&mut self, entry: &Entry<'_>, _: &[u8]) -> Want {
        if entry.path == "large" { Want::Content } else { Want::Skip }
    }
    fn content(&mut self, _: u32, content: Content<'_>) {
        let Content::Large(file) = content else { panic!("it is large") };
        let mut buffer = [0; 16];
        for step in (0..6).rev() {
            self.results.push(file.read_at(step * (5 << 20), &mut buffer));
        }
        // The end was kept from the first pass.
        self.results.push(file.read_at(file.len() - 3, &mut buffer));
    }
}

#[test]
fn rereads_are_bounded() {
    let mut tar = Tar::new();
    tar.file("large", &vec![9; 30 << 20]);
    // Backwards in one frame: 25, 20, 15, ... MiB must be inflated again.
    for (packing, rereads_max, good) in
        [(Packing::Zstd, 0, 1), (Packing::Zstd, 1, 2), (Packing::Zstd, 3, 6), (Packing::Plain, 0, 6)]
    {
        let layer = Layer { tar: tar.clone().finish(), packing };
        let mut reader = Backwards { results: Vec::new() };
        let limits = Limits { rereads_max, ..Limits::default() };
        walk_layer(&layer_ref(&layer), &limits, &mut reader, WalkMode::Piped).expect("a walk");
        // The last of them is near the start and cheap again.
        assert_eq!(reader.results[..5].iter().filter(|result| result.is_ok()).count(), good.min(5));
        assert!(reader.results.iter().flat_map(|result| result.as_ref().err()).all(is_budget));
        assert_eq!(reader.results.last().and_then(|result| result.as_ref().ok()), Some(&3));
    }
}

#[test]
fn long_names_and_little_memory() {
    let mut tar = Tar::new();
    tar.file("folder/long-name", b"1").file("short", b"2").symlink("link", "some/long/target");
    let layer = Layer { tar: tar.finish(), packing: Packing::Plain };
    let limits = Limits { path_bytes_max: 10, ..Limits::default() };
    let (seen, result) = walk(&layer, &limits, WalkMode::Inline).expect("a walk");
    assert_eq!((seen.paths(), codes(&result.notes)), (vec!["short"], vec!["path-too-long"]));
    assert!(result.notes.iter().all(|note| note.grade == seaworthy_types::Grade::Gap));
    // Less memory: smaller files whole, fewer layers at a time.
    let walks = |memory| seaworthy_image::walks_max(&Limits::with_memory(memory));
    assert_eq!((walks(1), walks(16 << 20), walks(160 << 20), walks(16 << 30)), (1, 3, 5, 63));
}

/// Text that packs like text: words in a random order.
fn words(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut text = Vec::with_capacity(bytes + 16);
    while text.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.extend_from_slice(format!("{:x} ", (state >> 33) % 50_000).as_bytes());
    }
    text.truncate(bytes);
    text
}

/// Counts the bytes that are read of it.
struct Counted(MemorySource, AtomicU64);

impl Source for Counted {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.read_at(offset, buffer)?;
        self.1.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
    fn len(&self) -> u64 {
        self.0.len()
    }
}

/// Wants the links and checks their content; the files themselves have names that nobody wants.
struct Linked<'t> {
    text: &'t [u8],
    good: usize,
    bad: usize,
}

impl Visitor for Linked<'_> {
    fn entry(&mut self, entry: &Entry<'_>, _: &[u8]) -> Want {
        if entry.path.starts_with("link") { Want::Content } else { Want::Skip }
    }
    fn content(&mut self, _: u32, content: Content<'_>) {
        let bytes = content.whole(1 << 30).expect("read").expect("small");
        let found = self.text.chunks(1 << 20).any(|part| part == &*bytes);
        if found { self.good += 1 } else { self.bad += 1 }
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(4));
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("writing to memory cannot fail")
}

/// A second pass to few files of a large gzip layer reads near them, not all from the start.
#[test]
fn second_passes_begin_near_the_file() {
    let text = words(48 << 20, 1);
    let linked = |numbers: &[usize]| {
        let mut tar = Tar::new();
        for (number, part) in text.chunks(1 << 20).enumerate() {
            tar.file(&format!("part/{number}"), part);
        }
        for number in numbers {
            tar.hardlink(&format!("link/{number}"), &format!("part/{number}"));
        }
        tar.finish()
    };
    let few = [47];
    let many: Vec<usize> = (0..48).rev().collect();
    for (packing, numbers, share_max) in [
        (Packing::Gzip, &few[..], 0.35),
        (Packing::Gzip, &many[..], 1.1),
        (Packing::GzipMembers, &few[..], 0.35),
        (Packing::GzipMembers, &many[..], 1.1),
        // One frame: there is no other way than from the start.
        (Packing::Zstd, &few[..], 1.1),
    ] {
        let layer = Layer { tar: linked(numbers), packing };
        // The quick level of the other tests makes one block of everything.
        let blob = if packing == Packing::Gzip { packed(&layer.tar) } else { layer.blob() };
        let size = blob.len() as f64;
        let counted = Arc::new(Counted(MemorySource(blob), AtomicU64::new(0)));
        let diff_id = Digest::parse(&digest(&layer.tar)).expect("digest");
        let layer = LayerRef::from_source(Arc::clone(&counted) as Arc<dyn Source>, diff_id, None);
        let mut seen = Linked { text: &text, good: 0, bad: 0 };
        walk_layer(&layer, &Limits::default(), &mut seen, WalkMode::Inline).expect("a walk");
        assert_eq!((seen.good, seen.bad), (numbers.len(), 0), "{packing:?}");
        let again = counted.1.load(Ordering::Relaxed) as f64 / size - 1.0;
        println!("{packing:?} {}: {again:.2} of the layer read again", numbers.len());
        assert!(again < share_max, "{packing:?}: {again}");
    }
}

/// What inflates to more than the ratio allows is counted, over all layers, and refused past a bound.
#[test]
fn zeros_are_no_bomb_until_there_are_too_many() {
    let mut tar = Tar::new();
    tar.file("zeros", &vec![0; 100 << 20]);
    let layer = Layer { tar: tar.finish(), packing: Packing::Zstd };
    let (seen, _) = walk(&layer, &Limits::default(), WalkMode::Piped).expect("no bomb");
    assert_eq!(seen.paths(), ["zeros"]);
    let limits = Limits { inflate_excess_bytes_max: 250 << 20, ..Limits::default() };
    let pool = seaworthy_image::BufferPool::new(&limits);
    let walk = || {
        let (layer, mut seen) = (layer_ref(&layer), Recorder { skips: true, ..Recorder::default() });
        seaworthy_image::walk_layer_with(&layer, &limits, &mut seen, WalkMode::Inline, &pool)
    };
    assert!(walk().is_ok() && walk().is_ok());
    assert!(matches!(walk(), Err(Error::Limit { limit: "inflate_ratio_max", .. })));
}
