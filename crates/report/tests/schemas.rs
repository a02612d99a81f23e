//! What the formats write is valid by the published schemas (read from the shared fixtures) and by our
//! own schema of the JSON report.

mod common;

use boon::{Compiler, Schemas};
use seaworthy_report::{Options, by_name};
use seaworthy_types::Report;
use serde_json::Value;
use std::path::Path;

fn written(format: &str, report: &Report) -> Value {
    let mut bytes = Vec::new();
    by_name(format).expect(format).write(report, &Options::default(), &mut bytes).expect("writes");
    serde_json::from_slice(&bytes).expect("is JSON")
}

fn parsed(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("reads the schema")).expect("a schema is JSON")
}

/// Validates every report as `format` with a schema and the schemas it refers to.
fn validate(format: &str, address: &str, resources: &[(&str, Value)]) {
    let mut compiler = Compiler::new();
    compiler.enable_format_assertions();
    for (url, schema) in resources {
        compiler.add_resource(url, schema.clone()).expect("takes the schema");
    }
    let mut schemas = Schemas::new();
    let index =
        compiler.compile(address, &mut schemas).unwrap_or_else(|error| panic!("{address}: {error:#}"));
    for (name, report) in common::all() {
        if let Err(error) = schemas.validate(&written(format, &report), index) {
            panic!("{format} of {name} is not valid: {error:#}");
        }
    }
}

#[test]
fn cyclonedx() {
    let Some(folder) = common::shared("fixtures/5-sbom-vex/schemas/cyclonedx") else { return };
    let file = |name: &str| parsed(&folder.join(name));
    let base = "http://cyclonedx.org/schema/";
    validate(
        "cyclonedx",
        &format!("{base}bom-1.6.schema.json"),
        &[
            (&format!("{base}bom-1.6.schema.json"), file("bom-1.6.schema.json")),
            (&format!("{base}spdx.schema.json"), file("spdx.schema.json")),
            (&format!("{base}jsf-0.82.schema.json"), file("jsf-0.82.schema.json")),
            (&format!("{base}cryptography-defs.schema.json"), file("cryptography-defs.schema.json")),
        ],
    );
}

#[test]
fn spdx() {
    let Some(path) = common::shared("fixtures/5-sbom-vex/schemas/spdx/spdx-schema-2.3.json") else { return };
    validate("spdx", "http://schema.test/spdx.json", &[("http://schema.test/spdx.json", parsed(&path))]);
}

#[test]
fn sarif() {
    let Some(path) = common::shared("fixtures/5-sbom-vex/schemas/sarif/sarif-schema-2.1.0.json") else {
        return;
    };
    validate("sarif", "http://schema.test/sarif.json", &[("http://schema.test/sarif.json", parsed(&path))]);
}

fn own_schema() -> Value {
    parsed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/report.schema.json"))
}

#[test]
fn json() {
    let address = "http://schema.test/report.json";
    validate("json", address, &[(address, own_schema())]);
    // Strict: whatever the report writes must be described; readers are told to ignore what they
    // do not know.
    let mut strict = own_schema();
    forbid_unknown(&mut strict, 0);
    validate("json", address, &[(address, strict)]);
}

fn forbid_unknown(schema: &mut Value, depth: u32) {
    assert!(depth < 64);
    match schema {
        Value::Object(map) => {
            if map.contains_key("properties") && !map.contains_key("additionalProperties") {
                map.insert("additionalProperties".into(), false.into());
            }
            map.values_mut().for_each(|value| forbid_unknown(value, depth + 1));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| forbid_unknown(value, depth + 1)),
        _ => {}
    }
}

#[test]
fn the_schema_refuses_what_is_no_report() {
    let mut compiler = Compiler::new();
    compiler.add_resource("http://schema.test/report.json", own_schema()).expect("takes the schema");
    let mut schemas = Schemas::new();
    let index = compiler.compile("http://schema.test/report.json", &mut schemas).expect("compiles");
    let mut report = written("json", &common::sbom());
    assert!(schemas.validate(&report, index).is_ok());
    report["findings"][0]["severity"] = "terrible".into();
    assert!(schemas.validate(&report, index).is_err());
    assert!(schemas.validate(&Value::Object(Default::default()), index).is_err());
}

