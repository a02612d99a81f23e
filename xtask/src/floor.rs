//! `cargo xtask floor hash|inflate ARCHIVE`: the least that reading an image costs, with the best
//! libraries we know: hashing the whole archive once, or inflating and hashing (stored and plain bytes)
//! every gzip blob once. Runs in constant memory, layers side by side as the scanner does.

use anyhow::{Context, Result, bail};
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

const CHUNK: usize = 256 << 10;

/// Runs a floor.
pub fn run(arguments: &[String]) -> Result<()> {
    let [what, path] = arguments else { bail!("floor hash|inflate ARCHIVE") };
    let file = File::open(path).with_context(|| format!("opening {path}"))?;
    match what.as_str() {
        "hash" => hash(&file, 0, file.metadata()?.len()),
        "inflate" => inflate_all(&file, Path::new(path)),
        other => bail!("no floor `{other}`"),
    }
}

fn hash(file: &File, start: u64, length: u64) -> Result<()> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut done = 0;
    while done < length {
        let wanted = (length - done).min(CHUNK as u64) as usize;
        let count = file.read_at(&mut chunk[..wanted], start + done)?;
        if count == 0 {
            break;
        }
        hash.update(&chunk[..count]);
        done += count as u64;
    }
    println!("{:?}", hash.finalize());
    Ok(())
}

/// Offsets and lengths of the entries of the outer tar (POSIX ustar; enough for archives we made).
fn entries(file: &File) -> Result<Vec<(u64, u64)>> {
    let total = file.metadata()?.len();
    let (mut at, mut entries) = (0, Vec::new());
    let mut header = [0; 512];
    while at + 512 <= total {
        file.read_exact_at(&mut header, at)?;
        let digits: String =
            header[124..136].iter().take_while(|b| b.is_ascii_digit()).map(|b| *b as char).collect();
        let length = u64::from_str_radix(&digits, 8).unwrap_or(0);
        if length > 0 {
            entries.push((at + 512, length));
        }
        at += 512 + length.next_multiple_of(512);
    }
    Ok(entries)
}

struct Slice<'f> {
    file: &'f File,
    at: u64,
    end: u64,
    hash: Sha256,
}

impl Read for Slice<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let wanted = ((self.end - self.at) as usize).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.hash.update(&buffer[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

fn inflate_all(file: &File, path: &Path) -> Result<()> {
    let mut blobs = entries(file)?;
    blobs.sort_by_key(|(_, length)| std::cmp::Reverse(*length));
    let next = AtomicUsize::new(0);
    let worker = || -> Result<()> {
        while let Some((at, length)) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            inflate(file, *at, *length)?;
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .try_for_each(|w| w.join().unwrap_or_else(|_| bail!("a thread failed on {}", path.display())))
    })
}

fn inflate(file: &File, start: u64, length: u64) -> Result<()> {
    let slice = Slice { file, at: start, end: start + length, hash: Sha256::new() };
    let mut stored = BufReader::with_capacity(CHUNK, slice);
    if !stored.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        return hash(file, start, length);
    }
    let mut decoder = MultiGzDecoder::new(stored);
    let mut plain = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = decoder.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        plain.update(&chunk[..count]);
    }
    println!("{:?} {:?}", plain.finalize(), decoder.into_inner().into_inner().hash.finalize());
    Ok(())
}
