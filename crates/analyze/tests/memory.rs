//! Files made to cost memory: small as text, large as values. The peak of the whole process is bounded,
//! and what was not read is a gap. Alone in its program, because the peak is the process's.

use seaworthy_analyze::read::{Matcher, units_for};
use seaworthy_analyze::{LayerFacts, LayerReader, Target};
use seaworthy_image::{Content, Entry, EntryKind, Visitor, Want};
use seaworthy_types::{Grade, Limits};
use std::fmt::Write as _;

/// The test's own text (16 MiB), the file's values, what the allocator does not give back between files
/// and the program itself; most of these files took several times as much.
const PEAK_BYTES_MAX: u64 = 180 << 20;

fn read(path: &str, text: &str) -> LayerFacts {
    let limits = Limits::default();
    let matcher = Matcher::new(units_for(Target::Source));
    let mut reader = LayerReader::new(&matcher, &limits);
    let size = text.len() as u64;
    let entry = Entry { path, kind: EntryKind::File, mode: 0o644, uid: 0, gid: 0, size, link: "" };
    assert_eq!(reader.entry(&entry, b""), Want::Content, "{path}");
    reader.content(0, Content::Whole(text.as_bytes()));
    reader.finish(Vec::new())
}

/// The peak of resident memory so far, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

/// Lets the peak begin anew at what is resident now (proc(5), clear_refs), where the system can.
fn begin_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn repeated(start: &str, middle: &str, end: &str, bytes: usize) -> String {
    [start, &middle.repeat((bytes - start.len() - end.len()) / middle.len()), end].concat()
}

fn numbered(start: &str, end: &str, bytes: usize, one: fn(&mut String, usize)) -> String {
    let mut text = start.to_owned();
    let mut number = 0;
    while text.len() + end.len() + 100 < bytes {
        one(&mut text, number);
        number += 1;
    }
    text + end
}

/// One after the other: the peak is that of all threads.
#[test]
fn memory() {
    hostile_files_stay_within_the_budget();
    large_real_files_are_read();
    // Last: its peaks begin anew.
    hostile_documents_stay_within_the_budget();
}

/// Bills of materials as large as may be, full of nothing: each took 300 MB and more.
fn hostile_documents_stay_within_the_budget() {
    const BYTES: usize = 24 << 20;
    let start = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":["#;
    let properties = [start, r#"{"name":"a","version":"1","purl":"pkg:npm/a@1","properties":["#].concat();
    let spdx = r#"{"spdxVersion":"SPDX-2.3","packages":["#;
    let cases = [
        (start, "{},", "{}]}"),
        (start, "[],", "{}]}"),
        (&properties, r#"{"name":"a","value":"b"},"#, "{}]}]}"),
        (spdx, r#"{"name":"a","externalRefs":[{},{}]},"#, "{}]}"),
        (r#"{"bomFormat":"CycloneDX","x":["#, "[],", "[]]}"),
    ];
    for (start, middle, end) in cases {
        let text = repeated(start, middle, end, BYTES);
        begin_peak();
        let before = peak();
        let read = seaworthy_analyze::sbom::read(text.as_bytes(), &Limits::default());
        assert!(matches!(read, Err(seaworthy_analyze::sbom::SbomError::TooManyValues)), "{middle}");
        let taken = peak().zip(before).map(|(peak, before)| peak.saturating_sub(before));
        println!("{middle} takes {taken:?}");
        assert!(taken.is_none_or(|taken| taken < 120 << 20), "{middle}: {taken:?}");
    }
}

fn hostile_files_stay_within_the_budget() {
    const MIB: usize = 1 << 20;
    let (toml, json) = (8 * MIB, 16 * MIB);
    let npm = "{\"lockfileVersion\":3,\"packages\":{";
    let cases: [(&str, &dyn Fn() -> String); 8] = [
        ("uv.lock", &|| repeated("a = [", "1,", "]\n", toml)),
        ("poetry.lock", &|| {
            numbered("", "", toml, |text, n| {
                let _ = writeln!(text, "[a{n}.b.c.d]");
            })
        }),
        ("pdm.lock", &|| repeated("[[package]]\nname=\"a\"\ndependencies=[", "{},", "]\n", toml)),
        ("uv.lock", &|| repeated("version = 1\n", "[[package]]\n", "", toml)),
        ("package-lock.json", &|| repeated(npm, "\"\":{},", "\"\":{}}}", json)),
        ("composer.lock", &|| repeated("{\"packages\":[", "{},", "{}]}", json)),
        ("node_modules/a/package.json", &|| {
            repeated("{\"name\":\"a\",\"version\":\"1\",\"licenses\":[", "{},", "{}]}", json)
        }),
        ("pnpm-lock.yaml", &|| {
            numbered(
                "lockfileVersion: '9.0'\nsnapshots:\n a@1:\n  dependencies: {",
                "}\n",
                4 * MIB,
                |text, n| {
                    let _ = write!(text, "{n:x}: 1,");
                },
            )
        }),
    ];
    for (path, make) in cases {
        let text = make();
        let facts = read(path, &text);
        let (length, peak) = (text.len() >> 20, peak().unwrap_or(0));
        println!(
            "{path}, {length} MiB: peak {} MiB, {} facts, {:?}",
            peak >> 20,
            facts.facts.len(),
            facts.notes
        );
        assert!(peak < PEAK_BYTES_MAX, "{path}: {peak}");
        // All of these hold something that is no package or too much of something.
        let gap = facts.notes.iter().any(|note| note.grade == Grade::Gap);
        assert!(gap || ["poetry.lock", "pnpm-lock.yaml"].contains(&path), "{path} was silent");
    }
}

/// What large projects have is read to the last package.
fn large_real_files_are_read() {
    let (five, forty) = (5 << 20, 40 << 20);
    let cargo = numbered("version = 4\n\n", "", five, |text, n| {
        let _ = write!(
            text,
            "[[package]]\nname = \"p{n}\"\nversion = \"1.0.0\"\nchecksum = \"{n:064}\"\ndependencies = [\n \"a\",\n \"b\",\n]\n\n"
        );
    });
    let npm = numbered(
        "{\n  \"lockfileVersion\": 3,\n  \"packages\": {\n",
        "    \"\": {}\n  }\n}\n",
        forty,
        |text, n| {
            let _ = write!(
                text,
                "    \"node_modules/p{n}\": {{\n      \"version\": \"1.0.0\",\n      \"resolved\": \"https://registry.example.org/p{n}/-/p-1.tgz\",\n      \"integrity\": \"sha512-{n:088}\",\n      \"dependencies\": {{\n        \"aaaaaaaaaaaaaaaaaaaa\": \"^1.0.0\",\n        \"bbbbbbbbbbbbbbbbbbbbb\": \"^2.0.0\"\n      }},\n      \"engines\": {{\n        \"node\": \">=6\"\n      }}\n    }},\n"
            );
        },
    );
    for (path, text, mark) in
        [("Cargo.lock", cargo, "[[package]]"), ("package-lock.json", npm, "\"node_modules/")]
    {
        let facts = read(path, &text);
        assert_eq!(facts.facts.len(), text.matches(mark).count(), "{path}");
        assert_eq!(facts.notes, [], "{path}");
    }
}
