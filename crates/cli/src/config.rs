//! The configuration file: what `scan` would otherwise be told each time. The command line wins.
//!
//! ```toml
//! fail-on = "high"
//! unknown-as = "medium"
//! only-fixed = true
//! strict = true
//! data-age = 3
//! max-memory = "160M"
//! cache-size = "2G"
//! format = "table"
//! ignore-files = ["security/ignore.toml"]
//! db = "/var/lib/seaworthy/db"
//!
//! [database]
//! sources = ["https://data.example/seaworthy", "oci://registry.example/seaworthy/data:1"]
//! keys = ["seaworthy-key-1 …"]
//! ca = ["internal-ca.pem"]
//!
//! [registry]
//! ca = ["corporate.pem"]
//! client-cert = "me.crt"
//! client-key = "me.key"
//! settings-of-others = false # registries.conf and Docker's daemon.json
//! mirrors = { "docker.io" = ["mirror.example/hub"] }
//! ```

use crate::files;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything the file may say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// See `--fail-on`.
    pub fail_on: Option<String>,
    /// See `--unknown-as`.
    pub unknown_as: Option<String>,
    /// See `--only-fixed`.
    #[serde(default)]
    pub only_fixed: bool,
    /// See `--strict`.
    #[serde(default)]
    pub strict: bool,
    /// See `--data-age`.
    pub data_age: Option<i64>,
    /// See `--max-memory`.
    pub max_memory: Option<String>,
    /// Bound of the layer cache.
    pub cache_size: Option<String>,
    /// See `--format`.
    pub format: Option<String>,
    /// See `--ignore-file`; relative to the configuration file.
    #[serde(default)]
    pub ignore_files: Vec<PathBuf>,
    /// See `--db`.
    pub db: Option<PathBuf>,
    /// See `--cache`.
    pub cache: Option<PathBuf>,
    /// Where vulnerability data come from.
    #[serde(default)]
    pub database: DatabaseConfig,
    /// How to speak with registries.
    #[serde(default)]
    pub registry: Registry,
}

/// Where vulnerability data come from, and whom to believe.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DatabaseConfig {
    /// Places of published data, asked in this order: folders (relative to the configuration file),
    /// `https://…`, `s3://…`, `oci://…`.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Public keys that are trusted in place of those built into the program: lines, or files of them
    /// (relative to the configuration file).
    #[serde(default)]
    pub keys: Vec<String>,
    /// Certificate authorities to trust besides the system's (PEM), relative to the configuration file.
    #[serde(default)]
    pub ca: Vec<PathBuf>,
    /// Registries to speak plain HTTP with, as `host[:port]`.
    #[serde(default)]
    pub insecure: Vec<String>,
}

/// What the file may say about registries. Plain HTTP is a matter of the command line alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Registry {
    /// See `--ca`; relative to the configuration file.
    pub ca: Vec<PathBuf>,
    /// See `--client-cert`; relative to the configuration file.
    pub client_cert: Option<PathBuf>,
    /// See `--client-key`; relative to the configuration file.
    pub client_key: Option<PathBuf>,
    /// Registry to its mirrors.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// Whether registries.conf and Docker's daemon.json are read (default: yes).
    pub settings_of_others: Option<bool>,
}

/// Reads the file that was named, else the project's, else the user's, else nothing.
pub fn load(named: Option<&Path>) -> Result<Config> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => {
            let candidates = [PathBuf::from("seaworthy.toml"), files::user_config()];
            match candidates.into_iter().find(|path| path.is_file()) {
                Some(path) => path,
                None => return Ok(Config::default()),
            }
        }
    };
    let what = || format!("reading the configuration `{}`", path.display());
    let text = std::fs::read_to_string(&path).with_context(what)?;
    let mut config: Config = toml::from_str(&text).with_context(what)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let sources = config.database.sources.iter_mut().filter(|source| !source.contains("://"));
    let keys = config.database.keys.iter_mut().filter(|key| !key.starts_with("seaworthy-key-"));
    for text in sources.chain(keys) {
        *text = folder.join(&*text).to_string_lossy().into_owned();
    }
    let registry = &mut config.registry;
    if registry.client_cert.is_some() != registry.client_key.is_some() {
        bail!("`{}`: client-cert and client-key belong together", path.display());
    }
    let certificates =
        registry.ca.iter_mut().chain(&mut registry.client_cert).chain(&mut registry.client_key);
    for file in config.ignore_files.iter_mut().chain(&mut config.database.ca).chain(certificates) {
        *file = folder.join(&*file);
    }
    Ok(config)
}

/// Bytes of `160M`, `1G`, `512K` or a plain number (powers of 1024).
pub fn size(text: &str) -> Result<u64> {
    let trimmed = text.trim().trim_end_matches(['B', 'b']).trim_end_matches('i');
    let (digits, unit) = match trimmed.char_indices().last() {
        Some((at, letter)) if letter.is_ascii_alphabetic() => (&trimmed[..at], letter.to_ascii_uppercase()),
        _ => (trimmed, ' '),
    };
    let shift = match unit {
        ' ' => 0,
        'K' => 10,
        'M' => 20,
        'G' => 30,
        _ => bail!("`{text}` is not a size: write 160M or 1G"),
    };
    let number: u64 =
        digits.trim().parse().with_context(|| format!("`{text}` is not a size: write 160M or 1G"))?;
    number.checked_mul(1 << shift).with_context(|| format!("`{text}` is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [("160M", 160 << 20), ("1GiB", 1 << 30), ("512 k", 512 << 10), ("7", 7)] {
            assert_eq!(size(text).expect(text), bytes);
        }
        for bad in ["", "M", "x", "-1", "1T", "99999999999G", "é"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn unknown_settings_are_refused() {
        assert!(toml::from_str::<Config>("fail_on = 'high'").is_err());
        assert!(toml::from_str::<Config>("fail-on = 'high'").is_ok());
        assert!(toml::from_str::<Config>("[registry]\ninsecure = true").is_err());
        assert!(toml::from_str::<Config>("[registry.mirrors]\n'docker.io' = ['a.example']").is_ok());
    }
}
