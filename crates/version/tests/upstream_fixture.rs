//! Every scheme against the comparison tables of osv-scalibr, read from the shared data; loudly
//! skipped where these are absent. Lines on which a scheme follows the ecosystem's own tool instead
//! are listed with the reason, and a listed line that agrees after all fails the test.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::process::Command;

const ARCHIVE: &str = "advisories/fixtures/version-compare-osv-scalibr.tar.xz";

/// Tables and schemes.
const TABLES: &[(&str, &str)] = &[
    ("alpine-versions", "apk"),
    ("alpine-versions-generated", "apk"),
    ("debian-versions", "dpkg"),
    ("debian-versions-generated", "dpkg"),
    ("maven-versions", "maven"),
    ("maven-versions-generated", "maven"),
    ("nuget-versions", "nuget"),
    ("packagist-versions", "composer"),
    ("packagist-versions-generated", "composer"),
    ("pypi-versions", "pep440"),
    ("pypi-versions-generated", "pep440"),
    ("redhat-versions", "rpm"),
    ("rubygems-versions", "gem"),
    ("rubygems-versions-generated", "gem"),
    ("semver-versions", "semver"),
    ("semver-versions", "npm"),
    ("semver-versions", "go"),
];

/// Lines on which a scheme knowingly differs.
const KNOWN: &[(&str, &[&str])] = &[
    // Malformed for apk-tools, which compares them nevertheless; we refuse what begins without a digit and
    // take a missing number for zero.
    (
        "apk",
        &[".1 < 1", "1 > .1", ".2 > .1", "a < b", "c > b", "c = c", "0.r1 < 0r2", "0.8.21.r2 < 0.8.21r2"],
    ),
    // ComparableVersion of maven-artifact 3.9.11 answers as we do (asked on each of these lines).
    (
        "maven",
        &[
            "1-1 = 1-ga-1",
            "1.0.0-RC16 < 1.0.0.RC8-beta",
            "1.0.0-gradle-rework-beta3 < 1.0.0.RC7-3",
            "2.9.0-1 < 2.9.0.RC1",
            "6.1.12.rc5 < 6.1.12rc1",
            "1.1.31.sec10 < 1.1.31_noneautotype",
            "1.1.34.sec10 < 1.1.34_noneautotype",
            "1.1.46.sec10 < 1.1.46_noneautotype",
            "1.2.8.sec10_noneautotype < 1.2.8_noneautotype",
            "1.2.31.sec10 < 1.2.31_noneautotype",
            "1.2.48.sec10 < 1.2.48_noneautotype",
            "1.2.50.sec10 < 1.2.50_noneautotype",
            "1.2.54.sec10 < 1.2.54_noneautotype",
            "1.2.57.sec10 < 1.2.57_noneautotype",
            "1.2.60.sec10 < 1.2.60_noneautotype",
            "1.2.67.sec10 < 1.2.67_noneautotype",
            "1.0.0rc0 < 1.0.beta8",
            "1.5.9.RC1 < 1.5.9-RC0",
            "1.1.0-01-glassfish < 1.1.0.Beta1",
        ],
    ),
    // The tables hold plain `version_compare`; Composer first normalises: missing numbers are zero,
    // case does not count, `stable` is dropped. `#` is in no version of Composer.
    (
        "composer",
        &[
            "1.0.0 > 1.0",
            "1.2.3.# = 1.2.3",
            "1.2.3.# = 1.2.3.1",
            "1.2.3.#.1 > 1.2.3",
            "1.2.3.#.p3 > 1.2.3",
            "v3.0 < v3.0.0-beta",
            "v3.4 < v3.4.0-alpha",
            "v4-beta4 < v4.0-alpha",
            "v1.9.0-ALPHA.1 = v1.9.0-BETA.1",
            "v1.9.0-BETA.1 < v1.9.0-ALPHA.2",
            "v1.9.0-ALPHA.2 = v1.9.0-BETA.2",
            "5.1.0-stable < 5.1.0-beta2",
            "v4.4 < v4.4.0-beta",
            "v6.5 < v6.5.0-beta-0",
            "v6.6 < v6.6.0-beta",
        ],
    ),
];

fn shared() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    std::env::var_os("SEAWORTHY_SHARED").map_or(beside, PathBuf::from)
}

fn table(archive: &Path, name: &str) -> String {
    let member = format!("./semantic/testdata/{name}.txt");
    let output = Command::new("tar").arg("-xJOf").arg(archive).arg(&member).output().expect("tar runs");
    assert!(output.status.success(), "reading {member}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the tables are UTF-8")
}

#[test]
fn agrees_with_the_tables() {
    let archive = shared().join(ARCHIVE);
    if !archive.is_file() {
        eprintln!("SKIPPED: {} is not there", archive.display());
        return;
    }
    let mut wrong = Vec::new();
    for (name, scheme) in TABLES {
        let mut checked = 0;
        for line in table(&archive, name).lines().map(str::trim) {
            if line.is_empty() || line.starts_with("//") || line.starts_with('#') {
                continue;
            }
            let parts: Vec<&str> = line.split(' ').collect();
            let [a, sign, b] = parts[..] else { panic!("{name}: `{line}`") };
            let expected = match sign {
                "<" => Ordering::Less,
                "=" => Ordering::Equal,
                ">" => Ordering::Greater,
                _ => panic!("{name}: `{line}`"),
            };
            let agrees = seaworthy_version::compare(scheme, a, b) == Ok(expected)
                && seaworthy_version::compare(scheme, b, a) == Ok(expected.reverse());
            let known = KNOWN.iter().any(|(of, lines)| of == scheme && lines.contains(&line));
            if agrees == known {
                wrong.push(format!("{scheme}: {line}   is {:?}", seaworthy_version::compare(scheme, a, b)));
            }
            checked += 1;
        }
        println!("{scheme}: {checked} lines of {name}");
    }
    assert!(wrong.is_empty(), "{} lines:\n{}", wrong.len(), wrong.join("\n"));
}
