//! Bounds on everything that input can make grow.

use serde::{Deserialize, Serialize};

/// Upper bounds for one scan. Part of the layer cache's key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// All buffers of the scan together, in bytes (`--max-memory`).
    pub memory_bytes_max: u64,
    /// A file up to this size is handed to units whole; above it they get random access.
    pub file_bytes_whole_max: u64,
    /// A text or JSON record above this size is not parsed but noted as a gap.
    pub record_bytes_max: u64,
    /// Entries of one layer.
    pub layer_entries_max: u64,
    /// Uncompressed bytes of one layer.
    pub layer_bytes_max: u64,
    /// Uncompressed bytes per compressed byte. What a layer gives beyond that is counted as excess, it
    /// is not refused at once: 100 MB of zeros in a few kB are an ordinary sparse image.
    pub inflate_ratio_max: u64,
    /// Excess of all layers of one image together. This is what bounds a bomb: it costs the seconds
    /// that inflating and hashing this much takes, no memory, and ends with an error that names
    /// `inflate_ratio_max`. A layer that stays within the ratio is bounded by `layer_bytes_max` alone,
    /// and whoever wants such a one had to store a fair share of it.
    pub inflate_excess_bytes_max: u64,
    /// Bytes of one path.
    pub path_bytes_max: u64,
    /// Bytes of one manifest, index or configuration blob.
    pub manifest_bytes_max: u64,
    /// Layers of one image.
    pub layers_max: u64,
    /// Archives within archives.
    pub nesting_max: u32,
    /// Entries of one nested archive (jar).
    pub archive_entries_max: u64,
    /// Packages of one target, with what scan and report keep of each.
    pub packages_max: u64,
    /// Bytes of facts of one layer.
    pub facts_bytes_max: u64,
    /// What inflating again for one large file may cost beyond one pass over the layer, in multiples of
    /// the layer's uncompressed bytes, of which at most 1 GiB counts. All files of a layer together may
    /// cost eight times as much. Gzip layers are inflated from the nearest of their seek points.
    pub rereads_max: u32,
}

/// Bytes that one package takes in scan and report, measured on a lock file of 170,000; the child's part
/// (some 600 more) is gone when the most is held.
const PACKAGE_BYTES: u64 = 1_600;

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            memory_bytes_max: 160 * MIB,
            file_bytes_whole_max: 24 * MIB,
            record_bytes_max: 24 * MIB,
            layer_entries_max: 4_000_000,
            layer_bytes_max: 64 << 30,
            inflate_ratio_max: 200,
            inflate_excess_bytes_max: 4 << 30,
            path_bytes_max: 4_096,
            manifest_bytes_max: 8 * MIB,
            layers_max: 512,
            nesting_max: 4,
            archive_entries_max: 500_000,
            packages_max: 160 * MIB / PACKAGE_BYTES,
            facts_bytes_max: 64 * MIB,
            rereads_max: 8,
        }
    }
}

impl Limits {
    /// Limits for a memory budget in bytes; the other bounds follow it.
    pub fn with_memory(memory_bytes_max: u64) -> Self {
        let share = (memory_bytes_max / 6).clamp(1 << 20, 256 << 20);
        Self {
            memory_bytes_max,
            file_bytes_whole_max: share,
            record_bytes_max: share,
            packages_max: (memory_bytes_max / PACKAGE_BYTES).max(1_000),
            ..Self::default()
        }
    }
}
