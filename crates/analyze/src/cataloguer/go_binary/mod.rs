//! Go modules in executables and shared libraries, from the build information the linker leaves.
//!
//! ELF, PE and Mach-O; format in `build_info.rs`. A program whose information was removed or that
//! was packed is not seen. Versions come without the leading `v`.

mod build_info;

use crate::assemble::{Builder, View};
use crate::cataloguer::{Cataloguer, Fact, Facts, File, Pattern};
use crate::executable::{self, Error, Executable};
use build_info::{BuildInfo, Module};
use seaworthy_types::{About, Note, Package, Reads};
use std::collections::BTreeSet;

/// The unit.
pub const CATALOGUER: &dyn Cataloguer = &GoBinary;

const ABOUT: About = About {
    name: "go-binary",
    version: 1,
    ecosystem: "go",
    reads: Reads::Installed,
    coverage: "Modules, main module and standard library of Go programs (ELF, PE, Mach-O) that keep \
               their build information (Go 1.13 and later).",
};

struct GoBinary;

impl Cataloguer for GoBinary {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn patterns(&self) -> &'static [Pattern] {
        crate::executable::MAGICS
    }

    fn accepts(&self, _path: &str, head: &[u8]) -> bool {
        head.is_empty() || executable::looks_linked(head)
    }

    fn read(&self, file: &File<'_>, facts: &mut Facts<'_>) {
        let found = Executable::open(file.content)
            .and_then(|opened| opened.map_or(Ok(None), |executable| build_info::find(&executable)));
        match found {
            Ok(None) => {}
            Ok(Some(raw)) => {
                let info = build_info::parse(&raw);
                if info.odd_lines > 0 {
                    let detail =
                        format!("{} lines of the Go build information are not understood", info.odd_lines);
                    facts.gap("go-build-info-odd", detail);
                }
                facts.push(&info);
            }
            Err(Error::Read(error)) => facts.gap("file-unreadable", error.to_string()),
            Err(error @ Error::Damaged("Go build information")) => {
                facts.gap("go-build-info-damaged", format!("{error}; its modules are not known"));
            }
            Err(error) => facts.info("executable-damaged", error.to_string()),
        }
    }

    fn assemble(&self, view: &View<'_>, builder: &mut Builder) {
        for fact in view.visible() {
            if let Some(info) = fact.get::<BuildInfo>() {
                assemble_one(view, fact, &info, builder);
            }
        }
    }
}

fn assemble_one(view: &View<'_>, fact: &Fact<'_>, info: &BuildInfo, builder: &mut Builder) {
    let mut add = |mut package: Package| {
        view.place(fact, &mut package);
        builder.package(package);
    };
    let toolchain = toolchain_version(&info.toolchain);
    add(Package::new("go", "stdlib", toolchain.unwrap_or_default(), ABOUT.name));
    for dependency in &info.dependencies {
        add(dependency_package(dependency));
    }
    let main = info.main.as_ref().map(|main| main_package(main, info));
    let unknown_main = main.as_ref().is_some_and(|package| package.version.is_empty());
    main.into_iter().for_each(&mut add);

    let mut note = |make: fn(&str, &str, String, String) -> Note, code: &str, detail: String| {
        builder.note(make(code, ABOUT.name, fact.path.to_owned(), detail));
    };
    if toolchain.is_none() {
        let detail =
            format!("`{}` is no released Go toolchain: its standard library has no version", info.toolchain);
        note(Note::info, "go-toolchain-unknown", detail);
    }
    if unknown_main {
        let path = info.main.as_ref().map_or("", |main| &main.path);
        let detail =
            format!("the main module {path} was built from a working copy: its version is not known");
        note(Note::info, "go-main-version-unknown", detail);
    }
    let nameless: BTreeSet<&str> = info
        .dependencies
        .iter()
        .filter(|dependency| dependency_package(dependency).version.is_empty())
        .map(|dependency| dependency.path.as_str())
        .collect();
    if !nameless.is_empty() {
        let names = nameless.iter().take(5).copied().collect::<Vec<_>>().join(", ");
        let detail =
            format!("{} modules were built from local folders without a version: {names}", nameless.len());
        note(Note::info, "go-module-version-unknown", detail);
    }
    // The programs of the Go distribution itself have no modules; anything else should.
    let of_go = info.path.starts_with("cmd/");
    if info.main.is_none() && info.dependencies.is_empty() && !of_go {
        let detail = "a Go program that does not record its modules: only the standard library is known";
        note(Note::gap, "go-modules-unrecorded", detail.into());
    }
}

fn dependency_package(module: &Module) -> Package {
    match &module.replaced {
        None => Package::new("go", &module.path, plain_version(&module.version), ABOUT.name),
        Some((path, version)) if !version.is_empty() => {
            let mut package = Package::new("go", path, plain_version(version), ABOUT.name);
            package.facts.insert("replaces".into(), format!("{}@{}", module.path, module.version));
            package
        }
        // A local folder: a copy of the module, most likely of the version that is asked for.
        Some((path, _)) => {
            let mut package = Package::new("go", &module.path, plain_version(&module.version), ABOUT.name);
            package.facts.insert("replaced-by".into(), path.clone());
            package
        }
    }
}

