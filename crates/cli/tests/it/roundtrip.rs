//! Same input, same bytes; and an SBOM of ours says all that the image said.

use crate::data::{DEBIAN, dpkg, npm};
use crate::lab::{Lab, codes, ids, packages};
use seaworthy_testkit::{Tar, TestImage, parse};
use serde_json::{Value, json};
use std::io::Write as _;

/// A Python module that a distribution package ships.
pub fn owned_module() -> String {
    let folder = "usr/lib/python3/dist-packages/owned_module-1.0.0.dist-info";
    let debian = dpkg(&[("hull", "1.0-2")]);
    let debian = debian.replace("/usr/share/hull", &format!("/{folder}\\n/{folder}/METADATA"));
    format!(
        "image app:1\nlayer\n{DEBIAN}{debian}file {folder}/METADATA Metadata-Version: 2.1\\nName: owned-module\\nVersion: 1.0.0\\n\n"
    )
}

/// A jar with these files.
pub fn jar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).expect("memory");
        writer.write_all(bytes).expect("memory");
    }
    writer.finish().expect("memory").into_inner()
}

/// An executable of Go as far as its build information goes: ELF with one segment of data.
pub fn go_program(modules: &str) -> Vec<u8> {
    let text = [&[b'<'; 16][..], modules.as_bytes(), &[b'>'; 16]].concat();
    let mut info = b"\xff Go buildinf:\x08\x02".to_vec();
    info.resize(32, 0);
    for part in [&b"go1.20.1"[..], &text] {
        let mut length = part.len();
        while length >= 0x80 {
            info.push(length as u8 | 0x80);
            length >>= 7;
        }
        info.push(length as u8);
        info.extend(part);
    }
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(16, 0);
    // Executable for x86-64, then entry, program headers, sections, flags, sizes and counts.
    elf.extend([2u16, 62].iter().flat_map(|n| n.to_le_bytes()));
    elf.extend(1u32.to_le_bytes());
    elf.extend([0x40_0000u64, 64, 0].iter().flat_map(|n| n.to_le_bytes()));
    elf.extend(0u32.to_le_bytes());
    elf.extend([64u16, 56, 1, 0, 0, 0].iter().flat_map(|n| n.to_le_bytes()));
    let size = info.len() as u64;
    elf.extend([1u32, 6].iter().flat_map(|n| n.to_le_bytes()));
    elf.extend([128u64, 0x40_0000, 0x40_0000, size, size, 16].iter().flat_map(|n| n.to_le_bytes()));
    elf.resize(128, 0);
    elf.extend(info);
    elf
}

/// Everything that has a reason to be lost on the way through an SBOM.
fn rich() -> TestImage {
    let status = format!(
        "{}{}",
        "Package: libforeign\\nStatus: install ok installed\\nArchitecture: amd64\\nMaintainer: Vendor <v@docker.com>\\nVersion: 1.0-1~vendor\\nDescription: x\\n\\n",
        "Package: libmast\\nStatus: install ok installed\\nArchitecture: amd64\\nMaintainer: Debian <d@lists.debian.org>\\nSource: mast (2:1.0-1)\\nVersion: 2:1.0-1+b1\\nDescription: x\\n\\n",
    );
    let text = owned_module()
        .replace("file var/lib/dpkg/status ", &format!("file var/lib/dpkg/status {status}"))
        + &npm(&["sound", "holed", "scratched", "unrated", "unfixed", "exploited"])
        + "file usr/lib/python3.11/site-packages/own_module-1.0.0.dist-info/METADATA Metadata-Version: 2.1\\nName: own-module\\nVersion: 1.0.0\\n\n";
    let mut image = parse(&text);
    let mut tar = Tar::new();
    let pom = b"groupId=org.example.lib\nartifactId=widget\nversion=1.0.0\n";
    let known = jar(&[
        ("META-INF/maven/org.example.lib/widget/pom.properties", pom),
        ("org/example/lib/W.class", b"x"),
    ]);
    tar.file("opt/app/widget-1.0.0.jar", &known);
    tar.file("opt/app/mystery.jar", &jar(&[("a/b.class", b"x")]));
    tar.file("opt/app/widget-1.5.0.jar", &jar(&[("org/example/lib/W.class", b"x")]));
    let modules =
        "path\texample.org/tool\nmod\texample.org/tool\t(devel)\t\ndep\texample.org/other\tv1.2.3\th1:x=\n";
    tar.file_with_mode("usr/bin/tool", 0o755, &go_program(modules));
    image.layers.push(seaworthy_testkit::Layer { tar: tar.finish(), ..Default::default() });
    image
}

