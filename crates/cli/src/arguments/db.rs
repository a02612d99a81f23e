//! What can be typed after `seaworthy db`.

use super::RegistryArguments;
use clap::{Args, Subcommand};
use std::path::PathBuf;

const EXAMPLES: &str = "\
The way of the data:
  seaworthy db build                                   from upstream feeds into the database
  seaworthy db keygen data                             data.pem signs, data.pub is for everybody else
  seaworthy db publish /srv/data --key data.pem        signed files for any web server
  seaworthy db push oci://registry.example/data:1 --key data.pem
  seaworthy db pull https://data.example --key data.pub
  seaworthy db export data.swb && seaworthy db import data.swb      for machines without a network

With `[database] sources = […]` and `keys = […]` in seaworthy.toml, `seaworthy db update` needs no more
words, and `seaworthy scan --update TARGET` fetches what that target needs.";

const PLACES: &str = "\
Places:
  /srv/data, ./data                     a folder, also of a mounted share or below a web server
  https://host/path, http://host/path   any web server that serves static files (pull only)
  s3://bucket/prefix                    an object store; AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID with
                                        AWS_SECRET_ACCESS_KEY, or AWS_PROFILE and ~/.aws; anonymous without
  oci://registry/repository:tag         a registry; logins are those of Docker and Podman";

/// What to do with the database.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum DbCommand {
    /// Build the database anew from upstream feeds and put it in place of the old one.
    ///
    /// Downloaded feeds are kept in the cache folder and asked for only when they changed. A feed that
    /// cannot be had blocks no other: its last good copy is used, and scans say so.
    Build(FeedArguments),
    /// Bring the database up to date: from the configured places of published data, else from upstream feeds.
    ///
    /// From published data only what is installed is updated, by deltas; everything, when nothing is
    /// installed. Naming feeds (--from, --manifest, --only) builds from them, as `build` does.
    Update {
        /// Feeds to build from.
        #[command(flatten)]
        feeds: FeedArguments,
        /// Add this shard, such as debian:12 or npm; may be given several times.
        #[arg(long, value_name = "SHARD", conflicts_with_all = ["from", "manifest", "only"])]
        shard: Vec<String>,
        /// Whom to believe, and how to get there.
        #[command(flatten)]
        trust: TrustArguments,
    },
    /// Fetch published data, all or some shards, each signature and digest checked.
    #[command(after_help = PLACES)]
    Pull {
        /// Places of the same data; the next is asked for what one cannot give (default: the configured ones).
        #[arg(value_name = "SOURCE")]
        sources: Vec<String>,
        /// Only this shard, such as debian:12 or npm, beside what is installed; may be given several times.
        #[arg(long, value_name = "SHARD")]
        shard: Vec<String>,
        /// Whom to believe, and how to get there.
        #[command(flatten)]
        trust: TrustArguments,
    },
    /// Publish the installed database for others: full files, deltas from earlier days, a signed index.
    #[command(after_help = PLACES)]
    Publish(PublishArguments),
    /// Publish the installed database to a registry.
    Push(PublishArguments),
    /// Write the installed data to one file, for machines without a network.
    Export {
        /// File to write.
        file: PathBuf,
        /// Only this shard and what every scan needs; may be given several times.
        #[arg(long, value_name = "SHARD")]
        shard: Vec<String>,
    },
    /// Install data from a file that `export` wrote.
    Import {
        /// File to read.
        file: PathBuf,
        /// Take data that were built and exported without a signature: you vouch for the file.
        #[arg(long)]
        allow_unsigned: bool,
        /// Public key to believe, in place of the configured ones: a line `seaworthy-key-1 …` or a file of
        /// them; may be given several times.
        #[arg(long, value_name = "KEY")]
        key: Vec<String>,
    },
    /// Make a key pair for publishing: PREFIX.pem signs and stays secret, PREFIX.pub is for everybody else.
    Keygen {
        /// Beginning of the two files' names.
        prefix: PathBuf,
    },
    /// Say what is in the database, from where, how old and how complete.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check every block of the database.
    Verify,
}

/// Feeds to build from.
#[derive(Debug, Args)]
pub struct FeedArguments {
    /// A folder or file of feeds laid out as upstream serves them, or the address of a mirror;
    /// without it, every feed's own address.
    #[arg(long, value_name = "FOLDER|FILE|URL")]
    pub from: Option<String>,
    /// Manifest that says how complete the feeds are (default: the one beside them).
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Only these feeds, separated by commas; `seaworthy list feeds` shows all.
    #[arg(long, value_delimiter = ',', value_name = "FEED")]
    pub only: Vec<String>,
}

/// Whom to believe, and how to get to places.
#[derive(Debug, Args)]
pub struct TrustArguments {
    /// Public key to believe, in place of the configured ones: a line `seaworthy-key-1 …` or a file of
    /// them; may be given several times.
    #[arg(long, value_name = "KEY")]
    pub key: Vec<String>,
    /// How to speak with registries; --ca holds for web servers and object stores too.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

/// Options of `publish` and `push`.
#[derive(Debug, Args)]
pub struct PublishArguments {
    /// Where to: a folder, s3://bucket/prefix or oci://registry/repository:tag.
    pub destination: String,
    /// Private key that signs (PKCS#8 PEM, from `keygen` or openssl); twice while one key takes the place
    /// of another.
    #[arg(long, value_name = "FILE", required = true)]
    pub key: Vec<PathBuf>,
    /// How long it counts as fresh: days, or 36h, 90m, 30s. Publish anew well before.
    #[arg(long, value_name = "DAYS", default_value = "7", value_parser = seconds)]
    pub lifetime: i64,
    /// From how many earlier publications' days deltas lead to this one.
    #[arg(long, value_name = "DAYS", default_value_t = seaworthy_advisory::deliver::EARLIER_DAYS)]
    pub deltas: u32,
    /// Name, when one key signs several publications.
    #[arg(long, value_name = "NAME", default_value = seaworthy_advisory::deliver::MAIN)]
    pub publication: String,
    /// Remove files that no publication of the last days refers to any more, where the place can list them
    /// (folders and buckets can; a registry collects them itself).
    #[arg(long)]
    pub prune: bool,
    /// How to speak with a registry.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

/// Seconds of `7` (days), `7d`, `36h`, `90m`, `30s`.
fn seconds(text: &str) -> Result<i64, String> {
    let (digits, unit) = match text.chars().last() {
        Some('d') => (text.trim_end_matches('d'), 86_400),
        Some('h') => (text.trim_end_matches('h'), 3_600),
        Some('m') => (text.trim_end_matches('m'), 60),
        Some('s') => (text.trim_end_matches('s'), 1),
        _ => (text, 86_400),
    };
    let number: Option<i64> = digits.parse().ok().filter(|number: &i64| *number > 0);
    let total = number.and_then(|number| number.checked_mul(unit)).filter(|total| *total <= 3_650 * 86_400);
    total.ok_or_else(|| "write days as a number, or such as 36h, 90m, 30s; at most ten years".to_owned())
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn lifetimes() {
        for (text, wanted) in [("7", 604_800), ("7d", 604_800), ("36h", 129_600), ("90m", 5_400), ("30s", 30)]
        {
            assert_eq!(seconds(text), Ok(wanted), "{text}");
        }
        for bad in ["", "0", "-1", "d", "1w", "1.5", "9999999999999999999", "4000", "é"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
