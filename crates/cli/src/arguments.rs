//! What can be typed. Help texts are the manual: completions and man pages come from here.

mod db;

pub use db::{DbCommand, FeedArguments, PublishArguments, TrustArguments};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  docker save nginx:1.25 -o nginx.tar && seaworthy scan nginx.tar
  seaworthy scan dir:. -o html=report.html
  seaworthy db update              fetch today's vulnerability data
  seaworthy explain CVE-2021-44228 nginx.tar";

const SCAN_EXAMPLES: &str = "\
Examples:
  seaworthy scan image.tar                         a `docker save` archive or OCI layout
  seaworthy scan alpine:3.20                       an image in a registry; no layer is kept
  seaworthy scan docker:alpine container:web       an image and a container that engines hold
  seaworthy scan --all docker:                     every image of an engine, shared layers once
  seaworthy scan *.tar -o html=reports/            several at once: a summary, and a report of each
  seaworthy scan dir:. --fail-on high              source code or a root file system
  seaworthy scan sbom:bom.json -f sarif -o html=report.html";

/// Decides whether a container may sail.
///
/// Exit codes: 0 clean, 1 findings over the threshold, 2 error, 3 incomplete (something was not seen).
/// When several hold, error comes before findings, findings before incomplete.
#[derive(Debug, Parser)]
#[command(name = "seaworthy", version, max_term_width = 100, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Arguments {
    /// When to use colours.
    #[arg(long, global = true, help_heading = "Everywhere", value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub color: Colour,
    /// Say nothing but the result and errors.
    #[arg(long, short, global = true, help_heading = "Everywhere")]
    pub quiet: bool,
    /// Configuration file (default: ./seaworthy.toml, then the one in the user's configuration folder).
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the vulnerability database.
    #[arg(
        long,
        global = true,
        help_heading = "Everywhere",
        hide_env_values = true,
        env = "SEAWORTHY_DB",
        value_name = "FOLDER"
    )]
    pub db: Option<PathBuf>,
    /// Folder of the layer cache.
    #[arg(
        long,
        global = true,
        help_heading = "Everywhere",
        hide_env_values = true,
        env = "SEAWORTHY_CACHE",
        value_name = "FOLDER"
    )]
    pub cache: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Command {
    /// How the command speaks with registries, when it does.
    pub fn registry_mut(&mut self) -> Option<&mut RegistryArguments> {
        match self {
            Self::Scan(options) => Some(&mut options.target.registry),
            Self::Explain(options) => Some(&mut options.target.registry),
            Self::Pull(options) => Some(&mut options.registry),
            _ => None,
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Scan an image, folder, file or SBOM and give a verdict.
    Scan(Box<ScanArguments>),
    /// Say why a vulnerability is reported for a target, or why it is not.
    Explain(Box<ExplainArguments>),
    /// Pull an image from a registry into an OCI layout, each byte verified.
    Pull(PullArguments),
    /// Build, update, publish, carry, inspect and check the vulnerability database.
    #[command(subcommand)]
    Db(DbCommand),
    /// Say whether this program is the one that was released, and whether its parsing process is locked in here.
    VerifySelf(VerifySelfArguments),
    /// List what the program can read, judge and write.
    List(ListArguments),
    /// Inspect or empty the layer cache.
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Print completions for a shell.
    Completions {
        /// Shell to complete for.
        shell: clap_complete::Shell,
    },
    /// Write manual pages.
    Man {
        /// Folder to write into.
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
}

/// Options of everything that reads a target.
#[derive(Debug, Clone, Args)]
pub struct TargetArguments {
    /// Platform to take from a multi-platform image, such as linux/arm64; `all` takes every one of an image
    /// in a registry.
    #[arg(long, value_name = "OS/ARCH[/VARIANT]|all")]
    pub platform: Option<String>,
    /// Image to take from an archive that holds several: a tag or a digest. Of a disk: the partition (its number)
    /// or logical volume that is the root.
    #[arg(long, value_name = "NAME")]
    pub reference: Option<String>,
    /// Memory for all buffers, such as 160M or 1G.
    #[arg(long, value_name = "SIZE")]
    pub max_memory: Option<String>,
    /// Neither use nor fill the layer cache.
    #[arg(long)]
    pub no_cache: bool,
    /// Data older than this many days make the result incomplete.
    #[arg(long, value_name = "DAYS")]
    pub data_age: Option<i64>,
    /// Fetch or update the vulnerability data that this target needs, from the configured places; without
    /// it a scan of what is here opens no connection.
    #[arg(long)]
    pub update: bool,
    /// Parse in this process instead of a locked child; for debugging only.
    #[arg(long, hide = true)]
    pub in_process: bool,
    /// How to speak with the registry, for an image in one.
    #[command(flatten)]
    pub registry: RegistryArguments,
    /// Where engines are, for what they hold.
    #[command(flatten)]
    pub engine: EngineArguments,
}

/// Options of `scan`.
#[derive(Debug, Args)]
#[command(after_help = SCAN_EXAMPLES)]
pub struct ScanArguments {
    /// Archive, OCI layout, folder, file, SBOM or disk of a virtual machine, or else an image in a registry;
    /// recognised, or forced by a prefix: `docker-archive:`, `oci-archive:`, `oci-dir:`, `oci:`, `dir:`, `rootfs:`
    /// (a folder that must be a root file system), `file:`, `sbom:`, `disk:`, `registry:`.
    /// What an engine of this machine holds: `docker:`, `podman:`, `containerd:`, `crio:` and a name or id; a
    /// container with what it has written: `container:` and a name or id (`docker-container:` and so on, if
    /// several engines know it).
    /// Of several targets a summary is printed.
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<String>,
    /// How to read them.
    #[command(flatten)]
    pub target: TargetArguments,
    /// Format of what is printed; `seaworthy list formats` shows all.
    #[arg(help_heading = "Output", long, short, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Write another format to a file; may be given several times: `-o sarif=scan.sarif -o html=scan.html`.
    /// Of several targets each gets its own file in a folder: `-o html=reports/`.
    #[arg(help_heading = "Output", long, short, value_name = "FORMAT=FILE")]
    pub output: Vec<String>,
    /// Template file for the format `template`.
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub template: Option<PathBuf>,
    /// Show everything that tables shorten.
    #[arg(help_heading = "Output", long)]
    pub full: bool,
    /// When findings mean no: default, low, medium, high, critical, exploited, any or never.
    /// The default: known to be exploited, or high or critical with a fix.
    #[arg(help_heading = "Verdict", long, value_name = "RULE")]
    pub fail_on: Option<String>,
    /// What unknown severity counts as; without this it is over any threshold.
    #[arg(help_heading = "Verdict", long, value_name = "SEVERITY")]
    pub unknown_as: Option<String>,
    /// Only findings that have a fix.
    #[arg(help_heading = "Verdict", long)]
    pub only_fixed: bool,
    /// Only these severities, separated by commas.
    #[arg(help_heading = "Verdict", long, value_delimiter = ',', value_name = "SEVERITY")]
    pub severity: Vec<String>,
    /// Only this vulnerability; may be given several times.
    #[arg(help_heading = "Verdict", long, value_name = "ID")]
    pub only: Vec<String>,
    /// Leave this vulnerability out; may be given several times. An ignore file keeps the reason too.
    #[arg(help_heading = "Verdict", long, value_name = "ID")]
    pub ignore: Vec<String>,
    /// Decisions with reasons and expiry (default: ./.seaworthy-ignore.toml when there is one).
    #[arg(help_heading = "Verdict", long, value_name = "FILE")]
    pub ignore_file: Vec<PathBuf>,
    /// An incomplete result means no.
    #[arg(help_heading = "Verdict", long)]
    pub strict: bool,
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// Any id of the vulnerability: CVE-2021-44228, GHSA-…, DSA-….
    pub id: String,
    /// The target, named as for `scan`.
    #[arg(value_name = "TARGET")]
    pub name: String,
    /// How to read it.
    #[command(flatten)]
    pub target: TargetArguments,
}

/// Options of `pull`. Logins are those of Docker and Podman, or SEAWORTHY_REGISTRY_USER and
/// SEAWORTHY_REGISTRY_PASSWORD (or SEAWORTHY_REGISTRY_TOKEN).
#[derive(Debug, Args)]
pub struct PullArguments {
    /// Image: `alpine:3.20`, `registry.example/team/app@sha256:…`.
    pub image: String,
    /// Folder to make: an OCI layout.
    pub folder: PathBuf,
    /// Platform to take (default: this machine's).
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", conflicts_with = "all_platforms")]
    pub platform: Option<String>,
    /// Every platform.
    #[arg(long)]
    pub all_platforms: bool,
    /// How to speak with the registry.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

/// How to speak with a registry.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Registry")]
pub struct RegistryArguments {
    /// Speak plain HTTP with this registry.
    #[arg(long)]
    pub insecure: bool,
    /// Certificate authority to trust besides the system's (PEM); may be given several times.
    #[arg(long, value_name = "FILE")]
    pub ca: Vec<PathBuf>,
    /// Ask for no login and use none.
    #[arg(long)]
    pub anonymous: bool,
    /// Certificate that we show to the registry (PEM, the whole chain), with --client-key.
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub client_cert: Option<PathBuf>,
    /// Key of --client-cert (PEM).
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
    /// Mirror of the registry to ask first: `host[:port][/prefix]`; may be given several times. Without it,
    /// those of the configuration, of registries.conf and of Docker count.
    #[arg(long, value_name = "MIRROR")]
    pub mirror: Vec<String>,
    /// Seconds without an answer, or without more data, after which a server is given up (default: 60 and
    /// 30).
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub timeout: Option<u64>,
    /// How often a server in trouble is asked (default: 5).
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=20))]
    pub tries: Option<u32>,
    /// What the configuration file says about registries.
    #[arg(skip)]
    pub configured: crate::config::Registry,
}

/// Where container engines are.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Engines")]
pub struct EngineArguments {
    /// Every image of the engine (`docker:`), or every container (`docker-container:`).
    #[arg(long)]
    pub all: bool,
    /// Storage of the engine (default: as its configuration says, such as /var/lib/docker).
    #[arg(long, value_name = "FOLDER", conflicts_with = "socket")]
    pub engine_root: Option<PathBuf>,
    /// Socket of the engine, asked instead of reading its storage.
    #[arg(long, value_name = "FILE")]
    pub socket: Option<PathBuf>,
}

/// What to list.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Which list; without it, all.
    #[arg(value_enum)]
    pub what: Option<Listing>,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// A list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Listing {
    /// Package records it reads.
    Cataloguers,
    /// Ecosystems it knows.
    Ecosystems,
    /// Distributions it knows.
    Distributions,
    /// Version orders.
    Schemes,
    /// Vulnerability feeds.
    Feeds,
    /// Kinds of SBOM it reads.
    Sboms,
    /// Output formats.
    Formats,
}

/// What to do with the cache.
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// Print its folder.
    Path,
    /// Remove everything in it.
    Clear,
}

/// Options of `verify-self`. Exit codes: 0 verified, 1 not what was released, 3 nothing vouches for it (or the
/// kernel lacks a part of the lock).
#[derive(Debug, Args)]
pub struct VerifySelfArguments {
    /// Check this program instead: from a copy that you trust.
    #[arg(long, value_name = "PROGRAM")]
    pub file: Option<PathBuf>,
    /// Its provenance (default: PROGRAM.provenance.json beside it).
    #[arg(long, value_name = "FILE")]
    pub provenance: Option<PathBuf>,
    /// Public key of the release, a file or the line itself, in place of those built in; may be given several times.
    #[arg(long, value_name = "KEY")]
    pub key: Vec<String>,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}
