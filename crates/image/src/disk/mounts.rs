//! Which file systems of a disk belong where, by the fstab of the root file system (fstab(5)) and by the
//! types of partitions (UAPI group's Discoverable Partitions Specification). Only what lies on the same
//! disk can be joined.

use super::System;
use std::collections::BTreeMap;

/// GPT types that say where a partition belongs.
const TYPES: [(&str, &str); 6] = [
    ("8484680c-9521-48c6-9c11-b0720656f69e", "usr"),
    ("b0e01050-ee5f-4390-949a-9101b17104e9", "usr"),
    ("4d21b016-b534-45c2-a9fb-5c16e091fd2d", "var"),
    ("933ac7e1-2eb4-4f13-b844-0e14e2aef915", "home"),
    ("3b8f8425-20e0-4f3b-907f-1a25a76f98e8", "srv"),
    ("bc13c2ff-59e6-4262-a352-b275fd6f7172", "boot"),
];
/// Types in an fstab that are no file systems of a disk's own: the kernel's, the network's, memory, swap,
/// discs, and FAT, which is remarked on by itself.
const ELSEWHERE: [&str; 22] = [
    "swap", "proc", "sysfs", "tmpfs", "devpts", "devtmpfs", "cgroup", "cgroup2", "debugfs", "tracefs",
    "none", "nfs", "nfs4", "cifs", "9p", "virtiofs", "vfat", "msdos", "iso9660", "udf", "overlay", "bind",
];

/// One line of an fstab.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    device: String,
    /// Without the first slash.
    place: String,
    kind: String,
    options: String,
}

/// Where file systems are joined, and what the fstab names that is not on this disk.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Mounts {
    /// Path to the index of a system.
    pub joined: BTreeMap<String, usize>,
    /// Device and place.
    pub missing: Vec<(String, String)>,
}

/// Decides by the fstab, then by types.
pub(crate) fn decide(fstab: &str, systems: &[System], root: usize) -> Mounts {
    let mut mounts = Mounts::default();
    for line in lines(fstab) {
        let has = |wanted: &[&str]| line.options.split(',').any(|option| wanted.contains(&option));
        let elsewhere = line.kind.split(',').any(|kind| ELSEWHERE.contains(&kind));
        if line.place.is_empty() || has(&["bind", "rbind"]) || elsewhere {
            continue;
        }
        match systems.iter().position(|system| is_meant(&line.device, system)) {
            Some(system) if system != root && !mounts.joined.values().any(|other| *other == system) => {
                mounts.joined.insert(line.place.clone(), system);
            }
            Some(_) => {}
            // What is not mounted by itself (a disc, a stick) is not part of the machine.
            None if has(&["noauto"]) => {}
            None => mounts.missing.push((line.device.clone(), line.place.clone())),
        }
    }
    for (index, system) in systems.iter().enumerate() {
        let place = TYPES.iter().find(|(kind, _)| *kind == system.partition.kind).map(|(_, place)| *place);
        let is_taken = index == root || mounts.joined.values().any(|other| *other == index);
        if let Some(place) = place.filter(|place| !is_taken && !mounts.joined.contains_key(*place)) {
            mounts.joined.insert(place.to_owned(), index);
        }
    }
    mounts
}

fn lines(fstab: &str) -> impl Iterator<Item = Line> {
    fstab.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().map(unescape);
        let device = fields.next().filter(|device| !device.starts_with('#'))?;
        let place = fields.next().filter(|place| place.starts_with('/'))?;
        let parts: Vec<&str> = place.split('/').filter(|part| !part.is_empty()).collect();
        let (kind, options) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        Some(Line { device, place: parts.join("/"), kind, options })
    })
}

/// `\040` and its kind stand for characters that would end a field.
fn unescape(field: &str) -> String {
    let mut text = field.to_owned();
    for (written, meant) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        text = text.replace(written, meant);
    }
    text
}

fn is_meant(device: &str, system: &System) -> bool {
    const BY: [(&str, &str); 8] = [
        ("UUID=", "uuid"),
        ("LABEL=", "label"),
        ("PARTUUID=", "partuuid"),
        ("PARTLABEL=", "partlabel"),
        ("/dev/disk/by-uuid/", "uuid"),
        ("/dev/disk/by-label/", "label"),
        ("/dev/disk/by-partuuid/", "partuuid"),
        ("/dev/disk/by-partlabel/", "partlabel"),
    ];
    let found = BY.iter().find_map(|(prefix, by)| Some((device.strip_prefix(prefix)?, *by)));
    if let Some((value, by)) = found {
        let value = value.trim_matches('"');
        let own = match by {
            "uuid" => &system.names.uuid,
            "label" => &system.names.label,
            "partuuid" => &system.partition.uuid,
            _ => &system.partition.name,
        };
        let is_uuid = by.ends_with("uuid");
        return !value.is_empty() && (own == value || (is_uuid && own.eq_ignore_ascii_case(value)));
    }
    let name = device.strip_prefix("/dev/").unwrap_or_default();
    if let Some((group, volume)) =
        system.partition.name.split_once('/').filter(|_| system.partition.number == 0)
    {
        let mapped = format!("mapper/{}-{}", group.replace('-', "--"), volume.replace('-', "--"));
        return name == system.partition.name || name == mapped;
    }
    let number = first_disk(name);
    number.is_some_and(|number| number == system.partition.number)
}

/// The partition's number, when the name is of a partition of a machine's first disk.
fn first_disk(name: &str) -> Option<u32> {
    ["sda", "vda", "xvda", "hda", "nvme0n1p", "mmcblk0p"]
        .iter()
        .find_map(|disk| name.strip_prefix(disk))
        .and_then(|number| number.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_line() {
        let text = "# a comment\n\nUUID=ab-cd\t/  ext4 defaults 0 1\n/dev/vda2 /with\\040space// xfs\nnone none swap\n";
        let found: Vec<Line> = lines(text).collect();
        let line = |device: &str, place: &str, kind: &str, options: &str| Line {
            device: device.into(),
            place: place.into(),
            kind: kind.into(),
            options: options.into(),
        };
        assert_eq!(
            found,
            [line("UUID=ab-cd", "", "ext4", "defaults"), line("/dev/vda2", "with space", "xfs", "")]
        );
    }

    #[test]
    fn numbers_of_the_first_disk() {
        assert_eq!(first_disk("nvme0n1p3"), Some(3));
        assert_eq!(first_disk("sda12"), Some(12));
        assert_eq!(first_disk("sdb1"), None);
        assert_eq!(first_disk("sda"), None);
    }
}
