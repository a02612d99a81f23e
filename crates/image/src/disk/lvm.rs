//! Linear volumes of LVM2, as installers make them. Format: lvm2's lib/format_text: a label, the places of
//! a text, and the newest text of the volume group. Volumes of other kinds (striped over several devices,
//! mirrors, thin pools, snapshots) and those on other disks are named and not read.

use super::bytes::{Fields, Volume, Work, damaged};
use super::partition::Partition;
use crate::Source;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

const SECTOR: u64 = 512;
const TEXT_BYTES_MAX: u64 = 4 << 20;
/// Depth of sections and lists, and values of one text.
const DEPTH_MAX: usize = 8;
const VALUES_MAX: usize = 200_000;
const SEGMENTS_MAX: usize = 65_536;

/// A physical volume as its label describes it.
#[derive(Debug)]
pub(crate) struct Physical {
    /// As in the text, with hyphens.
    pub id: String,
    /// Text of its volume group.
    pub text: Text,
}

/// A logical volume: parts of one or more physical ones.
#[derive(Debug)]
pub(crate) struct Logical {
    /// `group/volume`.
    pub name: String,
    pub uuid: String,
    /// Physical volume (its id), offset there, bytes; or why it is not read.
    pub parts: Result<Vec<(String, u64, u64)>, String>,
}

/// Values of a text by their path: `group.logical_volumes.root.segment1.type`.
pub(crate) type Text = BTreeMap<String, Vec<String>>;

/// Whether these first bytes of a volume are a label of LVM2.
pub(crate) fn label_at(head: &[u8]) -> Option<usize> {
    let is_label = |at: &usize| {
        head.get(*at..).is_some_and(|rest| rest.starts_with(b"LABELONE"))
            && head.get(at + 24..).is_some_and(|rest| rest.starts_with(b"LVM2 001"))
    };
    [0, 512, 1_024, 1_536].into_iter().find(is_label)
}

/// Reads a physical volume; `label` is where its label lies.
pub(crate) fn physical(volume: &Volume, label: usize) -> io::Result<Physical> {
    let raw = volume.take(label as u64, 512)?;
    let fields = Fields(&raw);
    let header = usize::try_from(fields.le32(20)?).unwrap_or(usize::MAX);
    let raw_id = Fields(fields.bytes(header, 32)?).text(0, 32)?;
    // Areas of data, a zero, areas of metadata, a zero; each is offset and size.
    let mut at = header.saturating_add(40);
    while fields.le64(at)? != 0 {
        at = at.saturating_add(16);
    }
    let start = fields.le64(at.saturating_add(16))?;
    if start == 0 {
        return Err(damaged("its metadata are on another device"));
    }
    let text = parse(&newest_text(volume, start)?)?;
    Ok(Physical { id: hyphenated(&raw_id), text })
}

/// The text lies in a ring behind a header of one sector.
fn newest_text(volume: &Volume, start: u64) -> io::Result<String> {
    let header = volume.take(start, 512)?;
    let fields = Fields(&header);
    if fields.bytes(4, 16)? != b" LVM2 x[5A%r0N*>" {
        return Err(damaged("its metadata have no header"));
    }
    let (ring, offset, size) = (fields.le64(32)?, fields.le64(40)?, fields.le64(48)?);
    if size == 0
        || size > TEXT_BYTES_MAX
        || ring <= SECTOR
        || offset < SECTOR
        || offset >= ring
        || size > ring
    {
        return Err(damaged("its metadata are not where they should be"));
    }
    let first = size.min(ring - offset);
    let mut text = vec![0; usize::try_from(size).unwrap_or(0)];
    let (head, tail) = text.split_at_mut_checked(usize::try_from(first).unwrap_or(0)).unwrap_or_default();
    volume.exact(start.saturating_add(offset), head)?;
    volume.exact(start.saturating_add(SECTOR), tail)?;
    Ok(String::from_utf8_lossy(&text).trim_end_matches('\0').to_owned())
}

/// `6-4-4-4-4-4-6` letters.
fn hyphenated(id: &str) -> String {
    let mut text = String::new();
    for (index, letter) in id.chars().enumerate() {
        if index >= 6 && (index - 6) % 4 == 0 && index < 30 {
            text.push('-');
        }
        text.push(letter);
    }
    text
}

