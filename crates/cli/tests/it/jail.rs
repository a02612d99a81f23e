//! The lock of the parsing process, tried from within.

use crate::lab::Lab;
use seaworthy_scan::jail::{Files, lock};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::process::Command;

/// Set for the process that locks itself: the folder of the laboratory.
const INSIDE: &str = "SEAWORTHY_TEST_INSIDE";

fn tries(folder: &str, files: Files<'_>) -> Vec<(&'static str, bool)> {
    let notes = lock(files);
    let secret = format!("{folder}/outside/secret");
    vec![
        ("notes", !notes.is_empty()),
        ("read", fs::read(&secret).is_ok()),
        ("read-within", fs::read(format!("{folder}/within/file")).is_ok()),
        ("read-system", fs::read("/etc/passwd").is_ok()),
        ("read-proc", fs::read("/proc/self/environ").is_ok()),
        ("write", fs::write(format!("{folder}/outside/new"), "x").is_ok()),
        ("write-within", fs::write(format!("{folder}/within/new"), "x").is_ok()),
        ("remove", fs::remove_file(&secret).is_ok()),
        ("rename", fs::rename(&secret, format!("{folder}/outside/moved")).is_ok()),
        ("list", fs::read_dir("/").is_ok()),
        ("tcp", std::net::TcpListener::bind("127.0.0.1:0").is_ok()),
        ("udp", std::net::UdpSocket::bind("127.0.0.1:0").is_ok()),
        ("unix", std::os::unix::net::UnixListener::bind(format!("{folder}/outside/socket")).is_ok()),
        ("pair", std::os::unix::net::UnixStream::pair().is_ok()),
        ("exec", Command::new("/bin/true").status().is_ok()),
        ("memory", vec![1u8; 1 << 24].iter().map(|byte| u64::from(*byte)).sum::<u64>() == 1 << 24),
        ("thread", std::thread::spawn(|| fs::read("/etc/passwd").is_err()).join().is_ok_and(|locked| locked)),
    ]
}

/// Not a test: what the locked process does, in a thread of its own.
#[test]
#[ignore = "run by the other tests of this file in a process of its own"]
fn inside() {
    let Ok(given) = std::env::var(INSIDE) else { return };
    let (kind, folder) = given.split_once(' ').expect("kind and folder");
    let within = File::open(format!("{folder}/within")).expect("a folder");
    let files = if kind == "folder" { Files::Beneath(within.as_fd()) } else { Files::None };
    let open = File::open(format!("{folder}/outside/secret")).expect("there");
    let results = tries(folder, files);
    let mut text = String::new();
    for (name, done) in results {
        text.push_str(&format!("TRIED {name} {done}\n"));
    }
    text.push_str(&format!("TRIED open-before {}\n", open.metadata().is_ok()));
    std::io::stdout().write_all(text.as_bytes()).expect("told");
}

fn run(kind: &str) -> Vec<String> {
    let lab = Lab::new();
    for name in ["outside/secret", "within/file"] {
        crate::data::write(&lab.path(""), name, "x");
    }
    let mut command = lab.around(Command::new(std::env::current_exe().expect("this program")));
    command.args(["--ignored", "--exact", "jail::inside", "--nocapture", "--test-threads=1"]);
    command.env(INSIDE, format!("{kind} {}", lab.path("").display()));
    let output = command.output().expect("started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(fs::read(lab.path("outside/secret")).is_ok(), "the secret is where it was");
    assert!(!lab.path("within/new").exists() && !lab.path("outside/new").exists());
    let told: Vec<&str> =
        text.lines().filter_map(|line| line.split_once("TRIED ")).map(|(_, end)| end).collect();
    assert_eq!(told.len(), 18, "{text}{}", String::from_utf8_lossy(&output.stderr));
    if told.contains(&"notes true") {
        eprintln!("SKIPPED: this kernel lacks a part of the lock; only what holds is tested");
        return Vec::new();
    }
    let done = told.iter().filter(|line| line.ends_with(" true"));
    done.map(|line| line.trim_end_matches(" true").to_owned()).collect()
}

#[test]
fn a_locked_process_can_do_nothing_else() {
    let done = run("file");
    assert!(done.is_empty() || done == ["memory", "thread", "open-before"], "{done:?}");
}

#[test]
fn one_that_reads_a_folder_reads_that_alone() {
    let done = run("folder");
    assert!(done.is_empty() || done == ["read-within", "memory", "thread", "open-before"], "{done:?}");
}
