//! Rust crates in executables built with `cargo auditable`: section `.dep-v0`.
//!
//! Format: rust-secure-code/cargo-auditable, `PARSING.md` and `cargo-auditable.schema.json`: JSON
//! compressed with zlib. A program built with plain cargo records nothing and is not seen.

use crate::assemble::{Builder, View};
use crate::cataloguer::{Cataloguer, Facts, File, Pattern};
use crate::executable::{self, Error, Executable};
use flate2::{Decompress, FlushDecompress, Status};
use seaworthy_types::{About, Package, Reads, Scope};
use serde::{Deserialize, Serialize};

/// The unit.
pub const CATALOGUER: &dyn Cataloguer = &RustBinary;

const ABOUT: About = About {
    name: "rust-binary",
    version: 1,
    ecosystem: "cargo",
    reads: Reads::Installed,
    coverage: "Crates of Rust programs (ELF, PE, Mach-O) that were built with cargo-auditable.",
};

/// The format's authors advise 8 MiB; real lists take some 10 kB.
const JSON_BYTES_MAX: usize = 8 << 20;

struct RustBinary;

/// One crate that was linked in or that helped to build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Crate {
    name: String,
    version: String,
    #[serde(default = "crates_io")]
    source: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    root: bool,
}

#[derive(Deserialize)]
struct Document {
    packages: Vec<Crate>,
}

fn crates_io() -> String {
    "crates.io".into()
}

impl Cataloguer for RustBinary {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn patterns(&self) -> &'static [Pattern] {
        executable::MAGICS
    }

    fn accepts(&self, _path: &str, head: &[u8]) -> bool {
        head.is_empty() || executable::looks_linked(head)
    }

    fn read(&self, file: &File<'_>, facts: &mut Facts<'_>) {
        match compressed(file) {
            Ok(None) => {}
            Ok(Some(bytes)) => match inflate(&bytes).and_then(parse) {
                Ok(crates) => {
                    let (named, nameless): (Vec<_>, Vec<_>) =
                        crates.into_iter().partition(|one| !one.name.is_empty());
                    named.iter().for_each(|one| facts.push(one));
                    if !nameless.is_empty() {
                        let detail =
                            format!("section .dep-v0 holds {} crates without a name", nameless.len());
                        facts.gap("auditable-data-damaged", detail);
                    }
                }
                Err(why) => facts.gap("auditable-data-damaged", format!("section .dep-v0 {why}")),
            },
            Err(Error::Read(error)) => facts.gap("file-unreadable", error.to_string()),
            Err(error) => facts.info("executable-damaged", error.to_string()),
        }
    }

    fn assemble(&self, view: &View<'_>, builder: &mut Builder) {
        for fact in view.visible() {
            let Some(found) = fact.get::<Crate>() else { continue };
            let mut package = Package::new("cargo", found.name, found.version, ABOUT.name);
            // Build scripts and procedural macros run while building and are not in the program.
            if found.kind == "build" {
                package.scope = Scope::Development;
            }
            if found.root {
                package.facts.insert("root".into(), "true".into());
            }
            if !matches!(found.source.as_str(), "crates.io" | "registry") {
                package.facts.insert("source".into(), found.source);
            }
            view.place(fact, &mut package);
            builder.package(package);
        }
    }
}

/// The bytes of the section, if there is one.
fn compressed<'a>(file: &File<'a>) -> Result<Option<std::borrow::Cow<'a, [u8]>>, Error> {
    let Some(executable) = Executable::open(file.content)? else { return Ok(None) };
    let Some(section) = executable.section(&[".dep-v0"])? else { return Ok(None) };
    let size = usize::try_from(section.size).unwrap_or(usize::MAX).min(JSON_BYTES_MAX);
    Ok(Some(executable.bytes(section.offset, size)?))
}

fn inflate(compressed: &[u8]) -> Result<Vec<u8>, String> {
    let mut state = Decompress::new(true);
    let mut out = Vec::new();
    loop {
        let room =
            (compressed.len() * 4).clamp(1 << 10, 1 << 20).min(JSON_BYTES_MAX.saturating_sub(out.len()));
        if room == 0 {
            return Err(format!("holds more than {JSON_BYTES_MAX} bytes; it was not read"));
        }
        out.reserve_exact(room);
        let (taken, made) = (state.total_in(), state.total_out());
        let rest = compressed.get(taken as usize..).unwrap_or_default();
        match state.decompress_vec(rest, &mut out, FlushDecompress::Finish) {
            Ok(Status::StreamEnd) => return Ok(out),
            Ok(_) if (state.total_in(), state.total_out()) == (taken, made) => {
                return Err("is cut off".into());
            }
            Ok(_) => {}
            Err(error) => return Err(format!("is not compressed soundly: {error}")),
        }
    }
}

fn parse(json: Vec<u8>) -> Result<Vec<Crate>, String> {
    let document: Document =
        serde_json::from_slice(&json).map_err(|error| format!("does not hold the expected JSON: {error}"))?;
    Ok(document.packages)
}
