//! Peak memory of parent and parsing process, read while they run; and that the latter is locked.

use crate::lab::{Lab, PROGRAM, Ran, children, ids, packages};
use flate2::{Compression, write::GzEncoder};
use seaworthy_testkit::{Fields, Layer, Packing, Tar, TestImage, parts_to_tar};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;

/// Megabytes for both processes together.
const MEGABYTES_MAX: u64 = 200;

/// Highest values of one process.
#[derive(Debug, Default, Clone)]
struct Seen {
    kilobytes: u64,
    locked: bool,
}

fn status(process: u32, seen: &mut BTreeMap<u32, Seen>) {
    let Ok(text) = fs::read_to_string(format!("/proc/{process}/status")) else { return };
    let value = |key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let entry = seen.entry(process).or_default();
    entry.kilobytes = entry.kilobytes.max(value("VmHWM:").unwrap_or(0));
    entry.locked |= value("Seccomp:") == Some(2);
}

/// Runs a scan and watches it; gives the run, the sum of both peaks in megabytes and whether the child
/// was seen locked.
fn watched(lab: &Lab, target: &str, more: &[&str]) -> (Ran, u64, bool) {
    let out = fs::File::create(lab.path("out")).expect("made");
    let mut command = lab.command();
    command.args(["scan", target, "-f", "json"]).args(more).stdout(Stdio::from(out)).stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    let parent = child.id();
    let mut seen = BTreeMap::new();
    while child.try_wait().expect("waited").is_none() {
        status(parent, &mut seen);
        children(parent).into_iter().for_each(|process| status(process, &mut seen));
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
    let output = child.wait_with_output().expect("ended");
    let mut ran = Ran::of(output);
    ran.out = fs::read_to_string(lab.path("out")).expect("a report");
    let locked = seen.iter().any(|(process, seen)| *process != parent && seen.locked);
    let peak = seen.values().map(|seen| seen.kilobytes).sum::<u64>() / 1024;
    assert!(seen.len() >= 2, "{PROGRAM} has a child");
    eprintln!("{target}: {peak} MB");
    (ran, peak, locked)
}

/// A gzip layer whose tar is written piece by piece, as a docker archive with its own digest.
fn gzip_layer(write: impl FnOnce(&mut dyn FnMut(&[u8]))) -> TestImage {
    let mut tar = Vec::new();
    write(&mut |bytes| tar.extend_from_slice(bytes));
    tar.extend([0; 1024]);
    TestImage { layers: vec![Layer { tar, packing: Packing::Gzip }], ..TestImage::default() }
}

#[test]
fn a_large_jar_in_a_gzip_layer() {
    let lab = Lab::with_data();
    let pom = b"groupId=org.example.lib\nartifactId=widget\nversion=1.0.0\n";
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let piece: Vec<u8> = (0..1u32 << 18).flat_map(|n| (n / 16).to_le_bytes()).collect();
    for number in 0..200 {
        writer.start_file(format!("data/{number}"), stored).expect("memory");
        writer.write_all(&piece).expect("memory");
    }
    writer.start_file("META-INF/maven/org.example.lib/widget/pom.properties", stored).expect("memory");
    writer.write_all(pom).expect("memory");
    let jar = writer.finish().expect("memory").into_inner();
    let mut tar = Tar::new();
    tar.file("opt/widget.jar", &jar);
    drop(jar);
    let image = gzip_layer(|put| put(tar.bytes()));
    drop(tar);
    lab.archive("jar.tar", &image);
    drop(image);
    let (ran, peak, locked) = watched(&lab, "jar.tar", &["--no-cache"]);
    let report = ran.coded(1).json();
    assert_eq!(packages(&report), ["maven org.example.lib:widget 1.0.0"]);
    assert!(peak < MEGABYTES_MAX, "{peak} MB");
    assert!(
        locked || report["coverage"].to_string().contains("jail-partly"),
        "the child is locked or says so"
    );
}

#[test]
fn very_many_entries() {
    let lab = Lab::with_data();
    let block = |name: &str, size: u64| {
        let mut tar = Tar::new();
        tar.header(&Fields { name: name.as_bytes(), size, ..Fields::default() });
        tar.bytes().to_vec()
    };
    let image = gzip_layer(|put| {
        let mut header = block("srv/aaaaaa/bbbbbbbbbb", 0);
        for number in 0..200_000u32 {
            // Only digits change places: the checksum, a sum of bytes, is put right by the difference.
            let name = format!("srv/{:03}/file-{:06}", number / 1_000, number);
            header[..100].fill(0);
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            put(&header);
        }
        let mut last = Tar::new();
        last.file("usr/lib/node_modules/holed/package.json", br#"{"name":"holed","version":"1.0.0"}"#);
        put(last.bytes());
    });
    lab.archive("many.tar", &image);
    let (ran, peak, _) = watched(&lab, "many.tar", &[]);
    let report = ran.coded(1).json();
    assert_eq!(ids(&report, "findings"), ["CVE-2026-10001"]);
    assert_eq!(report["layers"][0]["layer"]["entries"], 200_001);
    assert!(peak < MEGABYTES_MAX, "{peak} MB");
}

#[test]
fn a_gigabyte_of_package_json() {
    let lab = Lab::with_data();
    let size = 1u64 << 30;
    let mut head = Tar::new();
    head.header(&Fields { name: b"usr/lib/node_modules/x/package.json", size, ..Fields::default() });
    let mut tail = Tar::new();
    tail.file("usr/lib/node_modules/sound/package.json", br#"{"name":"sound","version":"1.0.0"}"#);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let mut hash = Sha256::new();
    let mut put = |bytes: &[u8]| {
        hash.update(bytes);
        gzip.write_all(bytes).expect("memory");
    };
    put(head.bytes());
    let blanks = vec![b' '; 1 << 20];
    (0..size >> 20).for_each(|_| put(&blanks));
    put(&tail.finish());
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let config = json!({ "os": "linux", "architecture": "amd64",
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{hex}")] } });
    let manifest = json!([{ "Config": "config.json", "RepoTags": [], "Layers": ["layer.tar"] }]);
    let parts = [
        ("layer.tar".to_owned(), gzip.finish().expect("memory")),
        ("config.json".to_owned(), config.to_string().into_bytes()),
        ("manifest.json".to_owned(), manifest.to_string().into_bytes()),
    ];
    lab.file("big.tar", parts_to_tar(&parts));
    let (ran, peak, _) = watched(&lab, "big.tar", &["--no-cache"]);
    let report = ran.coded(3).json();
    assert_eq!(packages(&report), ["npm sound 1.0.0"]);
    assert!(report["coverage"].to_string().contains("usr/lib/node_modules/x/package.json"));
    assert!(peak < MEGABYTES_MAX, "{peak} MB");
}

#[test]
fn a_small_budget_skips_nothing() {
    let lab = Lab::with_data();
    let pom = b"groupId=org.example.lib\nartifactId=widget\nversion=1.0.0\n";
    let filler: Vec<u8> = (0..5u32 << 20).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let files = [("filler", &filler[..]), ("META-INF/maven/org.example.lib/widget/pom.properties", &pom[..])];
    let large = crate::roundtrip::jar(&files);
    assert!(large.len() > 12 << 20, "{}", large.len());
    for packing in [Packing::Plain, Packing::Gzip] {
        let mut tar = Tar::new();
        // A store of content with hard links to it, as pnpm makes it.
        tar.file("srv/.store/00/abc", br#"{"name":"holed","version":"1.0.0"}"#);
        tar.file("opt/widget.jar", &large);
        tar.hardlink("srv/node_modules/holed/package.json", "srv/.store/00/abc");
        let layers = vec![Layer { tar: tar.finish(), packing }];
        lab.archive("small.tar", &TestImage { layers, ..TestImage::default() });
        for memory in ["12M", "160M"] {
            let report = lab.scan("small.tar", &["--no-cache", "--max-memory", memory]).coded(1).json();
            let wanted = ["maven org.example.lib:widget 1.0.0", "npm holed 1.0.0"];
            assert_eq!(packages(&report), wanted, "{packing:?} {memory} {}", report["coverage"]);
        }
    }
}
