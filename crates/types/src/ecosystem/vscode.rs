//! Visual Studio Code extensions.

use super::{Ecosystem, lower_case};

/// Facts about Visual Studio Code extensions.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "vscode",
    label: "Visual Studio Code extensions",
    purl_type: "vscode-extension",
    scheme: "semver",
    osv: &["VSCode"],
    of_distribution: false,
    normalise: lower_case,
    purl_split: |name| match name.split_once('.') {
        Some((publisher, name)) => (Some(publisher.to_owned()), name.to_owned()),
        None => (None, name.to_owned()),
    },
    purl_join: |namespace, name| match namespace {
        Some(publisher) => format!("{publisher}.{name}"),
        None => name.to_owned(),
    },
    upgrade: "code --install-extension {name}@{version}",
};
