//! Where things lie, by the XDG base directory specification, version 0.8.

use std::env;
use std::path::PathBuf;

fn base(variable: &str, below_home: &str) -> PathBuf {
    let set = env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || env::var_os("HOME").map(PathBuf::from).unwrap_or_else(|| PathBuf::from("/tmp"));
    set.unwrap_or_else(|| home().join(below_home)).join("seaworthy")
}

/// Folder of the database.
pub fn database() -> PathBuf {
    base("XDG_DATA_HOME", ".local/share").join("db")
}

/// Folder of the layer cache.
pub fn cache() -> PathBuf {
    base("XDG_CACHE_HOME", ".cache")
}

/// Configuration file of the user.
pub fn user_config() -> PathBuf {
    base("XDG_CONFIG_HOME", ".config").join("config.toml")
}