/// Reads sections, `key = value` and lists; comments are passed over.
fn parse(text: &str) -> io::Result<Text> {
    let broken = || damaged("the text of its metadata is broken");
    let mut values = Text::new();
    let mut path: Vec<String> = Vec::new();
    let mut words = Words(text);
    let mut count = 0usize;
    while let Some(word) = words.next() {
        count += 1;
        if count > VALUES_MAX || path.len() > DEPTH_MAX {
            return Err(damaged("the text of its metadata is too long"));
        }
        if word == "}" {
            path.pop().ok_or_else(broken)?;
            continue;
        }
        match words.next().as_deref() {
            Some("{") => path.push(word),
            Some("=") => {
                let key = path.iter().chain([&word]).map(String::as_str).collect::<Vec<_>>().join(".");
                let mut list = vec![words.next().ok_or_else(broken)?];
                if list.first().is_some_and(|word| word == "[") {
                    list.clear();
                    loop {
                        match words.next().ok_or_else(broken)? {
                            word if word == "]" => break,
                            word if word == "," => {}
                            word => list.push(word.trim_start_matches('"').to_owned()),
                        }
                        count += 1;
                        if count > VALUES_MAX {
                            return Err(damaged("the text of its metadata is too long"));
                        }
                    }
                }
                let list = list.into_iter().map(|word| word.trim_start_matches('"').to_owned()).collect();
                values.insert(key, list);
            }
            _ => return Err(broken()),
        }
    }
    if path.is_empty() { Ok(values) } else { Err(broken()) }
}

/// Words of a text; quoted ones begin with their quote.
struct Words<'t>(&'t str);

impl Iterator for Words<'_> {
    type Item = String;
    fn next(&mut self) -> Option<String> {
        loop {
            self.0 = self.0.trim_start();
            match self.0.strip_prefix('#') {
                Some(comment) => self.0 = comment.split_once('\n').map_or("", |(_, rest)| rest),
                None => break,
            }
        }
        let first = self.0.chars().next()?;
        if first == '"' {
            let (word, rest) = self.0.get(1..)?.split_once('"')?;
            self.0 = rest;
            return Some(format!("\"{word}"));
        }
        let marks = ['{', '}', '[', ']', '=', ',', '#', '"'];
        let end = match marks.contains(&first) {
            true => first.len_utf8(),
            false => self
                .0
                .find(|letter: char| letter.is_whitespace() || marks.contains(&letter))
                .unwrap_or(self.0.len()),
        };
        let (word, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        Some(word.to_owned())
    }
}

/// The logical volumes that a text describes, by name.
pub(crate) fn logical(text: &Text) -> Vec<Logical> {
    let one = |path: &str| text.get(path).and_then(|list| list.first()).map_or("", String::as_str);
    let number = |path: &str| one(path).parse::<u64>().ok();
    let Some(group) = text.keys().find_map(|key| key.strip_suffix(".extent_size")) else { return Vec::new() };
    let extent_bytes = number(&format!("{group}.extent_size")).unwrap_or(0).saturating_mul(SECTOR);
    let section = format!("{group}.logical_volumes.");
    let names = text.keys().filter_map(|key| key.strip_prefix(&section)?.strip_suffix(".segment_count"));
    names
        .map(|name| {
            let at = |key: &str| format!("{section}{name}.{key}");
            let segments = number(&at("segment_count")).unwrap_or(0);
            let parts = (1..=segments).map(|index| {
                let at = |key: &str| format!("{section}{name}.segment{index}.{key}");
                let kind = one(&at("type"));
                if kind != "striped" || number(&at("stripe_count")) != Some(1) {
                    return Err(format!("it is of a kind that is not read ({kind})"));
                }
                let broken = || "its description is broken".to_owned();
                let [device, first] = text.get(&at("stripes")).map(Vec::as_slice).unwrap_or_default() else {
                    return Err(broken());
                };
                let device = format!("{group}.physical_volumes.{device}");
                let start = number(&format!("{device}.pe_start")).ok_or_else(broken)?;
                let first = first.parse::<u64>().map_err(|_| broken())?;
                let count = number(&at("extent_count")).ok_or_else(broken)?;
                let offset = start.saturating_mul(SECTOR).saturating_add(first.saturating_mul(extent_bytes));
                Ok((one(&format!("{device}.id")).to_owned(), offset, count.saturating_mul(extent_bytes)))
            });
            let parts = match segments {
                0 => Err("it has no bytes".to_owned()),
                count if count > SEGMENTS_MAX as u64 => Err("it is in more pieces than are read".to_owned()),
                _ => parts.collect(),
            };
            Logical { name: format!("{group}/{name}"), uuid: one(&at("id")).to_owned(), parts }
        })
        .collect()
}

