//! What scanning from a registry on the loopback costs beside scanning the same image from an archive: the
//! goal is at most 1.3 times the time. Debian's docker-registry when it and skopeo are on PATH, else a
//! server of our own that hands out the unpacked layout. Pairs are measured one after the other, so that
//! what else the machine does weighs on both.

use crate::measure::{Sample, measure};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is measured with.
pub struct Tools<'a> {
    /// The scanner.
    pub program: &'a str,
    /// Its database.
    pub db: &'a str,
    /// Where a registry may keep its data.
    pub work: &'a Path,
    /// Pairs.
    pub runs: usize,
}

/// Measures one OCI archive and prints the two rows.
pub fn measured(tools: &Tools<'_>, archive: &Path) -> Result<()> {
    let archive = &fs::canonicalize(archive)?;
    let folder = tools.work.join("registry");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let is_theirs = super::on_path("docker-registry") && super::on_path("skopeo");
    let server = if is_theirs { theirs(&folder, archive)? } else { ours(&folder, archive)? };
    let image = format!("{}/bench/image:1", server.authority);
    let archive = archive.display().to_string();
    let common = ["--quiet", "--db", tools.db, "scan", "--no-cache", "--format", "json"];
    let here: Vec<&str> = common.iter().copied().chain([archive.as_str()]).collect();
    let there: Vec<&str> =
        common.iter().copied().chain([image.as_str(), "--insecure", "--anonymous"]).collect();
    let mut pairs = Vec::new();
    measure(tools.program, &there)?;
    for _ in 0..tools.runs.max(1) {
        pairs.push((measure(tools.program, &here)?, measure(tools.program, &there)?));
    }
    let label = if is_theirs { "docker-registry" } else { "a loopback server" };
    print(label, &pairs);
    drop(server);
    fs::remove_dir_all(&folder)?;
    Ok(())
}

fn print(label: &str, pairs: &[(Sample, Sample)]) {
    let least = |of: fn(&(Sample, Sample)) -> f64| pairs.iter().map(of).fold(f64::INFINITY, f64::min);
    let (here, there) = (least(|pair| pair.0.wall), least(|pair| pair.1.wall));
    let (here_cpu, there_cpu) = (least(|pair| pair.0.cpu), least(|pair| pair.1.cpu));
    let mut ratios: Vec<f64> = pairs.iter().map(|(here, there)| there.wall / here.wall.max(1e-9)).collect();
    ratios.sort_by(f64::total_cmp);
    let middle = ratios.get(ratios.len() / 2).copied().unwrap_or_default();
    println!(
        "  {:38} {there:7.3} s wall {there_cpu:7.3} s CPU   {:5.2} x wall of the archive ({here:.3} s), middle of {} pairs {middle:.2}; {:5.2} x CPU",
        format!("seaworthy, from {label}"),
        there / here.max(1e-9),
        pairs.len(),
        there_cpu / here_cpu.max(1e-9)
    );
}

struct Server {
    authority: String,
    child: Option<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Debian's docker-registry, to which skopeo copies the archive.
fn theirs(folder: &Path, archive: &Path) -> Result<Server> {
    let authority = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let data = folder.join("data");
    let config = format!(
        "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: '{}' }} }}\nhttp: {{ addr: '{authority}' }}\n",
        data.display()
    );
    fs::write(folder.join("registry.yml"), config)?;
    let child = Command::new("docker-registry")
        .args(["serve", "registry.yml"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("starting docker-registry")?;
    let server = Server { authority, child: Some(child) };
    let start = Instant::now();
    while TcpStream::connect(&server.authority).is_err() {
        if start.elapsed() > Duration::from_secs(20) {
            bail!("docker-registry does not listen");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let from = format!("oci-archive:{}", archive.display());
    let to = format!("docker://{}/bench/image:1", server.authority);
    crate::run("skopeo", &["copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false", &from, &to])?;
    Ok(server)
}

/// A server of our own on the unpacked layout.
fn ours(folder: &Path, archive: &Path) -> Result<Server> {
    let (from, to) = (archive.display().to_string(), folder.display().to_string());
    crate::run("tar", &["-xf", &from, "-C", &to])?;
    let index: Value = serde_json::from_slice(&fs::read(folder.join("index.json"))?)?;
    let digest = index.pointer("/manifests/0/digest").and_then(Value::as_str);
    let digest = digest.context("the layout names no manifest")?.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let authority = listener.local_addr()?.to_string();
    let shared = Arc::new((folder.to_owned(), digest));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || serve(&stream, &shared.0, &shared.1));
        }
    });
    Ok(Server { authority, child: None })
}

/// Answers until the client goes.
fn serve(stream: &TcpStream, folder: &Path, top: &str) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let mut stream = stream;
    loop {
        let first = lines.next()?.ok()?;
        while !lines.next()?.ok()?.is_empty() {}
        let path = first.split(' ').nth(1)?.to_owned();
        let is_manifest = path.contains("/manifests/");
        let wanted = path.rsplit('/').next().filter(|name| name.starts_with("sha256:")).unwrap_or(top);
        let place: PathBuf = folder.join("blobs/sha256").join(wanted.trim_start_matches("sha256:"));
        let kind = match is_manifest {
            true => "application/vnd.oci.image.manifest.v1+json",
            false => "application/octet-stream",
        };
        let Ok(mut file) = fs::File::open(&place) else {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").ok()?;
            continue;
        };
        let length = file.metadata().ok()?.len();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n").ok()?;
        std::io::copy(&mut file, &mut stream).ok()?;
    }
}
