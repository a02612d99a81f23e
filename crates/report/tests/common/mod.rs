//! Reports that the tests of all formats share: made up, but in the shape of real ones.

#![allow(dead_code, reason = "each test file uses a part")]

use seaworthy_types::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Fixed, so that a new ecosystem changes no expectation.
const ECOSYSTEMS: [&str; 11] =
    ["apk", "cargo", "composer", "deb", "gem", "go", "maven", "npm", "nuget", "pypi", "rpm"];

/// Every report with its name.
pub fn all() -> Vec<(&'static str, Report)> {
    vec![
        ("clean", clean()),
        ("busy", busy()),
        ("hostile", hostile()),
        ("incomplete", incomplete()),
        ("sbom", sbom()),
    ]
}

/// Files handed to every helper; `None` with a loud line when they are not there.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SEAWORTHY_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is not there; set SEAWORTHY_SHARED", path.display());
    None
}

fn digest(fill: u8) -> Digest {
    Digest::from_bytes([fill; 32])
}

fn moment(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time in a test")
}

fn layer(fill: u8, bytes: u64, created_by: &str) -> LayerFactsSummary {
    LayerFactsSummary {
        diff_id: digest(fill),
        blob_digest: None,
        media_type: "application/vnd.docker.image.rootfs.diff.tar.gzip".into(),
        stored_bytes: bytes / 3,
        bytes,
        entries: bytes / 9_000,
        created_by: created_by.into(),
    }
}

fn debian() -> OsRelease {
    OsRelease {
        id: "debian".into(),
        version_id: "12".into(),
        codename: "bookworm".into(),
        pretty_name: "Debian GNU/Linux 12 (bookworm)".into(),
        ..OsRelease::default()
    }
}

fn source(shard: &str, records: u64, completeness: Completeness) -> DataSource {
    DataSource {
        shard: shard.into(),
        records,
        as_of: Some(moment("2026-11-23T00:00:00Z")),
        completeness,
        remark: String::new(),
    }
}

/// Nothing wrong.
pub fn clean() -> Report {
    let layers = vec![
        layer(1, 74_800_000, "/bin/sh -c #(nop) ADD file:abc in / "),
        layer(2, 12_300, "COPY app /app # buildkit"),
    ];
    let mut package = Package::new("deb", "libssl3", "3.0.17-1~deb12u2", "dpkg");
    package.architecture = Some("amd64".into());
    package.source = Some(SourcePackage { name: "openssl".into(), version: "3.0.17-1~deb12u2".into() });
    package.licences = vec!["Apache-2.0".into()];
    package.locations = vec![Location { path: "var/lib/dpkg/status".into(), layer: Some(0) }];
    package.layer = Some(0);
    let mut left_pad = Package::new("npm", "@scope/left-pad", "1.3.0", "npm-package");
    left_pad.licences = vec!["MIT OR Apache-2.0".into()];
    left_pad.locations =
        vec![Location { path: "app/node_modules/@scope/left-pad/package.json".into(), layer: Some(1) }];
    left_pad.layer = Some(1);
    let mut inventory =
        Inventory { os: Some(debian()), packages: vec![package, left_pad], unidentified: vec![] };
    inventory.normalise();
    let config = ImageConfig {
        platform: Platform { os: "linux".into(), architecture: "amd64".into(), variant: String::new() },
        user: "app".into(),
        entrypoint: vec!["/app/server".into()],
        exposed_ports: vec!["8080/tcp".into()],
        labels: BTreeMap::from([(
            "org.opencontainers.image.source".into(),
            "https://example.org/app".into(),
        )]),
        ..ImageConfig::default()
    };
    Report {
        schema: 1,
        tool: Tool { name: "seaworthy".into(), version: "0.1.0".into() },
        created: moment("2026-11-24T06:30:00Z"),
        target: Target { name: "example.org/app:1.2.3".into(), kind: TargetKind::OciArchive },
        image: Some(ImageFacts {
            config_digest: Some(digest(9)),
            manifest_digest: Some(digest(8)),
            names: vec!["example.org/app:1.2.3".into()],
            config,
            layers: layers.clone(),
        }),
        verdict: Verdict {
            decision: Decision::Allow,
            incomplete: false,
            reasons: vec![],
            blocking: vec![],
            rule: "deny when a critical or high vulnerability has a fix".into(),
        },
        actions: vec![],
        findings: vec![],
        suppressed: vec![],
        inventory,
        layers: layers
            .into_iter()
            .map(|layer| LayerReport { layer, packages: 1, findings: [0; 6] })
            .collect(),
        coverage: vec![],
        accepted: vec![],
        data: DataStatus {
            built: Some(moment("2026-11-24T02:00:00Z")),
            digest: "sha256:00".into(),
            sources: vec![
                source("debian:12", 48_211, Completeness::Complete),
                source("npm", 21_002, Completeness::Complete),
            ],
        },
    }
}

