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
    if path.contains("/bun/testdata/") {
        Some("bun.lock".into())
    } else {
        either(path, "/bunlock/testdata/", "bun.lock")
    }
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
    either(path, "/pomxml/testdata/", "pom.xml")
        .or_else(|| path.ends_with(".pom.xml").then(|| "pom.xml".into()))
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
pub const CHANGES: &[Change] = &[
    Change {
        file: "rust.tar.xz!trivy/rust/cargo/testdata/cargo_invalid.lock",
        gone: &[],
        more: &[("libc", "0.2.54")],
        why: "what stands before the damage is read, and a gap says that the rest is not",
    },
    Change {
        file: "go.tar.xz!osv-scalibr/language/golang/gomod/testdata/two-packages.mod",
        gone: &[("stdlib", "1.17")],
        more: &[],
        why: "the go line names a language version, not what it is built with",
    },
    Change {
        file: "go.tar.xz!osv-scalibr/language/golang/gomod/testdata/indirect-packages.mod",
        gone: &[("stdlib", "1.17")],
        more: &[],
        why: "the same",
    },
    Change {
        file: "go.tar.xz!osv-scalibr/language/golang/gomod/testdata/indirect-1.16.mod",
        gone: &[("github.com/davecgh/go-spew", "1.1.1"), ("github.com/pmezard/go-difflib", "1.0.0")],
        more: &[],
        why: "go.sum, which we do not read, names more than what is built",
    },
    Change {
        file: "java.tar.xz!osv-scalibr/language/java/pomxml/testdata/invalid-syntax.xml",
        gone: &[],
        more: &[("io.netty:netty-all", "4.1.42.Final")],
        why: "we keep what can be read and note that the file is bad",
    },
    Change {
        file: "java.tar.xz!osv-scalibr/language/java/pomxml/testdata/interpolation.xml",
        gone: &[("org.mine:ranged-package", "9.4.35.v20201120")],
        more: &[],
        why: "a range has no one version; a note counts it",
    },
    Change {
        file: "java.tar.xz!osv-scalibr/language/java/pomxml/testdata/with-parent.xml",
        gone: &[("org.dave:dave", "4.0.0")],
        more: &[],
        why: "the parent is another file",
    },
    Change {
        file: "java.tar.xz!osv-scalibr/language/java/pomxml/testdata/multi-version.xml",
        gone: &[],
        more: &[("abc:example.com", "1.1.1")],
        why: "both are declared",
    },
    Change {
        file: "java.tar.xz!trivy/language/java/pom/testdata/happy/pom.xml",
        gone: &[("com.example:example", "1.0.0")],
        more: &[],
        why: "the project itself is not what it depends on",
    },
    Change {
        file: "java.tar.xz!trivy/language/java/pom/testdata/mark-as-dev/src/it/example/pom.xml",
        gone: &[("com.example:example", "1.0.0")],
        more: &[],
        why: "the project itself is not what it depends on",
    },
    Change {
        file: "java.tar.xz!syft/java/testdata/pom/commons-codec.pom.xml",
        gone: &[],
        more: &[("junit:junit", "4.12"), ("org.apache.commons:commons-lang3", "3.5")],
        why: "the row lists one package of several; both are declared for tests",
    },
    Change {
        file: "javascript.tar.xz!osv-scalibr/language/javascript/packagelockjson/testdata/both/package-lock.json",
        gone: &[],
        more: &[("supports-color", "5.5.0"), ("wrappy", "1.0.2")],
        why: "a shrinkwrap beside it does not make it empty",
    },
    Change {
        file: "javascript.tar.xz!osv-scalibr/language/javascript/pnpmlock/testdata/tarball.yaml",
        gone: &[("@my-org/my-package", "3.2.3")],
        more: &[],
        why: "what comes from git, a folder or an address is in no registry; a note names it",
    },
    Change {
        file: "javascript.tar.xz!osv-scalibr/language/javascript/pnpmlock/testdata/commits.yaml",
        gone: &[
            ("@my-scope/my-other-package", "1.0.0"),
            ("@my-scope/my-package", "1.0.0"),
            ("faker-parser", "0.0.1"),
            ("mocks", "20.0.1"),
            ("my-bitbucket-package", "1.0.0"),
        ],
        more: &[],
        why: "what comes from git, a folder or an address is in no registry; a note names it",
    },
    Change {
        file: "javascript.tar.xz!osv-scalibr/language/javascript/pnpmlock/testdata/files.yaml",
        gone: &[
            ("a-local-package", "1.0.0"),
            ("a-nested-local-package", "1.0.0"),
            ("my-file-package", "0.0.0"),
            ("one-up", "1.0.0"),
            ("one-up-with-peer", "1.0.0"),
        ],
        more: &[],
        why: "what comes from git, a folder or an address is in no registry; a note names it",
    },
    Change {
        file: "javascript.tar.xz!osv-scalibr/language/javascript/yarnlock/testdata/with-build-string.v1.lock",
        gone: &[("domino", "2.1.6+git")],
        more: &[],
        why: "what comes from git, a folder or an address is in no registry; a note names it",
    },
    Change {
        file: "javascript.tar.xz!osv-scalibr/language/javascript/yarnlock/testdata/with-build-string.v2.lock",
        gone: &[("domino", "2.1.6+git")],
        more: &[],
        why: "what comes from git, a folder or an address is in no registry; a note names it",
    },
    Change {
        file: "javascript.tar.xz!osv-scalibr/language/javascript/yarnlock/testdata/commits.v1.lock",
        gone: &[
            ("mine1", "1.0.0-alpha.37"),
            ("mine2", "0.0.1"),
            ("mine3", "1.2.3"),
            ("mine4", "0.0.2"),
            ("mine4", "0.0.4"),
            ("my-package", "1.8.3"),
            ("@bower_components/angular-animate", "1.4.14"),
            ("@bower_components/alertify", "0.0.0"),
            ("minimist", "0.0.8"),
            ("bats-assert", "2.0.0"),
            ("bats-support", "0.3.0"),
            ("bats", "1.5.0"),
            ("vue", "2.6.12"),
            ("kit", "1.0.0"),
            ("casadistance", "1.0.0"),
            ("babel-preset-php", "1.1.1"),
            ("is-number", "2.0.0"),
            ("is-number", "5.0.0"),
        ],
        more: &[],
        why: "what comes from git, a folder or an address is in no registry; a note names it",
    },
    Change {
        file: "javascript.tar.xz!osv-scalibr/language/javascript/yarnlock/testdata/commits.v2.lock",
        gone: &[
            ("@my-scope/my-first-package", "0.0.6"),
            ("my-second-package", "0.2.2"),
            ("@typegoose/typegoose", "7.2.0"),
            ("vuejs", "2.5.0"),
            ("my-third-package", "0.16.1-dev"),
            ("my-node-sdk", "1.1.0"),
            ("is-really-great", "1.0.0"),
        ],
        more: &[],
        why: "what comes from git, a folder or an address is in no registry; a note names it",
    },
    Change {
        file: "javascript.tar.xz!osv-scalibr/language/javascript/yarnlock/testdata/files.v1.lock",
        gone: &[("etag", "1.8.0"), ("filedep", "1.2.0"), ("other_package", "0.0.2"), ("sprintf-js", "0.0.0")],
        more: &[],
        why: "what comes from git, a folder or an address is in no registry; a note names it",
    },
    Change {
        file: "javascript.tar.xz!osv-scalibr/language/javascript/yarnlock/testdata/files.v2.lock",
        gone: &[("my-package", "0.0.2")],
        more: &[],
        why: "what comes from git, a folder or an address is in no registry; a note names it",
    },
    Change {
        file: "javascript.tar.xz!osv-scalibr/language/javascript/yarnlock/testdata/exclude-root.v2.lock",
        gone: &[("@ws/ansi-regex", "0.0.0-use.local")],
        more: &[],
        why: "a workspace is the project itself",
    },
    Change {
        file: "javascript.tar.xz!syft/javascript/testdata/yarn-berry/yarn.lock",
        gone: &[("c0n-fab_u.laTION", "7.7.7")],
        more: &[],
        why: "a workspace is the project itself",
    },
    Change {
        file: "javascript.tar.xz!syft/javascript/testdata/yarn-dups/yarn.lock",
        gone: &[("should-type", "1.3.0")],
        more: &[],
        why: "what comes from git, a folder or an address is in no registry; a note names it",
    },
    Change {
        file: "javascript.tar.xz!syft/javascript/testdata/pkg-lock/nested-package-lock-1.json",
        gone: &[],
        more: &[("dev-nested", "1.0.0"), ("dev-parent", "1.0.0")],
        why: "development dependencies count, marked as such",
    },
    Change {
        file: "javascript.tar.xz!syft/javascript/testdata/pkg-lock/package-lock-2.json",
        gone: &[("npm", "6.14.6")],
        more: &[("async", "3.2.4")],
        why: "the project itself is no dependency; those for development count",
    },
    Change {
        file: "javascript.tar.xz!syft/javascript/testdata/pkg-lock/array-license-package-lock.json",
        gone: &[("tmp", "1.0.0")],
        more: &[],
        why: "the project itself is no dependency",
    },
    Change {
        file: "javascript.tar.xz!syft/javascript/testdata/pnpm/pnpm-lock.yaml",
        gone: &[("nanoid", "3.3.4"), ("picocolors", "1.0.0"), ("source-map-js", "1.0.2")],
        more: &[("@bcoe/v8-coverage", "0.2.3")],
        why: "the file is cut: its list of packages lacks these",
    },
    Change {
        file: "python.tar.xz!osv-scalibr/language/python/pdmlock/testdata/git-dependency.toml",
        gone: &[("toml", "0.10.2")],
        more: &[],
        why: "what comes from git, a folder or an address is in no registry; a note names it",
    },
    Change {
        file: "python.tar.xz!osv-scalibr/language/python/poetrylock/testdata/source-git.lock",
        gone: &[("ike", "0.2.0")],
        more: &[],
        why: "what comes from git, a folder or an address is in no registry; a note names it",
    },
    Change {
        file: "python.tar.xz!osv-scalibr/language/python/pylock/testdata/commits.toml",
        gone: &[("mleroc", "0.1.0")],
        more: &[],
        why: "what comes from git, a folder or an address is in no registry; a note names it",
    },
    Change {
        file: "python.tar.xz!osv-scalibr/language/python/requirements/testdata/with_versions.txt",
        gone: &[("combination-also-valid", "3.5"), ("newspaper3k", "0.2.2"), ("pkg", "1.2.3")],
        more: &[],
        why: "a bound is no version; a note counts it",
    },
    Change {
        file: "python.tar.xz!osv-scalibr/language/python/requirements/testdata/per_req_options.txt",
        gone: &[("foo7", "1.0 unexpected_text_before_options_stays_around")],
        more: &[],
        why: "that is no version",
    },
    Change {
        file: "python.tar.xz!syft/python/testdata/requires/requirements.txt",
        gone: &[
            ("bar", "2.0.0"),
            ("githubsampleproject", "3.7.1"),
            ("mopidy-dirble", "1.1"),
            ("numpy", "3.4.1"),
            ("requests", "2.8.0"),
            ("sqlalchemy", "2.0.0"),
        ],
        more: &[],
        why: "a bound is no version; a note counts it",
    },
    Change {
        file: "python.tar.xz!osv-scalibr/language/python/uvlock/testdata/grouped-packages.lock",
        gone: &[],
        more: &[
            ("colorama", "0.4.6"),
            ("emoji", "2.14.0"),
            ("mccabe", "0.7.0"),
            ("mypy-extensions", "1.0.0"),
            ("packaging", "24.2"),
            ("pathspec", "0.12.1"),
            ("platformdirs", "4.3.6"),
            ("pycodestyle", "2.12.1"),
            ("pyflakes", "3.2.0"),
            ("tomli", "2.2.1"),
            ("typing-extensions", "4.12.2"),
        ],
        why: "the row lists a part only",
    },
    Change {
        file: "python.tar.xz!trivy/python/uv/testdata/uv_without_root.lock",
        gone: &[],
        more: &[("asyncio", "3.4.3")],
        why: "a lock needs no project to be read",
    },
    Change {
        file: "python.tar.xz!trivy/python/uv/testdata/uv_multiple_roots.lock",
        gone: &[],
        more: &[("asyncio", "3.4.3")],
        why: "a workspace has several projects",
    },
    Change {
        file: "python.tar.xz!syft/python/testdata/uv/simple-deps/uv.lock",
        gone: &[("testpkg", "0.1.0")],
        more: &[],
        why: "the project itself is no dependency",
    },
    Change {
        file: "python.tar.xz!syft/python/testdata/pipfile-lock/Pipfile.lock",
        gone: &[],
        more: &[("astroid", "2.5.2"), ("autopep8", "1.5.6")],
        why: "development dependencies count, marked as such",
    },
    Change {
        file: "python.tar.xz!syft/python/testdata/poetry/dev-deps/poetry.lock",
        gone: &[
            ("docutils", "*"),
            ("msal", ">=0.4.1,<2.0.0"),
            ("natsort", "*"),
            ("packaging", "*"),
            ("portalocker", ">=1.0,<3"),
            ("portalocker", ">=1.6,<3"),
            ("six", "*"),
            ("sphinx", "*"),
        ],
        more: &[],
        why: "these are what packages need, not what is locked",
    },
    Change {
        file: "ruby.tar.xz!osv-scalibr/language/ruby/gemfilelock/testdata/has-local-gem.lock",
        gone: &[("backbone-on-rails", "1.2.0.0")],
        more: &[],
        why: "what comes from git, a folder or an address is in no registry; a note names it",
    },
    Change {
        file: "ruby.tar.xz!syft/ruby/testdata/Gemfile.lock",
        gone: &[("google-cloud-errors", "1.3.0"), ("turbolinks", "3.0.0")],
        more: &[],
        why: "what comes from git, a folder or an address is in no registry; a note names it",
    },
    Change {
        file: "dotnet.tar.xz!trivy/nuget/config/testdata/dev_dependency.config",
        gone: &[],
        more: &[("microsoft.net.compilers", "1.0.0")],
        why: "development dependencies count, marked as such",
    },
    Change {
        file: "php.tar.xz!syft/php/testdata/composer.lock",
        gone: &[],
        more: &[("behat/gherkin", "v4.6.2"), ("codeception/codeception", "4.1.6")],
        why: "development dependencies count, marked as such",
    },
];
