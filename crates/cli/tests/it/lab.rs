//! A laboratory: one temporary folder with everything that a run of the program may see.

use seaworthy_testkit::{TestImage, parse};
use seaworthy_types::Timestamp;
use serde_json::Value;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_seaworthy");

/// A run that has ended.
#[derive(Debug)]
pub struct Ran {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Checks what holds for every run: it was not ended by a signal and did not panic.
    pub fn of(output: Output) -> Self {
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.signal(), None, "ended by a signal: {err}");
        for sign in ["panicked at", "RUST_BACKTRACE", "stack overflow", "index out of bounds"] {
            assert!(!err.contains(sign) && !out.contains(sign), "a panic: {err}");
        }
        Self { code: output.status.code().expect("a code"), out, err }
    }
    /// The same, with the exit code that is wanted.
    #[track_caller]
    pub fn coded(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{}\n{}", self.out, self.err);
        self
    }
    /// Checks an error: code 2, no report, one paragraph that holds these words.
    #[track_caller]
    pub fn refused(self, words: &[&str]) -> Self {
        let ran = self.coded(2);
        assert_eq!(ran.out, "", "an error gives no report");
        assert!(ran.err.starts_with("seaworthy: "), "{}", ran.err);
        assert_eq!(ran.err.trim_end().lines().count(), 1, "one paragraph: {}", ran.err);
        for word in words {
            assert!(ran.err.contains(word), "`{word}` is not in: {}", ran.err);
        }
        ran
    }
    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.out, self.err))
    }
}

/// The folder.
pub struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    /// An empty one.
    pub fn new() -> Self {
        let lab = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        for name in ["home", "data", "cache", "config", "tmp", "work", "db"] {
            fs::create_dir(lab.path(name)).expect(name);
        }
        lab
    }
    /// One with the small database of `data::write_feeds`.
    pub fn with_data() -> Self {
        let lab = Self::new();
        crate::data::write_feeds(&lab.path("feeds"));
        lab.run(&["db", "update", "--from", "../feeds"]).coded(0);
        lab
    }
    /// A path within.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    /// The command with everything of its environment within.
    pub fn command(&self) -> Command {
        self.around(Command::new(PROGRAM))
    }
    /// Any command in this environment.
    pub fn around(&self, mut command: Command) -> Command {
        command.env_clear().current_dir(self.path("work")).stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        for (variable, name) in [
            ("HOME", "home"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_CONFIG_HOME", "config"),
            ("TMPDIR", "tmp"),
            ("SEAWORTHY_DB", "db"),
        ] {
            command.env(variable, self.path(name));
        }
        command
    }
    /// Runs the program.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command().args(arguments).output().expect("started"))
    }
    /// Starts the program.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command();
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started")
    }
    /// Runs the program under a shell that sets a limit first.
    #[track_caller]
    pub fn run_limited(&self, limit: &str, arguments: &[&str]) -> Ran {
        let mut command = self.around(Command::new("sh"));
        // A limit on file sizes comes with a signal unless it is ignored.
        command.args(["-c", &format!("trap '' XFSZ; {limit}; exec \"$@\""), "sh", PROGRAM]).args(arguments);
        Ran::of(command.output().expect("started"))
    }
    /// Runs `scan -f json`.
    #[track_caller]
    pub fn scan(&self, target: &str, more: &[&str]) -> Ran {
        self.run(&[&["scan", target, "-f", "json"], more].concat())
    }
    /// The report of a scan, whatever its exit code below an error.
    #[track_caller]
    pub fn report(&self, target: &str, more: &[&str]) -> Value {
        let ran = self.scan(target, more);
        assert!([0, 1, 3].contains(&ran.code), "{}", ran.err);
        ran.json()
    }
    /// Writes a file into the working folder and gives its name.
    pub fn file<'n>(&self, name: &'n str, bytes: impl AsRef<[u8]>) -> &'n str {
        let path = self.path("work").join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, bytes).expect("written");
        name
    }
    /// Writes an image from a description as a legacy docker archive.
    pub fn image<'n>(&self, name: &'n str, description: &str) -> &'n str {
        self.file(name, parse(description).docker_legacy())
    }
    /// Writes an image as a legacy docker archive.
    pub fn archive<'n>(&self, name: &'n str, image: &TestImage) -> &'n str {
        self.file(name, image.docker_legacy())
    }
    /// Waits until the cache may trust a file's times: its change time cannot be set back.
    pub fn age(&self, name: &str) {
        use std::os::unix::fs::MetadataExt;
        let meta = fs::metadata(self.path("work").join(name)).expect("there");
        assert!(wait_for(|| now().0 > meta.ctime() + 3));
    }
    /// Every file below a folder, sorted, with its size.
    pub fn files(&self, name: &str) -> Vec<(String, u64)> {
        let mut found = Vec::new();
        walk(&self.path(name), &mut found);
        found.sort();
        found
    }
}

/// No run leaves anything in the folder for temporary files.
impl Drop for Lab {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.files("tmp").is_empty(), "left behind: {:?}", self.files("tmp"));
        }
    }
}

/// Numbers of the child processes of a process.
pub fn children(process: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}

fn walk(folder: &Path, found: &mut Vec<(String, u64)>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let meta = entry.path().symlink_metadata().expect("there");
        if meta.is_dir() {
            walk(&entry.path(), found);
        } else {
            found.push((entry.path().to_string_lossy().into_owned(), meta.len()));
        }
    }
}

/// The present.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp(i64::try_from(since.as_secs()).expect("small"))
}

/// A day this many days from now, as `2026-01-31`.
pub fn day(offset: i64) -> String {
    Timestamp(now().0 + offset * 86_400).date().to_string()
}

/// Waits until something holds; gives whether it did.
pub fn wait_for(what: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if what() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    false
}

/// A report without what may differ between two runs.
pub fn timeless(mut report: Value) -> Value {
    report.as_object_mut().expect("an object").remove("created");
    report
}

/// `ecosystem name version` of every package, sorted.
pub fn packages(report: &Value) -> Vec<String> {
    let list = report["inventory"]["packages"].as_array().expect("packages");
    let text = |package: &Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let mut all: Vec<String> = list
        .iter()
        .map(|p| format!("{} {} {}", text(p, "ecosystem"), text(p, "name"), text(p, "version")))
        .collect();
    all.sort();
    all
}

/// Vulnerability ids of findings, sorted.
pub fn ids(report: &Value, list: &str) -> Vec<String> {
    let findings = report[list].as_array().expect("findings");
    let mut ids: Vec<String> =
        findings.iter().map(|f| f["vulnerability"].as_str().expect("an id").to_owned()).collect();
    ids.sort();
    ids
}

/// Codes of coverage notes of a grade, sorted.
pub fn codes(report: &Value, grade: &str) -> Vec<String> {
    let notes = report["coverage"].as_array().expect("coverage");
    let mut codes: Vec<String> = notes
        .iter()
        .filter(|note| note["grade"] == grade)
        .map(|note| note["code"].as_str().expect("a code").to_owned())
        .collect();
    codes.sort();
    codes.dedup();
    codes
}
