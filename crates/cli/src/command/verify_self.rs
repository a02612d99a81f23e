//! `seaworthy verify-self`: is this file the program that was released, and does the lock of its parsing
//! process hold on this machine?
//!
//! The provenance beside the program is a DSSE envelope (github.com/secure-systems-lab/dsse, protocol.md)
//! around an in-toto statement, as `cargo xtask release` writes it. A program that was replaced can say of
//! itself what it likes: `--file` lets another copy, one that is trusted, do the checking.

use crate::arguments::VerifySelfArguments;
use crate::exit::Code;
use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_advisory::deliver::{PublicKey, Trusted};
use seaworthy_report::text::clean;
use seaworthy_scan::jail::{Files, lock};
use seaworthy_types::Digest;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The word that starts this program as one that locks itself and tries to get out.
const TRY_WORD: &str = "__try";
/// Set by a release build.
const COMMIT: Option<&str> = option_env!("SEAWORTHY_COMMIT");
/// No envelope is larger.
const ENVELOPE_BYTES_MAX: u64 = 1 << 20;
/// Bytes hashed at a time.
const PIECE_BYTES: usize = 256 << 10;
/// Media type of the payload.
const PAYLOAD: &str = "application/vnd.in-toto+json";
/// Whether something works.
type Try = fn() -> bool;
/// What the locked process tries; each must be refused.
const TRIES: [(&str, Try); 4] = [
    ("read files", || File::open("/proc/self/exe").is_ok()),
    ("make files", || std::fs::write("/tmp/seaworthy-was-here", "").is_ok()),
    ("open sockets", || std::net::UdpSocket::bind("127.0.0.1:0").is_ok()),
    ("start programs", || Command::new("/proc/self/exe").stdin(Stdio::null()).output().is_ok()),
];

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
    #[serde(default)]
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

/// What is known of the program's origin.
enum Origin {
    /// A trusted key vouches for these bytes.
    Good { key: String, statement: Value },
    /// Nobody does.
    Unknown(String),
    /// Somebody vouches for other bytes, or the signature is wrong.
    Bad(String),
}

/// Checks and prints; 0 verified, 1 not what was released, 3 nothing vouches for it.
pub fn run(options: &VerifySelfArguments) -> Result<Code> {
    let own = std::env::current_exe().context("finding this program's own file")?;
    let program = options.file.as_deref().unwrap_or(&own);
    // Of this process the file that runs is read, even when another one lies at its path by now.
    let opened = if options.file.is_some() { program } else { Path::new("/proc/self/exe") };
    let digest = digest(opened).with_context(|| format!("reading `{}`", program.display()))?;
    let beside = || {
        let mut name = program.file_name().unwrap_or_default().to_owned();
        name.push(".provenance.json");
        program.with_file_name(name)
    };
    let provenance = options.provenance.clone().unwrap_or_else(beside);
    let origin = origin(&provenance, options.provenance.is_some(), digest, &trusted(&options.key)?)?;
    let lock = locked(&own)?;
    let code = match (&origin, lock.iter().all(|(_, held)| *held)) {
        (Origin::Bad(_), _) => Code::Findings,
        (Origin::Good { .. }, true) => Code::Clean,
        _ => Code::Incomplete,
    };
    let mut out = crate::output::stdout();
    match options.json {
        true => {
            writeln!(out, "{}", serde_json::to_string_pretty(&as_json(program, digest, &origin, &lock))?)?
        }
        false => print(&mut out, program, digest, &origin, &lock)?,
    }
    Ok(code)
}

/// The process that [`locked`] starts: locks itself, tries everything, says what was refused.
pub fn try_lock() -> Result<Code> {
    let notes = lock(Files::None);
    let mut text: String = notes.iter().map(|note| format!("note {}\n", note.detail)).collect();
    for (what, works) in TRIES {
        text.push_str(&format!("{} {what}\n", if works() { "could" } else { "refused" }));
    }
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(Code::Clean)
}

/// What the parsing process may not do, and whether that holds here.
fn locked(own: &Path) -> Result<Vec<(String, bool)>> {
    let output = Command::new(own)
        .arg(TRY_WORD)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .context("starting a process that locks itself in")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let tried: Vec<(String, bool)> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(word, _)| matches!(*word, "could" | "refused"))
        .map(|(word, what)| (what.to_owned(), word == "refused"))
        .collect();
    if tried.len() != TRIES.len() {
        bail!("the process that tries the lock ended early ({}): {}", output.status, clean(&text));
    }
    Ok(tried)
}

fn digest(path: &Path) -> Result<Digest> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest::from_bytes(hash.finalize().into())),
            count => hash.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

fn trusted(given: &[String]) -> Result<Trusted> {
    let mut keys = Vec::new();
    for key in given {
        let text = match key.starts_with("seaworthy-key-") {
            true => key.clone(),
            false => std::fs::read_to_string(key).with_context(|| format!("reading the key `{key}`"))?,
        };
        keys.extend(PublicKey::parse_all(&text).with_context(|| format!("the key `{key}`"))?);
    }
    Ok(Trusted::new(&keys)?)
}

