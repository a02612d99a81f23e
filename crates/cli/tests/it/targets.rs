//! Every kind of target, recognised and by prefix: the same content gives the same packages.

use crate::data::{DEBIAN, dpkg, npm};
use crate::lab::{Lab, codes, ids, packages, timeless};
use seaworthy_testkit::{Packing, TestImage, oci_archive, oci_parts, parse, write_parts};
use serde_json::json;

fn content() -> String {
    format!(
        "image app:1\nlayer\n{DEBIAN}{}layer\n{}layer\nwhiteout usr/lib/node_modules/scratched\n",
        dpkg(&[("hull", "1.0-1"), ("mast", "2:1.0-1")]),
        npm(&["sound", "holed", "scratched"])
    )
}

const PACKAGES: [&str; 4] =
    ["deb libhull 1.0-1", "deb libmast 2:1.0-1", "npm holed 1.0.0", "npm sound 1.0.0"];
const FOUND: [&str; 3] = ["CVE-2026-10001", "CVE-2026-10013", "CVE-2026-10014"];

#[track_caller]
fn check(lab: &Lab, target: &str, kind: &str) {
    let ran = lab.scan(target, &[]).coded(1);
    let report = ran.json();
    assert_eq!(report["target"]["kind"], kind, "{target}");
    assert_eq!(report["target"]["name"], target);
    assert_eq!(packages(&report), PACKAGES, "{target}");
    assert_eq!(ids(&report, "findings"), FOUND, "{target}");
    assert!(codes(&report, "gap").is_empty(), "{target}: {}", report["coverage"]);
    assert_eq!(ran.err, "", "{target}");
}

#[test]
fn docker_archives() {
    let lab = Lab::with_data();
    for packing in [Packing::Plain, Packing::Gzip] {
        let image = parse(&content()).packed(packing);
        for (name, bytes) in [("legacy.tar", image.docker_legacy()), ("modern.tar", image.docker_oci())] {
            lab.file(name, bytes);
            check(&lab, name, "docker-archive");
            check(&lab, &format!("docker-archive:{name}"), "docker-archive");
        }
    }
    let report = lab.report("legacy.tar", &[]);
    assert_eq!(report["image"]["names"], json!(["app:1"]));
    assert_eq!(report["layers"].as_array().map(Vec::len), Some(3));
    assert_eq!(report["layers"][0]["packages"], 2);
    assert_eq!(report["layers"][1]["packages"], 2);
}

#[test]
fn oci_layouts() {
    let lab = Lab::with_data();
    for (number, packing) in
        [Packing::Plain, Packing::Gzip, Packing::GzipMembers, Packing::Zstd, Packing::ZstdFrames]
            .into_iter()
            .enumerate()
    {
        let image = parse(&content()).packed(packing);
        let archive = format!("{number}.tar");
        std::fs::write(lab.path("work").join(&archive), oci_archive(std::slice::from_ref(&image)))
            .expect("written");
        check(&lab, &archive, "oci-archive");
        check(&lab, &format!("oci-archive:{archive}"), "oci-archive");
        check(&lab, &format!("oci:{archive}"), "oci-archive");
        let folder = format!("{number}");
        write_parts(&lab.path("work").join(&folder), &oci_parts(&[image])).expect("written");
        check(&lab, &folder, "oci-layout");
        check(&lab, &format!("oci-dir:{folder}"), "oci-layout");
        check(&lab, &format!("oci:{folder}"), "oci-layout");
    }
}

#[test]
fn platforms() {
    let lab = Lab::with_data();
    let of = |architecture: &str, variant: &str, package: &str| TestImage {
        architecture: architecture.into(),
        variant: variant.into(),
        ..parse(&format!("image app:1\nlayer gzip\n{}", npm(&[package])))
    };
    let images = [
        of("s390x", "", "sound"),
        of("riscv64", "", "holed"),
        of("arm", "v6", "unrated"),
        of("arm", "v7", "unfixed"),
    ];
    lab.file("many.tar", oci_archive(&images));
    for (platform, package) in [
        ("linux/s390x", "sound"),
        ("riscv64", "holed"),
        ("linux/arm/v6", "unrated"),
        ("linux/arm", "unfixed"),
    ] {
        let report = lab.report("many.tar", &["--platform", platform]);
        assert_eq!(packages(&report), [format!("npm {package} 1.0.0")], "{platform}");
    }
    let all = ["linux/arm/v6", "linux/arm/v7", "linux/riscv64", "linux/s390x", "--platform"];
    lab.scan("many.tar", &[]).refused(&all);
    lab.scan("many.tar", &["--platform", "linux/mips"]).refused(&all);
    // An archive of one image cannot be had for another platform either.
    lab.archive("one.tar", &images[0]);
    lab.scan("one.tar", &["--platform", "linux/arm64"]).refused(&["linux/arm64", "linux/s390x"]);
    lab.scan("one.tar", &["--platform", "linux/s390x"]).coded(0);
    // The cache keeps them apart.
    lab.age("many.tar");
    for package in ["sound", "holed", "sound"] {
        let platform = if package == "sound" { "linux/s390x" } else { "linux/riscv64" };
        let report = lab.report("many.tar", &["--platform", platform]);
        assert_eq!(packages(&report), [format!("npm {package} 1.0.0")]);
    }
}