/// One finding of a distribution or language package.
pub fn finding(
    ecosystem: &str,
    name: &str,
    version: &str,
    vulnerability: &str,
    severity: Severity,
) -> Finding {
    let purl = Package::new(ecosystem, name, version, "x").purl(Some(&debian()));
    let place = if ecosystem == "deb" { "os" } else { "app" };
    let id =
        FindingId::new(FindingKind::Vulnerability, vulnerability, &purl.without_version().to_string(), place);
    Finding {
        id,
        kind: FindingKind::Vulnerability,
        vulnerability: vulnerability.into(),
        aliases: vec![],
        bulletins: vec![],
        title: format!("A flaw in {name}"),
        description: format!("A flaw in {name} lets an attacker do what they should not."),
        subject: Subject {
            ecosystem: ecosystem.into(),
            name: name.into(),
            version: version.into(),
            purl: purl.to_string(),
            binaries: vec![],
            locations: vec![],
            layer: Some(0),
        },
        severity,
        severity_source: "nvd".into(),
        ratings: vec![],
        status: Status::Affected,
        fixed_version: None,
        kev: None,
        epss: None,
        ssvc: None,
        priority: severity as u32 * 150,
        cwes: vec!["CWE-787".into()],
        references: vec![format!("https://example.org/{vulnerability}")],
        published: Some(moment("2025-03-01T00:00:00Z")),
        reasons: vec![Reason {
            advisory: vulnerability.into(),
            source: if ecosystem == "deb" { "debian" } else { "ghsa" }.into(),
            shard: if ecosystem == "deb" { "debian:12" } else { ecosystem }.into(),
            comparison: Comparison {
                scheme: if ecosystem == "deb" { "dpkg" } else { ecosystem }.into(),
                installed: version.into(),
                range: "< 99".into(),
            },
            status: Status::Affected,
            status_reason: String::new(),
            fixed_versions: vec![],
        }],
        suppression: None,
    }
}

fn fixed(mut finding: Finding, version: &str) -> Finding {
    finding.fixed_version = Some(version.into());
    finding.status = Status::Fixed;
    finding.priority += 60;
    for reason in &mut finding.reasons {
        reason.status = Status::Fixed;
        reason.fixed_versions = vec![version.into()];
        reason.comparison.range = format!("< {version}");
    }
    finding
}

fn rated(mut finding: Finding, tenths: u8) -> Finding {
    finding.ratings.push(Rating {
        source: "nvd".into(),
        severity: finding.severity,
        vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H".into(),
        score_tenths: Some(tenths),
    });
    finding
}

const NAMES: [(&str, &str, &str, &str); 16] = [
    ("deb", "openssl", "3.0.11-1~deb12u2", "3.0.17-1~deb12u2"),
    ("deb", "glibc", "2.36-9+deb12u4", "2.36-9+deb12u10"),
    ("deb", "imagemagick", "8:6.9.11.60+dfsg-1.6", "8:6.9.11.60+dfsg-1.6+deb12u3"),
    ("deb", "linux", "6.1.76-1", "6.1.140-1"),
    ("deb", "curl", "7.88.1-10+deb12u5", "7.88.1-10+deb12u12"),
    ("deb", "systemd", "252.22-1~deb12u1", ""),
    ("deb", "perl", "5.36.0-7+deb12u1", "5.36.0-7+deb12u2"),
    ("deb", "tiff", "4.5.0-6+deb12u1", ""),
    ("npm", "lodash", "4.17.20", "4.17.21"),
    ("npm", "@babel/traverse", "7.22.0", "7.23.2"),
    ("npm", "axios", "0.21.0", "0.30.0"),
    ("maven", "org.apache.logging.log4j:log4j-core", "2.14.1", "2.17.1"),
    ("pypi", "pillow", "9.0.0", "10.3.0"),
    ("pypi", "django", "3.2.0", "3.2.25"),
    ("go", "golang.org/x/net", "v0.7.0", "v0.38.0"),
    ("gem", "rack", "2.2.3", "2.2.14"),
];