/// What must be the same: ids, severities, reasons, fixes, coverage, verdict.
fn essence(report: &Value) -> Value {
    let findings = |list: &str| -> Vec<Value> {
        let all = report[list].as_array().expect("findings").iter();
        all.map(|finding| {
            json!({
                "id": finding["id"], "vulnerability": finding["vulnerability"], "aliases": finding["aliases"],
                "severity": finding["severity"], "status": finding["status"], "fixed": finding["fixed_version"],
                "reasons": finding["reasons"], "priority": finding["priority"], "kev": finding["kev"],
                "subject": finding["subject"], "suppression": finding["suppression"],
            })
        })
        .collect()
    };
    json!({
        "findings": findings("findings"), "suppressed": findings("suppressed"),
        "coverage": report["coverage"], "verdict": report["verdict"], "actions": report["actions"],
        "packages": packages(report), "os": report["inventory"]["os"],
    })
}

#[track_caller]
fn same(a: &Value, b: &Value, what: &str) {
    for (key, value) in a.as_object().expect("an object") {
        let other = &b[key];
        if let (Some(one), Some(two)) = (value.as_array(), other.as_array()) {
            for (x, y) in one.iter().zip(two) {
                assert_eq!(x, y, "{what}: {key}");
            }
        }
        assert_eq!(value, other, "{what}: {key}");
    }
}

#[test]
fn our_own_sbom_gives_the_same_answer() {
    let lab = Lab::with_data();
    lab.archive("app.tar", &rich());
    let scanned = lab.scan("app.tar", &["-o", "cyclonedx=cdx.json", "-o", "spdx=spdx.json"]).coded(1).json();
    assert_eq!(
        ids(&scanned, "findings"),
        [1, 2, 3, 4, 5, 7, 8, 8, 10, 14].map(|n| format!("CVE-2026-100{n:02}")),
        "{:?}",
        packages(&scanned)
    );
    assert_eq!(ids(&scanned, "suppressed"), ["CVE-2026-10006"]);
    let gaps = codes(&scanned, "gap");
    for gap in ["archive-unidentified", "third-party-packages", "version-unknown"] {
        assert!(gaps.contains(&gap.to_owned()), "{gaps:?}");
    }
    for sbom in ["cdx.json", "spdx.json"] {
        let report = lab.scan(sbom, &[]).coded(1).json();
        assert_eq!(report["target"]["kind"], "sbom");
        same(&essence(&scanned), &essence(&report), sbom);
        // And once more: an SBOM of the SBOM.
        let again = format!("again.{sbom}");
        for format in ["cyclonedx", "spdx"] {
            lab.scan(sbom, &["-o", &format!("{format}={again}")]).coded(1);
            same(&essence(&scanned), &essence(&lab.report(&again, &[])), &format!("{format} of {sbom}"));
        }
    }
}

#[test]
fn two_scans_give_the_same_bytes() {
    let lab = Lab::with_data();
    lab.archive("app.tar", &rich());
    for format in [
        "json",
        "table",
        "sarif",
        "cyclonedx",
        "spdx",
        "html",
        "markdown",
        "csv",
        "junit",
        "gitlab",
        "github",
    ] {
        // A clock that ticks between the two is the one reason to try again.
        let same = (0..3).any(|_| {
            let run = |more: &str| lab.run(&["scan", "app.tar", "-f", format, more]).coded(1).out;
            run("--no-cache") == run("--full") || run("--quiet") == run("--no-cache")
        });
        assert!(same, "{format}");
    }
}

#[test]
fn the_process_boundary_changes_nothing() {
    let lab = Lab::with_data();
    lab.archive("app.tar", &rich());
    crate::data::write(&lab.path("work/source"), "Cargo.lock", "version = 4\n");
    for target in ["app.tar", "source"] {
        let inside = lab.report(target, &["--in-process", "--no-cache"]);
        same(&essence(&inside), &essence(&lab.report(target, &["--no-cache"])), target);
    }
}