fn gitlab_schema() -> Value {
    parsed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas/gitlab-container-scanning-15.json"))
}

/// By a schema of our own with the demands of GitLab's 15.0.4, which is not among the fixtures.
#[test]
fn gitlab() {
    let address = "http://schema.test/gitlab.json";
    validate("gitlab", address, &[(address, gitlab_schema())]);
    for (name, report) in common::all() {
        let document = written("gitlab", &report);
        let ids: std::collections::BTreeSet<&str> = document["vulnerabilities"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|v| v["id"].as_str())
            .collect();
        assert_eq!(ids.len(), report.findings.len(), "{name}: ids are unique");
    }
}

/// Our schema takes what another tool writes for GitLab, and refuses each wrong value.
#[test]
fn the_schema_of_gitlab_is_neither_too_strict_nor_too_lax() {
    let mut compiler = Compiler::new();
    compiler.add_resource("http://schema.test/gitlab.json", gitlab_schema()).expect("takes the schema");
    let mut schemas = Schemas::new();
    let index = compiler.compile("http://schema.test/gitlab.json", &mut schemas).expect("compiles");
    let good = written("gitlab", &common::sbom());
    assert!(schemas.validate(&good, index).is_ok());
    for (pointer, wrong) in [
        ("/version", Value::from("14.0.0")),
        ("/scan/start_time", "2026-01-01T00:00:00Z".into()),
        ("/scan/status", "incomplete".into()),
        ("/scan/type", "sast".into()),
        ("/scan/scanner/vendor/name", "".into()),
        ("/vulnerabilities/0/severity", "Negligible".into()),
        ("/vulnerabilities/0/id", "".into()),
        ("/vulnerabilities/0/name", "x".repeat(256).into()),
        ("/vulnerabilities/0/identifiers", Value::Array(Vec::new())),
        ("/vulnerabilities/0/identifiers/0/url", "javascript:x".into()),
        ("/vulnerabilities/0/location/image", "".into()),
        ("/vulnerabilities/0/location/operating_system", Value::Null),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is not there")) = wrong;
        assert!(schemas.validate(&bad, index).is_err(), "{pointer}");
    }
    let Some(archive) = common::shared("fixtures/5-sbom-vex/tool-sboms.tar.xz") else { return };
    let member = "trivy/integration/testdata/alpine-310.gitlab.golden";
    let output = std::process::Command::new("tar").arg("-xOJf").arg(&archive).arg(member).output();
    match output.map(|output| serde_json::from_slice::<Value>(&output.stdout)) {
        Ok(Ok(document)) => {
            schemas.validate(&document, index).unwrap_or_else(|error| panic!("{member}: {error:#}"));
        }
        _ => eprintln!("SKIPPED: `tar` could not unpack {member}"),
    }
}

#[test]
fn templates_are_bounded_and_strict() {
    let run = |template: &str| {
        let options = Options { template: Some(template.into()), ..Options::default() };
        let mut bytes = Vec::new();
        by_name("template").expect("template").write(&common::sbom(), &options, &mut bytes).map(|()| bytes)
    };
    assert_eq!(run("{{ findings[0].vulnerability }}").expect("renders"), b"CVE-2021-44228");
    assert!(run("{{ findigs }}").is_err(), "a misspelt field is an error");
    assert!(run("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}").is_err(), "recursion ends");
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    assert!(run(endless).is_err(), "fuel runs out");
    assert!(
        by_name("template")
            .expect("template")
            .write(&common::sbom(), &Options::default(), &mut Vec::new())
            .is_err()
    );
}

#[test]
fn a_report_of_many_findings_is_the_same_document() {
    let mut report = common::busy();
    for count in [127, 128, 129, 1_000] {
        let all = report.findings.clone();
        report.findings = all.iter().cycle().take(count).cloned().collect();
        let format = seaworthy_report::by_name("json").expect("is there");
        let mut written = Vec::new();
        format.write(&report, &seaworthy_report::Options::default(), &mut written).expect("memory");
        let plain = serde_json::to_string_pretty(&report).expect("is JSON") + "\n";
        assert!(written == plain.as_bytes(), "{count} findings");
    }
}