/// Four hundred findings of sixteen packages.
pub fn busy() -> Report {
    let mut report = clean();
    report.target =
        Target { name: "registry.example.org/shop/frontend:2026.11".into(), kind: TargetKind::DockerArchive };
    report.inventory.packages = NAMES.iter().map(|(e, n, v, _)| busy_package(e, n, v)).collect();
    for index in 0..126 {
        report.inventory.packages.push(busy_package("deb", &format!("lib-example-{index}"), "1.0-1"));
    }
    report.inventory.normalise();
    report.findings = (0..400).map(busy_finding).collect();
    report.findings.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.id.cmp(&b.id)));
    let mut ignored = finding("npm", "axios", "0.21.0", "CVE-2020-28168", Severity::Medium);
    ignored.suppression = Some(Suppression {
        by: "ignore-file".into(),
        reason: "requests go through our proxy only".into(),
        expires: Date::new(2027, 1, 31),
    });
    report.suppressed = vec![ignored];
    report.actions = actions(&report.findings);
    report.layers = busy_layers(&report);
    if let Some(image) = &mut report.image {
        image.layers = report.layers.iter().map(|l| l.layer.clone()).collect();
    }
    report.verdict = busy_verdict(&report);
    report.coverage = vec![
        Note::info("end-of-life", "match", "debian:12", "security support of Debian 12 ends on 2028-06-30"),
        Note::info("os-release-found", "os-release", "etc/os-release", "Debian GNU/Linux 12 (bookworm)"),
    ];
    report
}

fn busy_finding(index: usize) -> Finding {
    const SEVERITIES: [Severity; 8] = [
        Severity::Critical,
        Severity::High,
        Severity::High,
        Severity::Medium,
        Severity::Medium,
        Severity::Medium,
        Severity::Low,
        Severity::Negligible,
    ];
    // The first packages have most of the findings, as in life.
    let (ecosystem, name, version, fix) = NAMES[(index * index + index / 7) % NAMES.len()];
    let severity = if index == 399 {
        Severity::Unknown
    } else {
        SEVERITIES[(index * 7 + index / 16) % SEVERITIES.len()]
    };
    let id = format!("CVE-{}-{}", 2019 + index % 7, 20_000 + index * 37);
    let mut one = rated(finding(ecosystem, name, version, &id, severity), 10 + severity as u8 * 17);
    if ecosystem == "deb" {
        one.subject.binaries = vec![format!("{name} {version}"), format!("lib{name} {version}")];
        one.bulletins = vec![format!("DSA-{}-1", 5_000 + index)];
    }
    if !fix.is_empty() && !index.is_multiple_of(9) {
        one = fixed(one, fix);
    } else if index.is_multiple_of(4) {
        one.status = Status::WillNotFix;
    }
    if index % 97 == 3 {
        one.kev = Some(Kev {
            added: Date::new(2024, 3, 2).expect("a day"),
            due: None,
            ransomware: index.is_multiple_of(2),
        });
        one.priority += 150;
    }
    one.epss = Some(Epss { probability: (index % 100) as f32 / 128.0, percentile: 0.5 });
    one
}

fn busy_verdict(report: &Report) -> Verdict {
    let blocking: Vec<String> = report
        .findings
        .iter()
        .filter(|f| f.severity >= Severity::High && f.fixed_version.is_some())
        .map(|f| f.id.0.clone())
        .collect();
    Verdict {
        decision: Decision::Deny,
        incomplete: false,
        reasons: vec![
            format!("{} critical or high vulnerabilities have a fix.", blocking.len()),
            format!(
                "{} of all are known to be exploited.",
                report.findings.iter().filter(|f| f.kev.is_some()).count()
            ),
        ],
        blocking,
        rule: "deny when a critical or high vulnerability has a fix".into(),
    }
}

