//! Walks all layers of an archive and says what it cost: `walk ARCHIVE [none|elf|all] [inline|piped|floor]`.
//!
//! `floor` reads, inflates and hashes the same layers with the same libraries and does nothing else.

use seaworthy_image::{
    BufferPool, Content, Entry, FileSource, Visitor, WalkMode, Want, Wish, open_archive, walk_layer_with,
};
use seaworthy_types::Limits;
use std::sync::Arc;
use std::time::Instant;

struct Counter {
    mode: String,
    wanted: u64,
    contents: u64,
    bytes: u64,
}

impl Visitor for Counter {
    fn entry(&mut self, _: &Entry<'_>, head: &[u8]) -> Want {
        let wants = match self.mode.as_str() {
            "elf" => head.starts_with(b"\x7fELF"),
            "all" => true,
            _ => false,
        };
        self.wanted += u64::from(wants);
        if wants { Want::Content } else { Want::Skip }
    }
    fn content(&mut self, _: u32, content: Content<'_>) {
        self.contents += 1;
        self.bytes += content.len();
    }
}

/// One gzip member with the ten-byte header of Go's writer, or plain.
fn floor(layer: &seaworthy_image::LayerRef) -> Result<u64, Box<dyn std::error::Error>> {
    use sha2::{Digest as _, Sha256};
    let (source, offset, len) = layer.open()?;
    let (mut at, end) = (offset, offset + len);
    let (mut plain, mut stored) = (Sha256::new(), Sha256::new());
    let (mut input, mut output) = (vec![0; 256 << 10], vec![0; 256 << 10]);
    let mut inflate = flate2::Decompress::new(false);
    let (mut gzip, mut total) = (false, 0);
    while at < end {
        let size = if gzip { 128 << 10 } else { 256 << 10 };
        let wanted = usize::try_from(end - at)?.min(size);
        let count = source.read_at(at, &mut input[..wanted])?;
        let mut rest = &input[..count];
        let first = at == offset;
        at += count as u64;
        gzip |= first && rest.starts_with(&[0x1f, 0x8b]);
        if !gzip {
            plain.update(rest);
            total += rest.len() as u64;
            continue;
        }
        stored.update(rest);
        rest = if first { &rest[10..] } else { rest };
        loop {
            let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(rest, &mut output, flate2::FlushDecompress::None)?;
            let produced = usize::try_from(inflate.total_out() - before_out)?;
            rest = &rest[usize::try_from(inflate.total_in() - before_in)?..];
            plain.update(&output[..produced]);
            total += produced as u64;
            if status == flate2::Status::StreamEnd || (rest.is_empty() && produced < output.len()) {
                break;
            }
        }
    }
    std::hint::black_box((plain.finalize(), stored.finalize()));
    Ok(total)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("ARCHIVE is missing")?;
    let mode = arguments.next().unwrap_or_else(|| "none".into());
    let how = arguments.next().unwrap_or_else(|| "inline".into());
    let start = Instant::now();
    let limits = Limits::default();
    let source = Arc::new(FileSource::new(std::fs::File::open(&path)?)?);
    let image = open_archive(source, &Wish::default(), &limits)?;
    if how == "floor" {
        let mut bytes = 0;
        for layer in &image.layers {
            bytes += floor(layer)?;
        }
        println!("{path}: floor, {bytes} bytes, {:?}", start.elapsed());
        return Ok(());
    }
    let mut counter = Counter { mode, wanted: 0, contents: 0, bytes: 0 };
    let pool = BufferPool::new(&limits);
    let walk = if how == "piped" { WalkMode::Piped } else { WalkMode::Inline };
    let (mut entries, mut bytes) = (0, 0);
    for layer in &image.layers {
        let walked = walk_layer_with(layer, &limits, &mut counter, walk, &pool)?;
        entries += walked.entries;
        bytes += walked.bytes;
        for note in walked.notes {
            println!("{note:?}");
        }
    }
    let Counter { wanted, contents, bytes: content_bytes, .. } = counter;
    println!(
        "{path}: {} layers, {entries} headers, {bytes} bytes, {wanted} wanted, {contents} contents of {content_bytes} bytes, {:?}",
        image.layers.len(),
        start.elapsed()
    );
    Ok(())
}