fn origin(path: &Path, is_named: bool, digest: Digest, trusted: &Trusted) -> Result<Origin> {
    let mut bytes = Vec::new();
    let what = || format!("reading the provenance `{}`", path.display());
    match File::open(path) {
        Ok(file) => file.take(ENVELOPE_BYTES_MAX).read_to_end(&mut bytes).with_context(what)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_named => {
            return Ok(Origin::Unknown(format!(
                "there is no `{}`: a program built from source has none",
                path.display()
            )));
        }
        Err(error) => return Err(error).with_context(what),
    };
    judge(&bytes, digest, trusted).with_context(what)
}

/// Judges an envelope.
fn judge(envelope: &[u8], digest: Digest, trusted: &Trusted) -> Result<Origin> {
    let envelope: Envelope = serde_json::from_slice(envelope).context("it is no DSSE envelope")?;
    if envelope.payload_type != PAYLOAD {
        bail!("it holds `{}`, not an in-toto statement", clean(&envelope.payload_type));
    }
    let payload = STANDARD.decode(&envelope.payload).context("its payload is no base64")?;
    if envelope.signatures.is_empty() {
        return Ok(Origin::Unknown("its provenance is not signed".into()));
    }
    if trusted.keys().is_empty() {
        return Ok(Origin::Unknown("no key is built into this program: name one with --key".into()));
    }
    let mut signed = format!("DSSEv1 {} {PAYLOAD} {} ", PAYLOAD.len(), payload.len()).into_bytes();
    signed.extend_from_slice(&payload);
    let by = |key: &&PublicKey| {
        let signatures = envelope.signatures.iter().filter_map(|one| STANDARD.decode(&one.sig).ok());
        signatures.into_iter().any(|signature| key.verifies(&signed, &signature))
    };
    let Some(key) = trusted.keys().iter().find(by) else {
        return Ok(Origin::Bad("its provenance bears no signature of a trusted key".into()));
    };
    let statement: Value = serde_json::from_slice(&payload).context("its payload is no JSON")?;
    let subjects = statement.get("subject").and_then(Value::as_array).into_iter().flatten();
    let mut digests = subjects.filter_map(|one| one.pointer("/digest/sha256").and_then(Value::as_str));
    if digests.any(|one| one == digest.hex()) {
        return Ok(Origin::Good { key: key.id(), statement });
    }
    Ok(Origin::Bad(
        "its provenance speaks of another file: these are not the bytes that were released".into(),
    ))
}

/// Facts of a statement that people want to see.
fn facts(statement: &Value) -> Vec<(&'static str, String)> {
    let text = |at: &str| statement.pointer(at).and_then(Value::as_str).map(clean).unwrap_or_default();
    vec![
        ("commit", text("/predicate/buildDefinition/resolvedDependencies/0/digest/gitCommit")),
        ("target", text("/predicate/buildDefinition/externalParameters/target")),
        ("compiler", text("/predicate/buildDefinition/internalParameters/rustc")),
    ]
}

fn print(
    out: &mut impl Write,
    program: &Path,
    digest: Digest,
    origin: &Origin,
    lock: &[(String, bool)],
) -> Result<()> {
    writeln!(out, "program   {}", clean(&program.display().to_string()))?;
    writeln!(out, "digest    {digest}")?;
    if let Some(commit) = COMMIT {
        writeln!(out, "built     from commit {commit}, as this program says of itself")?;
    }
    match origin {
        Origin::Good { key, statement } => {
            writeln!(out, "origin    verified: signed with key {key}")?;
            for (name, value) in facts(statement) {
                writeln!(out, "{name:9} {value}")?;
            }
        }
        Origin::Unknown(why) => writeln!(out, "origin    not verified: {}", clean(why))?,
        Origin::Bad(why) => writeln!(out, "origin    WRONG: {}", clean(why))?,
    }
    for (what, held) in lock {
        let word = if *held { "refused" } else { "NOT REFUSED on this machine" };
        writeln!(out, "lock      the parsing process that tries to {what} is {word}")?;
    }
    Ok(())
}

fn as_json(program: &Path, digest: Digest, origin: &Origin, lock: &[(String, bool)]) -> Value {
    let origin = match origin {
        Origin::Good { key, statement } => json!({ "verified": true, "key": key, "statement": statement }),
        Origin::Unknown(why) => json!({ "verified": null, "why": why }),
        Origin::Bad(why) => json!({ "verified": false, "why": why }),
    };
    let lock: serde_json::Map<String, Value> =
        lock.iter().map(|(what, held)| (what.clone(), json!(held))).collect();
    json!({
        "program": PathBuf::from(program).display().to_string(),
        "digest": digest.to_string(),
        "origin": origin,
        "refused": lock,
    })
}