fn busy_package(ecosystem: &str, name: &str, version: &str) -> Package {
    let mut package = Package::new(ecosystem, name, version, "test");
    package.architecture = (ecosystem == "deb").then(|| "amd64".into());
    package.layer = Some(u32::from(ecosystem != "deb") * 3);
    package.locations = vec![Location { path: format!("srv/{ecosystem}/{name}"), layer: package.layer }];
    package
}

fn actions(findings: &[Finding]) -> Vec<Action> {
    let mut by_package: BTreeMap<(String, String), Action> = BTreeMap::new();
    for finding in findings {
        let Some(to) = &finding.fixed_version else { continue };
        let key = (finding.subject.ecosystem.clone(), finding.subject.name.clone());
        let action = by_package.entry(key).or_insert_with(|| Action {
            kind: ActionKind::Upgrade,
            ecosystem: finding.subject.ecosystem.clone(),
            package: finding.subject.name.clone(),
            from: vec![finding.subject.version.clone()],
            to: to.clone(),
            clears: vec![],
            clears_by_severity: [0; 6],
            clears_exploited: 0,
            how: format!("upgrade {} to {to}", finding.subject.name),
            layer: Some(0),
        });
        action.clears.push(finding.id.0.clone());
        let at = Severity::ALL.iter().position(|s| *s == finding.severity).expect("a severity");
        action.clears_by_severity[at] += 1;
        action.clears_exploited += u64::from(finding.kev.is_some());
    }
    let mut actions: Vec<Action> = by_package.into_values().collect();
    actions.sort_by_key(|a| std::cmp::Reverse((a.clears_exploited, a.clears_by_severity)));
    actions
}

fn busy_layers(report: &Report) -> Vec<LayerReport> {
    let made = [
        (
            11,
            74_800_000,
            "/bin/sh -c #(nop) ADD file:4b1be1de1a1e5aa608c688cad2824587262081866180d7368feb79d33ca05953 in / ",
        ),
        (
            12,
            148_200_000,
            "RUN /bin/sh -c apt-get update && apt-get install -y --no-install-recommends curl imagemagick openssl && rm -rf /var/lib/apt/lists/* # buildkit",
        ),
        (13, 0, "WORKDIR /app"),
        (14, 61_400_000, "RUN /bin/sh -c npm ci --omit=dev # buildkit"),
        (15, 3_200_000, "COPY . . # buildkit"),
    ];
    let mut layers: Vec<LayerReport> = made
        .iter()
        .map(|(fill, bytes, by)| LayerReport {
            layer: layer(*fill, *bytes, by),
            packages: 0,
            findings: [0; 6],
        })
        .collect();
    for finding in &report.findings {
        let to = match finding.subject.ecosystem.as_str() {
            "deb" if finding.subject.name.len() % 2 == 0 => 0,
            "deb" => 1,
            _ => 3,
        };
        let at = Severity::ALL.iter().position(|s| *s == finding.severity).expect("a severity");
        layers[to].findings[at] += 1;
    }
    layers[0].packages = 88;
    layers[1].packages = 46;
    layers[3].packages = 8;
    layers
}

/// Text that an attacker would put everywhere.
pub const EVIL: [&str; 12] = [
    "</script><script>alert(1)</script>",
    "\"><img src=x onerror=alert(2)>",
    "=HYPERLINK(\"http://evil\",\"x\")",
    "a|b`c`<b>d</b>[e](javascript:alert(3))",
    "\u{1b}[2J\u{1b}]0;owned\u{7}name\u{8}\u{7f}\u{9b}31m",
    "line one\r\nline two\tx\n::error::forged",
    "right\u{202e}tfel\u{200b}hidden\u{feff}",
    "nul\u{0}and{{ 7*7 }}{% raw %}",
    "'; DROP TABLE x; --&amp;&#39;",
    "漢字パッケージ🚢é\u{301}",
    "+cmd|' /C calc'!A0",
    "\u{fffe}]]>\u{ffff}<!--",
];

