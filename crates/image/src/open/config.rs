//! The image configuration (OCI image-spec, config.md; Docker's differs only in more fields).

use crate::Error;
use seaworthy_types::{Digest, ImageConfig, Limits, Platform};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Raw {
    architecture: Option<String>,
    os: Option<String>,
    variant: Option<String>,
    created: Option<String>,
    config: Option<RawRun>,
    rootfs: Option<RawRootfs>,
    history: Option<Vec<RawHistory>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct RawRun {
    user: Option<String>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    exposed_ports: Option<BTreeMap<String, Value>>,
    labels: Option<BTreeMap<String, Option<String>>>,
    env: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawRootfs {
    diff_ids: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawHistory {
    created_by: Option<String>,
    empty_layer: Option<bool>,
}

/// What a configuration says.
pub(crate) struct Config {
    pub image: ImageConfig,
    pub diff_ids: Vec<Digest>,
    /// `created_by` of the history entries that made a layer.
    pub created_by: Vec<String>,
}

pub(crate) fn parse(json: &[u8], limits: &Limits) -> Result<Config, Error> {
    const WHAT: &str = "the image configuration";
    let raw: Raw = serde_json::from_slice(json)
        .map_err(|error| Error::broken(WHAT, format!("not the JSON of a configuration ({error})")))?;
    let diff_ids = raw.rootfs.and_then(|rootfs| rootfs.diff_ids).unwrap_or_default();
    if diff_ids.len() as u64 > limits.layers_max {
        return Err(Error::limit("the number of layers", "layers_max", limits.layers_max));
    }
    let parse_digest = |text: &String| {
        Digest::parse(text).map_err(|error| Error::broken(WHAT, format!("rootfs.diff_ids: {error}")))
    };
    let run = raw.config.unwrap_or_default();
    let env = run.env.unwrap_or_default();
    let layered = |history: &RawHistory| history.empty_layer != Some(true);
    Ok(Config {
        image: ImageConfig {
            platform: Platform {
                os: raw.os.unwrap_or_default(),
                architecture: raw.architecture.unwrap_or_default(),
                variant: raw.variant.unwrap_or_default(),
            },
            created: raw.created.unwrap_or_default(),
            user: run.user.unwrap_or_default(),
            entrypoint: run.entrypoint.unwrap_or_default(),
            cmd: run.cmd.unwrap_or_default(),
            exposed_ports: run.exposed_ports.unwrap_or_default().into_keys().collect(),
            labels: run
                .labels
                .unwrap_or_default()
                .into_iter()
                .map(|(name, value)| (name, value.unwrap_or_default()))
                .collect(),
            env_names: env
                .iter()
                .map(|pair| pair.split_once('=').map_or(pair.as_str(), |(name, _)| name).to_owned())
                .collect(),
        },
        diff_ids: diff_ids.iter().map(parse_digest).collect::<Result<_, _>>()?,
        created_by: raw
            .history
            .unwrap_or_default()
            .into_iter()
            .filter(layered)
            .map(|history| history.created_by.unwrap_or_default())
            .collect(),
    })
}
