//! Hostile and absurd input: one paragraph or a gap, never a panic, nothing left behind.

use crate::data::npm;
use crate::lab::{Lab, PROGRAM, Ran, children, codes, packages, wait_for};
use crate::roundtrip::jar;
use seaworthy_testkit::{Fields, Layer, Packing, Tar, TestImage, oci_archive};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const HOLED: &[u8] = br#"{"name":"holed","version":"1.0.0"}"#;
const PATH: &str = "usr/lib/node_modules/holed/package.json";

#[test]
fn names_that_lead_out() {
    let lab = Lab::with_data();
    let victim = lab.path("victim");
    fs::write(&victim, "untouched").expect("written");
    let up = format!("{}{}", "../".repeat(40), victim.display());
    let absolute = victim.display().to_string();
    let mut tar = Tar::new();
    for name in [up.as_str(), absolute.as_str(), "..", ".", "/", "a/../../b", "//etc//passwd"] {
        tar.file(name, b"evil");
    }
    tar.symlink("way", &absolute).symlink("out", "/").symlink("up", &up).hardlink("hard", &absolute);
    tar.file("out/x", b"evil").file("way/y", b"evil").whiteout(&up).whiteout("../x");
    tar.file(&format!("/../{PATH}"), HOLED);
    let image = TestImage::of([tar.finish()]);
    for (name, bytes) in
        [("a.tar", image.docker_legacy()), ("b.tar", oci_archive(std::slice::from_ref(&image)))]
    {
        lab.file(name, bytes);
        let report = lab.scan(name, &[]).coded(1).json();
        assert_eq!(packages(&report), ["npm holed 1.0.0"]);
    }
    assert_eq!(fs::read_to_string(&victim).expect("there"), "untouched");
    assert_eq!(lab.files("tmp").len(), 0);
    assert_eq!(lab.files("work").len(), 2);
    // The same at the outer level: parts of the archive itself.
    let mut parts = image.docker_legacy_parts();
    parts.iter_mut().for_each(|(path, _)| *path = format!("../../{path}"));
    lab.file("c.tar", seaworthy_testkit::parts_to_tar(&parts));
    assert_ne!(lab.scan("docker-archive:c.tar", &[]).code, 0);
    assert_eq!(fs::read_to_string(&victim).expect("there"), "untouched");
}

#[test]
fn links_in_circles() {
    let lab = Lab::with_data();
    let mut tar = Tar::new();
    tar.symlink("etc/os-release", "../usr/lib/os-release")
        .symlink("usr/lib/os-release", "../../etc/os-release");
    tar.symlink("a", "b").symlink("b", "a").symlink("self", "self").hardlink("h", "h");
    tar.hardlink("h1", "h2").hardlink("h2", "h1").symlink("deep", "deep/deep/deep");
    tar.symlink("var/lib/dpkg/status", "status").hardlink("lib/apk/db/installed", "lib/apk/db/installed");
    tar.hardlink("usr/lib/node_modules/gone/package.json", "not/there");
    tar.file(PATH, HOLED);
    lab.archive("a.tar", &TestImage::of([tar.finish()]));
    let report = lab.scan("a.tar", &[]).coded(1).json();
    assert_eq!(packages(&report), ["npm holed 1.0.0"]);
    // A folder with such links, and with pipes and other things that must not be opened.
    let root = lab.path("work/root");
    crate::data::write(&root, PATH, std::str::from_utf8(HOLED).expect("text"));
    crate::data::write(&root, "etc/hostname", "x");
    for (link, target) in
        [("etc/os-release", "os-release"), ("loop", "."), ("up", ".."), ("usr/lib/round", "../..")]
    {
        std::os::unix::fs::symlink(target, root.join(link)).expect("linked");
    }
    for pipe in ["usr/lib/node_modules/package.json", "etc/debian_version", "usr/lib/os-release"] {
        fs::create_dir_all(root.join(pipe).parent().expect("a parent")).expect("made");
        assert!(Command::new("mkfifo").arg(root.join(pipe)).status().expect("mkfifo").success());
    }
    let report = lab.report("root", &[]);
    assert_eq!(packages(&report), ["npm holed 1.0.0"]);
}

