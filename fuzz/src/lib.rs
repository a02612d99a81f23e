//! What each fuzz target does with its bytes. Kept apart from the targets, so that it can be read and
//! called without libFuzzer. A panic here is a find.

pub mod archive;
pub mod cataloguer;
pub mod database;
pub mod deliver;
pub mod disk;
pub mod feed;
pub mod format;
pub mod layer;
pub mod protocol;
pub mod sbom;
pub mod scheme;
mod tar;

use seaworthy_types::Limits;

/// Bounds so small that inputs of some kilobytes reach them.
fn limits() -> Limits {
    Limits {
        memory_bytes_max: 16 << 20,
        file_bytes_whole_max: 4 << 10,
        record_bytes_max: 1 << 20,
        layer_entries_max: 2_000,
        layer_bytes_max: 8 << 20,
        manifest_bytes_max: 64 << 10,
        layers_max: 8,
        archive_entries_max: 2_000,
        packages_max: 5_000,
        facts_bytes_max: 4 << 20,
        ..Limits::default()
    }
}

/// The unit that the first byte chooses, and the rest.
fn choose<'d, T: Copy>(units: &[T], data: &'d [u8]) -> Option<(T, &'d [u8])> {
    let (first, rest) = data.split_first()?;
    Some((*units.get(usize::from(*first) % units.len().max(1))?, rest))
}
