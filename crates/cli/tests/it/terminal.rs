//! What a person at a terminal sees: progress that goes away, colours, widths; and that nothing of it gets
//! into pipes. The terminal is a pseudo-terminal of the kernel's, what is drawn on it is drawn here.

use crate::data::npm;
use crate::lab::{Lab, children, wait_for};
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use seaworthy_testkit::{Tar, TestImage};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One end for a program, and what it has written there.
struct End {
    given: Stdio,
    written: Arc<Mutex<Vec<u8>>>,
    gatherer: JoinHandle<()>,
}

impl End {
    fn to(given: Stdio, mut from: impl Read + Send + 'static) -> Self {
        let written = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&written);
        let gatherer = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // A terminal that nobody holds open any more gives an error instead of an end.
            while let Ok(count @ 1..) = from.read(&mut piece) {
                all.lock().expect("whole").extend_from_slice(&piece[..count]);
            }
        });
        Self { given, written, gatherer }
    }
    /// A terminal of this width, or a pipe.
    fn new(columns: Option<u16>) -> Self {
        let Some(columns) = columns else {
            let (ours, theirs) = std::io::pipe().expect("a pipe");
            return Self::to(theirs.into(), ours);
        };
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&ours).expect("granted");
        unlockpt(&ours).expect("unlocked");
        let size = Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, size).expect("sized");
        let name = ptsname(&ours, Vec::new()).expect("a name").into_string().expect("UTF-8");
        let no_control = OFlags::NOCTTY.bits() as i32;
        let theirs = OpenOptions::new().read(true).write(true).custom_flags(no_control).open(name);
        Self::to(theirs.expect("opened").into(), File::from(ours))
    }
}

fn text(written: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&written.lock().expect("whole")).into_owned()
}

/// Runs a command with standard output and error on terminals of these widths, or on pipes. With `stop`,
/// its child process is held until standard error holds that text: so that there is a wait.
fn run_held(mut command: Command, out: Option<u16>, err: Option<u16>, stop: &str) -> (i32, String, String) {
    let (out, err) = (End::new(out), End::new(err));
    let mut child = command.stdout(out.given).stderr(err.given).spawn().expect("started");
    // The command holds our copies of the program's ends.
    drop(command);
    if !stop.is_empty() {
        // Not before it runs its own program: until then its parent is held with it.
        let runs = |child: &u32| {
            std::fs::read(format!("/proc/{child}/cmdline")).is_ok_and(|line| line.ends_with(b"__read\0"))
        };
        let reading = || children(child.id()).into_iter().find(runs);
        assert!(wait_for(|| reading().is_some()), "it has no child");
        let reading = reading().and_then(|child| Pid::from_raw(child as i32)).expect("it is there still");
        kill_process(reading, Signal::STOP).expect("held");
        assert!(wait_for(|| text(&err.written).contains(stop)), "{stop}: {:?}", text(&err.written));
        kill_process(reading, Signal::CONT).expect("let go");
    }
    let code = child.wait().expect("ended").code().expect("a code");
    out.gatherer.join().expect("gathered");
    err.gatherer.join().expect("gathered");
    (code, text(&out.written), text(&err.written))
}

fn run(command: Command, out: Option<u16>, err: Option<u16>) -> (i32, String, String) {
    run_held(command, out, err, "")
}

/// What stays on the screen: lines, without colours. Only what our programs write is understood.
fn screen(written: &str) -> Vec<String> {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut rest = written.chars();
    while let Some(c) = rest.next() {
        match c {
            '\n' => row += 1,
            '\r' => column = 0,
            '\u{1b}' => {
                assert_eq!(rest.next(), Some('['), "{written:?}");
                let mut number = String::new();
                let letter = rest.by_ref().find(|c| {
                    number.extend(Some(*c).filter(char::is_ascii_digit));
                    c.is_ascii_alphabetic()
                });
                match letter {
                    Some('A') => row -= number.parse().unwrap_or(1).min(row),
                    Some('B') => row += number.parse().unwrap_or(1),
                    Some('K') if number == "2" => lines[row].clear(),
                    Some('K') => lines[row].truncate(column),
                    Some('m' | 'h' | 'l') => {}
                    other => panic!("{other:?} in {written:?}"),
                }
            }
            c => {
                if lines[row].len() <= column {
                    lines[row].resize(column + 1, ' ');
                }
                lines[row][column] = c;
                column += 1;
            }
        }
        if lines.len() <= row {
            lines.resize(row + 1, Vec::new());
        }
    }
    lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned()).collect()
}