#[test]
fn several_images_in_one_archive() {
    let lab = Lab::with_data();
    let named = |name: &str, package: &str| parse(&format!("image {name}\nlayer\n{}", npm(&[package])));
    lab.file("two.tar", oci_archive(&[named("app:1", "sound"), named("app:2", "holed")]));
    lab.scan("two.tar", &[]).refused(&["app:1", "app:2"]);
    lab.scan("two.tar", &["--reference", "app:1"]).coded(0);
    lab.scan("two.tar", &["--reference", "app:2"]).coded(1);
    lab.scan("two.tar", &["--reference", "app:3"]).refused(&["app:3", "app:1", "app:2"]);
}

#[test]
fn root_file_system() {
    let lab = Lab::with_data();
    let root = lab.path("work/root");
    let status = "Package: libhull\nStatus: install ok installed\nArchitecture: amd64\n\
                  Maintainer: Debian <debian@lists.debian.org>\nSource: hull\nVersion: 1.0-1\nDescription: x\n\n";
    for (name, text) in [
        ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
        ("var/lib/dpkg/status", status),
        ("var/lib/dpkg/info/libhull.list", "/.\n/usr/share/hull\n"),
        ("usr/lib/node_modules/holed/package.json", r#"{"name":"holed","version":"1.0.0"}"#),
        // A lock file in an image is no installed package.
        ("srv/package-lock.json", LOCK),
    ] {
        crate::data::write(&root, name, text);
    }
    std::os::unix::fs::symlink("/", root.join("usr/out")).expect("linked");
    for target in ["root", "dir:root"] {
        let report = lab.scan(target, &[]).coded(1).json();
        assert_eq!(report["target"]["kind"], "folder");
        assert_eq!(packages(&report), ["deb libhull 1.0-1", "npm holed 1.0.0"]);
        assert_eq!(ids(&report, "findings"), ["CVE-2026-10001", "CVE-2026-10013"]);
    }
    assert_eq!(lab.files("cache").len(), 0, "folders are not cached");
}

const LOCK: &str = r#"{"name":"app","version":"0.1.0","lockfileVersion":3,"packages":{
    "":{"name":"app","version":"0.1.0"},
    "node_modules/holed":{"version":"1.9.9","resolved":"https://example.org/holed.tgz"},
    "node_modules/sound":{"version":"1.0.0"}}}"#;

#[test]
fn source_folder_and_single_file() {
    let lab = Lab::with_data();
    lab.file("source/package-lock.json", LOCK);
    lab.file("source/sub/Cargo.lock", "version = 4\n\n[[package]]\nname = \"barnacle\"\nversion = \"1.2.3\"\nsource = \"registry+https://example.org\"\n");
    for target in ["source", "dir:source"] {
        let report = lab.scan(target, &[]).coded(1).json();
        assert_eq!(report["target"]["kind"], "folder");
        assert_eq!(ids(&report, "findings"), ["CVE-2026-10001", "CVE-2026-10011"]);
        assert!(packages(&report).contains(&"npm sound 1.0.0".to_owned()));
    }
    for target in ["source/package-lock.json", "file:source/package-lock.json"] {
        let report = lab.scan(target, &[]).coded(1).json();
        assert_eq!(report["target"]["kind"], "file");
        assert_eq!(ids(&report, "findings"), ["CVE-2026-10001"]);
    }
    // Nothing that is understood is no silent green.
    let readme = lab.file("README", "hello");
    let report = lab.scan(readme, &[]).coded(3).json();
    assert_eq!(codes(&report, "gap"), ["no-packages"]);
    lab.file("empty/x", "");
    lab.scan("empty", &[]).coded(3);
}

