//! Components of Kubernetes; names are Go module paths, versions those of Kubernetes.

use super::{Ecosystem, as_written, join_slash, split_slash};

/// Facts about Kubernetes components.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "kubernetes",
    label: "Kubernetes components",
    purl_type: "k8s",
    scheme: "semver",
    osv: &["Kubernetes"],
    of_distribution: false,
    normalise: as_written,
    purl_split: split_slash,
    purl_join: join_slash,
    upgrade: "upgrade the cluster to Kubernetes {version}",
};
