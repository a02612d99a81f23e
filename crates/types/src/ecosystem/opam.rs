//! OCaml packages.

use super::{Ecosystem, as_written, join_none, split_none};

/// Facts about OCaml packages.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "opam",
    label: "OCaml packages",
    purl_type: "opam",
    scheme: "generic",
    osv: &["opam"],
    of_distribution: false,
    normalise: as_written,
    purl_split: split_none,
    purl_join: join_none,
    upgrade: "opam install {name}.{version}",
};
