//! Every scheme against the ecosystem's own tool on generated pairs. Needs `SEAWORTHY_ORACLES=1`
//! and the tools; see `differential/README.md`. Loudly skipped otherwise.

use std::cmp::Ordering;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A scheme, the command that compares, and the pieces from which versions are made.
struct Oracle {
    scheme: &'static str,
    pairs: usize,
    command: fn(&Path, &Path) -> Option<Command>,
    pieces: &'static [&'static str],
    /// Versions on which the scheme differs by intent, as its file says.
    leave_out: fn(&str) -> bool,
    /// Pieces that may come first.
    starts: &'static [&'static str],
}

const NUMBERS: &[&str] = &["0", "1", "2", "10", "1.0", "1.2", "1.0.0", "01", "99999999999999999999"];

const ORACLES: &[Oracle] = &[
    Oracle {
        scheme: "dpkg",
        pairs: 3000,
        command: |scripts, _| Some(with_script("sh", &scripts.join("dpkg.sh"))),
        pieces: &["1", "0", "12", "007", "a", "b", "Z", "~", "+", ".", "-", ".0", "-1", "+deb", "rc"],
        leave_out: |_| false,
        starts: &["0", "1", "1.2", "1:1", "0:1", "02:1"],
    },
    Oracle {
        scheme: "rpm",
        pairs: 20_000,
        command: |scripts, pairs| {
            let mut command = Command::new("rpm");
            let script = std::fs::read_to_string(scripts.join("rpm.lua")).ok()?;
            command.arg("--define").arg(format!("pairs {}", pairs.display()));
            command.arg("--eval").arg(format!("%{{lua:{script}}}"));
            Some(command)
        },
        pieces: &[
            "1", "0", "12", "007", "a", "b", "Z", "~", "^", ".", "_", ".0", "-1", "-", "+", "el8", "rc",
        ],
        leave_out: |_| false,
        starts: &["0", "1", "1.2", "1:1", "0:1", "02:1", "a", "~", "3"],
    },
    Oracle {
        scheme: "pep440",
        pairs: 20_000,
        command: |scripts, _| {
            Some(with_script(&tool("SEAWORTHY_PYTHON", "python3")?, &scripts.join("pep440.py")))
        },
        pieces: &[
            ".0", ".1", ".10", "a1", ".b2", "-rc", "c", "pre", ".post1", "-1", "-2", "r", ".dev", "DEV3",
            "+abc", "+abc.1", "+1", "+01.A", "_", ".", "-", "alpha", "-x",
        ],
        leave_out: |_| false,
        starts: &["0", "1", "1.0", "v1", "1!1", "2", "01"],
    },
    Oracle {
        scheme: "npm",
        pairs: 20_000,
        command: |scripts, _| {
            let folder = tool("SEAWORTHY_NODE_SEMVER", "/usr/lib/node_modules/npm/node_modules/semver")?;
            let mut command = with_script("node", &scripts.join("npm.js"));
            command.env("SEAWORTHY_NODE_SEMVER", folder);
            Some(command)
        },
        pieces: &["-a", "-1", "-", ".1", ".a", ".0", "+b", "beta", "rc.1", "10", "-2", "B"],
        leave_out: has_fourth_number,
        starts: &["1.0.0", "1.0.1", "v1.0.0", "= 1.0.0", "1.10.0", "0.0.0", " =v2.0.0"],
    },
    Oracle {
        scheme: "semver",
        pairs: 5000,
        command: |scripts, _| {
            let folder = tool("SEAWORTHY_NODE_SEMVER", "/usr/lib/node_modules/npm/node_modules/semver")?;
            let mut command = with_script("node", &scripts.join("npm.js"));
            command.env("SEAWORTHY_NODE_SEMVER", folder);
            Some(command)
        },
        pieces: &["-a", "-1", "-", ".1", ".a", ".0", "+b", "-rc.1", "10", "-2", "B"],
        leave_out: has_fourth_number,
        starts: &["1.0.0", "1.0.1", "v1.0.0", "1.10.0", "0.0.0"],
    },
    Oracle {
        scheme: "go",
        pairs: 20_000,
        command: |scripts, _| {
            let module = PathBuf::from(std::env::var_os("SEAWORTHY_GO_ORACLE")?);
            let mut command = with_script("go", Path::new("run"));
            command.arg(scripts.join("go.go")).current_dir(module);
            Some(command)
        },
        pieces: &[
            "-a",
            "-1",
            ".1",
            ".a",
            ".0",
            "+incompatible",
            "-0.20200101000000-abc",
            "-rc.1",
            "10",
            "-2",
            "B",
        ],
        leave_out: |_| false,
        starts: &["v1.0.0", "v1.0.1", "v1", "v1.1", "v1.10.0", "v0.0.0"],
    },
    Oracle {
        scheme: "maven",
        pairs: 50_000,
        command: |scripts, _| {
            let mut command = Command::new("java");
            command.arg("-cp").arg(std::env::var_os("SEAWORTHY_MAVEN_JARS")?).arg(scripts.join("Maven.java"));
            Some(command)
        },
        pieces: &[
            ".",
            "-",
            "_",
            "0",
            "1",
            "2",
            "10",
            "a",
            "b",
            "m",
            "x",
            "alpha",
            "BETA",
            "milestone",
            "rc",
            "cr",
            "snapshot",
            "SNAPSHOT",
            "ga",
            "final",
            "release",
            "sp",
            "foo",
            ".0",
            "-1",
            "-sp",
            ".Final",
            "+",
        ],
        leave_out: |_| false,
        starts: NUMBERS,
    },
    Oracle {
        scheme: "gem",
        pairs: 20_000,
        command: |scripts, _| Some(with_script("ruby", &scripts.join("gem.rb"))),
        pieces: &[
            ".0",
            ".1",
            ".10",
            "a",
            "b",
            ".a",
            ".pre",
            "-1",
            "-",
            "rc",
            "1",
            "0",
            ".B",
            "99999999999999999999",
        ],
        leave_out: |_| false,
        starts: &["0", "1", "1.0", "1.2", "2", "01"],
    },
    Oracle {
        scheme: "composer",
        pairs: 20_000,
        command: |scripts, _| {
            let mut command = with_script("php", &scripts.join("composer.php"));
            let loader = tool("SEAWORTHY_COMPOSER_SEMVER", "/usr/share/php/Composer/Semver/autoload.php")?;
            command.env("SEAWORTHY_COMPOSER_SEMVER", loader);
            Some(command)
        },
        pieces: &[
            ".0", ".1", ".10", "a", "b", "-alpha", "RC1", "-beta.2", "-dev", "pl", "-patch3", "-p1",
            "-stable", "+b1", ".x", ".x-dev", "_1", "-2", "2",
        ],
        leave_out: is_odd_in_composer,
        starts: &["0", "1", "1.0", "v1.2", "2", "1.0.0", "1.0.0.0", "20200101", "2020.01.01"],
    },
];

