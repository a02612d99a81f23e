//! Where a release comes from: an in-toto statement (v1) with SLSA provenance (v1) in a DSSE envelope
//! (https://github.com/secure-systems-lab/dsse, protocol.md), signed with Ed25519 when a key is given.

use super::build::Recipe;
use anyhow::{Context, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

/// Media type of the payload.
const PAYLOAD: &str = "application/vnd.in-toto+json";

/// The statement: what was made, from what, how.
pub fn statement(recipe: &Recipe, lock: &Path, program: &str, sbom: &str) -> Result<Value> {
    let lock = super::sha256(lock)?;
    Ok(json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            { "name": "seaworthy", "digest": { "sha256": program } },
            { "name": "seaworthy.cdx.json", "digest": { "sha256": sbom } },
        ],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:seaworthy:build:xtask-release:1",
                "externalParameters": { "target": recipe.target, "features": "+crt-static" },
                "internalParameters": { "SOURCE_DATE_EPOCH": recipe.time, "rustc": recipe.compiler },
                "resolvedDependencies": [
                    { "name": "source", "digest": { "gitCommit": recipe.commit } },
                    { "name": "Cargo.lock", "digest": { "sha256": lock } },
                ],
            },
            "runDetails": { "builder": { "id": "urn:seaworthy:builder:local" } },
        },
    }))
}

/// The statement in its envelope.
pub fn envelope(statement: &Value, key: Option<&Path>) -> Result<String> {
    let payload = serde_json::to_vec(statement)?;
    let mut signatures = Vec::new();
    if let Some(path) = key {
        let pair = read_key(path)?;
        let id: String = Sha256::digest(pair.public_key().as_ref())
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        signatures.push(json!({ "keyid": id, "sig": STANDARD.encode(pair.sign(&signed_bytes(&payload))) }));
    }
    let envelope =
        json!({ "payloadType": PAYLOAD, "payload": STANDARD.encode(payload), "signatures": signatures });
    Ok(format!("{}\n", serde_json::to_string_pretty(&envelope)?))
}

/// DSSE's pre-authentication encoding.
fn signed_bytes(payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {PAYLOAD} {} ", PAYLOAD.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

/// A private key as `openssl genpkey -algorithm ed25519` writes it.
fn read_key(path: &Path) -> Result<Ed25519KeyPair> {
    let what = || format!("reading the key {}", path.display());
    let text = fs::read_to_string(path).with_context(what)?;
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    if !text.contains("BEGIN PRIVATE KEY") {
        bail!(
            "{} holds no PKCS#8 private key (`openssl genpkey -algorithm ed25519` makes one)",
            path.display()
        );
    }
    let der = STANDARD.decode(body.trim()).with_context(what)?;
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|error| anyhow!("{error}")).with_context(what)
}
