//! Trees and disks made with the programs of Debian's e2fsprogs, xfsprogs, qemu-utils, squashfs-tools and
//! fdisk; a test without its program says SKIPPED.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether programs are there; says so loudly when not.
pub fn have(programs: &[&str]) -> bool {
    programs.iter().all(|program| {
        let there = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
            .iter()
            .any(|folder| Path::new(folder).join(program).exists());
        if !there {
            println!("SKIPPED: the program {program} is not installed");
        }
        there
    })
}

/// Runs a program of the system; its failure is the test's.
#[track_caller]
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Bytes that do not repeat soon.
pub fn noise(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// A tree with all that is odd about trees.
pub fn tree(root: &Path) {
    let write = |path: &str, bytes: &[u8]| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folder");
        fs::write(path, bytes).expect("file");
    };
    write("etc/os-release", b"ID=debian\nVERSION_ID=\"12\"\n");
    for size in [0usize, 1, 59, 60, 61, 150, 4_095, 4_096, 4_097, 70_000, 300_000, 2_000_000] {
        write(&format!("sizes/{size}"), &noise(size, size as u32));
    }
    for number in 0..600 {
        write(&format!("many/a-rather-long-name-so-that-the-folder-grows-{number:05}"), b"x");
    }
    for number in 0..40 {
        write(&format!("some/name-{number}"), format!("{number}").as_bytes());
    }
    write("deep/a/b/c/d/e/f/g/h/i/j/file", b"deep");
    fs::create_dir_all(root.join("empty")).expect("folder");
    let sparse = fs::File::create(root.join("sparse")).expect("file");
    for number in 0..700u64 {
        sparse.write_all_at(&noise(4_096, number as u32), number * 12_288).expect("written");
    }
    let holes = fs::File::create(root.join("holes")).expect("file");
    holes.write_all_at(b"after a hole", 40_000_000).expect("written");
    symlink("sizes/60", root.join("link")).expect("link");
    symlink("x".repeat(59), root.join("link-59")).expect("link");
    symlink("y".repeat(60), root.join("link-60")).expect("link");
    symlink("../../../../etc/passwd", root.join("some/out")).expect("link");
    symlink("..", root.join("some/loop")).expect("link");
    fs::hard_link(root.join("sizes/70000"), root.join("some/hard")).expect("link");
    fs::set_permissions(root.join("sizes/1"), fs::Permissions::from_mode(0o4711)).expect("mode");
}

/// What mkfs.xfs cannot put into a disk: names that are no text, FIFOs, links that need a block.
pub fn odd(root: &Path) {
    symlink("z/".repeat(450), root.join("link-long")).expect("link");
    fs::write(root.join(std::ffi::OsStr::from_bytes(b"odd\xff name")), "odd").expect("file");
    let path = root.join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("fifo");
}

/// A sparse file of this many MiB.
pub fn blank(path: &Path, mebibytes: u64) -> PathBuf {
    let file = fs::File::create(path).expect("file");
    file.set_len(mebibytes << 20).expect("length");
    path.to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// A file system of the ext family.
pub fn ext(folder: &Path, root: &Path, mebibytes: u64, options: &[&str]) -> PathBuf {
    let disk = blank(&folder.join("ext.img"), mebibytes);
    let all = [&["-q", "-F", "-d", text(root)], options, &[text(&disk)]].concat();
    run("mke2fs", &all);
    disk
}

/// An XFS, by the list of what is to be in it.
pub fn xfs(folder: &Path, root: &Path, options: &[&str]) -> PathBuf {
    let disk = blank(&folder.join("xfs.img"), 320);
    let list = folder.join("prototype");
    let mut lines = String::from("/\n0 0\n");
    lines.push_str(&format!("{} 0 0\n", mode(root, 'd')));
    prototype(root, &mut lines);
    fs::write(&list, lines).expect("list");
    let all = [&["-q", "-f", "-p", text(&list)], options, &[text(&disk)]].concat();
    run("mkfs.xfs", &all);
    disk
}

fn mode(path: &Path, kind: char) -> String {
    let mode = fs::symlink_metadata(path).expect("there").permissions().mode();
    let letter = |bit: u32, letter: char| if mode & bit == 0 { '-' } else { letter };
    format!("{kind}{}{}{:03o}", letter(0o4000, 'u'), letter(0o2000, 'g'), mode & 0o777)
}

fn prototype(folder: &Path, lines: &mut String) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry").path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().expect("a name").to_str().expect("text");
        let kind = fs::symlink_metadata(&path).expect("there").file_type();
        if kind.is_symlink() {
            let target = fs::read_link(&path).expect("link");
            lines.push_str(&format!("{name} l--777 0 0 {}\n", text(&target)));
        } else if kind.is_dir() {
            lines.push_str(&format!("{name} {} 0 0\n", mode(&path, 'd')));
            prototype(&path, lines);
        } else {
            lines.push_str(&format!("{name} {} 0 0 {}\n", mode(&path, '-'), text(&path)));
        }
    }
    lines.push_str("$\n");
}
