//! Rules of matching on small databases: subscriptions of a distribution, versions that an order can only
//! guess at, replaced modules, the starter set beside partial data.

mod common;

use common::{database, events, found, matched, matched_on, osv, package};
use seaworthy_match::{Matches, explain};
use seaworthy_types::{Finding, Grade, Inventory, Note, OsRelease, Outcome, Package, Status};

fn bionic() -> OsRelease {
    OsRelease { id: "ubuntu".into(), version_id: "18.04".into(), ..OsRelease::default() }
}

/// A record as Ubuntu publishes it: per ecosystem the fix, or none.
fn ubuntu(cve: &str, places: &[(&str, &str, Option<&str>)]) -> String {
    let affected: Vec<String> = places
        .iter()
        .map(|(ecosystem, package, fixed)| {
            let fixed = fixed.map_or(String::new(), |fixed| format!(r#",{{"fixed":"{fixed}"}}"#));
            let range = events("ECOSYSTEM", &format!(r#"{{"introduced":"0"}}{fixed}"#));
            format!(r#"{{"package":{{"ecosystem":"{ecosystem}","name":"{package}"}},"ranges":[{range}]}}"#)
        })
        .collect();
    let affected = affected.join(",");
    format!(
        r#"{{"id":"UBUNTU-{cve}","upstream":["{cve}"],"modified":"2026-01-01T00:00:00Z","severity":[{{"type":"Ubuntu","score":"high"}}],"affected":[{affected}]}}"#
    )
}

const FREE: &str = "Ubuntu:18.04:LTS";
const PRO: &str = "Ubuntu:Pro:18.04:LTS";

fn on_bionic(record: &str, version: &str) -> Outcome<Matches> {
    let packages = vec![package("deb", "binutils", version)];
    matched_on(bionic(), &[("osv/Ubuntu/1.json", record)], packages)
}

fn only(outcome: &Outcome<Matches>) -> &Finding {
    let [finding] = outcome.value.findings.as_slice() else { panic!("{:?}", outcome.value.findings) };
    finding
}

#[test]
fn a_fix_of_ubuntu_pro_is_named_and_is_none_for_others() {
    let record = ubuntu("CVE-2025-1179", &[(PRO, "binutils", Some("2.30-21ubuntu1~18.04.9+esm4"))]);
    let outcome = on_bionic(&record, "2.30-21ubuntu1~18.04.9");
    let finding = only(&outcome);
    assert_eq!((finding.fixed_version.as_deref(), finding.status), (None, Status::Affected));
    let reason = &finding.reasons[0];
    assert_eq!(reason.shard, "ubuntu:pro-18.04");
    assert_eq!(reason.status_reason, "fixed in 2.30-21ubuntu1~18.04.9+esm4 with Ubuntu Pro");
    assert_eq!(outcome.value.shards, ["ubuntu:18.04", "ubuntu:pro-18.04"]);
    // Who runs a version of Pro has the fix.
    let outcome = on_bionic(&record, "2.30-21ubuntu1~18.04.9+esm3");
    let finding = only(&outcome);
    assert_eq!(finding.fixed_version.as_deref(), Some("2.30-21ubuntu1~18.04.9+esm4"));
    assert_eq!(finding.status, Status::Fixed);
    assert_eq!(found(&on_bionic(&record, "2.30-21ubuntu1~18.04.9+esm4")), [""; 0]);
}

#[test]
fn of_what_both_speak_of_the_data_of_the_installed_version_decide() {
    // As some converters write it: no fix in the release, one in Pro.
    let both = ubuntu("CVE-2016-20013", &[(FREE, "binutils", None), (PRO, "binutils", Some("2.30-2+esm6"))]);
    let outcome = on_bionic(&both, "2.30-2");
    assert_eq!((only(&outcome).fixed_version.as_deref(), only(&outcome).reasons.len()), (None, 2));
    assert_eq!(found(&on_bionic(&both, "2.30-2+esm6")), [""; 0], "Pro's word decides for Pro's version");
    assert_eq!(only(&on_bionic(&both, "2.30-2+esm5")).fixed_version.as_deref(), Some("2.30-2+esm6"));
    // A free fix is not taken back by a higher one of Pro.
    let free = ubuntu(
        "CVE-2016-20014",
        &[(FREE, "binutils", Some("2.30-3")), (PRO, "binutils", Some("2.30-9+esm1"))],
    );
    assert_eq!(found(&on_bionic(&free, "2.30-4")), [""; 0]);
    assert_eq!(only(&on_bionic(&free, "2.30-2")).fixed_version.as_deref(), Some("2.30-3"));
    // What only the release's data speak of holds for Pro's versions too.
    let plain = ubuntu("CVE-2016-20015", &[(FREE, "binutils", None), (PRO, "other", None)]);
    assert_eq!(found(&on_bionic(&plain, "2.30-2+esm6")).len(), 1);
}

#[test]
fn the_explanation_tells_whose_data_they_are() {
    let record = ubuntu("CVE-2025-1179", &[(PRO, "binutils", Some("2.30-9+esm4")), (FREE, "other", None)]);
    let (_folder, data) = database(&[("osv/Ubuntu/1.json", &record)]);
    let packages = vec![package("deb", "binutils", "2.30-2")];
    let inventory = Inventory { os: Some(bionic()), packages, ..Inventory::default() };
    let said = explain(&inventory, &data, "CVE-2025-1179").expect("sound");
    assert_eq!((said.len(), said[0].shard.as_str(), said[0].affected), (1, "ubuntu:pro-18.04", true));
    assert!(said[0].outcome.contains("data of Ubuntu Pro"), "{}", said[0].outcome);
    let free = [(FREE, "binutils", Some("2.30-1")), (PRO, "binutils", Some("2.30-9+esm1"))];
    let (_folder, data) = database(&[("osv/Ubuntu/1.json", &ubuntu("CVE-2025-1179", &free))]);
    let said = explain(&inventory, &data, "CVE-2025-1179").expect("sound");
    assert!(said.len() == 2 && said.iter().all(|said| !said.affected), "{said:?}");
    assert!(said[1].outcome.ends_with("the data of ubuntu:18.04 decide"), "{}", said[1].outcome);
}

fn coded<'a>(outcome: &'a Outcome<Matches>, code: &str) -> Vec<&'a Note> {
    outcome.notes.iter().filter(|note| note.code == code).collect()
}

#[test]
fn a_version_that_the_order_can_only_guess_at_is_a_gap_where_it_decides() {
    let range = events("ECOSYSTEM", r#"{"introduced":"1.0"},{"fixed":"2.0"}"#);
    let record = osv("CVE-2026-0011", "Packagist", "a/left", &range, r#""dev-old""#);
    let files = [("osv/Packagist/1.json", record.as_str())];
    let ask = |name: &str, version: &str| matched(&files, vec![package("composer", name, version)]);
    let outcome = ask("a/left", "dev-main");
    let gaps = coded(&outcome, "version-guessed");
    assert_eq!((gaps.len(), gaps[0].grade, gaps[0].subject.as_str()), (1, Grade::Gap, "a/left"));
    assert!(gaps[0].detail.contains("`dev-main`"), "{}", gaps[0].detail);
    // Nothing depends on it: no advisory, a listed version, or a version that can be read.
    assert!(coded(&ask("a/right", "dev-main"), "version-guessed").is_empty());
    let listed = ask("a/left", "dev-old");
    assert!(coded(&listed, "version-guessed").is_empty() && listed.value.findings.len() == 1);
    assert!(coded(&ask("a/left", "1.x-dev"), "version-guessed").is_empty());
    let all = osv("CVE-2026-0012", "PyPI", "left", &events("ECOSYSTEM", r#"{"introduced":"0"}"#), "");
    let outcome = matched(&[("osv/PyPI/1.json", &all)], vec![package("pypi", "left", "0.1-bulbasaur")]);
    assert!(coded(&outcome, "version-guessed").is_empty() && outcome.value.findings.len() == 1);
    // A bound that is a guess.
    let odd = events("ECOSYSTEM", r#"{"introduced":"0"},{"fixed":"0.1-bulbasaur"}"#);
    let odd = osv("CVE-2026-0013", "PyPI", "left", &odd, "");
    let outcome = matched(&[("osv/PyPI/1.json", &odd)], vec![package("pypi", "left", "0.0.1")]);
    assert!(coded(&outcome, "version-guessed")[0].detail.contains("`0.1-bulbasaur`"));
}

#[test]
fn a_replaced_module_is_judged_as_what_is_built() {
    let range = events("SEMVER", r#"{"introduced":"0"},{"fixed":"1.5.0"}"#);
    let original = osv("CVE-2026-0021", "Go", "example.org/original", &range, "");
    let fork = osv("CVE-2026-0022", "Go", "example.org/fork", &range, "");
    let files = [("osv/Go/1.json", original.as_str()), ("osv/Go/2.json", fork.as_str())];
    let built = |name: &str, version: &str, replaces: &str| -> Package {
        let mut package = package("go", name, version);
        package.facts.insert("replaces".into(), replaces.into());
        package
    };
    let forked = built("example.org/fork", "1.4.0", "example.org/original@v1.4.0");
    let outcome = matched(&files, vec![forked]);
    assert_eq!(found(&outcome), ["CVE-2026-0022 example.org/fork 1.4.0"]);
    let told = coded(&outcome, "package-replaced");
    assert_eq!(
        (told.len(), told[0].grade, told[0].subject.as_str()),
        (1, Grade::Info, "example.org/fork 1.4.0")
    );
    let detail = &told[0].detail;
    assert!(detail.contains("example.org/original v1.4.0") && detail.contains("CVE-2026-0021"), "{detail}");
    // The original as it was required had been fixed: nothing to tell. The same path in another
    // version is what is built, and its own data speak.
    let fixed = built("example.org/fork", "1.6.0", "example.org/original@v1.5.0");
    assert!(coded(&matched(&files, vec![fixed]), "package-replaced").is_empty());
    let same = built("example.org/original", "1.5.0", "example.org/original@v1.4.0");
    let outcome = matched(&files, vec![same]);
    assert!(outcome.value.findings.is_empty() && coded(&outcome, "package-replaced").is_empty());
}

#[test]
fn a_finding_of_the_starter_set_says_so() {
    // Only a stray of Maven's data: the shard is partial.
    let stray = osv("GHSA-stray", "Maven", "g:other", &events("ECOSYSTEM", r#"{"introduced":"0"}"#), "");
    let log4j = package("maven", "org.apache.logging.log4j:log4j-core", "2.14.1");
    let outcome = matched(&[("osv/npm/1.json", &stray)], vec![log4j]);
    let shell =
        outcome.value.findings.iter().find(|f| f.vulnerability == "CVE-2021-44228").expect("Log4Shell");
    assert_eq!(shell.reasons.len(), 1);
    assert_eq!((shell.reasons[0].source.as_str(), shell.reasons[0].shard.as_str()), ("starter", "maven"));
    assert!(coded(&outcome, "data-starter-only").is_empty() && !coded(&outcome, "data-partial").is_empty());
}