/// Everything an attacker can name is hostile.
pub fn hostile() -> Report {
    let mut report = clean();
    report.target.name = EVIL.concat();
    report.inventory = Inventory { os: Some(hostile_system()), ..Inventory::default() };
    for (index, evil) in EVIL.iter().enumerate() {
        let ecosystem = ECOSYSTEMS[index % ECOSYSTEMS.len()];
        report.inventory.packages.push(hostile_package(ecosystem, evil, index));
        let mut one = finding(ecosystem, evil, evil, evil, Severity::ALL[index % 6]);
        one.title = (*evil).into();
        one.description = EVIL.concat();
        one.aliases = vec![(*evil).into()];
        one.bulletins = vec![(*evil).into()];
        one.references =
            vec![(*evil).into(), "javascript:alert(4)".into(), "https://example.org/\"><x".into()];
        one.cwes = vec![(*evil).into(), "CWE-0".into()];
        one.fixed_version = Some((*evil).into());
        one.severity_source = (*evil).into();
        one.subject.binaries = vec![(*evil).into()];
        one.subject.locations = vec![Location { path: (*evil).into(), layer: Some(index as u32) }];
        one.ratings = vec![Rating {
            source: (*evil).into(),
            severity: one.severity,
            vector: (*evil).into(),
            score_tenths: Some(255),
        }];
        if index % 4 == 1 {
            one.suppression = Some(Suppression { by: (*evil).into(), reason: (*evil).into(), expires: None });
            report.suppressed.push(one);
        } else {
            report.findings.push(one);
        }
        report.coverage.push(Note::gap(evil, evil, *evil, *evil));
    }
    report.inventory.unidentified = vec![Unidentified {
        ecosystem: "maven".into(),
        path: EVIL.concat(),
        sha1: "zz".into(),
        names: EVIL.map(str::to_owned).to_vec(),
        ..Unidentified::default()
    }];
    report.inventory.normalise();
    report.actions = actions(&report.findings);
    report.coverage.sort();
    report.accepted = vec![(Note::gap(EVIL[0], EVIL[1], EVIL[2], EVIL[3]), EVIL[4].into())];
    report.verdict = Verdict {
        decision: Decision::Deny,
        incomplete: true,
        reasons: vec![EVIL.concat()],
        blocking: report.findings.iter().map(|f| f.id.0.clone()).collect(),
        rule: EVIL[5].into(),
    };
    for layer in &mut report.layers {
        layer.layer.created_by = EVIL.concat();
        layer.layer.media_type = EVIL[1].into();
    }
    if let Some(image) = &mut report.image {
        image.layers = report.layers.iter().map(|l| l.layer.clone()).collect();
        image.names = EVIL.map(str::to_owned).to_vec();
        image.config.labels = EVIL.iter().map(|evil| ((*evil).into(), (*evil).into())).collect();
        image.config.user = EVIL[0].into();
    }
    report.data.sources[0].shard = EVIL[0].into();
    report.data.sources[0].remark = EVIL[3].into();
    report.data.sources[0].completeness = Completeness::Partial;
    report
}

fn hostile_system() -> OsRelease {
    OsRelease {
        id: "debian".into(),
        version_id: EVIL[2].into(),
        codename: EVIL[3].into(),
        pretty_name: EVIL[0].into(),
        id_like: EVIL.map(str::to_owned).to_vec(),
        cpe_name: EVIL[4].into(),
        variant_id: EVIL[5].into(),
    }
}

fn hostile_package(ecosystem: &str, evil: &str, index: usize) -> Package {
    let mut package = Package::new(ecosystem, evil, evil, evil);
    package.name = evil.into();
    package.architecture = Some(evil.into());
    package.source = Some(SourcePackage { name: evil.into(), version: evil.into() });
    package.origin = if index.is_multiple_of(2) { Origin::ThirdParty } else { Origin::Distribution };
    package.scope = if index.is_multiple_of(3) { Scope::Development } else { Scope::Production };
    package.licences = vec![evil.into(), "MIT".into(), String::new()];
    package.locations = vec![
        Location { path: evil.into(), layer: None },
        Location { path: format!("{evil} x"), layer: Some(7) },
    ];
    package.layer = Some(index as u32);
    package.owner = Some(evil.into());
    package.evidence = evil.into();
    package.facts = EVIL.iter().map(|text| ((*text).into(), (*text).into())).collect();
    package
}

