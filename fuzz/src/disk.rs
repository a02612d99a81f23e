//! Disks: the first byte chooses one of the disks kept with the tests of `image`, the rest are edits of its
//! bytes that say something: where (two bytes count lines of 64 bytes, one the place in the line) and what.
//! An eighth bit of the first byte takes the rest as the disk itself. It is opened, whatever container,
//! partition table and file systems it holds, and walked. Those without checksums let damage through.

use crate::layer::Recorder;
use seaworthy_image::{MemorySource, open_disk, walk_disk};
use seaworthy_types::Limits;
use std::sync::{Arc, OnceLock};

/// A disk, and the lines in it that are not all zeros.
struct Base {
    bytes: Vec<u8>,
    lines: Vec<usize>,
}

const LINE: usize = 64;

fn bases() -> &'static [Base] {
    macro_rules! packed {
        ($($name:literal)*) => {
            [$(&include_bytes!(concat!("../../crates/image/tests/disk/fixtures/", $name, ".zst"))[..]),*]
        };
    }
    static BASES: OnceLock<Vec<Base>> = OnceLock::new();
    BASES.get_or_init(|| {
        packed!["ext2" "ext3" "ext4" "xfs4" "xfs5" "squashfs" "squashzstd" "qcow2" "vmdk" "vhd" "gpt" "lvm"]
            .iter()
            .map(|packed| {
                let bytes = zstd::bulk::decompress(packed, 32 << 20).expect("kept with the tests");
                let lines = bytes.chunks(LINE).enumerate();
                let lines = lines.filter(|(_, line)| line.iter().any(|byte| *byte != 0)).map(|(at, _)| at);
                let lines = lines.collect();
                Base { bytes, lines }
            })
            .collect()
    })
}

fn edited(base: &Base, edits: &[u8]) -> Vec<u8> {
    let mut bytes = base.bytes.clone();
    for edit in edits.chunks_exact(4) {
        let line = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % base.lines.len().max(1);
        let place = base.lines.get(line).unwrap_or(&0) * LINE + usize::from(edit[2]) % LINE;
        if let Some(byte) = bytes.get_mut(place) {
            *byte = edit[3];
        }
    }
    bytes
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let disk = match how & 0x80 {
        0 => {
            let bases = bases();
            edited(&bases[usize::from(*how) % bases.len()], rest)
        }
        _ => rest.to_vec(),
    };
    let limits = Limits { inflate_excess_bytes_max: 16 << 20, ..crate::limits() };
    let Ok(disk) = open_disk(Arc::new(MemorySource(disk)), None, &limits) else { return };
    let mut recorder = Recorder::default();
    if let Ok(result) = walk_disk(&disk, &limits, &mut recorder) {
        assert!(result.entries <= limits.layer_entries_max, "the limit of entries holds");
    }
}
