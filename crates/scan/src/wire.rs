//! How an inventory travels from the parsing process: in postcard, every field of a package, while
//! its JSON leaves empty ones out. Written from references, read as the real types.

use seaworthy_types::{Inventory, Location, Origin, OsRelease, Package, Scope, SourcePackage, Unidentified};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// The fields of [`Package`] in the order of its declaration.
#[derive(Serialize)]
struct Whole<'p> {
    ecosystem: &'p str,
    name: &'p str,
    version: &'p str,
    architecture: &'p Option<String>,
    source: &'p Option<SourcePackage>,
    origin: Origin,
    scope: Scope,
    licences: &'p [String],
    locations: &'p [Location],
    layer: Option<u32>,
    owner: &'p Option<String>,
    found_by: &'p str,
    evidence: &'p str,
    facts: &'p BTreeMap<String, String>,
}

impl<'p> From<&'p Package> for Whole<'p> {
    fn from(package: &'p Package) -> Self {
        // No `..`: a new field must be added here and above, in its place.
        let Package {
            ecosystem,
            name,
            version,
            architecture,
            source,
            origin,
            scope,
            licences,
            locations,
            layer,
            owner,
            found_by,
            evidence,
            facts,
        } = package;
        let (origin, scope, layer) = (*origin, *scope, *layer);
        Self {
            ecosystem,
            name,
            version,
            architecture,
            source,
            origin,
            scope,
            licences,
            locations,
            layer,
            owner,
            found_by,
            evidence,
            facts,
        }
    }
}

/// Writes an inventory.
pub fn serialize<S: Serializer>(inventory: &Inventory, serializer: S) -> Result<S::Ok, S::Error> {
    let Inventory { os, packages, unidentified } = inventory;
    let packages: Vec<Whole<'_>> = packages.iter().map(Whole::from).collect();
    (os, packages, unidentified).serialize(serializer)
}

/// Reads what [`serialize`] wrote.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Inventory, D::Error> {
    let (os, packages, unidentified) =
        <(Option<OsRelease>, Vec<Package>, Vec<Unidentified>)>::deserialize(deserializer)?;
    Ok(Inventory { os, packages, unidentified })
}

#[cfg(test)]
mod tests {
    use crate::protocol::Sbom;
    use seaworthy_types::{
        Inventory, Location, Origin, OsRelease, Package, Scope, SourcePackage, Unidentified,
    };

    #[test]
    fn every_field_comes_back() {
        let text = |word: &str| word.to_owned();
        let full = Package {
            ecosystem: text("deb"),
            name: text("name"),
            version: text("version"),
            architecture: Some(text("amd64")),
            source: Some(SourcePackage { name: text("source"), version: text("1:2") }),
            origin: Origin::ThirdParty,
            scope: Scope::Development,
            licences: vec![text("MIT"), text("")],
            locations: vec![Location { path: text("a/b"), layer: Some(3) }],
            layer: Some(2),
            owner: Some(text("owner")),
            found_by: text("dpkg"),
            evidence: text("manifest"),
            facts: [(text("key"), text("value"))].into(),
        };
        let inventory = Inventory {
            os: Some(OsRelease { id: text("debian"), id_like: vec![text("x")], ..OsRelease::default() }),
            packages: vec![full, Package::default()],
            unidentified: vec![Unidentified {
                path: text("c.jar"),
                layer: Some(1),
                ..Unidentified::default()
            }],
        };
        for inventory in [inventory, Inventory::default()] {
            let sent = Sbom { inventory, image: None };
            let bytes = postcard::to_stdvec(&sent).expect("plain");
            assert_eq!(postcard::from_bytes::<Sbom>(&bytes).expect("whole").inventory, sent.inventory);
            for cut in 0..bytes.len() {
                assert!(postcard::from_bytes::<Sbom>(&bytes[..cut]).is_err());
            }
        }
    }
}