fn main_package(main: &Module, info: &BuildInfo) -> Package {
    let recorded = plain_version(&main.version);
    let mut package = Package::new("go", &main.path, recorded, ABOUT.name);
    if package.version.is_empty()
        && let Some(version) = ldflags_version(&main.path, info)
    {
        package.version = version;
        package.evidence = "ldflags".into();
    }
    if info.path != main.path && !info.path.is_empty() {
        package.facts.insert("main-package".into(), info.path.clone());
    }
    package.facts.insert("toolchain".into(), info.toolchain.clone());
    for (key, value) in &info.settings {
        if matches!(key.as_str(), "vcs.revision" | "vcs.time" | "vcs.modified" | "GOOS" | "GOARCH" | "-tags")
        {
            package.facts.insert(key.trim_start_matches('-').to_owned(), value.clone());
        }
    }
    package
}

/// A version without its `v`; empty when it says nothing: `(devel)`, or the pseudo-version that
/// people write when a local folder replaces a module (`v0.0.0`, year 1).
fn plain_version(version: &str) -> &str {
    match version.strip_prefix('v').unwrap_or(version) {
        "(devel)" | "0.0.0" | "0.0.0-00010101000000-000000000000" => "",
        plain => plain,
    }
}

/// `go1.26.8-X:jsonv2` → `1.26.8`; `None` for `devel go1.23-abc`, `unknown` and the like.
fn toolchain_version(toolchain: &str) -> Option<&str> {
    let version = toolchain.strip_prefix("go")?;
    let end = version.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(version.len());
    let version = version.get(..end)?;
    version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
}

/// The version that `-ldflags "-X main.version=v1.2.3"` sets, when all that are set agree.
fn ldflags_version(main_path: &str, info: &BuildInfo) -> Option<String> {
    let (_, flags) = info.settings.iter().find(|(key, _)| key == "-ldflags")?;
    let mut words = shell_words(flags).into_iter();
    let mut versions = BTreeSet::new();
    while let Some(word) = words.next() {
        let assignment = match word.strip_prefix("-X").or_else(|| word.strip_prefix("--X")) {
            Some("") => words.next().unwrap_or_default(),
            Some(rest) => rest.trim_start_matches('=').to_owned(),
            None => continue,
        };
        let Some((variable, value)) = assignment.split_once('=') else { continue };
        let Some((package, name)) = variable.rsplit_once('.') else { continue };
        let own = package == "main"
            || package.strip_prefix(main_path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let name = name.to_ascii_lowercase();
        let speaks =
            matches!(name.as_str(), "version" | "gitversion" | "appversion" | "buildversion" | "ver");
        if own && speaks && is_release(value) {
            versions.insert(plain_version(value).to_owned());
        }
    }
    let only = versions.pop_first()?;
    versions.is_empty().then_some(only).filter(|version| !version.is_empty())
}

/// Three numbers, then nothing or a suffix of `-` or `+`.
fn is_release(value: &str) -> bool {
    let value = value.strip_prefix('v').unwrap_or(value);
    let core = value.split(['-', '+']).next().unwrap_or_default();
    let mut parts = 0;
    let numbers = core.split('.').all(|part| {
        parts += 1;
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())
    });
    numbers && parts == 3 && value.bytes().all(|b| b.is_ascii_alphanumeric() || b".-+".contains(&b))
}

/// Splits at blanks outside quotes, as the go command splits flags.
fn shell_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for character in text.chars() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None, _) if character.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => word.push(character),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toolchains_are_cleaned() {
        for (written, clean) in [
            ("go1.26.8-X:jsonv2", Some("1.26.8")),
            ("go1.22.1 X:nocoverageredesign", Some("1.22.1")),
            ("go1.21rc2", Some("1.21rc2")),
            ("go1.20.3+custom", Some("1.20.3")),
            ("devel go1.23-0123abc Tue", None),
            ("unknown", None),
            ("", None),
            ("go", None),
        ] {
            assert_eq!(toolchain_version(written), clean, "{written}");
        }
    }

    #[test]
    fn only_unambiguous_ldflags_name_a_version() {
        let version = |flags: &str| {
            let settings = vec![("-ldflags".to_owned(), flags.to_owned())];
            ldflags_version("example.org/m", &BuildInfo { settings, ..BuildInfo::default() })
        };
        assert_eq!(version("-s -w -X main.version=v1.2.3"), Some("1.2.3".into()));
        assert_eq!(version("-X=main.Version=1.2.3-rc.1"), Some("1.2.3-rc.1".into()));
        assert_eq!(version("-X 'example.org/m/internal.Version=1.2.3'"), Some("1.2.3".into()));
        assert_eq!(version("-X main.version=1.2.3 -X example.org/m/v.Version=v1.2.3"), Some("1.2.3".into()));
        for unclear in [
            "",
            "-X",
            "-X main.version",
            "-X main.version=master",
            "-X main.version=1.2",
            "-X other.org/x.Version=1.2.3",
            "-X example.org/moo.Version=1.2.3",
            "-X main.version=1.2.3 -X main.Version=1.2.4",
            "-X main.version=${VERSION}",
        ] {
            assert_eq!(version(unclear), None, "{unclear}");
        }
    }
}
