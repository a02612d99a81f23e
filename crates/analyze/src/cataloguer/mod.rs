//! The cataloguers: each is one file that reads one kind of package record.
//!
//! To add one, copy the smallest neighbour, put cases into `cases/<name>/`, run `cargo xtask tidy`.

use crate::assemble::{Builder, View};
use seaworthy_image::Content;
use seaworthy_types::{About, Limits, Note};
use serde::Serialize;
use serde::de::DeserializeOwned;

// tidy:begin
pub mod apk;
pub mod bun_lock;
pub mod cargo_lock;
pub mod composer_lock;
pub mod dotnet_deps;
pub mod dpkg;
pub mod gemfile_lock;
pub mod go_binary;
pub mod go_mod;
pub mod gradle_lock;
pub mod java_archive;
pub mod maven_pom;
pub mod msbuild_project;
pub mod node_package;
pub mod npm_lock;
pub mod nuget_config;
pub mod nuget_lock;
pub mod os_release;
pub mod pdm_lock;
pub mod php_composer_installed;
pub mod pipfile_lock;
pub mod pnpm_lock;
pub mod poetry_lock;
pub mod pylock;
pub mod python;
pub mod python_requirements;
pub mod rpm;
pub mod ruby_gemspec;
pub mod rust_binary;
pub mod uv_lock;
pub mod yarn_lock;

/// Every cataloguer, sorted by name.
pub const ALL: &[&dyn Cataloguer] = &[
    apk::CATALOGUER,
    bun_lock::CATALOGUER,
    cargo_lock::CATALOGUER,
    composer_lock::CATALOGUER,
    dotnet_deps::CATALOGUER,
    dpkg::CATALOGUER,
    gemfile_lock::CATALOGUER,
    go_binary::CATALOGUER,
    go_mod::CATALOGUER,
    gradle_lock::CATALOGUER,
    java_archive::CATALOGUER,
    maven_pom::CATALOGUER,
    msbuild_project::CATALOGUER,
    node_package::CATALOGUER,
    npm_lock::CATALOGUER,
    nuget_config::CATALOGUER,
    nuget_lock::CATALOGUER,
    os_release::CATALOGUER,
    pdm_lock::CATALOGUER,
    php_composer_installed::CATALOGUER,
    pipfile_lock::CATALOGUER,
    pnpm_lock::CATALOGUER,
    poetry_lock::CATALOGUER,
    pylock::CATALOGUER,
    python::CATALOGUER,
    python_requirements::CATALOGUER,
    rpm::CATALOGUER,
    ruby_gemspec::CATALOGUER,
    rust_binary::CATALOGUER,
    uv_lock::CATALOGUER,
    yarn_lock::CATALOGUER,
];
// tidy:end