/// An image whose reading takes long enough for a person to wonder.
fn slow(lab: &Lab) -> &'static str {
    let mut tar = Tar::new();
    tar.file("usr/share/large", &vec![7; 64 << 20]);
    lab.archive("slow.tar", &TestImage::of([tar.finish()]))
}

#[test]
fn progress_is_shown_to_people_only_and_goes_away() {
    let lab = Lab::with_data();
    let target = slow(&lab);
    let scan = |more: &[&str]| {
        let mut command = lab.command();
        command.args(["scan", target, "--no-cache"]).args(more).env("TERM", "xterm");
        command
    };
    let (code, out, err) = run_held(scan(&[]), None, Some(100), "reading");
    assert_eq!(code, 3, "{out}");
    assert!(err.contains("MiB"), "{err:?}");
    assert_eq!(screen(&err).concat(), "", "it was not taken away: {err:?}");
    assert!(!out.contains('\u{1b}') && out.contains("slow.tar"), "{out}");

    // Both on a terminal: what stays is the result.
    let (_, out, err) = run_held(scan(&[]), Some(100), Some(100), "reading");
    assert!(screen(&out).concat().contains("slow.tar"));
    assert_eq!(screen(&err).concat(), "");

    // Short work stays quiet; on a machine that is too busy this says nothing.
    lab.image("quick.tar", "layer\nfile etc/x y\n");
    let mut command = lab.command();
    command.args(["scan", "quick.tar"]).env("TERM", "xterm");
    let begun = Instant::now();
    let (_, _, err) = run(command, None, Some(100));
    assert!(err.is_empty() || begun.elapsed() > Duration::from_millis(250), "{err:?}");

    for (more, terminal) in [(&[][..], None), (&["--quiet"], Some(100))] {
        let (_, _, err) = run(scan(more), Some(100), terminal);
        assert_eq!(err, "", "{more:?}");
    }
}

/// An error after progress stands on a line of its own.
#[test]
fn an_error_after_progress_is_readable() {
    let lab = Lab::with_data();
    let target = slow(&lab);
    let mut bytes = std::fs::read(lab.path("work").join(target)).expect("there");
    let content = bytes.windows(1 << 10).position(|part| part.iter().all(|byte| *byte == 7));
    // A wrong digest is seen only when all has been read.
    bytes[content.expect("the content") + (1 << 20)] = 8;
    lab.file("changed.tar", bytes);
    let mut command = lab.command();
    command.args(["scan", "changed.tar", "--no-cache"]).env("TERM", "xterm");
    let (code, _, err) = run_held(command, None, Some(100), "reading");
    assert_eq!(code, 2, "{err}");
    let seen: Vec<String> = screen(&err).into_iter().filter(|line| !line.is_empty()).collect();
    assert!(seen[0].starts_with("seaworthy: `changed.tar`"), "{seen:?}");
    assert_eq!(seen.len(), 1, "{seen:?}");
}

#[test]
fn an_update_shows_its_progress_and_takes_it_away() {
    let lab = Lab::new();
    crate::data::write_feeds(&lab.path("feeds"));
    let update = || {
        let mut command = lab.command();
        command.args(["db", "update", "--from", "../feeds"]).env("TERM", "xterm");
        command
    };
    let (code, out, err) = run(update(), None, Some(100));
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("records from"), "{out}");
    assert_eq!(screen(&err).concat(), "", "{err:?}");
    let (_, _, err) = run(update(), None, None);
    assert_eq!(err, "");
}

