//! How long programs and archives of real images take. Skipped loudly where they are absent
//! (`SEAWORTHY_IMAGES`). Meant for `--release -- --nocapture`; the bounds only catch disasters.

mod support;

use seaworthy_analyze::Target;
use seaworthy_image::Content;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::images;

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect(&path, files),
            Ok(kind) if kind.is_file() => files.push(path),
            _ => {}
        }
    }
}

/// Best of five runs over these files, held in memory.
fn best(label: &str, files: &[PathBuf], wanted: impl Fn(&Path, &[u8]) -> bool) -> Duration {
    let held: Vec<(String, Vec<u8>)> = files
        .iter()
        .filter_map(|path| Some((path, std::fs::read(path).ok()?)))
        .filter(|(path, bytes)| wanted(path, bytes))
        .map(|(path, bytes)| (path.to_string_lossy().trim_start_matches('/').to_owned(), bytes))
        .collect();
    let layer: Vec<_> = held.iter().map(|(path, bytes)| (path.as_str(), Content::Whole(bytes))).collect();
    let mut best = Duration::MAX;
    let mut found = (0, 0, 0);
    for _ in 0..5 {
        let start = Instant::now();
        let outcome = support::scan(&layer, Target::Image);
        best = best.min(start.elapsed());
        found = (outcome.value.packages.len(), outcome.value.unidentified.len(), outcome.notes.len());
    }
    let size: usize = held.iter().map(|(_, bytes)| bytes.len()).sum();
    println!(
        "{label}: {} files, {} MB: {best:?}; {} packages, {} unidentified, {} notes",
        held.len(),
        size / 1_000_000,
        found.0,
        found.1,
        found.2
    );
    best
}

#[test]
fn programs_and_archives_cost_little() {
    let Some(root) = images(".work/rootfs") else { return };
    let mut files = Vec::new();
    collect(&root, &mut files);
    let elf = best("ELF files of debian-plain", &files, |_, bytes| bytes.starts_with(b"\x7fELF"));
    let others = best("other files of debian-plain", &files, |_, bytes| !bytes.starts_with(b"\x7fELF"));
    let (mut go, mut java) = (Vec::new(), Vec::new());
    images(".work/go/bin").into_iter().for_each(|folder| collect(&folder, &mut go));
    images(".work/java/lib").into_iter().for_each(|folder| collect(&folder, &mut java));
    images(".work/java/app").into_iter().for_each(|folder| collect(&folder, &mut java));
    let go = best("Go programs", &go, |_, _| true);
    let java = best("Java archives", &java, |_, _| true);
    let all = elf + others + go + java;
    println!("together {all:?}");
    assert!(all < Duration::from_secs(20), "{all:?}");
}