/// The physical volumes of one disk, and the texts of their groups.
#[derive(Default)]
pub(crate) struct Groups {
    places: BTreeMap<String, Partition>,
    texts: BTreeMap<String, Text>,
}

impl Groups {
    /// Takes a physical volume in.
    pub fn add(&mut self, partition: Partition, physical: Physical) {
        let group = physical.text.keys().find_map(|key| key.strip_suffix(".extent_size")).unwrap_or_default();
        self.texts.insert(group.to_owned(), physical.text);
        self.places.insert(physical.id, partition);
    }
    /// The logical volumes of all groups, or why they are not read.
    pub fn volumes(
        &self,
        disk: &Arc<dyn Source>,
        work: &Arc<Work>,
    ) -> Vec<(Partition, Result<Volume, String>)> {
        let all = self.texts.values().flat_map(logical);
        all.map(|logical| {
            let volume = logical.parts.and_then(|parts| {
                let placed: Result<Vec<_>, String> = parts.iter().map(|part| self.place(part)).collect();
                let linear: Arc<dyn Source> = Arc::new(Linear::new(Arc::clone(disk), &placed?));
                let len = linear.len();
                Ok(Volume::new(linear, 0, len, Arc::clone(work)))
            });
            let partition = Partition {
                name: logical.name,
                uuid: logical.uuid,
                len: volume.as_ref().map_or(0, Volume::len),
                ..Partition::default()
            };
            (partition, volume)
        })
        .collect()
    }
    /// A part on the disk; one outside of its physical volume is refused.
    fn place(&self, (device, offset, bytes): &(String, u64, u64)) -> Result<(u64, u64), String> {
        let partition = self.places.get(device).ok_or("a part of it is on another disk")?;
        match offset.saturating_add(*bytes) <= partition.len {
            true => Ok((partition.start.saturating_add(*offset), *bytes)),
            false => Err("a part of it is outside of its physical volume".into()),
        }
    }
}

/// Parts of a disk, one after the other.
pub(crate) struct Linear {
    disk: Arc<dyn Source>,
    /// Offset in the volume, offset on the disk, bytes.
    parts: Vec<(u64, u64, u64)>,
    len: u64,
}

impl Linear {
    /// `parts` are offsets on the disk and bytes.
    pub fn new(disk: Arc<dyn Source>, parts: &[(u64, u64)]) -> Self {
        let mut len = 0u64;
        let mut placed = Vec::new();
        for (offset, bytes) in parts.iter().filter(|(_, bytes)| *bytes > 0) {
            placed.push((len, *offset, *bytes));
            len = len.saturating_add(*bytes);
        }
        Self { disk, parts: placed, len }
    }
}

impl Source for Linear {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let next = self.parts.partition_point(|(start, _, bytes)| start.saturating_add(*bytes) <= offset);
        let Some((start, place, bytes)) = self.parts.get(next) else { return Ok(0) };
        let inside = offset.saturating_sub(*start);
        let left = usize::try_from(bytes.saturating_sub(inside)).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let part = buffer.get_mut(..length).unwrap_or_default();
        self.disk.read_at(place.saturating_add(inside), part)
    }
    fn len(&self) -> u64 {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let text = "vg { # a group\n id = \"x y\" extent_size=8 list = [ \"a\", 1 ,2]\n lv { e = [] } }\ncontents = \"t\"\n";
        let values = parse(text).expect("sound");
        let value = |key: &str| values.get(key).map(|list| list.join("|"));
        assert_eq!(value("vg.id").as_deref(), Some("x y"));
        assert_eq!(value("vg.extent_size").as_deref(), Some("8"));
        assert_eq!(value("vg.list").as_deref(), Some("a|1|2"));
        assert_eq!(value("vg.lv.e").as_deref(), Some(""));
        assert_eq!(value("contents").as_deref(), Some("t"));
        for broken in ["}", "a", "a =", "a = [", "a = [ 1", "{ {", "a b", "x = \"open", &"a {".repeat(20)] {
            assert!(parse(broken).is_err(), "{broken}");
        }
        assert!(logical(&Text::new()).is_empty());
    }

    #[test]
    fn identities() {
        assert_eq!(hyphenated("oWgqwYGodFc8xB5Wev3c2Ra1FjapJKeX"), "oWgqwY-GodF-c8xB-5Wev-3c2R-a1Fj-apJKeX");
    }
}