#[test]
fn colours() {
    let lab = Lab::with_data();
    let target = lab.image("app.tar", &format!("image app:1\nlayer\n{}", npm(&["holed", "exploited"])));
    let coloured = |terminal: Option<u16>, more: &[&str], variables: &[(&str, &str)]| {
        let mut command = lab.command();
        command.args(["scan", target]).args(more).env("TERM", "xterm");
        command.envs(variables.iter().copied());
        let (code, out, err) = run(command, terminal, None);
        assert_eq!((code, err.as_str()), (1, ""));
        out.contains('\u{1b}')
    };
    assert!(coloured(Some(100), &[], &[]));
    assert!(coloured(Some(100), &[], &[("NO_COLOR", "")]), "empty means not set");
    assert!(!coloured(Some(100), &[], &[("NO_COLOR", "1")]));
    assert!(!coloured(Some(100), &[], &[("TERM", "dumb")]));
    assert!(!coloured(Some(100), &["--color", "never"], &[]));
    assert!(!coloured(None, &[], &[]));
    assert!(coloured(None, &["--color", "always"], &[]));
    assert!(coloured(None, &["--color", "always"], &[("NO_COLOR", "1")]), "the command line wins");
    for format in ["json", "sarif", "html", "csv"] {
        assert!(!coloured(Some(100), &["-f", format], &[]), "{format}");
    }
    let to_file = ["-o", "table=out.txt", "--color", "always"];
    coloured(Some(100), &to_file, &[]);
    assert!(!std::fs::read_to_string(lab.path("work/out.txt")).expect("written").contains('\u{1b}'));
}

#[test]
fn the_table_fits_the_terminal() {
    let lab = Lab::with_data();
    let all = npm(&["holed", "scratched", "unrated", "unfixed", "exploited", "sound"]);
    let target = lab.image("app.tar", &format!("image app:1\nlayer\n{all}"));
    for columns in [50, 80, 140] {
        let mut command = lab.command();
        command.args(["scan", target]).env("TERM", "xterm");
        let (_, out, _) = run(command, Some(columns), None);
        for line in screen(&out) {
            assert!(line.chars().count() <= usize::from(columns), "{columns}: {line}");
        }
    }
}

/// Who types too little is told what to type, and who is lost where to go.
#[test]
fn every_dead_end_names_a_way_out() {
    let lab = Lab::new();
    // The laboratory names the database by a variable, which is an argument to the parser.
    for (arguments, part) in [
        (&[][..], "seaworthy scan nginx.tar"),
        (&["--quiet"], "seaworthy scan nginx.tar"),
        (&["db"], "Usage: seaworthy db"),
        (&["cache"], "Usage: seaworthy cache"),
    ] {
        let ran = lab.run(arguments);
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains(part) && !ran.err.contains("__read"), "{}", ran.err);
    }
    let help = lab.run(&["scan", "--help"]).coded(0).out;
    for part in ["Output:", "Verdict:", "Everywhere:", "Examples:", "--fail-on high"] {
        assert!(help.contains(part), "{part}: {help}");
    }
    let misspelt = lab.run(&["scna"]);
    assert!(misspelt.code == 2 && misspelt.err.contains("'scan'"), "{}", misspelt.err);
    // Nobody listens there: the test asks no registry of the world.
    let nowhere = lab.run(&["scan", "127.0.0.1:1/nginx:1.25"]).refused(&["docker:127.0.0.1:1/nginx:1.25"]);
    assert!(nowhere.err.contains("Connection refused"), "{}", nowhere.err);
    let forced = lab.run(&["scan", "sbom:absent.json"]).refused(&["absent.json", "No such file"]);
    assert!(!forced.err.contains("docker save"), "{}", forced.err);
    for columns in [60, 80] {
        let mut command = lab.command();
        command.arg("list").env("TERM", "xterm");
        let (code, out, _) = run(command, Some(columns), None);
        assert_eq!(code, 0);
        assert!(out.contains("spdx-3") && out.contains("pep440"), "{out}");
        for line in screen(&out) {
            assert!(line.chars().count() <= usize::from(columns), "{columns}: {line}");
        }
    }
}