/// One kind of package record.
pub trait Cataloguer: Sync {
    /// Name, version, ecosystem, kind of target, coverage. The name equals the file name with
    /// hyphens for underscores.
    fn about(&self) -> &'static About;
    /// Which files it wants; compiled into one matcher over all units.
    fn patterns(&self) -> &'static [Pattern];
    /// A second look at a file that a pattern chose; must be cheap. `head` is up to 512 bytes.
    fn accepts(&self, _path: &str, _head: &[u8]) -> bool {
        true
    }
    /// Turns one file into raw facts: pure, without other files. Cached by layer.
    fn read(&self, file: &File<'_>, facts: &mut Facts<'_>);
    /// Files that make sense only with another one: the path of the file, the path of its companion.
    /// The unit wants both by its patterns.
    fn companions(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
    /// Reads a file with its companion when one layer holds both and the companion is not empty. Both were
    /// read alone before; what is found now is kept under the companion's path.
    fn read_together(&self, _file: &File<'_>, _companion: Content<'_>, _facts: &mut Facts<'_>) {}
    /// Turns the facts of the squashed image into packages. Units run in this order: first those
    /// whose ecosystem is of a distribution, then the others; within each by name.
    fn assemble(&self, view: &View<'_>, builder: &mut Builder);
}

/// What chooses a file. Paths have no leading slash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// The whole path: `var/lib/dpkg/status`.
    Path(&'static str),
    /// The last part of the path: `package.json`.
    Name(&'static str),
    /// The end of the last part, from its last dot, lower case: `.jar`. ASCII case is ignored.
    Extension(&'static str),
    /// Files directly in this folder, with this ending (`""` for any): `("var/lib/dpkg/info", ".list")`.
    InFolder(&'static str, &'static str),
    /// The path ends with this after a slash or is equal to it: `.dist-info/METADATA` also matches
    /// `x-1.0.dist-info/METADATA` (a leading dot or word is matched as a plain ending).
    Ending(&'static str),
    /// The file starts with these bytes: `b"\x7fELF"`.
    Magic(&'static [u8]),
}

/// What a cataloguer is asked to read.
pub struct File<'a> {
    /// Path from the root of the target, without a leading slash.
    pub path: &'a str,
    /// Content.
    pub content: Content<'a>,
    /// Permission bits.
    pub mode: u32,
    /// Bounds to keep.
    pub limits: &'a Limits,
}

/// Receives facts and notes of one unit about one file.
pub struct Facts<'a> {
    pub(crate) unit: &'static About,
    pub(crate) path: &'a str,
    pub(crate) out: Vec<Vec<u8>>,
    pub(crate) notes: Vec<Note>,
    pub(crate) bytes_left: u64,
}

impl<'a> Facts<'a> {
    /// An empty collector; for the engine and for tests.
    pub fn new(unit: &'static About, path: &'a str, limits: &Limits) -> Self {
        crate::loose::begin_document();
        Self { unit, path, out: Vec::new(), notes: Vec::new(), bytes_left: limits.facts_bytes_max }
    }
    /// Adds one fact: any serde value of the unit's own (postcard: no `skip_serializing_if`, no
    /// untagged enums). A change of its shape needs a new unit version.
    pub fn push<T: Serialize>(&mut self, fact: &T) {
        match postcard::to_stdvec(fact) {
            Ok(bytes) if bytes.len() as u64 <= self.bytes_left => {
                self.bytes_left -= bytes.len() as u64;
                self.out.push(bytes);
            }
            // Once, not for each of what may be hundreds of thousands.
            _ if self.notes.last().is_some_and(|note| note.code == "facts-too-large") => {}
            _ => self.gap("facts-too-large", "the facts of this file exceed the limit and were dropped"),
        }
    }
    /// Notes that something of this file was lost.
    pub fn gap(&mut self, code: &str, detail: impl Into<String>) {
        self.notes.push(Note::gap(code, self.unit.name, self.path, detail));
    }
    /// Notes something worth knowing of this file.
    pub fn info(&mut self, code: &str, detail: impl Into<String>) {
        self.notes.push(Note::info(code, self.unit.name, self.path, detail));
    }
    /// What was collected: postcard bytes of each fact, and notes.
    pub fn finish(self) -> (Vec<Vec<u8>>, Vec<Note>) {
        (self.out, self.notes)
    }
}

impl File<'_> {
    /// All bytes, or a gap note when the file exceeds `limits.record_bytes_max` or cannot be read.
    pub fn record<'s>(&'s self, facts: &mut Facts<'_>) -> Option<std::borrow::Cow<'s, [u8]>> {
        self.record_within(self.limits.record_bytes_max, facts)
    }

    pub(crate) fn record_within<'s>(
        &'s self,
        bytes_max: u64,
        facts: &mut Facts<'_>,
    ) -> Option<std::borrow::Cow<'s, [u8]>> {
        match self.content.whole(bytes_max) {
            Ok(Some(bytes)) => Some(bytes),
            Ok(None) => {
                let size = self.content.len();
                facts.gap(
                    "file-too-large",
                    format!("{size} bytes exceed the limit for a record of this kind; it was not read"),
                );
                None
            }
            Err(error) => {
                facts.gap("file-unreadable", error.to_string());
                None
            }
        }
    }
}

/// Kind of target, for choosing units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// An image or an unpacked root file system: installed software counts.
    Image,
    /// A folder of source code: declared software counts too.
    Source,
}

/// One fact with where it came from, as handed to `assemble`.
#[derive(Debug, Clone, Copy)]
pub struct Fact<'a> {
    /// Path of the file.
    pub path: &'a str,
    /// Layer of the file, 0 for the lowest.
    pub layer: u32,
    /// False when an upper layer removed or replaced the file.
    pub visible: bool,
    pub(crate) bytes: &'a [u8],
}

impl Fact<'_> {
    /// The fact as the unit pushed it; `None` only when a stored fact is damaged.
    pub fn get<T: DeserializeOwned>(&self) -> Option<T> {
        postcard::from_bytes(self.bytes).ok()
    }
}
