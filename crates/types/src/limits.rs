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
    /// Uncompressed bytes per compressed byte, once more than 64 MiB came out of a layer.
    pub inflate_ratio_max: u64,
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
    /// Packages of one target.
    pub packages_max: u64,
    /// Bytes of facts of one layer.
    pub facts_bytes_max: u64,
    /// How often a compressed layer may be inflated again from its start for one large file.
    pub rereads_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            memory_bytes_max: 160 * MIB,
            file_bytes_whole_max: 24 * MIB,
            record_bytes_max: 24 * MIB,
            layer_entries_max: 4_000_000,
            layer_bytes_max: 64 << 30,
            inflate_ratio_max: 1_100,
            path_bytes_max: 4_096,
            manifest_bytes_max: 8 * MIB,
            layers_max: 512,
            nesting_max: 4,
            archive_entries_max: 500_000,
            packages_max: 500_000,
            facts_bytes_max: 64 * MIB,
            rereads_max: 8,
        }
    }
}

impl Limits {
    /// Limits for a memory budget in bytes; the other bounds follow it.
    pub fn with_memory(memory_bytes_max: u64) -> Self {
        let share = (memory_bytes_max / 6).clamp(1 << 20, 256 << 20);
        Self { memory_bytes_max, file_bytes_whole_max: share, record_bytes_max: share, ..Self::default() }
    }
}