/// node-semver in its loose mode makes a pre-release of a fourth number or of a word after a dot.
fn has_fourth_number(version: &str) -> bool {
    let core = version.trim_start_matches([' ', '=', 'v']);
    let end = core.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(core.len());
    core[..end].matches('.').count() > 2
}

/// Composer gives dates no missing zeros, and reads numbers even after an `x`.
fn is_odd_in_composer(version: &str) -> bool {
    version.starts_with("2020") || version.contains(".x.1")
}

fn tool(variable: &str, usual: &str) -> Option<String> {
    let found = std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
    (!found.starts_with('/') || Path::new(&found).exists()).then_some(found)
}

fn with_script(program: &str, script: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg(script);
    command
}

/// A small generator of numbers (xorshift), so that every run makes the same pairs.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

/// Two versions, often near to each other.
fn pair(oracle: &Oracle, dice: &mut Dice) -> (String, String) {
    let mut a = vec![dice.pick(oracle.starts)];
    for _ in 0..dice.below(5) {
        a.push(dice.pick(oracle.pieces));
    }
    let mut b = a.clone();
    match dice.below(4) {
        0 => b[0] = dice.pick(oracle.starts),
        1 => b.push(dice.pick(oracle.pieces)),
        2 => {
            b = vec![dice.pick(oracle.starts)];
            for _ in 0..dice.below(5) {
                b.push(dice.pick(oracle.pieces));
            }
        }
        _ if b.len() > 1 => {
            let place = 1 + dice.below(b.len() - 1);
            b[place] = dice.pick(oracle.pieces);
        }
        _ => {}
    }
    (a.concat(), b.concat())
}

/// Answers of the oracle, one per pair; `None` when it cannot run here.
fn answers(oracle: &Oracle, pairs: &[(String, String)]) -> Option<Vec<String>> {
    let mut text = String::new();
    for (a, b) in pairs {
        writeln!(text, "{a}\t{b}").expect("writing to a string");
    }
    let path = std::env::temp_dir().join(format!("seaworthy-{}-{}", oracle.scheme, std::process::id()));
    std::fs::write(&path, text).expect("writing the pairs");
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential");
    let output = (oracle.command)(&scripts, &path)
        .and_then(|mut command| command.stdin(Stdio::from(std::fs::File::open(&path).ok()?)).output().ok());
    std::fs::remove_file(&path).expect("removing the pairs");
    let output = output?;
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    Some(String::from_utf8(output.stdout).ok()?.split_whitespace().map(str::to_owned).collect())
}

#[test]
fn agrees_with_the_ecosystems_tools() {
    if std::env::var_os("SEAWORTHY_ORACLES").is_none() {
        eprintln!("SKIPPED: set SEAWORTHY_ORACLES=1 to compare with the ecosystems' own tools");
        return;
    }
    let mut wrong = Vec::new();
    for oracle in ORACLES {
        let mut dice = Dice(0x5EA_3017);
        let pairs: Vec<_> = (0..oracle.pairs).map(|_| pair(oracle, &mut dice)).collect();
        let Some(answers) = answers(oracle, &pairs) else {
            eprintln!("SKIPPED: the oracle of {} is not on this machine", oracle.scheme);
            continue;
        };
        assert_eq!(answers.len(), pairs.len(), "{}: one answer per pair", oracle.scheme);
        let (mut agreed, mut refused, mut differences) = (0, 0, 0);
        for ((a, b), answer) in pairs.iter().zip(&answers) {
            let ours = match seaworthy_version::compare(oracle.scheme, a, b) {
                Ok(Ordering::Less) => "<",
                Ok(Ordering::Equal) => "=",
                Ok(Ordering::Greater) => ">",
                Err(_) => "?",
            };
            // Reading more than the tool is allowed, reading less is not.
            let left_out = (oracle.leave_out)(a) || (oracle.leave_out)(b);
            match answer.as_str() {
                "?" => refused += 1,
                _ if left_out => refused += 1,
                answer if answer == ours => agreed += 1,
                answer => {
                    differences += 1;
                    if differences <= 12 {
                        wrong.push(format!("{}: {a} {answer} {b}, ours {ours}", oracle.scheme));
                    }
                }
            }
        }
        println!(
            "{}: {agreed} agree, {differences} differ, {refused} refused by the tool or left out",
            oracle.scheme
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