#[test]
fn sboms() {
    let lab = Lab::with_data();
    let cyclonedx = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "components": [
            { "type": "library", "name": "holed", "version": "1.0.0", "purl": "pkg:npm/holed@1.0.0" },
            { "type": "library", "name": "barnacle", "version": "1.2.3", "purl": "pkg:cargo/barnacle@1.2.3" },
        ],
    });
    let package = |id: &str, name: &str, version: &str, purl: &str| {
        json!({
            "SPDXID": format!("SPDXRef-{id}"), "name": name, "versionInfo": version,
            "downloadLocation": "NOASSERTION",
            "externalRefs": [{ "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl }],
        })
    };
    let spdx = json!({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "x",
        "documentNamespace": "https://example.org/x",
        "creationInfo": { "created": "2026-01-01T00:00:00Z", "creators": ["Tool: x"] },
        "packages": [
            package("a", "holed", "1.0.0", "pkg:npm/holed@1.0.0"),
            package("b", "barnacle", "1.2.3", "pkg:cargo/barnacle@1.2.3"),
        ],
    });
    for (name, document) in [("a.json", &cyclonedx), ("b.json", &spdx)] {
        lab.file(name, document.to_string());
        let plain = lab.scan(name, &[]).coded(1).json();
        assert_eq!(plain["target"]["kind"], "sbom");
        assert_eq!(packages(&plain), ["cargo barnacle 1.2.3", "npm holed 1.0.0"]);
        assert_eq!(ids(&plain, "findings"), ["CVE-2026-10001", "CVE-2026-10011"]);
        let mut forced = timeless(lab.report(&format!("sbom:{name}"), &[]));
        assert_eq!(forced["target"]["name"], format!("sbom:{name}"));
        forced["target"]["name"] = json!(name);
        assert_eq!(forced, timeless(plain));
    }
    let broken = lab.file("broken.json", &cyclonedx.to_string()[..200]);
    lab.scan(&format!("sbom:{broken}"), &[]).refused(&["SBOM"]);
    lab.file("other.json", "{\"hello\": 1}");
    lab.scan("sbom:other.json", &[]).refused(&["SBOM"]);
}

#[test]
fn sboms_in_forms_that_are_not_read_are_named() {
    let lab = Lab::with_data();
    let xml = "<?xml version=\"1.0\"?>\n<bom xmlns=\"http://cyclonedx.org/schema/bom/1.4\"/>";
    let late = format!("<?xml version=\"1.0\"?><!--{}-->{}", "x".repeat(9_000), &xml[21..]);
    let rdf = "<?xml version=\"1.0\"?><rdf:RDF xmlns:spdx=\"http://spdx.org/rdf/terms#\"/>";
    for (name, text, words) in [
        ("a.xml", xml, ["CycloneDX in XML", "cyclonedx convert --output-format json"]),
        ("late.xml", &late, ["CycloneDX in XML", "cyclonedx convert --output-format json"]),
        ("a.spdx", "SPDXVersion: SPDX-2.2\nDataLicense: CC0-1.0\n", ["SPDX in tag-value", "SPDX JSON"]),
        ("b.spdx", "# made by hand\n\nSPDXVersion: SPDX-2.2\n", ["SPDX in tag-value", "SPDX JSON"]),
        ("a.rdf", rdf, ["SPDX in RDF", "SPDX JSON"]),
        ("a.ttl", "@prefix s: <http://spdx.org/rdf/terms#> .\n", ["SPDX in RDF", "SPDX JSON"]),
        ("a.yaml", "---\nSPDXID: x\nspdxVersion: SPDX-2.3\n", ["SPDX in YAML", "SPDX JSON"]),
    ] {
        lab.file(name, text);
        for target in [name.to_owned(), format!("sbom:{name}")] {
            let ran = lab.scan(&target, &[]).refused(&words);
            assert!(ran.err.contains(name), "the file is named: {}", ran.err);
        }
    }
    // A build file that mentions a format is no SBOM.
    let pom =
        "<project><groupId>org.cyclonedx</groupId><artifactId>cyclonedx-maven-plugin</artifactId></project>";
    lab.file("build.xml", pom);
    assert_eq!(codes(&lab.scan("build.xml", &[]).coded(3).json(), "gap"), ["no-packages"]);
    for (name, text, word) in [
        ("other.json", "{\"hello\": 1}", "no SBOM"),
        ("list.json", "[1]", "no SBOM"),
        ("cut.json", "{\"bomFormat\": \"CycloneDX\",\n \"comp", "line 2"),
        ("text.txt", "hello", "neither valid JSON"),
        ("empty", "", "neither valid JSON"),
        ("marked.json", "\u{feff}{}", "no SBOM"),
        ("syft.json", "{\"artifacts\": [], \"descriptor\": {}}", "syft IMAGE -o cyclonedx-json"),
        ("build.xml", pom, "XML cannot be read"),
    ] {
        lab.file(name, text);
        lab.scan(&format!("sbom:{name}"), &[]).refused(&[name, word, "CycloneDX JSON 1.2 to 1.7"]);
    }
    lab.file("wide.json", [0xff, 0xfe, b'{', 0, b'}', 0]);
    lab.scan("sbom:wide.json", &[]).refused(&["UTF-16", "iconv"]);
}

#[test]
fn a_prefix_that_does_not_fit_is_refused() {
    let lab = Lab::with_data();
    lab.image("image.tar", &content());
    lab.file("folder/x", "");
    lab.scan("dir:image.tar", &[]).refused(&["image.tar", "folder"]);
    lab.scan("file:folder", &[]).refused(&["folder", "file"]);
    lab.scan("docker-archive:folder", &[]).refused(&["folder"]);
    lab.scan("oci-dir:folder", &[]).refused(&["index.json"]);
    lab.file("text.txt", "hello");
    lab.scan("docker-archive:text.txt", &[]).refused(&["no image"]);
}

#[test]
fn odd_but_valid_images() {
    let lab = Lab::with_data();
    // The same layer twice, taken away between: cached or not, it is there at the end.
    let again = parse(&format!(
        "image a:1\nlayer\n{0}layer\nopaque usr/lib/node_modules\nlayer\n{0}",
        npm(&["holed"])
    ));
    for bytes in [again.docker_legacy(), again.docker_oci(), oci_archive(std::slice::from_ref(&again))] {
        lab.file("again.tar", bytes);
        for _ in 0..2 {
            let report = lab.scan("again.tar", &[]).coded(1).json();
            assert_eq!(packages(&report), ["npm holed 1.0.0"]);
            assert_eq!(report["layers"].as_array().map(Vec::len), Some(3));
        }
    }
    // No layers at all: nothing could be judged.
    let none = TestImage { names: vec!["none:1".into()], ..TestImage::default() };
    for bytes in [none.docker_legacy(), oci_archive(std::slice::from_ref(&none))] {
        lab.file("none.tar", bytes);
        assert_eq!(codes(&lab.scan("none.tar", &[]).coded(3).json(), "gap"), ["no-packages"]);
    }
    // More layers than anybody has.
    let many = TestImage::of((0..600).map(|_| again.layers[0].tar.clone()));
    lab.archive("many.tar", &many);
    lab.scan("many.tar", &[]).refused(&["layers_max"]);
}

#[test]
fn layers_that_are_links_to_layers() {
    // Old engines save a layer that stands twice as a link to the first.
    let lab = Lab::with_data();
    let image = parse(&format!("image a:1\nlayer\nfile etc/x y\nlayer\n{}", npm(&["holed"])));
    let layer = image.layers[1].tar.clone();
    let mut tar = seaworthy_testkit::Tar::new();
    for (path, bytes) in image.docker_legacy_parts() {
        if bytes == layer {
            tar.file("first/layer.tar", &bytes).symlink(&path, "../first/layer.tar");
        } else {
            tar.file(&path, &bytes);
        }
    }
    lab.file("links.tar", tar.finish());
    let report = lab.scan("links.tar", &[]).coded(1).json();
    assert_eq!(packages(&report), ["npm holed 1.0.0"]);
    // A link that leads nowhere, out, or in a circle is a missing layer.
    for target in ["../none/layer.tar", "/etc/passwd", "../../../../etc/passwd", "layer.tar"] {
        let mut tar = seaworthy_testkit::Tar::new();
        for (path, bytes) in image.docker_legacy_parts() {
            if bytes == layer {
                tar.symlink(&path, target)
            } else {
                tar.file(&path, &bytes)
            };
        }
        lab.file("links.tar", tar.finish());
        lab.scan("links.tar", &[]).refused(&["layer 1"]);
    }
}