#[test]
fn bombs() {
    let lab = Lab::with_data();
    let zeros = vec![0; 100 << 20];
    let image = |zeros: &[u8]| {
        let mut tar = Tar::new();
        tar.file(PATH, HOLED);
        tar.file("zeros", zeros);
        let layer = Layer { tar: tar.finish(), packing: Packing::Zstd };
        oci_archive(&[TestImage {
            layers: vec![layer],
            names: vec!["bomb:1".into()],
            ..TestImage::default()
        }])
    };
    // Sparse images are real.
    lab.file("sparse.tar", image(&zeros));
    assert_eq!(packages(&lab.report("sparse.tar", &[])), ["npm holed 1.0.0"]);
    lab.file("bomb.tar", image(&vec![0; (4 << 30) + (200 << 20)]));
    lab.scan("bomb.tar", &[]).refused(&["layer 0", "inflate_ratio_max"]);
    // In a jar: what is bounded is told, the rest is read.
    let mut tar = Tar::new();
    tar.file(PATH, HOLED);
    let manifest = "META-INF/MANIFEST.MF";
    tar.file("opt/bomb.jar", &jar(&[(manifest, &zeros), ("META-INF/maven/a/b/pom.properties", &zeros)]));
    lab.archive("jar.tar", &TestImage::of([tar.finish()]));
    let report = lab.scan("jar.tar", &[]).coded(1).json();
    assert!(packages(&report).contains(&"npm holed 1.0.0".to_owned()));
    assert!(!codes(&report, "gap").is_empty(), "{}", report["coverage"]);
}

#[test]
fn bytes_that_are_no_text() {
    let lab = Lab::with_data();
    let mut tar = Tar::new();
    let name = b"usr/lib/node_modules/\xff\xfe\x80/package.json";
    tar.entry(&Fields { name, size: HOLED.len() as u64, ..Fields::default() }, HOLED);
    tar.file("usr/lib/node_modules/a/package.json", b"{\"name\":\"\xff\xfe\",\"version\":\"\x80\"}");
    tar.file(
        "usr/lib/node_modules/b/package.json",
        b"{\"name\":\"b\x1b[31m\",\"version\":\"1.0.0\\u001b[2J\"}",
    );
    tar.file("etc/os-release", b"ID=\xff\xff\nVERSION_ID=\"\x00\"\n");
    tar.file(
        "var/lib/dpkg/status",
        b"Package: \xff\nStatus: install ok installed\nVersion: \xfe\n\n\x00\x00",
    );
    tar.file("usr/lib/node_modules/deep/package.json", "[".repeat(200_000).as_bytes());
    lab.archive("a.tar", &TestImage::of([tar.finish()]));
    let report = lab.scan("a.tar", &[]).coded(1).json();
    assert!(packages(&report).contains(&"npm holed 1.0.0".to_owned()));
    for format in ["table", "sarif", "html", "markdown", "csv", "junit", "cyclonedx", "spdx"] {
        let ran = lab.run(&["scan", "a.tar", "-f", format, "--full"]).coded(1);
        assert!(!ran.out.contains('\u{1b}'), "{format}: escape sequences reach the terminal");
    }
    let odd = lab.run(&["scan", "no\u{1b}[31m.tar"]).refused(&[]);
    assert!(!odd.err.contains('\u{1b}'), "{}", odd.err);
}

#[test]
fn jars_within_jars() {
    let lab = Lab::with_data();
    let pom = b"groupId=org.example.lib\nartifactId=widget\nversion=1.0.0\n";
    let entry = ("META-INF/maven/org.example.lib/widget/pom.properties", &pom[..]);
    let nested = |depth: usize| (0..depth).fold(jar(&[entry]), |inner, _| jar(&[("lib/inner.jar", &inner)]));
    let scan = |depth: usize| {
        let mut tar = Tar::new();
        tar.file("opt/app.jar", &nested(depth));
        lab.archive("a.tar", &TestImage::of([tar.finish()]));
        lab.report("a.tar", &[])
    };
    assert_eq!(packages(&scan(2)), ["maven org.example.lib:widget 1.0.0"]);
    let report = scan(40);
    assert!(packages(&report).is_empty());
    assert!(codes(&report, "gap").iter().any(|code| code != "no-packages"), "{}", report["coverage"]);
}

