//! What every engine's storage can be asked, and a container put together of its layers and what was
//! written since.

use super::Engine;
use super::beneath::Folder;
use super::error::Error;
use super::held::{Held, Layer, Made, Place, digest_of};
use super::names::{Listed, short};
use super::upper::Upper;
use seaworthy_types::Note;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::io::{self, ErrorKind};
use std::sync::Arc;

/// Who remarks.
pub(crate) const UNIT: &str = "engine";

/// The storage of one engine on this machine.
pub(crate) trait Store {
    /// Whose.
    fn engine(&self) -> Engine;
    /// Where, for people.
    fn place(&self) -> String;
    /// Every image.
    fn images(&self) -> Result<Vec<Listed>, Error>;
    /// One of them.
    fn image(&self, listed: &Listed) -> Result<Held, Error>;
    /// Every container, running or not.
    fn containers(&self) -> Result<Vec<Listed>, Error>;
    /// One of them.
    fn container(&self, listed: &Listed) -> Result<Held, Error>;
}

/// An error for a file of the storage that cannot be read.
pub(crate) fn cannot(engine: Engine, root: &Folder, way: &str, error: &io::Error) -> Error {
    let place = root.path().join(way).display().to_string();
    match error.kind() {
        ErrorKind::PermissionDenied => denied(engine, place),
        _ => {
            let why = match error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
                true => "a symbolic link where the engine makes none".to_owned(),
                false => error.to_string(),
            };
            Error::Storage { engine: engine.name(), what: format!("`{place}`"), why }
        }
    }
}

/// Somebody else may read it.
pub(crate) fn denied(engine: Engine, place: String) -> Error {
    let advice = match engine {
        Engine::Docker | Engine::Podman => format!(
            "run the scan as root, or let this user use the engine's socket (--socket); or `{} save IMAGE -o image.tar` and scan the archive.",
            engine.program()
        ),
        Engine::Containerd | Engine::Crio => format!(
            "run the scan as root: the storage is read, its socket is not used; or export the image with `{}` and scan the archive.",
            engine.program()
        ),
    };
    Error::Denied { engine: engine.name(), place, advice }
}

/// Bytes that are kept under their digest.
pub(crate) fn named_so(engine: Engine, digits: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
    match digest_of(&bytes).hex() == digits {
        true => Ok(bytes),
        false => Err(Error::Storage {
            engine: engine.name(),
            what: format!("`{}`", digits.chars().take(64).collect::<String>()),
            why: "its bytes do not have the digest they are kept under".into(),
        }),
    }
}

/// Reads a record.
pub(crate) fn json<T: DeserializeOwned>(engine: Engine, what: &str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::Storage {
        engine: engine.name(),
        what: what.to_owned(),
        why: format!("its record is no JSON that is known here ({error})"),
    })
}

/// A layer made anew of its unpacked files.
pub(crate) fn rebuilt(folder: &Arc<Folder>, is_rootless: bool) -> Result<(Layer, Vec<Note>), Error> {
    let upper = Upper { folder: Arc::clone(folder), lowers: Vec::new(), is_rootless };
    let written = upper.write().map_err(|source| Error::Io {
        what: format!("reading the unpacked layer `{}`", folder.path().display()),
        source,
    })?;
    Ok((Layer::plain(written.digest, written.size, Place::Spool(written.file)), written.notes))
}

/// What a container consists of.
pub(crate) struct Parts {
    /// The image it was made from, for people.
    pub image: String,
    /// The image's configuration, when it is still there.
    pub config: Option<Vec<u8>>,
    /// The image's layers, lowest first.
    pub layers: Vec<Layer>,
    /// What was written since.
    pub upper: Upper,
    /// Where something is mounted from outside.
    pub mounts: Vec<String>,
    /// What people should know.
    pub notes: Vec<Note>,
}

/// A container: the layers of its image, and on top what was written since.
pub(crate) fn one_container(engine: Engine, listed: &Listed, parts: Parts) -> Result<Held, Error> {
    let Parts { image, config, mut layers, upper, mounts, mut notes } = parts;
    let name = format!("{} ({}, {})", listed.label(), short(&listed.id), engine.name());
    let written = upper
        .write()
        .map_err(|source| Error::Io { what: format!("reading what container {name} has written"), source })?;
    if config.is_none() {
        let detail =
            format!("the image {image} is gone from the engine; its layers are still there and were scanned");
        notes.push(Note::info("container-image-gone", UNIT, &name, detail));
    }
    let title = format!("writable layer of container {name}");
    let below: Vec<String> = layers.iter().map(|layer| layer.diff_id.to_string()).collect();
    let config = configuration(config.as_deref(), &below, &written.digest.to_string(), &title);
    notes.push(Note::info("container-changes", UNIT, &name, written.summary(&image)));
    if !mounts.is_empty() {
        let detail = format!(
            "mounted from outside and therefore not scanned: {}; scan what lies there with dir:FOLDER",
            clipped(&mounts)
        );
        notes.push(Note::info("container-mounts", UNIT, &name, detail));
    }
    notes.extend(written.notes);
    layers.push(Layer::plain(written.digest, written.size, Place::Spool(written.file)));
    let mut held = Held::made(name, config, &layers, Made::Configuration);
    held.is_container = true;
    held.notes = notes;
    Ok(held)
}

/// A few of many names.
pub(crate) fn clipped(names: &[String]) -> String {
    let few: Vec<String> = names.iter().take(6).map(|name| name.chars().take(120).collect()).collect();
    match names.len() - few.len() {
        0 => few.join(", "),
        more => format!("{} and {more} more", few.join(", ")),
    }
}

/// The image's configuration with one layer more; a bare one when the image has none any more.
fn configuration(image: Option<&[u8]>, below: &[String], top: &str, title: &str) -> Vec<u8> {
    let read = image.and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    let mut config = read.filter(Value::is_object).unwrap_or_else(|| json!({}));
    let mut history: Vec<Value> =
        config.get("history").and_then(Value::as_array).cloned().unwrap_or_default();
    // Layers are paired with the entries that made one, in their order.
    let is_layer = |entry: &Value| entry.get("empty_layer").and_then(Value::as_bool) != Some(true);
    history.retain(is_layer);
    history.truncate(below.len());
    history.resize(below.len(), json!({}));
    history.push(json!({ "created_by": title }));
    let mut diff_ids = below.to_vec();
    diff_ids.push(top.to_owned());
    config["history"] = Value::Array(history);
    config["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
    config.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_gets_one_layer_more() {
        let image =
            br#"{"os":"linux","history":[{"created_by":"a"},{"empty_layer":true},{"created_by":"b"}]}"#;
        let below = ["sha256:1".to_owned(), "sha256:2".to_owned(), "sha256:3".to_owned()];
        let made: Value =
            serde_json::from_slice(&configuration(Some(image), &below, "sha256:4", "top")).expect("JSON");
        assert_eq!(made["os"], "linux");
        assert_eq!(made["rootfs"]["diff_ids"], json!(["sha256:1", "sha256:2", "sha256:3", "sha256:4"]));
        assert_eq!(made["history"][1]["created_by"], "b");
        assert_eq!(made["history"][3]["created_by"], "top");
        for bad in [None, Some(&b"[]"[..]), Some(b"}")] {
            let made: Value =
                serde_json::from_slice(&configuration(bad, &[], "sha256:4", "top")).expect("JSON");
            assert_eq!(made["rootfs"]["diff_ids"], json!(["sha256:4"]));
        }
    }
}
