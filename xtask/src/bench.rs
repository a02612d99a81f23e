//! `cargo xtask bench`: the scanner against the floor and against peers on PATH, measured in the same
//! run, printed as ratios. The floor is a program of our own that only does what nobody can leave
//! out: hash the archive, or inflate and hash its layers, with the same libraries. OCI archives are also
//! scanned from a registry on the loopback. The kind `host` stands for all images of an engine.

mod engine;
mod registry;

use crate::measure::{Sample, best, measure};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// In place of an image's kind: all images of an engine.
const HOST: &str = "host";

/// What `bench` may be told.
pub struct Options {
    /// Folder with `KIND.tar` and `KIND.oci.tar`.
    pub images: PathBuf,
    /// Runs of each command; the best counts.
    pub runs: usize,
    /// Kinds of images; empty for all that are there.
    pub kinds: Vec<String>,
    /// Feeds to build the database from.
    pub feeds: Option<PathBuf>,
}

impl Options {
    /// Reads `--images DIR --runs N --feeds DIR KIND…`.
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            images: std::env::var_os("SEAWORTHY_IMAGES")
                .map_or_else(|| crate::root().join("target/images"), PathBuf::from),
            runs: 5,
            kinds: Vec::new(),
            feeds: Some(crate::root().join("../shared/advisories")).filter(|path| path.is_dir()),
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--images" => options.images = value()?.into(),
                "--runs" => options.runs = value()?.parse()?,
                "--feeds" => options.feeds = Some(value()?.into()),
                kind => options.kinds.push(kind.into()),
            }
        }
        Ok(options)
    }
}

/// Builds the release program, then measures.
pub fn run(options: &Options) -> Result<()> {
    crate::run(
        "cargo",
        &["build", "--release", "--quiet", "--package", "seaworthy-cli", "--package", "xtask"],
    )?;
    let release = crate::root().join("target/release");
    let bench = Bench {
        program: release.join("seaworthy"),
        floor: release.join("xtask"),
        work: crate::root().join("target/bench"),
        runs: options.runs,
    };
    std::fs::create_dir_all(&bench.work)?;
    match &options.feeds {
        Some(feeds) => bench.database(feeds)?,
        None => println!("no feeds: the starter set is used"),
    }
    let kinds = kinds(options)?;
    for kind in &kinds {
        if kind == HOST {
            bench.host(&options.images.join("debian-plain.tar"))?;
            continue;
        }
        bench.image(kind, &options.images.join(format!("{kind}.tar")), "hash")?;
        bench.image(
            &format!("{kind} (OCI, gzip)"),
            &options.images.join(format!("{kind}.oci.tar")),
            "inflate",
        )?;
    }
    Ok(())
}

fn kinds(options: &Options) -> Result<Vec<String>> {
    if !options.kinds.is_empty() {
        return Ok(options.kinds.clone());
    }
    let folder = &options.images;
    let entries = std::fs::read_dir(folder).with_context(|| {
        format!("no images in {}: make them with `../shared/images/make.sh {0}`", folder.display())
    })?;
    let mut kinds: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".tar")?.to_owned()).filter(|stem| !stem.ends_with(".oci")))
        .collect();
    kinds.sort();
    if kinds.is_empty() {
        bail!("no images in {}", folder.display());
    }
    kinds.push(HOST.to_owned());
    Ok(kinds)
}

struct Bench {
    program: PathBuf,
    floor: PathBuf,
    work: PathBuf,
    runs: usize,
}

impl Bench {
    fn text(&self, path: &Path) -> String {
        path.display().to_string()
    }

    fn database(&self, feeds: &Path) -> Result<()> {
        let folder = self.text(&self.work.join("db"));
        let feeds = self.text(feeds);
        let manifest = self.text(&crate::root().join("docs/snapshot-manifest.json"));
        let program = self.text(&self.program);
        let _ = std::fs::remove_dir_all(&folder);
        let sample = measure(
            &program,
            &["--quiet", "--db", &folder, "db", "update", "--from", &feeds, "--manifest", &manifest],
        )?;
        let bytes: u64 =
            std::fs::read_dir(&folder)?.filter_map(|e| Some(e.ok()?.metadata().ok()?.len())).sum();
        println!("database from {feeds}: {}, {:.1} MB on disk\n", sample.text(), bytes as f64 / 1e6);
        Ok(())
    }

    fn host(&self, base: &Path) -> Result<()> {
        if !base.is_file() {
            println!("all images of a host: not measured: {} is not there", base.display());
            return Ok(());
        }
        let (program, db) = (self.text(&self.program), self.text(&self.work.join("db")));
        engine::measured(&program, &db, &self.work, base, self.runs)
    }

