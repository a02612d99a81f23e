//! Damages every small input of every case in fixed ways and runs all units over it: nothing may
//! panic, and no unit may say more than its limits allow. What comes out is not judged here.

use seaworthy_analyze::cataloguer::Target;
use seaworthy_analyze::read::{Matcher, units_for};
use seaworthy_analyze::{LayerFacts, LayerReader, assemble};
use seaworthy_image::{Content, Entry, EntryKind, Visitor, Want};
use seaworthy_types::Limits;
use std::fs;
use std::path::{Path, PathBuf};

/// Larger inputs would make the test slow and show nothing new.
const INPUT_BYTES_MAX: usize = 6 << 10;
const PLACES: usize = 48;
const BYTES: [u8; 6] = [0, 0xff, b'"', b'{', b'\n', b'9'];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().map(|e| e.expect("entry").path()).collect();
    entries.sort();
    for path in entries {
        match path.is_dir() && !path.is_symlink() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// The path below `input/` or `layer0/`, …; nothing for other files of a case.
fn path_in_layer(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let cases = text.find("/cases/")?;
    let mut parts = text.get(cases + 1..)?.splitn(5, '/').skip(3);
    let layer = parts.next()?;
    (layer == "input" || layer.starts_with("layer")).then(|| parts.next().map(str::to_owned))?
}

fn run(matcher: &Matcher, target: Target, path: &str, bytes: &[u8]) {
    let limits = Limits::default();
    let mut reader = LayerReader::new(matcher, &limits);
    let size = bytes.len() as u64;
    let entry = Entry { path, kind: EntryKind::File, mode: 0o755, uid: 0, gid: 0, size, link: "" };
    if reader.entry(&entry, &bytes[..bytes.len().min(512)]) == Want::Content {
        reader.content(0, Content::Whole(bytes));
    }
    let facts: LayerFacts = reader.finish(Vec::new());
    let outcome = assemble(&[&facts], target);
    let said = outcome.value.packages.len() + outcome.value.unidentified.len() + outcome.notes.len();
    assert!(said <= bytes.len() + 16, "{path}: {said} packages and notes from {size} bytes");
}

#[test]
fn damaged_inputs_never_panic() {
    let mut inputs = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"), &mut inputs);
    let matchers = [Target::Image, Target::Source].map(|target| (target, Matcher::new(units_for(target))));
    let mut runs = 0_usize;
    for (number, input) in inputs.into_iter().enumerate() {
        let Some(path) = path_in_layer(&input) else { continue };
        let Ok(bytes) = fs::read(&input) else { continue };
        if bytes.is_empty() || bytes.len() > INPUT_BYTES_MAX {
            continue;
        }
        let (target, matcher) = &matchers[number % 2];
        for place in 0..PLACES.min(bytes.len()) {
            let at = place * bytes.len() / PLACES.min(bytes.len());
            run(matcher, *target, &path, &bytes[..at]);
            let mut damaged = bytes.clone();
            damaged[at] = BYTES[place % BYTES.len()];
            run(matcher, *target, &path, &damaged);
            damaged.splice(at..at, bytes.iter().copied().take(64));
            run(matcher, *target, &path, &damaged);
            runs += 3;
        }
    }
    println!("{runs} damaged inputs");
    assert!(runs > 0, "no case has a small input");
}
