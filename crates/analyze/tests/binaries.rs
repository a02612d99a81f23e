//! Go and Rust programs from real builds: the shared fixtures and the images made by the recipe.
//! Skipped loudly where they are absent (`SEAWORTHY_SHARED`, `SEAWORTHY_IMAGES`).

mod support;

use seaworthy_analyze::Target;
use seaworthy_image::Content;
use seaworthy_types::{Inventory, Outcome};
use std::collections::BTreeSet;
use std::process::Command;
use support::{ByPieces, images, shared};

/// Whole and by ranges must say the same.
fn scan(path: &str, bytes: &[u8]) -> Outcome<Inventory> {
    let whole = support::scan(&[(path, Content::Whole(bytes))], Target::Image);
    let large = ByPieces::new(bytes);
    let ranged = support::scan(&[(path, Content::Large(&large))], Target::Image);
    assert_eq!(whole, ranged, "{path}: read whole and by ranges differ");
    let read = large.bytes_read();
    assert!(read < 600_000, "{path}: {read} of {} bytes were read by ranges", bytes.len());
    whole
}

fn versions(found: &Outcome<Inventory>) -> BTreeSet<(String, String)> {
    found.value.packages.iter().map(|p| (p.name.clone(), p.version.clone())).collect()
}

fn set(pairs: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    pairs.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
}

/// A member of a fixture archive, by the system's tar and xz.
fn member(archive: &std::path::Path, name: &str) -> Option<Vec<u8>> {
    let output = Command::new("tar").arg("-xOJf").arg(archive).arg(name).output().ok()?;
    output.status.success().then_some(output.stdout).filter(|bytes| !bytes.is_empty())
}

#[test]
fn go_programs_of_the_fixtures() {
    let Some(archive) = shared("fixtures/3-binaries/go-buildinfo.tar.xz") else { return };
    let old: &[(&str, &str)] = &[
        ("github.com/aquasecurity/test", ""),
        ("stdlib", "1.15.2"),
        ("github.com/aquasecurity/go-pep440-version", "0.0.0-20210121094942-22b2f8951d46"),
        ("github.com/aquasecurity/go-version", "0.0.0-20210121072130-637058cfe492"),
        ("golang.org/x/xerrors", "0.0.0-20200804184101-5ec99f83aff1"),
    ];
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("trivy/golang/binary/testdata/test.elf", old),
        ("trivy/golang/binary/testdata/test.exe", old),
        ("trivy/golang/binary/testdata/test.macho", old),
        (
            "trivy/golang/binary/testdata/main-version-via-ldflags.elf",
            &[("github.com/aquasecurity/test", "1.0.0"), ("stdlib", "1.22.1")],
        ),
        ("trivy/golang/binary/testdata/goexperiment", &[("stdlib", "1.22.1")]),
        ("trivy/golang/binary/testdata/dummy", &[]),
    ];
    let mut seen = 0;
    for (name, expected) in cases {
        let Some(bytes) = member(&archive, name) else {
            println!("SKIPPED: {name} cannot be unpacked");
            continue;
        };
        let found = scan(name, &bytes);
        let got = versions(&found);
        let main = "github.com/aquasecurity/test";
        let expected: BTreeSet<_> = match *name {
            // The peer leaves the main module out; it is there.
            "trivy/golang/binary/testdata/goexperiment" => {
                got.iter().filter(|(name, _)| name == main).cloned().chain(set(expected)).collect()
            }
            _ => set(expected),
        };
        assert_eq!(got, expected, "{name}: {:?}", found.notes);
        seen += 1;
    }
    for arch in ["darwin-arm64", "linux-386", "linux-arm64", "windows-386"] {
        let name =
            format!("osv-scalibr/language/golang/gobinary/testdata/binary_with_module_replacement-{arch}");
        let Some(bytes) = member(&archive, &name) else { continue };
        let found = scan(&name, &bytes);
        let replaced = found.value.packages.iter().any(|p| p.facts.contains_key("replaces"));
        assert!(replaced, "{name}: {:?} {:?}", versions(&found), found.notes);
        seen += 1;
    }
    println!("{seen} Go programs");
}

#[test]
fn rust_programs_of_the_fixtures() {
    let Some(folder) = shared("fixtures/3-binaries/cargo-auditable") else { return };
    let read = |name: &str| std::fs::read(folder.join(name)).expect(name);
    let scalibr = "osv-scalibr/language/rust/cargoauditable/testdata";
    let name = format!("{scalibr}/uses_serde_json/uses_serde_json");
    let found = scan(&name, &read(&name));
    let expected = set(&[
        ("itoa", "1.0.14"),
        ("memchr", "2.7.4"),
        ("proc-macro2", "1.0.92"),
        ("quote", "1.0.38"),
        ("ryu", "1.0.18"),
        ("serde", "1.0.217"),
        ("serde_derive", "1.0.217"),
        ("serde_json", "1.0.135"),
        ("syn", "2.0.95"),
        ("unicode-ident", "1.0.14"),
        ("uses_json", "0.1.0"),
    ]);
    assert_eq!(versions(&found), expected, "{:?}", found.notes);
    let name = format!("{scalibr}/no_deps/no_deps");
    assert_eq!(versions(&scan(&name, &read(&name))), set(&[("no_deps", "0.1.0")]));
    for file in ["test.elf", "test.exe", "test.macho"] {
        let Ok(bytes) = std::fs::read(folder.join("trivy/rust/binary/testdata").join(file)) else { continue };
        let expected = set(&[("crate_with_features", "0.1.0"), ("library_crate", "0.1.0")]);
        assert_eq!(versions(&scan(file, &bytes)), expected, "{file}");
    }
}

#[test]
fn go_programs_of_the_image() {
    let Some(folder) = images(".work/go/bin") else { return };
    let mut total = 0;
    for entry in std::fs::read_dir(&folder).expect("folder") {
        let path = entry.expect("entry").path();
        let bytes = std::fs::read(&path).expect("program");
        let name = path.file_name().expect("name").to_string_lossy().into_owned();
        let found = scan(&format!("usr/local/bin/{name}"), &bytes);
        assert!(found.notes.is_empty(), "{name}: {:?}", found.notes);
        let stdlib = found.value.packages.iter().find(|p| p.name == "stdlib").map(|p| p.version.clone());
        assert!(stdlib.is_some_and(|version| !version.is_empty()), "{name}: no standard library");
        // The go command, where there is one, is the judge.
        if let Ok(output) = Command::new("go").arg("version").arg("-m").arg(&path).output()
            && output.status.success()
        {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let judged: BTreeSet<(String, String)> = text
                .lines()
                .filter_map(|line| {
                    let mut fields = line.trim_start().split('\t');
                    let kind = fields.next()?;
                    matches!(kind, "mod" | "dep").then_some(())?;
                    Some((fields.next()?.to_owned(), fields.next()?.trim_start_matches('v').to_owned()))
                })
                .collect();
            let got: BTreeSet<_> =
                versions(&found).into_iter().filter(|(name, _)| name != "stdlib").collect();
            assert_eq!(got, judged, "{name}");
        }
        println!("{name}: {} packages", found.value.packages.len());
        total += found.value.packages.len();
    }
    assert!(total > 0);
    println!("{total} Go packages");
}
