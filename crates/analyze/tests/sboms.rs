//! Bills of materials of other tools: what is read, and that nothing is lost without a note.

use seaworthy_analyze::sbom::{self, SbomContent, SbomError};
use seaworthy_types::{Grade, Limits, Outcome, Package};
use std::path::{Path, PathBuf};
use std::process::Command;

fn read(text: &str) -> Outcome<SbomContent> {
    sbom::read(text.as_bytes(), &Limits::default()).expect("reads")
}

fn codes(outcome: &Outcome<SbomContent>, grade: Grade) -> Vec<&str> {
    outcome.notes.iter().filter(|note| note.grade == grade).map(|note| note.code.as_str()).collect()
}

fn cyclonedx(components: &str) -> String {
    format!(
        r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","metadata":{{"tools":[{{"name":"example","version":"1"}}]}},"components":[{components}]}}"#
    )
}

fn package<'a>(outcome: &'a Outcome<SbomContent>, name: &str) -> &'a Package {
    outcome
        .value
        .inventory
        .packages
        .iter()
        .find(|p| p.name == name)
        .unwrap_or_else(|| panic!("no package {name}"))
}

#[test]
fn syft_components() {
    let outcome = read(&cyclonedx(
        r#"{"type":"library","name":"libc6","version":"2.36-9","purl":"pkg:deb/debian/libc6@2.36-9?arch=amd64&upstream=glibc&distro=debian-12",
            "properties":[{"name":"syft:location:0:path","value":"/var/lib/dpkg/status"}]},
           {"type":"library","name":"audit-libs","purl":"pkg:rpm/redhat/audit-libs@3.0.7-104.el9?arch=x86_64&epoch=1&upstream=audit-3.0.7-104.el9.src.rpm&distro=rhel-9.4"},
           {"type":"library","name":"busybox","purl":"pkg:alpine/busybox@1.35.0-r17?distro=alpine-3.16.2"},
           {"type":"operating-system","name":"debian","version":"12","properties":[{"name":"syft:distro:id","value":"debian"},{"name":"syft:distro:versionID","value":"12"},{"name":"syft:distro:prettyName","value":"Debian GNU/Linux 12"}]}"#,
    ));
    let os = outcome.value.inventory.os.clone().expect("a system");
    assert_eq!((os.id.as_str(), os.version_id.as_str()), ("debian", "12"));
    let libc = package(&outcome, "libc6");
    assert_eq!(libc.source_or_self(), ("glibc", "2.36-9"));
    assert_eq!(libc.architecture.as_deref(), Some("amd64"));
    assert_eq!(libc.locations[0].path, "var/lib/dpkg/status");
    let audit = package(&outcome, "audit-libs");
    assert_eq!(
        (audit.version.as_str(), audit.source_or_self()),
        ("1:3.0.7-104.el9", ("audit", "1:3.0.7-104.el9"))
    );
    assert_eq!(package(&outcome, "busybox").ecosystem, "apk");
    assert_eq!(codes(&outcome, Grade::Gap), ["sbom-several-systems"], "rpm and apk packages on Debian");
}

#[test]
fn trivy_components() {
    let outcome = read(&cyclonedx(
        r#"{"type":"operating-system","name":"redhat","version":"8.4","properties":[{"name":"aquasecurity:trivy:Class","value":"os-pkgs"}]},
           {"type":"application","name":"app/package-lock.json","properties":[{"name":"aquasecurity:trivy:Class","value":"lang-pkgs"}],
            "components":[{"type":"library","name":"x","version":"1.0.0","purl":"pkg:npm/%40scope/x@1.0.0"}]},
           {"type":"library","name":"bash","version":"4.4.19-14.el8","purl":"pkg:rpm/redhat/bash@4.4.19-14.el8?arch=x86_64&distro=redhat-8.4",
            "properties":[{"name":"aquasecurity:trivy:SrcName","value":"bash-src"},{"name":"aquasecurity:trivy:SrcVersion","value":"4.4.19"},
                          {"name":"aquasecurity:trivy:SrcRelease","value":"14.el8"},{"name":"aquasecurity:trivy:SrcEpoch","value":"2"},
                          {"name":"aquasecurity:trivy:Modularitylabel","value":"m:1"}]}"#,
    ));
    assert_eq!(outcome.value.inventory.os.as_ref().map(|os| os.shard()), Some(Some("rhel:8".into())));
    let bash = package(&outcome, "bash");
    assert_eq!(bash.source_or_self(), ("bash-src", "2:4.4.19-14.el8"));
    assert_eq!(bash.facts.get("modularity").map(String::as_str), Some("m:1"));
    assert_eq!(package(&outcome, "@scope/x").version, "1.0.0");
    assert!(codes(&outcome, Grade::Gap).is_empty(), "{:?}", outcome.notes);
}

