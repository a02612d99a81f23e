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

/// The parts of GitLab's schema 15.0.4 that are required or patterned; the schema itself is not
/// among the fixtures.
#[test]
fn gitlab() {
    for (name, report) in common::all() {
        let document = written("gitlab", &report);
        let scan = &document["scan"];
        for part in ["analyzer", "scanner"] {
            for key in ["id", "name", "version"] {
                assert!(
                    scan[part][key].as_str().is_some_and(|text| !text.is_empty()),
                    "{name}: {part}.{key}"
                );
            }
            assert!(scan[part]["vendor"]["name"].is_string());
        }
        let time = scan["start_time"].as_str().expect("a time");
        assert_eq!((time.len(), time.as_bytes()[10]), (19, b'T'), "{name}: {time}");
        assert!(matches!(scan["status"].as_str(), Some("success" | "failure")));
        for vulnerability in document["vulnerabilities"].as_array().expect("a list") {
            assert_eq!(vulnerability["id"].as_str().map(str::len), Some(36));
            assert!(vulnerability["name"].as_str().is_some_and(|text| text.chars().count() <= 255));
            assert!(matches!(
                vulnerability["severity"].as_str(),
                Some("Info" | "Unknown" | "Low" | "Medium" | "High" | "Critical")
            ));
            let identifiers = vulnerability["identifiers"].as_array().expect("identifiers");
            assert!(!identifiers.is_empty());
            for identifier in identifiers {
                for key in ["type", "name", "value"] {
                    assert!(identifier[key].as_str().is_some_and(|text| !text.is_empty()), "{name}");
                }
            }
            let location = &vulnerability["location"];
            assert!(location["image"].as_str().is_some_and(|text| !text.is_empty()));
            assert!(location["operating_system"].as_str().is_some_and(|text| !text.is_empty()));
            assert!(location["dependency"]["package"]["name"].is_string());
            assert!(location["dependency"]["version"].is_string());
        }
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
