//! .NET packages that an application or a shared framework was deployed with: `*.deps.json`.
//!
//! Format: the *runtime configuration files* document of the .NET runtime (`Documentation/design-docs/
//! host-components.md`, `deps.json`). Of its libraries those of type `package` and `runtimepack`
//! count, unless the entry for the runtime target has no file of them: such a package was only
//! needed to compile, or the shared framework brings its files. A runtime pack
//! `runtimepack.Microsoft.NETCore.App.Runtime.linux-x64` is the NuGet package of that name without
//! the first word; it is what .NET advisories speak of. A shared framework
//! (`shared/Microsoft.NETCore.App/8.0.1/`) names its runtime pack in its own `deps.json` since .NET
//! 5; when it does not, the pack is derived from folder and runtime identifier. Projects have no
//! identity in NuGet and are left out. Does not read `runtimeconfig.json` (it states a wish, not
//! what is installed), single-file bundles or assemblies.

use super::{Cataloguer, Facts, File, Pattern};
use crate::assemble::{Builder, View};
use crate::loose::{self, Entries, Fields, Object, Text, is_word};
use seaworthy_types::{About, Package, Reads};
use serde::de::{IgnoredAny, MapAccess};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The cataloguer of deployed .NET packages.
pub const CATALOGUER: &dyn Cataloguer = &DotnetDeps;

const NAME_BYTES_MAX: usize = 256;
const VERSION_BYTES_MAX: usize = 256;

struct DotnetDeps;

#[derive(Serialize, Deserialize)]
struct Raw {
    name: String,
    version: String,
    /// It is a runtime: in the application's folder or shared.
    runtime: bool,
    by_path: bool,
}

impl Cataloguer for DotnetDeps {
    fn about(&self) -> &'static About {
        &About {
            name: "dotnet-deps",
            version: 1,
            ecosystem: "nuget",
            reads: Reads::Installed,
            coverage: "NuGet packages and runtimes in *.deps.json of .NET applications and shared frameworks; not single-file applications.",
        }
    }
    fn patterns(&self) -> &'static [Pattern] {
        &[Pattern::Ending(".deps.json")]
    }
    fn read(&self, file: &File<'_>, facts: &mut Facts<'_>) {
        let Some(bytes) = file.record(facts) else { return };
        let _turn = loose::turn(bytes.len() as u64);
        let text = loose::text(&bytes, facts);
        match serde_json::from_str::<Object<Deps<'_>>>(&text) {
            Ok(Object(Some(deps))) if deps.libraries.is_some() || deps.targets.is_some() => {
                note_libraries(&deps, file.path, facts);
            }
            Ok(_) => facts.gap("record-unreadable", "it has neither libraries nor targets"),
            Err(error) => {
                facts.gap("record-unreadable", format!("the application's packages are not known: {error}"));
            }
        }
    }
    fn assemble(&self, view: &View<'_>, builder: &mut Builder) {
        for fact in view.visible() {
            let Some(raw) = fact.get::<Raw>() else { continue };
            let mut package = Package::new("nuget", raw.name, raw.version, "dotnet-deps");
            if raw.runtime {
                package.facts.insert("role".into(), "runtime".into());
            }
            if raw.by_path {
                package.evidence = "folder name".into();
            }
            view.place(fact, &mut package);
            builder.package(package);
        }
    }
}

#[derive(Default)]
struct Deps<'a> {
    runtime_target: Text<'a>,
    targets: Option<Entries<'a, Entries<'a, Object<Assets>>>>,
    libraries: Option<Entries<'a, Object<Library<'a>>>>,
}

#[derive(Default)]
struct RuntimeTarget<'a> {
    name: Text<'a>,
}

#[derive(Default)]
struct Library<'a> {
    kind: Text<'a>,
}

/// Whether a target holds files of a library.
#[derive(Default)]
struct Assets {
    any: bool,
}

