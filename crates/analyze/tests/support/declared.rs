//! Which of other tools' test files the units of declared packages read, and where we differ.

use super::Reader;

/// Reads as `READERS` in `expected.rs`.
pub const READERS: &[Reader] = &[
    Reader { unit: "bun-lock", place: bun_lock },
    Reader { unit: "cargo-lock", place: cargo_lock },
    Reader { unit: "composer-lock", place: composer_lock },
    Reader { unit: "gemfile-lock", place: gemfile_lock },
    Reader { unit: "go-mod", place: go_mod },
    Reader { unit: "gradle-lock", place: gradle_lock },
    Reader { unit: "maven-pom", place: maven_pom },
    Reader { unit: "msbuild-project", place: msbuild_project },
    Reader { unit: "npm-lock", place: npm_lock },
    Reader { unit: "nuget-config", place: nuget_config },
    Reader { unit: "nuget-lock", place: nuget_lock },
    Reader { unit: "pdm-lock", place: pdm_lock },
    Reader { unit: "pipfile-lock", place: pipfile_lock },
    Reader { unit: "pnpm-lock", place: pnpm_lock },
    Reader { unit: "poetry-lock", place: poetry_lock },
    Reader { unit: "pylock", place: pylock },
    Reader { unit: "python-requirements", place: python_requirements },
    Reader { unit: "uv-lock", place: uv_lock },
    Reader { unit: "yarn-lock", place: yarn_lock },
];

/// What we say otherwise than another tool about one of its files.
pub struct Change {
    /// As in `EXPECTED.jsonl`, without the first folder.
    pub file: &'static str,
    /// What they say and we do not.
    pub gone: &'static [(&'static str, &'static str)],
    /// What we say and they do not.
    pub more: &'static [(&'static str, &'static str)],
    /// Why.
    #[allow(dead_code)]
    pub why: &'static str,
}

/// A file in a folder of test data (`/FOLDER/testdata/`) or with its own name.
fn either(path: &str, folder: &str, name: &str) -> Option<String> {
    (path.contains(folder) || path.rsplit('/').next() == Some(name)).then(|| name.to_owned())
}

fn bun_lock(path: &str) -> Option<String> {
    if path.contains("/bun/testdata/") { Some("bun.lock".into()) } else { either(path, "/bunlock/testdata/", "bun.lock") }
}
fn cargo_lock(path: &str) -> Option<String> {
    if path.contains("/rust/cargo/testdata/") {
        return path.ends_with(".lock").then(|| "Cargo.lock".into());
    }
    either(path, "/cargolock/testdata/", "Cargo.lock")
}
fn composer_lock(path: &str) -> Option<String> {
    if path.ends_with("composer_happy.lock") {
        return Some("composer.lock".into());
    }
    either(path, "/composerlock/testdata/", "composer.lock")
}
fn gemfile_lock(path: &str) -> Option<String> {
    if path.contains("/bundler/testdata/") {
        return path.ends_with(".lock").then(|| "Gemfile.lock".into());
    }
    either(path, "/gemfilelock/testdata/", "Gemfile.lock")
}
fn go_mod(path: &str) -> Option<String> {
    path.ends_with(".mod").then(|| "go.mod".into())
}
fn gradle_lock(path: &str) -> Option<String> {
    if path.contains("/gradle/lockfile/testdata/") {
        return Some("gradle.lockfile".into());
    }
    either(path, "/gradlelockfile/testdata/", "gradle.lockfile")
}
fn maven_pom(path: &str) -> Option<String> {
    either(path, "/pomxml/testdata/", "pom.xml").or_else(|| path.ends_with(".pom.xml").then(|| "pom.xml".into()))
}
fn msbuild_project(path: &str) -> Option<String> {
    let folders = ["/csproj/testdata/", "/nugetcpm/testdata/", "/packagesprops/testdata/"];
    folders.iter().any(|folder| path.contains(folder)).then(|| "Directory.Packages.props".into())
}
fn npm_lock(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?;
    if name == "npm-shrinkwrap.json" || path.contains("/pkg-lock/") {
        return Some("npm-shrinkwrap.json".into());
    }
    either(path, "/packagelockjson/testdata/", "package-lock.json")
}
fn nuget_config(path: &str) -> Option<String> {
    path.contains("/nuget/config/testdata/").then(|| "packages.config".into())
}
fn nuget_lock(path: &str) -> Option<String> {
    path.ends_with("packages.lock.json").then(|| "packages.lock.json".into())
}
fn pdm_lock(path: &str) -> Option<String> {
    either(path, "/pdmlock/testdata/", "pdm.lock")
}
fn pipfile_lock(path: &str) -> Option<String> {
    either(path, "/pipfilelock/testdata/", "Pipfile.lock")
}
fn pnpm_lock(path: &str) -> Option<String> {
    either(path, "/pnpmlock/testdata/", "pnpm-lock.yaml")
}
fn poetry_lock(path: &str) -> Option<String> {
    either(path, "/poetrylock/testdata/", "poetry.lock")
}
fn pylock(path: &str) -> Option<String> {
    either(path, "/pylock/testdata/", "pylock.toml")
}
fn python_requirements(path: &str) -> Option<String> {
    if path.contains("/python/pip/testdata/requirement") {
        return Some("requirements.txt".into());
    }
    either(path, "/requirements/testdata/", "requirements.txt")
}
fn uv_lock(path: &str) -> Option<String> {
    if path.contains("/python/uv/testdata/") {
        return path.ends_with(".lock").then(|| "uv.lock".into());
    }
    either(path, "/uvlock/testdata/", "uv.lock")
}
fn yarn_lock(path: &str) -> Option<String> {
    either(path, "/yarnlock/testdata/", "yarn.lock")
}

/// Where we differ.
pub const CHANGES: &[Change] = &[];