    fn image(&self, label: &str, path: &Path, floor: &str) -> Result<()> {
        if !path.is_file() {
            return Ok(());
        }
        let image = self.text(path);
        println!("{label}: {:.0} MB", std::fs::metadata(path)?.len() as f64 / 1e6);
        let base = best(self.runs, || measure(&self.text(&self.floor), &["floor", floor, &image]))?;
        println!("  {:38} {}", format!("floor ({floor})"), base.text());
        let db = self.text(&self.work.join("db"));
        let cache = self.text(&self.work.join("cache"));
        let program = self.text(&self.program);
        let common = ["--quiet", "--db", &db, "--cache", &cache, "scan", &image, "--format", "json"];
        let cold: Vec<&str> = common.iter().copied().chain(["--no-cache"]).collect();
        self.row("seaworthy, cold", &base, best(self.runs, || measure(&program, &cold))?);
        let _ = std::fs::remove_dir_all(&cache);
        measure(&program, &common)?;
        self.row("seaworthy, same archive again", &base, best(self.runs, || measure(&program, &common))?);
        let copy = self.work.join("copy.tar");
        std::fs::copy(path, &copy)?;
        let copied = self.text(&copy);
        let again: Vec<&str> = common.iter().map(|a| if *a == image { copied.as_str() } else { a }).collect();
        let fresh = best(self.runs, || {
            // A new time of change makes the archive an unknown one with known layers.
            std::fs::File::open(&copy)?.set_modified(std::time::SystemTime::now())?;
            measure(&program, &again)
        })?;
        self.row("seaworthy, new archive, known layers", &base, fresh);
        std::fs::remove_file(&copy)?;
        if floor == "inflate" {
            let tools = registry::Tools { program: &program, db: &db, work: &self.work, runs: self.runs };
            registry::measured(&tools, path)?;
        }
        self.sbom(&base, &common)?;
        self.peers(&base, &image)?;
        println!();
        Ok(())
    }

    fn sbom(&self, base: &Sample, common: &[&str]) -> Result<()> {
        let program = self.text(&self.program);
        let sbom = self.text(&self.work.join("sbom.json"));
        let output = format!("cyclonedx={sbom}");
        let write: Vec<&str> = common.iter().copied().chain(["-o", &output]).collect();
        measure(&program, &write)?;
        let db = self.text(&self.work.join("db"));
        let arguments = ["--quiet", "--db", &db, "scan", &sbom, "--format", "json"];
        let first: Vec<&str> = arguments.into_iter().chain(["--no-cache"]).collect();
        self.row("seaworthy, its own SBOM", base, best(self.runs, || measure(&program, &first))?);
        let cache = self.text(&self.work.join("cache"));
        let again: Vec<&str> = arguments.into_iter().chain(["--cache", &cache]).collect();
        // What changed within the last two seconds is not taken from the cache.
        std::thread::sleep(std::time::Duration::from_secs(3));
        measure(&program, &again)?;
        self.row("seaworthy, same SBOM again", base, best(self.runs, || measure(&program, &again))?);
        Ok(())
    }

    /// Peers are measured where they are installed; their own data are their own affair.
    fn peers(&self, base: &Sample, image: &str) -> Result<()> {
        let archive = format!("docker-archive:{image}");
        let oci = image.ends_with(".oci.tar");
        let source = if oci { format!("oci-archive:{image}") } else { archive };
        let commands: [(&str, Vec<&str>); 4] = [
            (
                "trivy",
                vec![
                    "image",
                    "--input",
                    image,
                    "--scanners",
                    "vuln",
                    "--offline-scan",
                    "--skip-db-update",
                    "--format",
                    "json",
                    "--quiet",
                ],
            ),
            ("grype", vec![&source, "-o", "json", "-q"]),
            ("syft", vec!["scan", &source, "-o", "json", "-q"]),
            (
                "osv-scanner",
                vec!["scan", "image", "--archive", image, "--offline", "--all-packages", "--format", "json"],
            ),
        ];
        for (name, arguments) in commands {
            if oci && name == "osv-scanner" || !on_path(name) {
                continue;
            }
            match best(self.runs.min(3), || measure(name, &arguments)) {
                Ok(sample) => self.row(name, base, sample),
                Err(error) => println!("  {name:38} not measured: {error}"),
            }
        }
        Ok(())
    }

    fn row(&self, label: &str, base: &Sample, sample: Sample) {
        println!(
            "  {label:38} {}   {:5.2} x CPU, {:5.2} x wall of the floor",
            sample.text(),
            sample.cpu / base.cpu.max(1e-9),
            sample.wall / base.wall.max(1e-9)
        );
    }
}

/// Whether a program of this name is on PATH.
pub fn on_path(name: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(name).is_file())
}
