//! Runs the cases of every SBOM reader: `cases/sbom/<unit>/<case>.json` is a document,
//! `<case>.expected.txt` what must come out, a refusal included. `UPDATE_EXPECT=1` rewrites the
//! expectations; read them before you commit them. Documents that are hostile by their size are made
//! here.

use seaworthy_analyze::sbom::{self, ALL, SbomContent};
use seaworthy_types::{Grade, Limits, Outcome};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[path = "support/expect.rs"]
mod expect;
#[path = "support/render.rs"]
mod render;

use expect::Expectations;

fn cases_of(unit: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/sbom").join(unit);
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut cases: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    cases.sort();
    cases
}

fn run_case(bytes: &[u8]) -> String {
    let mut text = String::new();
    match sbom::read(bytes, &Limits::default()) {
        Ok(Outcome { value, notes }) => {
            if let Some(name) = &value.target_name {
                text.push_str(&format!("target {name:?}\n"));
            }
            if let Some(image) = &value.image {
                text.push_str(&format!("image {image:?}\n"));
            }
            text.push_str(&render::render(&Outcome { value: value.inventory, notes }));
        }
        Err(error) => {
            text.push_str(&format!("refused: {error}\n"));
            if let Some(cause) = std::error::Error::source(&error) {
                text.push_str(&format!("  {cause}\n"));
            }
        }
    }
    text
}

#[test]
fn every_reader_gives_what_its_cases_expect() {
    let mut expectations = Expectations::default();
    let run = |case: &Path| {
        let bytes = fs::read(case).expect("the document");
        // A document of this reader is not left to another one.
        assert!(sbom::looks_like(&bytes), "{}: not recognised", case.display());
        run_case(&bytes)
    };
    for unit in ALL {
        let name = unit.about().name;
        let expected = |case: &Path| case.with_extension("expected.txt");
        expectations.check((name, "cases/sbom"), &cases_of(name), run, expected);
    }
    expectations.verdict();
}

#[test]
fn names_match_files() {
    for unit in ALL {
        let file = format!("src/sbom/{}.rs", unit.about().name.replace('-', "_"));
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file).is_file(), "{file}");
    }
}

/// A document of each format around these members of its list of packages.
fn documents(package: impl Fn(&str) -> String, count: usize) -> Vec<(&'static str, String)> {
    let list = |fields: &str| {
        (0..count).map(|n| package(&fields.replace("NUMBER", &n.to_string()))).collect::<Vec<_>>().join(",")
    };
    vec![
        (
            "cyclonedx",
            format!(
                r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{}]}}"#,
                list(
                    r#""bom-ref":"NUMBER","name":"n-NUMBER","version":"1.0.0","purl":"pkg:npm/n-NUMBER@1.0.0""#
                )
            ),
        ),
        (
            "spdx",
            format!(
                r#"{{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","packages":[{}]}}"#,
                list(
                    r#""SPDXID":"SPDXRef-NUMBER","name":"n-NUMBER","versionInfo":"1.0.0","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:npm/n-NUMBER@1.0.0"}]"#
                )
            ),
        ),
        (
            "spdx-3",
            format!(
                r#"{{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[{}]}}"#,
                list(
                    r#""type":"software_Package","spdxId":"urn:NUMBER","name":"n-NUMBER","software_packageUrl":"pkg:npm/n-NUMBER@1.0.0""#
                )
            ),
        ),
    ]
}

fn gaps(outcome: &Outcome<SbomContent>) -> Vec<&str> {
    outcome.notes.iter().filter(|note| note.grade == Grade::Gap).map(|note| note.code.as_str()).collect()
}

/// Far above what the tests of a debug build need; a quadratic step over 10^5 members takes minutes.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_hundred_thousand_components() {
    for (name, text) in documents(|fields| format!("{{{fields}}}"), 100_000) {
        let start = Instant::now();
        let outcome = sbom::read(text.as_bytes(), &Limits::default()).expect(name);
        assert_eq!(outcome.value.inventory.packages.len(), 100_000, "{name}");
        assert_eq!(gaps(&outcome), Vec::<&str>::new(), "{name}");
        assert!(start.elapsed() < PATIENCE, "{name}: {:?}", start.elapsed());
        // Fewer when the limit says so, and a gap.
        let limits = Limits { packages_max: 1_000, ..Limits::default() };
        let outcome = sbom::read(text.as_bytes(), &limits).expect(name);
        assert_eq!(outcome.value.inventory.packages.len(), 1_000, "{name}");
        assert_eq!(gaps(&outcome), ["too-many-packages"], "{name}");
    }
}

/// The same component 10^5 times is one package.
#[test]
fn a_hundred_thousand_times_the_same() {
    let same = |fields: &str| {
        let digits = |c: char| c.is_ascii_digit();
        format!("{{{}}}", fields.replace("1.0.0", "V").replace(digits, "").replace('V', "1.0.0"))
    };
    for (name, text) in documents(same, 100_000) {
        let start = Instant::now();
        let outcome = sbom::read(text.as_bytes(), &Limits::default()).expect(name);
        assert_eq!(outcome.value.inventory.packages.len(), 1, "{name}");
        assert!(start.elapsed() < PATIENCE, "{name}: {:?}", start.elapsed());
    }
}

/// Strings of megabytes everywhere: nothing of them is repeated at length in notes.
#[test]
fn huge_strings() {
    let huge = "x".repeat(4 << 20);
    let fat = |fields: &str| format!("{{{}}}", fields.replace("n-", &format!("{huge}-")));
    for (name, text) in documents(fat, 1) {
        let outcome = sbom::read(text.as_bytes(), &Limits::default()).expect(name);
        let noted: usize = outcome.notes.iter().map(|n| n.subject.len() + n.detail.len()).sum();
        assert!(noted < 10_000, "{name}: {noted}");
        let told = outcome.value.inventory.packages.len() == 1 || !gaps(&outcome).is_empty();
        assert!(told, "{name}: lost in silence");
        let unknown = text.replace("pkg:npm", "pkg:unheard-of");
        let outcome = sbom::read(unknown.as_bytes(), &Limits::default()).expect(name);
        let noted: usize = outcome.notes.iter().map(|n| n.subject.len() + n.detail.len()).sum();
        assert!(noted < 10_000 && gaps(&outcome).contains(&"component-ecosystem"), "{name}: {noted}");
    }
}

/// Every cut of every small case is read or refused, and never more is found than in the whole.
#[test]
fn cuts_of_all_cases() {
    for unit in ALL {
        for case in cases_of(unit.about().name) {
            let bytes = fs::read(&case).expect("the document");
            for end in (0..bytes.len().saturating_sub(2)).step_by(7) {
                assert!(
                    sbom::read(&bytes[..end], &Limits::default()).is_err(),
                    "{} cut at {end}",
                    case.display()
                );
            }
        }
    }
}
