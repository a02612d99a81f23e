//! Runs the cases of every cataloguer: `cases/<unit>/<case>/input/…` is one layer (several:
//! `layer0/`, `layer1/`, …; an empty file `.wh.NAME` removes NAME), `expected.txt` what must come
//! out. `UPDATE_EXPECT=1` rewrites the expectations; read them before you commit them.

use seaworthy_analyze::cataloguer::{ALL, Cataloguer, Target};
use seaworthy_analyze::read::Matcher;
use seaworthy_analyze::{LayerFacts, LayerReader, assemble};
use seaworthy_image::{Content, Entry, EntryKind, Visitor, Want};
use seaworthy_types::{Inventory, Limits, Outcome, Reads};
use std::fs;
use std::path::{Path, PathBuf};

#[path = "support/expect.rs"]
mod expect;
#[path = "support/render.rs"]
mod render;

use expect::Expectations;
use render::render;

fn cases_of(unit: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(unit);
    let mut cases: Vec<PathBuf> = match fs::read_dir(&folder) {
        Ok(entries) => entries.map(|e| e.expect("entry").path()).filter(|p| p.is_dir()).collect(),
        Err(_) => Vec::new(),
    };
    cases.sort();
    cases
}

/// Reads a folder as one layer.
fn layer(folder: &Path, units: Vec<&'static dyn Cataloguer>, limits: &Limits) -> LayerFacts {
    let matcher = Matcher::new(units);
    let mut reader = LayerReader::new(&matcher, limits);
    let mut paths = Vec::new();
    collect(folder, folder, &mut paths);
    paths.sort();
    for (index, path) in paths.iter().enumerate() {
        let full = folder.join(path);
        let meta = fs::symlink_metadata(&full).expect("metadata");
        let name = path.rsplit('/').next().expect("name");
        if let Some(removed) = name.strip_prefix(".wh.") {
            let path = path.strip_suffix(name).expect("suffix").to_owned() + removed;
            let entry =
                Entry { path: &path, kind: EntryKind::Whiteout, mode: 0, uid: 0, gid: 0, size: 0, link: "" };
            reader.entry(&entry, b"");
            continue;
        }
        let (kind, link, bytes) = if meta.is_symlink() {
            let link = fs::read_link(&full).expect("link").to_string_lossy().into_owned();
            (EntryKind::Symlink, link, Vec::new())
        } else if meta.is_dir() {
            (EntryKind::Folder, String::new(), Vec::new())
        } else {
            (EntryKind::File, String::new(), fs::read(&full).expect("file"))
        };
        let size = bytes.len() as u64;
        let entry = Entry { path, kind, mode: 0o644, uid: 0, gid: 0, size, link: &link };
        let head = &bytes[..bytes.len().min(512)];
        if reader.entry(&entry, head) == Want::Content {
            reader.content(index as u32, Content::Whole(&bytes));
        }
    }
    for pair in reader.pairs() {
        let [file, companion] =
            [&pair.file, &pair.companion].map(|path| fs::read(folder.join(path)).expect("file"));
        reader.pair(&pair, Content::Whole(&file), Content::Whole(&companion));
    }
    reader.finish(Vec::new())
}

fn collect(root: &Path, folder: &Path, paths: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        paths.push(path.strip_prefix(root).expect("inside").to_string_lossy().into_owned());
        if path.is_dir() && !path.is_symlink() {
            collect(root, &path, paths);
        }
    }
}

/// The case's inventory, all units running that this one may need to be judged with.
fn run_case(unit: &'static dyn Cataloguer, case: &Path) -> Outcome<Inventory> {
    let limits = Limits::default();
    let target = if unit.about().reads == Reads::Declared { Target::Source } else { Target::Image };
    let units = || seaworthy_analyze::read::units_for(target);
    let layers: Vec<LayerFacts> = match case.join("input").is_dir() {
        true => vec![layer(&case.join("input"), units(), &limits)],
        false => (0..)
            .map(|index| case.join(format!("layer{index}")))
            .take_while(|folder| folder.is_dir())
            .map(|folder| layer(&folder, units(), &limits))
            .collect(),
    };
    assert!(!layers.is_empty(), "{}: neither input/ nor layer0/", case.display());
    assemble(&layers.iter().collect::<Vec<_>>(), target)
}

#[test]
fn every_cataloguer_gives_what_its_cases_expect() {
    let mut expectations = Expectations::default();
    for unit in ALL {
        let name = unit.about().name;
        let run = |case: &Path| render(&run_case(*unit, case));
        expectations.check((name, "cases"), &cases_of(name), run, |case| case.join("expected.txt"));
    }
    expectations.verdict();
}

#[test]
fn names_match_files() {
    for unit in ALL {
        let file = format!("src/cataloguer/{}", unit.about().name.replace('-', "_"));
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let there = root.join(format!("{file}.rs")).is_file() || root.join(file).join("mod.rs").is_file();
        assert!(there, "no file for unit {}", unit.about().name);
    }
}