#[test]
fn what_cannot_be_identified_is_a_gap() {
    for (component, code) in [
        (r#"{"type":"library","name":"mystery","version":"1"}"#, "component-unidentified"),
        (r#"{"type":"library","name":"x","purl":"not a purl"}"#, "component-unidentified"),
        (r#"{"name":"x","cpe":"cpe:2.3:a:nginx:nginx:1.21.1:*:*:*:*:*:*:*"}"#, "component-unidentified"),
        (r#"{"name":"x","purl":"pkg:npm/x"}"#, "component-without-version"),
        (r#"{"name":"x","purl":"pkg:unheard-of/x@1"}"#, "component-ecosystem"),
        (r#"{"name":"x","purl":"pkg:deb/debian/x@1"}"#, "sbom-without-distribution"),
        ("", "sbom-empty"),
        (r#"{"type":"file","name":"etc/passwd"}"#, "sbom-empty"),
        ("17, null, [], \"x\"", "component-unidentified"),
    ] {
        let outcome = read(&cyclonedx(component));
        assert!(codes(&outcome, Grade::Gap).contains(&code), "{component}: {:?}", outcome.notes);
    }
}

#[test]
fn ten_thousand_unknown_components_make_few_notes() {
    let many: Vec<String> = (0..10_000)
        .map(|i| format!(r#"{{"name":"c{i}","purl":"pkg:type{i}/c{i}@1"}},{{"name":"d{i}"}}"#))
        .collect();
    let outcome = read(&cyclonedx(&many.join(",")));
    assert!(outcome.notes.len() < 60, "{}", outcome.notes.len());
    let bytes: usize = outcome.notes.iter().map(|note| note.detail.len()).sum();
    assert!(bytes < 20_000);
    assert!(outcome.notes.iter().any(|note| note.detail.contains("10000 components without a package URL")));
}

#[test]
fn odd_documents() {
    let newer = r#"{"bomFormat":"CycloneDX","specVersion":"9.9","components":[{"purl":"pkg:npm/x@1"}]}"#;
    assert!(codes(&read(newer), Grade::Gap).contains(&"sbom-version"));
    let open = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"purl":"pkg:npm/x@1"}],"compositions":[{"aggregate":"incomplete"}]}"#;
    assert_eq!(codes(&read(open), Grade::Gap), ["sbom-declared-incomplete"]);
    let statement = r#"{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://cyclonedx.org/bom","predicate":{"Data":{"bomFormat":"CycloneDX","specVersion":"1.4","components":[{"purl":"pkg:npm/x@1"}]}}}"#;
    assert_eq!(read(statement).value.inventory.packages.len(), 1);
    let listed = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"purl":"pkg:npm/x@1"}],"vulnerabilities":[{"id":"CVE-2021-1"}],"dependencies":null}"#;
    assert_eq!(codes(&read(listed), Grade::Info), ["sbom-foreign", "sbom-vulnerabilities-ignored"]);
    // Nested up to the depth that the JSON parser allows, and no further than ours.
    let deep = format!(
        "{}{{\"name\":\"x\"}}{}",
        r#"{"purl":"pkg:npm/x@1","components":["#.repeat(50),
        "]}".repeat(50)
    );
    assert!(read(&cyclonedx(&deep)).notes.iter().any(|note| note.detail.contains("nested too deeply")));
    // Properties of ours that are damaged are a gap, not silence.
    let damaged = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","properties":[{"name":"seaworthy:vocabulary","value":"1"},{"name":"seaworthy:note","value":"{"},{"name":"seaworthy:image","value":"[]"}]}"#;
    assert_eq!(codes(&read(damaged), Grade::Gap), ["sbom-damaged", "sbom-damaged"]);
    let newer = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","properties":[{"name":"seaworthy:vocabulary","value":"2"}]}"#;
    assert_eq!(codes(&read(newer), Grade::Gap), ["sbom-vocabulary"]);
}

#[test]
fn unsupported_documents_say_what_is_supported() {
    for (text, what) in [
        ("<?xml version=\"1.0\"?><bom xmlns=\"http://cyclonedx.org/schema/bom/1.4\"/>", "CycloneDX in XML"),
        ("<rdf:RDF xmlns:spdx=\"http://spdx.org/rdf/terms#\"/>", "SPDX in RDF"),
        ("SPDXVersion: SPDX-2.2\nDataLicense: CC0-1.0", "tag-value"),
        ("spdxVersion: SPDX-2.3\nname: x", "YAML"),
        (r#"{"payloadType":"application/vnd.in-toto+json","payload":"e30="}"#, "envelope"),
        (r#"{"artifacts":[],"descriptor":{"name":"syft"}}"#, "Syft"),
        (r#"{"hello":1}"#, "no SBOM"),
        ("[1]", "no SBOM"),
        ("not json", "neither valid JSON"),
        ("", "neither valid JSON"),
    ] {
        let error = sbom::read(text.as_bytes(), &Limits::default()).expect_err(text).to_string();
        assert!(error.contains(what) && error.contains("CycloneDX JSON 1.2 to 1.7"), "{text}: {error}");
    }
    let limits = Limits { record_bytes_max: 3, ..Limits::default() };
    assert!(matches!(sbom::read(b"{   }", &limits), Err(SbomError::TooLarge { size: 5, max: 3 })));
}

/// Unpacks an archive of the shared fixtures; `None` with a loud line when that is not possible.
fn unpacked(archive: &str) -> Option<tempfile::TempDir> {
    let root = std::env::var_os("SEAWORTHY_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let archive = root.join("fixtures/5-sbom-vex").join(archive);
    if !archive.exists() {
        eprintln!("SKIPPED: {} is not there; set SEAWORTHY_SHARED", archive.display());
        return None;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let status = Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(folder.path()).status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: `tar` could not unpack {}", archive.display());
        return None;
    }
    Some(folder)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("lists") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Every sample: no panic, and each component is a package or counted in a note.
#[test]
fn samples_are_read_or_refused() {
    let (mut read, mut refused, mut packages) = (0, 0, 0);
    for archive in ["tool-sboms.tar.xz", "cyclonedx-samples.tar.xz", "spdx-samples.tar.xz"] {
        let Some(folder) = unpacked(archive) else { return };
        let mut paths = Vec::new();
        files(folder.path(), &mut paths);
        for path in paths {
            let bytes = std::fs::read(&path).expect("reads");
            match sbom::read(&bytes, &Limits::default()) {
                Ok(outcome) => {
                    read += 1;
                    packages += outcome.value.inventory.packages.len();
                    let silent =
                        outcome.value.inventory.packages.is_empty() && codes(&outcome, Grade::Gap).is_empty();
                    assert!(!silent, "{}: nothing read and no gap", path.display());
                }
                Err(_) => refused += 1,
            }
        }
    }
    println!("{read} documents read with {packages} packages, {refused} files refused");
    assert!(read > 300 && packages > 380, "{read} {packages}");
}

/// What the tests of the tools that the samples come from expect.
#[test]
fn samples_hold_what_their_makers_expect() {
    let Some(folder) = unpacked("tool-sboms.tar.xz") else { return };
    let root = std::env::var_os("SEAWORTHY_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let text = std::fs::read_to_string(root.join("fixtures/5-sbom-vex/EXPECTED.jsonl")).expect("reads");
    let mut checked = 0;
    for line in text.lines() {
        let expected: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        let file = expected["file"].as_str().unwrap_or_default();
        let Some((_, member)) = file.split_once("tool-sboms.tar.xz!") else { continue };
        let bytes = std::fs::read(folder.path().join(member)).expect("the sample");
        let wanted: Vec<(String, String)> =
            serde_json::from_value(expected["packages"].clone()).expect("pairs of name and version");
        let Ok(outcome) = sbom::read(&bytes, &Limits::default()) else {
            // The kinds of document that we refuse with a clear error.
            assert!(expected["error"] == true || !member.ends_with(".json"), "{member} was refused");
            continue;
        };
        checked += 1;
        let inventory = &outcome.value.inventory;
        for (name, version) in &wanted {
            let same = |p: &&Package| p.name.eq_ignore_ascii_case(name) && p.version == *version;
            // Those tools also take names from CPEs and purls of types that no data speaks of.
            let noted = !codes(&outcome, Grade::Gap).is_empty();
            assert!(inventory.packages.iter().any(|p| same(&p)) || noted, "{member}: {name} {version}");
        }
    }
    assert!(checked >= 15, "{checked}");
}
