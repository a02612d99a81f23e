//! Walks all layers of an archive and says what it cost: `walk ARCHIVE [none|elf|all] [inline|piped|floor]`.

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

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("ARCHIVE is missing")?;
    let mode = arguments.next().unwrap_or_else(|| "none".into());
    let how = arguments.next().unwrap_or_else(|| "inline".into());
    let start = Instant::now();
    let limits = Limits::default();
    let source = Arc::new(FileSource::new(std::fs::File::open(&path)?)?);
    let image = open_archive(source, &Wish::default(), &limits)?;
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
