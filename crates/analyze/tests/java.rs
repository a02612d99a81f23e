//! Java archives from real builds: the image made by the recipe and the shared fixtures.
//! Skipped loudly where they are absent (`SEAWORTHY_SHARED`, `SEAWORTHY_IMAGES`).

mod support;

use seaworthy_analyze::Target;
use seaworthy_image::Content;
use seaworthy_types::{Inventory, Outcome};
use std::collections::BTreeSet;
use support::{ByPieces, images, shared};

/// Whole and by ranges must say the same.
fn scan(path: &str, bytes: &[u8]) -> Outcome<Inventory> {
    let whole = support::scan(&[(path, Content::Whole(bytes))], Target::Image);
    let large = ByPieces::new(bytes);
    let mut ranged = support::scan(&[(path, Content::Large(&large))], Target::Image);
    for (a, b) in ranged.value.unidentified.iter_mut().zip(&whole.value.unidentified) {
        // A large archive of archives is not hashed.
        if a.sha1.is_empty() {
            a.sha1.clone_from(&b.sha1);
        }
    }
    assert_eq!(whole, ranged, "{path}: read whole and by ranges differ");
    whole
}

/// Exactly by its coordinates, or by guesses that are right: artifact and version first, and the
/// group or what it lies in among the groups.
#[test]
fn the_jars_of_the_image_are_named() {
    let (Some(list), Some(folder)) = (shared("images/java.txt"), images(".work/java/lib")) else { return };
    let list = std::fs::read_to_string(list).expect("list");
    let (mut exact, mut evidence, mut wrong) = (0, 0, Vec::new());
    for line in list.lines().filter(|line| !line.is_empty()) {
        let mut parts = line.split(':');
        let mut next = || parts.next().expect("three parts");
        let (group, artifact, version) = (next(), next(), next());
        let path = format!("opt/lib/{artifact}-{version}.jar");
        let file = folder.join(format!("{artifact}-{version}.jar"));
        let Ok(bytes) = std::fs::read(&file) else {
            println!("SKIPPED: {artifact}-{version}.jar is not there");
            continue;
        };
        let found = scan(&path, &bytes);
        let name = format!("{group}:{artifact}");
        let own = |p: &&seaworthy_types::Package| p.locations.iter().any(|l| l.path == path);
        let owns: Vec<_> = found.value.packages.iter().filter(own).collect();
        match (&owns[..], &found.value.unidentified[..]) {
            ([own], []) if own.name == name && own.version == version => exact += 1,
            ([], [guess]) => {
                let within = |g: &String| group == g || group.starts_with(&format!("{g}."));
                let right = guess.names.first().is_some_and(|n| n == artifact)
                    && guess.versions.first().is_some_and(|v| v == version)
                    && guess.groups.iter().any(within)
                    && guess.sha1.len() == 40;
                let place = guess.groups.iter().position(within);
                let itself = guess.groups.iter().any(|g| g == group);
                println!("{line}: group guess {place:?}, itself {itself}, of {:?}", guess.groups);
                if right { evidence += 1 } else { wrong.push(format!("{line}: {guess:?}")) }
            }
            (owns, guesses) => wrong.push(format!("{line}: {owns:?} {guesses:?}")),
        }
        wrong.extend(found.notes.iter().map(|note| format!("{line}: {note:?}")));
    }
    println!("{exact} named by coordinates, {evidence} with right guesses, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(exact + evidence > 0);
}

#[test]
fn archives_in_the_fat_archive_are_found() {
    let Some(file) = images(".work/java/app/labfat-1.0.0.jar") else { return };
    let bytes = std::fs::read(file).expect("archive");
    let found = scan("opt/app/labfat-1.0.0.jar", &bytes);
    assert!(found.notes.is_empty(), "{:?}", found.notes);
    let mut places: BTreeSet<String> = found.value.unidentified.iter().map(|u| u.path.clone()).collect();
    places.extend(found.value.packages.iter().flat_map(|p| p.locations.iter().map(|l| l.path.clone())));
    for nested in ["commons-text-1.9", "h2-1.4.199", "spring-beans-5.3.0", "tomcat-embed-core-9.0.30"] {
        let place = format!("opt/app/labfat-1.0.0.jar!/BOOT-INF/lib/{nested}.jar");
        assert!(places.contains(&place), "{nested}: {places:?}");
    }
    println!("{} packages, {} to be named", found.value.packages.len(), found.value.unidentified.len());
}

#[test]
fn archives_of_the_fixtures() {
    let Some(folder) = shared("fixtures/3-binaries/java-archives/trivy/java/jar/testdata") else { return };
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("nested.jar", &[("test:nested", "0.0.1"), ("test:nested2", "0.0.2"), ("test:nested3", "0.0.3")]),
        (
            "hadoop-shaded-guava-1.1.0-SNAPSHOT.jar",
            &[
                ("com.google.guava:failureaccess", "1.0.1"),
                ("com.google.guava:guava", "29.0-jre"),
                ("com.google.guava:listenablefuture", "9999.0-empty-to-avoid-conflict-with-guava"),
                ("com.google.j2objc:j2objc-annotations", "1.3"),
                ("org.apache.hadoop.thirdparty:hadoop-shaded-guava", "1.1.0-SNAPSHOT"),
            ],
        ),
        ("multi-license-1.0.0.jar", &[("com.example:multi-license", "1.0.0")]),
    ];
    for (file, expected) in cases {
        let Ok(bytes) = std::fs::read(folder.join(file)) else {
            println!("SKIPPED: {file} is not there");
            continue;
        };
        let found = scan(file, &bytes);
        let got: BTreeSet<_> =
            found.value.packages.iter().map(|p| (p.name.as_str(), p.version.as_str())).collect();
        assert_eq!(got, expected.iter().copied().collect(), "{file}: {:?}", found);
    }
    // Only a manifest: evidence, not a guess.
    for file in ["test.jar", "heuristic-1.0.0-SNAPSHOT.jar", "license-from-jenkins-plugin.jar"] {
        let Ok(bytes) = std::fs::read(folder.join(file)) else { continue };
        let found = scan(file, &bytes);
        println!("{file}: {found:?}");
        assert!(!found.value.packages.is_empty() || !found.value.unidentified.is_empty(), "{file}");
    }
}

#[test]
fn odd_archives_of_the_fixtures_end_well() {
    let Some(folder) = shared("fixtures/3-binaries/java-archives/osv-scalibr/language/java/archive/testdata")
    else {
        return;
    };
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).expect("folder").map(|e| e.expect("entry").path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.is_file()) {
        let bytes = std::fs::read(file).expect("file");
        let name = file.file_name().expect("name").to_string_lossy().into_owned();
        let found = scan(&name, &bytes);
        let packages: Vec<_> =
            found.value.packages.iter().map(|p| format!("{}@{}", p.name, p.version)).collect();
        let guesses: Vec<_> =
            found.value.unidentified.iter().map(|u| (&u.names, &u.versions, &u.groups)).collect();
        println!("{name}: {packages:?} {guesses:?} {:?}", found.notes);
        if name.ends_with(".jar") {
            let silent = packages.is_empty() && guesses.is_empty() && found.notes.is_empty();
            assert!(!silent, "{name} gives nothing at all");
        }
    }
}