impl<'de> Fields<'de> for Deps<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "runtimeTarget" => {
                // A string in the first versions of the format, an object since.
                self.runtime_target =
                    match map.next_value::<loose::TextOrObject<'de, RuntimeTarget<'de>>>()? {
                        loose::TextOrObject::Text(text) => Text(Some(text)),
                        loose::TextOrObject::Object(target) => target.name,
                        loose::TextOrObject::Other => Text(None),
                    };
            }
            "targets" => self.targets = Some(map.next_value()?),
            "libraries" => self.libraries = Some(map.next_value()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Fields<'de> for RuntimeTarget<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "name" => self.name = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Fields<'de> for Library<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "type" => self.kind = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Fields<'de> for Assets {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "runtime" | "runtimeTargets" | "native" | "resources" => {
                let files: Entries<'de, IgnoredAny> = map.next_value()?;
                self.any |= files.0.iter().any(|(file, _)| !file.ends_with("/_._"));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn note_libraries(deps: &Deps<'_>, path: &str, facts: &mut Facts<'_>) {
    let target = deps.runtime_target.get().unwrap_or_default();
    let with_files = with_files(deps, target);
    let mut left_out = Vec::new();
    let mut unusable = 0_u64;
    let mut seen = BTreeSet::new();
    for (id, library) in deps.libraries.iter().flat_map(|libraries| &libraries.0) {
        let kind = library.0.as_ref().and_then(|library| library.kind.get());
        if kind.is_some_and(|kind| !is_package(kind)) {
            continue;
        }
        let Some((name, version)) = split_id(id).filter(|_| kind.is_some()) else {
            unusable = unusable.saturating_add(1);
            continue;
        };
        let without_files =
            with_files.as_ref().is_some_and(|files| files.get(&id.to_ascii_lowercase()) == Some(&false));
        if without_files {
            left_out.push(name);
        } else if seen.insert((name, version)) {
            let raw =
                Raw { name: name.into(), version: version.into(), runtime: is_runtime(name), by_path: false };
            facts.push(&raw);
        }
    }
    if !left_out.is_empty() {
        let names: Vec<&str> = left_out.iter().take(5).copied().collect();
        let more = if left_out.len() > names.len() { ", …" } else { "" };
        facts.info(
            "packages-without-files",
            format!(
                "{} packages have no file here and are left out: {}{more}",
                left_out.len(),
                names.join(", ")
            ),
        );
    }
    if unusable > 0 {
        facts.gap(
            "package-without-name",
            format!("{unusable} of its libraries have no usable name, version or type"),
        );
    }
    if let Some((name, version)) = framework_pack(path, target)
        && !seen.iter().any(|(seen, _)| is_runtime(seen))
    {
        facts.push(&Raw { name, version: version.to_owned(), runtime: true, by_path: true });
    }
}

fn is_package(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("package") || kind.eq_ignore_ascii_case("runtimepack")
}

/// By library id in lower case, whether the runtime target has files of it; `None` when the target
/// is not there.
fn with_files(deps: &Deps<'_>, target: &str) -> Option<BTreeMap<String, bool>> {
    let (_, libraries) = deps.targets.as_ref()?.0.iter().find(|(name, _)| name == target)?;
    let entry = |(id, assets): &(std::borrow::Cow<'_, str>, Object<Assets>)| {
        (id.to_ascii_lowercase(), assets.0.as_ref().is_some_and(|assets| assets.any))
    };
    Some(libraries.0.iter().map(entry).collect())
}

/// `NAME/VERSION`, without the word that marks a runtime pack.
fn split_id(id: &str) -> Option<(&str, &str)> {
    let (name, version) = id.split_once('/')?;
    let name = name.strip_prefix("runtimepack.").unwrap_or(name);
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b));
    let usable = is_word(name, NAME_BYTES_MAX) && is_word(version, VERSION_BYTES_MAX);
    (usable && plain(name) && plain(version)).then_some((name, version))
}

/// `Microsoft.NETCore.App.Runtime.linux-x64` and its siblings.
fn is_runtime(name: &str) -> bool {
    name.starts_with("Microsoft.") && name.contains(".App.Runtime.")
}

/// The runtime pack of the shared framework in whose folder this record lies, when its target says
/// for which machine it is (`.NETCoreApp,Version=v8.0/linux-x64`).
fn framework_pack<'a>(path: &'a str, target: &str) -> Option<(String, &'a str)> {
    let mut parts = path.rsplit('/').skip(1);
    let (version, framework, shared) = (parts.next()?, parts.next()?, parts.next()?);
    let of_microsoft = framework.starts_with("Microsoft.") && framework.ends_with(".App");
    let (_, machine) = target.rsplit_once('/')?;
    let name = format!("{framework}.Runtime.{machine}");
    let known = split_id(&format!("{name}/{version}")).is_some();
    (shared == "shared" && of_microsoft && known).then_some((name, version))
}