#[test]
fn damaged_jars_are_gaps() {
    let lab = Lab::with_data();
    let sound = jar(&[("META-INF/maven/a/b/pom.properties", b"groupId=a\nartifactId=b\nversion=1\n")]);
    for (number, end) in [1, 10, sound.len() / 2, sound.len() - 3].into_iter().enumerate() {
        let mut tar = Tar::new();
        tar.file("opt/app.jar", &sound[..end]).file(PATH, HOLED);
        lab.archive("a.tar", &TestImage::of([tar.finish()]));
        let report = lab.scan("a.tar", &[]).coded(1).json();
        assert!(!codes(&report, "gap").is_empty(), "{number} {}", report["coverage"]);
    }
}

#[test]
fn targets_that_are_none() {
    let lab = Lab::with_data();
    let pipe = lab.path("work/pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    lab.scan("pipe", &[]).refused(&["pipe", "neither a file nor a folder"]);
    lab.scan("/dev/zero", &[]).refused(&["/dev/zero"]);
    lab.scan("./absent", &[]).refused(&["absent", "No such file"]);
    lab.scan("", &[]).refused(&[]);
    lab.scan("dir:", &[]).refused(&[]);
    lab.file("empty", "");
    assert_eq!(codes(&lab.scan("empty", &[]).coded(3).json(), "gap"), ["no-packages"]);
    for prefix in ["docker-archive", "oci-archive", "sbom"] {
        lab.scan(&format!("{prefix}:empty"), &[]).refused(&[]);
    }
    let mut noise = vec![0u8; 100_000];
    let mut state = 1u32;
    for byte in &mut noise {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
    lab.file("noise", &noise);
    for prefix in ["docker-archive", "oci-archive", "sbom"] {
        lab.scan(&format!("{prefix}:noise"), &[]).refused(&[]);
    }
    assert_ne!(lab.scan("noise", &[]).code, 0);
    lab.image("good.tar", &format!("image a:1\nlayer\n{}", npm(&["sound"])));
    let gzip = Command::new("gzip").arg(lab.path("work/good.tar")).status();
    if gzip.is_ok_and(|status| status.success()) {
        lab.scan("good.tar.gz", &[]).refused(&["unpack"]);
    }
    assert_eq!(lab.files("tmp").len(), 0);
}

#[test]
fn what_may_not_be_read_is_a_gap() {
    let lab = Lab::with_data();
    let root = lab.path("work/root");
    crate::data::write(&root, PATH, std::str::from_utf8(HOLED).expect("text"));
    crate::data::write(&root, "etc/os-release", "ID=unheard-of\n");
    crate::data::write(&root, "closed/x", "x");
    fs::set_permissions(root.join("closed"), fs::Permissions::from_mode(0o000)).expect("set");
    fs::set_permissions(root.join("etc/os-release"), fs::Permissions::from_mode(0o000)).expect("set");
    let mut command = if Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n") {
        // Root reads all: somebody else runs it, from where he may.
        let program = lab.path("program");
        fs::copy(PROGRAM, &program).expect("copied");
        let open = Command::new("chmod")
            .args(["a+rwx"])
            .arg(lab.path(""))
            .arg(lab.path("work"))
            .arg(lab.path("cache"))
            .status();
        assert!(open.expect("chmod").success());
        let mut command = lab.around(Command::new("setpriv"));
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
        command
    } else {
        lab.command()
    };
    let output = match command.args(["scan", "root", "-f", "json"]).output() {
        Ok(output) => output,
        Err(error) => return eprintln!("SKIPPED: no setpriv here: {error}"),
    };
    fs::set_permissions(root.join("closed"), fs::Permissions::from_mode(0o700)).expect("set");
    let report = Ran::of(output).coded(1).json();
    let text = report["coverage"].to_string();
    assert!(text.contains("\"closed\"") && text.contains("etc/os-release"), "{text}");
    assert_eq!(report["verdict"]["incomplete"], true);
}

#[test]
fn a_parsing_process_that_dies_is_an_error() {
    let lab = Lab::with_data();
    let layers: String =
        (0..60).map(|number| format!("layer gzip\nfile big/{number} size=2000000 x{number}\n")).collect();
    lab.image("a.tar", &format!("image a:1\n{layers}layer\n{}", npm(&["sound"])));
    let scan = lab.start(&["scan", "a.tar", "-f", "json", "--no-cache"]);
    assert!(wait_for(|| !children(scan.id()).is_empty()));
    for process in children(scan.id()) {
        let process =
            i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw).expect("a process");
        rustix::process::kill_process(process, rustix::process::Signal::KILL).expect("ended");
    }
    let ran = Ran::of(scan.wait_with_output().expect("ended"));
    ran.refused(&["the parsing process", "report the target"]);
}
