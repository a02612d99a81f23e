//! NuGet's lock file: `packages.lock.json`.
//!
//! Format: *PackageReference in project files*, "Locking dependencies", of the NuGet documentation:
//! `dependencies` by target framework, then by name, each with `type` and `resolved`. Projects are
//! left out. What only some frameworks resolve counts too.

use super::{Cataloguer, Pattern};
use crate::declared::{AS_RECORD, Lock, LockFile, any_path, json, plain, scope};
use crate::loose::{Entries, Fields, Object, Text};
use seaworthy_types::{About, Reads};
use serde::de::MapAccess;

/// The cataloguer of NuGet's lock file.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "nuget-lock",
        version: 1,
        ecosystem: "nuget",
        reads: Reads::Declared,
        coverage: "NuGet packages of packages.lock.json, for all target frameworks.",
    },
    patterns: &[Pattern::Ending("packages.lock.json")],
    accepts: any_path,
    is_name: plain,
    bytes_max: AS_RECORD,
    parse,
};

#[derive(Default)]
struct Document<'a> {
    frameworks: Entries<'a, Entries<'a, Object<Entry<'a>>>>,
}

#[derive(Default)]
struct Entry<'a> {
    kind: Text<'a>,
    resolved: Text<'a>,
}

impl<'de> Fields<'de> for Document<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "dependencies" => self.frameworks = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Fields<'de> for Entry<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "type" => self.kind = map.next_value()?,
            "resolved" => self.resolved = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn parse(text: &str, _path: &str, lock: &mut Lock) -> Result<(), String> {
    let Object(Some(document)) = json::<Object<Document<'_>>>(text)? else {
        return Err("it is no JSON object".into());
    };
    for (name, entry) in document.frameworks.0.iter().flat_map(|(_, packages)| &packages.0) {
        let Some(entry) = &entry.0 else {
            lock.unusable(name);
            continue;
        };
        if entry.kind.get().is_none_or(|kind| !kind.eq_ignore_ascii_case("project")) {
            lock.package(name, entry.resolved.get().unwrap_or_default(), scope(false));
        }
    }
    Ok(())
}
