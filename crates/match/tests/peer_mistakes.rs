//! What other scanners got wrong on the same data and images, as cases: records in their upstream
//! formats go through import into a small database, and a small inventory is matched against it.
//!
//! The other half lies where the work is done: jars without coordinates in `seaworthy-scan`
//! (`identify`, `homes`), packages that exist only as package.json beside a hidden lock file in the
//! cataloguer `node-package` (case `normal`), `(devel)` and toolchain suffixes in `go-binary`.

mod common;

use common::{events, found, matched, osv, package};
use seaworthy_match::Matches;
use seaworthy_types::{Grade, Note, Outcome, Package, SourcePackage, Status};

#[test]
fn a_commit_as_fix_leaves_the_enumerated_versions_to_decide() {
    // As in PYSEC records whose `fixed` is a hash though the range says ECOSYSTEM.
    let hash = r#"{"introduced":"0"},{"fixed":"6ac2f6ac4e3ff8c2bf3ce2b9e5d3c2aae6cbb5fd"}"#;
    let record = osv("CVE-2026-0001", "PyPI", "Some.Package", &events("ECOSYSTEM", hash), r#""1.0","1.1""#);
    let packages = ["1.0", "1.1.0", "1.2"].map(|version| package("pypi", "some-package", version));
    let outcome = matched(&[("osv/PyPI/1.json", &record)], packages.into());
    assert_eq!(found(&outcome), ["CVE-2026-0001 some-package 1.0", "CVE-2026-0001 some-package 1.1.0"]);
}

#[test]
fn an_advisory_with_two_windows() {
    let two = r#"{"introduced":"1.11"},{"fixed":"1.11.29"},{"introduced":"2.2"},{"fixed":"2.2.11"}"#;
    let record = osv("CVE-2020-9402", "PyPI", "django", &events("ECOSYSTEM", two), "");
    let packages = ["1.10", "1.11.28", "1.11.29", "2.1", "2.2", "2.2.11"]
        .map(|version| package("pypi", "django", version));
    let outcome = matched(&[("osv/PyPI/1.json", &record)], packages.into());
    assert_eq!(found(&outcome), ["CVE-2020-9402 django 1.11.28", "CVE-2020-9402 django 2.2"]);
    let fixes: Vec<_> = outcome.value.findings.iter().filter_map(|f| f.fixed_version.as_deref()).collect();
    assert!(fixes.contains(&"1.11.29") && fixes.contains(&"2.2.11"), "{fixes:?}");
}

#[test]
fn introduced_zero_is_below_every_pseudo_version() {
    let all = events("SEMVER", r#"{"introduced":"0"},{"fixed":"0.0.0-20220314234659-1baeb1ce4c0b"}"#);
    let record = osv("CVE-2022-27191", "Go", "golang.org/x/crypto", &all, "");
    let before = package("go", "golang.org/x/crypto", "0.0.0-20200622213623-75b288015ac9");
    let after = package("go", "golang.org/x/crypto", "0.0.0-20220315160706-3147a52a75dd");
    let outcome = matched(&[("osv/Go/1.json", &record)], vec![before, after]);
    assert_eq!(found(&outcome), ["CVE-2022-27191 golang.org/x/crypto 0.0.0-20200622213623-75b288015ac9"]);
}

#[test]
fn a_main_module_without_version_is_a_note_and_no_finding() {
    let all = events("SEMVER", r#"{"introduced":"0"}"#);
    let record = osv("CVE-2026-0002", "Go", "example.org/tool", &all, "");
    let outcome = matched(&[("osv/Go/1.json", &record)], vec![package("go", "example.org/tool", "")]);
    assert_eq!(found(&outcome), [""; 0]);
    assert!(outcome.notes.iter().any(|note| note.code == "version-unknown"), "{:?}", outcome.notes);
}

#[test]
fn the_source_version_decides_and_is_reported_once() {
    let tracker = r#"{"libcap2":{
        "CVE-2025-1390":{"releases":{"bookworm":{"status":"resolved","fixed_version":"1:2.66-4"}}},
        "CVE-2026-4878":{"releases":{"bookworm":{"status":"resolved","fixed_version":"1:2.66-4+deb12u3"}}}}}"#;
    // Binary-only rebuilds sort above the source, and below the suffix of a stable update: `+b1` is
    // less than `+deb12u3`, and more than nothing.
    let binary = |name: &str| Package {
        source: Some(SourcePackage { name: "libcap2".into(), version: "1:2.66-4".into() }),
        ..package("deb", name, "1:2.66-4+b1")
    };
    let files = [("debian/tracker-data-json.json", tracker)];
    let outcome = matched(&files, vec![binary("libcap2"), binary("libcap2-bin")]);
    assert_eq!(found(&outcome), ["CVE-2026-4878 libcap2 1:2.66-4"]);
    let binaries = &outcome.value.findings[0].subject.binaries;
    assert_eq!(binaries.as_slice(), ["libcap2 1:2.66-4+b1", "libcap2-bin 1:2.66-4+b1"]);
    // The name of a binary package that is also somebody's source package is not asked.
    let stranger = Package {
        source: Some(SourcePackage { name: "other".into(), version: "1:2.0-1".into() }),
        ..package("deb", "libcap2", "1:2.0-1")
    };
    assert_eq!(found(&matched(&files, vec![stranger])), [""; 0]);
}

#[test]
fn events_out_of_order_are_sorted() {
    let mixed = r#"{"fixed":"2.5.0"},{"introduced":"2.0.0"},{"fixed":"1.3.0"},{"introduced":"0"}"#;
    let record = osv("CVE-2026-0003", "npm", "left", &events("SEMVER", mixed), "");
    let packages = ["1.2.9", "1.3.0", "2.0.0", "2.5.0"].map(|version| package("npm", "left", version));
    let outcome = matched(&[("osv/npm/1.json", &record)], packages.into());
    assert_eq!(found(&outcome), ["CVE-2026-0003 left 1.2.9", "CVE-2026-0003 left 2.0.0"]);
}

#[test]
fn an_end_before_its_start_is_refused_and_other_ranges_stay() {
    // VICTIMS-CVE-2014-3529: `3.11` to `3.11-beta1` would make every later version affected.
    let good = events("ECOSYSTEM", r#"{"introduced":"0"},{"last_affected":"3.10-FINAL"}"#);
    let bad = events("ECOSYSTEM", r#"{"introduced":"3.11"},{"last_affected":"3.11-beta1"}"#);
    let record = osv("CVE-2014-3529", "Maven", "org.apache.poi:poi-ooxml", &format!("{good},{bad}"), "");
    let packages =
        ["3.9", "3.11", "4.0.0"].map(|version| package("maven", "org.apache.poi:poi-ooxml", version));
    let outcome = matched(&[("osv/Maven/1.json", &record)], packages.into());
    assert_eq!(found(&outcome), ["CVE-2014-3529 org.apache.poi:poi-ooxml 3.9"]);
    // Who holds the package learns that a statement was lost; who does not is not bothered.
    let gaps = |outcome: &Outcome<Matches>| -> Vec<Note> {
        outcome.notes.iter().filter(|note| note.unit == "import").cloned().collect()
    };
    let told = gaps(&outcome);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (told[0].grade, told[0].code.as_str(), told[0].subject.as_str()),
        (Grade::Gap, "range-refused", "maven")
    );
    let detail = &told[0].detail;
    assert!(
        detail.starts_with("1 statement on org.apache.poi:poi-ooxml") && detail.contains("CVE-2014-3529")
    );
    let other = matched(&[("osv/Maven/1.json", &record)], vec![package("maven", "g:other", "1.0")]);
    assert_eq!(gaps(&other), []);
    // Another advisory on the same vulnerability of the package: nothing is missing.
    let again = events("ECOSYSTEM", r#"{"introduced":"3.11"},{"fixed":"3.11.1"}"#);
    let again = osv("GHSA-again", "Maven", "org.apache.poi:poi-ooxml", &again, "");
    let again = again.replacen("\"modified\"", r#""aliases":["CVE-2014-3529"],"modified""#, 1);
    let files = [("osv/Maven/1.json", record.as_str()), ("osv/Maven/3.json", &again)];
    let told = gaps(&matched(&files, vec![package("maven", "org.apache.poi:poi-ooxml", "4.0.0")]));
    assert_eq!((told.len(), told[0].grade), (1, Grade::Info), "{told:?}");
    // Nobody knows what a broken record spoke of: a gap for all.
    let files = [("osv/Maven/1.json", record.as_str()), ("osv/Maven/2.json", "{\"id\":")];
    let told = gaps(&matched(&files, vec![package("maven", "g:other", "1.0")]));
    assert_eq!((told.len(), told[0].code.as_str()), (1, "broken-record"), "{told:?}");
    assert!(told[0].detail.starts_with("1 statement on packages that are not known"), "{told:?}");
    let npm = osv("CVE-2026-0009", "npm", "left", &events("SEMVER", r#"{"introduced":"0"}"#), "");
    let files = [("osv/npm/1.json", npm.as_str()), ("osv/Maven/2.json", "{\"id\":")];
    assert_eq!(gaps(&matched(&files, vec![package("npm", "left", "1.0.0")])), []);
}

#[test]
fn a_last_known_version_is_a_bound_and_no_fix() {
    let record = osv("CVE-2026-0004", "npm", "left", &events("SEMVER", r#"{"introduced":"0"}"#), "");
    let extra = r#""database_specific":{"last_known_affected_version_range":"< 2.0.0"},"ranges""#;
    let record = record.replacen("\"ranges\"", extra, 1);
    let packages = ["1.0.0", "2.0.0"].map(|version| package("npm", "left", version));
    let outcome = matched(&[("osv/npm/1.json", &record)], packages.into());
    assert_eq!(found(&outcome), ["CVE-2026-0004 left 1.0.0"]);
    let finding = &outcome.value.findings[0];
    assert_eq!((finding.fixed_version.as_deref(), finding.status), (None, Status::Affected));
    assert_eq!(finding.reasons[0].fixed_versions, [""; 0]);
    assert_eq!(finding.reasons[0].comparison.range, "< 2.0.0");
}
