//! What all images of a host cost (`scan --all docker:`): a base that they share and a layer of each one's own.
//! The goal: each shared layer once, and time linear in new layers. A dockerd is started where it, docker and
//! the rights are there.

use crate::measure::{best, measure};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Images at which the time is taken.
const STEPS: [usize; 4] = [1, 2, 4, 8];
/// Files and bytes of each one's own layer.
const FILES: usize = 4_000;
const FILE_BYTES: usize = 8_000;

/// Measures with the image of this archive as the base, and prints a row for each step.
pub fn measured(program: &str, db: &str, work: &Path, base: &Path, runs: usize) -> Result<()> {
    if !["dockerd", "docker"].iter().all(|name| super::on_path(name)) || !is_root() {
        println!("all images of a host: not measured: dockerd and docker on PATH, and root, are needed");
        return Ok(());
    }
    let engine = Engine::start()?;
    let loaded = engine.docker(&["load", "--quiet", "--input", &base.display().to_string()])?;
    let name = loaded.rsplit(": ").next().context("the name of the base")?.trim().to_owned();
    println!(
        "all images of a host (docker:), base {}: own layers of {} MB",
        base.display(),
        FILES * FILE_BYTES / 1_000_000
    );
    let (root, cache) = (engine.folder.join("data").display().to_string(), work.join("cache-of-all"));
    let cached = cache.display().to_string();
    let arguments = [
        "--quiet",
        "--db",
        db,
        "--cache",
        &cached,
        "scan",
        "--all",
        "docker:",
        "--engine-root",
        &root,
        "-f",
        "json",
    ];
    let mut made = 0;
    let mut times = Vec::new();
    for images in STEPS {
        while made < images {
            engine.build(work, &name, made)?;
            made += 1;
        }
        // The base itself is one more image.
        let cold = best(runs.min(4), || {
            let _ = fs::remove_dir_all(&cache);
            measure(program, &arguments)
        })?;
        let known = measure(program, &arguments)?;
        println!(
            "  {:38} {}   known: {:.3} s",
            format!("base and {images} with a layer of their own"),
            cold.text(),
            known.wall
        );
        times.push((images as f64, cold.wall));
    }
    let slope = |from: usize, to: usize| match (times.get(from), times.get(to)) {
        (Some(a), Some(b)) => (b.1 - a.1) / (b.0 - a.0),
        _ => 0.0,
    };
    let (first, second) = (slope(0, 2), slope(2, 3));
    println!(
        "  a new layer costs {first:.3} s up to 4 images and {second:.3} s from 4 to 8: {:.2} x\n",
        second / first.max(1e-9)
    );
    let _ = fs::remove_dir_all(&cache);
    Ok(())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

struct Engine {
    child: Child,
    folder: PathBuf,
}

impl Engine {
    fn start() -> Result<Self> {
        // Sockets have short names.
        let folder = PathBuf::from(format!("/tmp/sw-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let at = |name: &str| folder.join(name).display().to_string();
        let child = Command::new("dockerd")
            .args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")])
            .args(["-H", &format!("unix://{}", at("s")), "--iptables=false", "--ip6tables=false"])
            .args(["--bridge=none", "--ip-forward=false", "--ip-masq=false"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log"))?)
            .spawn()
            .context("starting dockerd")?;
        let engine = Self { child, folder };
        let begun = Instant::now();
        while engine.docker(&["version"]).is_err() {
            if begun.elapsed() > Duration::from_secs(30) {
                bail!("dockerd does not answer: {}", fs::read_to_string(engine.folder.join("log"))?);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(engine)
    }

    fn docker(&self, arguments: &[&str]) -> Result<String> {
        let host = format!("unix://{}", self.folder.join("s").display());
        let output = Command::new("docker")
            .args(["-H", &host])
            .args(arguments)
            .env("DOCKER_BUILDKIT", "0")
            .output()
            .context("starting docker")?;
        if !output.status.success() {
            bail!("docker {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// An image with a layer of its own: packages and other files.
    fn build(&self, work: &Path, base: &str, number: usize) -> Result<()> {
        let context = work.join("context");
        let _ = fs::remove_dir_all(&context);
        let own = context.join("own/node_modules");
        fs::create_dir_all(&own)?;
        for file in 0..FILES {
            let folder = own.join(format!("p{file}"));
            fs::create_dir(&folder)?;
            let head = format!("{{\"name\":\"p{file}\",\"version\":\"{number}.0.0\",\"x\":\"");
            let fill = FILE_BYTES.saturating_sub(head.len() + 2);
            fs::write(folder.join("package.json"), format!("{head}{}\"}}", "x".repeat(fill)))?;
        }
        fs::write(context.join("Dockerfile"), format!("FROM {base}\nCOPY own /own\n"))?;
        self.docker(&["build", "-q", "-t", &format!("bench/own:{number}"), &context.display().to_string()])?;
        fs::remove_dir_all(&context)?;
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