/// The starter set only, and many files that could not be read.
pub fn incomplete() -> Report {
    let mut report = clean();
    report.findings =
        vec![fixed(finding("deb", "openssl", "3.0.11-1", "CVE-2023-5678", Severity::Medium), "3.0.17-1")];
    report.actions = actions(&report.findings);
    report.verdict = Verdict {
        decision: Decision::Deny,
        incomplete: true,
        reasons: vec!["503 gaps were not accepted: parts of the target were not seen.".into()],
        blocking: vec![],
        rule: "deny when a critical or high vulnerability has a fix".into(),
    };
    for index in 0..500 {
        let path = format!("opt/vendor/lib/plugin-{index:03}.jar");
        report.coverage.push(Note::gap(
            "archive-damaged",
            "jar",
            path,
            "the central directory points outside of the file; the archive was not read",
        ));
    }
    report.coverage.push(Note::gap("data-partial", "match", "npm", "only the starter set speaks of npm"));
    report.coverage.push(Note::gap(
        "data-missing",
        "match",
        "composer",
        "no data speaks of composer: 12 packages were not matched",
    ));
    report.coverage.push(Note::gap(
        "file-too-large",
        "rpm",
        "var/lib/rpm/Packages",
        "812345678 bytes exceed the limit for a record of this kind; it was not read",
    ));
    report.coverage.push(Note::info("layer-empty", "layer", "3", "the layer has no entries"));
    report.coverage.sort_by(|a, b| b.grade.cmp(&a.grade).then_with(|| a.cmp(b)));
    report.accepted = vec![(
        Note::gap("encrypted-file", "zip", "opt/secret.zip", "the archive is encrypted"),
        "reviewed by hand, ticket 4711".into(),
    )];
    report.data = DataStatus {
        built: None,
        digest: String::new(),
        sources: vec![
            source("debian:12", 310, Completeness::Starter),
            source("npm", 120, Completeness::Starter),
        ],
    };
    report
}

/// A bill of materials as the target: no image, no layers.
pub fn sbom() -> Report {
    let mut report = clean();
    report.target = Target { name: "vendor.cdx.json".into(), kind: TargetKind::Sbom };
    report.image = None;
    report.layers = vec![];
    report.inventory.os = None;
    report.inventory.packages = vec![
        Package::new("maven", "org.apache.logging.log4j:log4j-core", "2.14.1", "cyclonedx"),
        Package::new("pypi", "Django", "3.2.0", "cyclonedx"),
        Package::new("conan", "zlib", "1.2.11", "cyclonedx"),
    ];
    report.inventory.unidentified = vec![Unidentified {
        ecosystem: "maven".into(),
        path: "app.jar!/lib/x.jar".into(),
        sha1: "da39a3ee5e6b4b0d3255bfef95601890afd80709".into(),
        names: vec!["x".into()],
        found_by: "jar".into(),
        ..Unidentified::default()
    }];
    report.inventory.normalise();
    let mut log4j = rated(
        fixed(
            finding(
                "maven",
                "org.apache.logging.log4j:log4j-core",
                "2.14.1",
                "CVE-2021-44228",
                Severity::Critical,
            ),
            "2.17.1",
        ),
        100,
    );
    log4j.aliases = vec!["GHSA-jfh8-c2jp-5v3q".into()];
    log4j.kev = Some(Kev {
        added: Date::new(2021, 12, 10).expect("a day"),
        due: Date::new(2021, 12, 24),
        ransomware: true,
    });
    log4j.epss = Some(Epss { probability: 0.944, percentile: 0.9996 });
    log4j.ssvc = Some(Ssvc {
        exploitation: "active".into(),
        automatable: "yes".into(),
        technical_impact: "total".into(),
    });
    log4j.priority = 1_000;
    log4j.subject.layer = None;
    report.findings = vec![log4j];
    report.actions = actions(&report.findings);
    report.coverage = vec![Note::info(
        "sbom-foreign",
        "cyclonedx",
        "example 1.0",
        "made by example 1.0; names and versions are taken as that tool gave them",
    )];
    report.verdict = Verdict {
        decision: Decision::Warn,
        incomplete: false,
        reasons: vec!["1 vulnerability is known to be exploited.".into()],
        blocking: vec![],
        rule: "warn about everything".into(),
    };
    report
}
