//! From arguments and configuration to what the pipeline is told.

use super::db::Refresher;
use crate::arguments::{Arguments, TargetArguments};
use crate::config::{Config, size};
use crate::files;
use anyhow::{Context, Result};
use seaworthy_advisory::Database;
use seaworthy_policy::Policy;
use seaworthy_scan::{Archive, Cache, Elsewhere, Isolation, Refresh, Request, TargetSpec};
use seaworthy_types::{DataStatus, Limits, Note, Platform, Timestamp};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Data this old make a result incomplete, unless configured.
const DATA_AGE_DAYS: i64 = 7;
/// Bound of the layer cache, unless configured.
const CACHE_BYTES: u64 = 2 << 30;

/// Folder of the database.
pub fn database_folder(arguments: &Arguments, config: &Config) -> PathBuf {
    arguments.db.clone().or_else(|| config.db.clone()).unwrap_or_else(files::database)
}

/// Folder of the layer cache.
pub fn cache_folder(arguments: &Arguments, config: &Config) -> PathBuf {
    arguments.cache.clone().or_else(|| config.cache.clone()).unwrap_or_else(files::cache)
}

/// The present.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |duration| duration.as_secs());
    Timestamp(i64::try_from(since).unwrap_or(i64::MAX))
}

/// A target that is ready to be scanned.
pub struct Chosen {
    /// What was asked for.
    pub spec: TargetSpec,
    /// The image, when it lies elsewhere.
    pub image: Option<Arc<dyn Elsewhere>>,
    /// The archive, when it comes from elsewhere.
    pub archive: Option<Arc<dyn Archive>>,
    /// Wished platform.
    pub platform: Option<Platform>,
}

/// Everything that requests borrow, whatever their target.
pub struct Setup {
    database: Arc<Database>,
    refresher: Option<Refresher>,
    /// Remarks on the database itself.
    pub data_notes: Vec<Note>,
    data_status: DataStatus,
    cache: Option<Cache>,
    reference: Option<String>,
    limits: Limits,
    isolation: Isolation,
    data_age_days_max: i64,
    now: Timestamp,
}

impl Setup {
    /// Opens database and cache. A cache that cannot be opened is done without.
    pub fn new(arguments: &Arguments, config: &Config, target: &TargetArguments) -> Result<Self> {
        let folder = database_folder(arguments, config);
        let outcome = Database::open(&folder).with_context(|| {
            format!("opening the database in `{}`; `seaworthy db update` installs it anew", folder.display())
        })?;
        let memory = target.max_memory.as_deref().or(config.max_memory.as_deref()).map(size).transpose()?;
        let cache_bytes = config.cache_size.as_deref().map(size).transpose()?.unwrap_or(CACHE_BYTES);
        let cache = match target.no_cache {
            true => None,
            false => Cache::open(&cache_folder(arguments, config), cache_bytes).ok(),
        };
        let isolation = match target.in_process {
            true => Isolation::InProcess,
            false => Isolation::Child(std::env::current_exe().context("finding this program's own file")?),
        };
        let refresher =
            target.update.then(|| Refresher::new(arguments, config, &target.registry)).transpose()?;
        Ok(Self {
            data_status: DataStatus {
                built: outcome.value.built(),
                digest: outcome.value.digest().to_owned(),
                sources: Vec::new(),
            },
            database: Arc::new(outcome.value),
            refresher,
            data_notes: outcome.notes,
            cache,
            reference: target.reference.clone(),
            limits: memory.map_or_else(Limits::default, Limits::with_memory),
            isolation,
            data_age_days_max: target.data_age.or(config.data_age).unwrap_or(DATA_AGE_DAYS),
            now: now(),
        })
    }

    /// The data: those that a scan was judged by, when they were brought up to date for it.
    pub fn database(&self) -> Arc<Database> {
        let fresh = self.refresher.as_ref().and_then(Refresher::database);
        fresh.unwrap_or_else(|| Arc::clone(&self.database))
    }

    /// What the pipeline is told.
    pub fn request<'a>(&'a self, target: &'a Chosen, policy: &'a Policy) -> Request<'a> {
        Request {
            spec: &target.spec,
            image: target.image.clone(),
            archive: target.archive.clone(),
            platform: target.platform.clone(),
            reference: self.reference.clone(),
            limits: self.limits.clone(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            cache: self.cache.as_ref(),
            isolation: self.isolation.clone(),
            now: self.now,
            policy,
            data_age_days_max: self.data_age_days_max,
            data: &*self.database,
            data_status: self.data_status.clone(),
            data_notes: &self.data_notes,
            refresh: self.refresher.as_ref().map(|refresher| refresher as &dyn Refresh),
            tool_version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

/// Reads a platform as typed.
pub fn platform(text: &str) -> Result<Platform> {
    Platform::parse(text)
        .with_context(|| format!("`{text}` is not a platform: write linux/amd64 or linux/arm64/v8"))
}
