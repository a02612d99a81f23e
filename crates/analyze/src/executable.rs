//! Sections and segments of executables: ELF, PE and Mach-O (of a fat file: its first part).
//!
//! Formats: System V gABI chapters 4 and 5; Microsoft "PE Format"; Apple `mach-o/loader.h` and
//! `mach-o/fat.h`. Reads headers only, by ranges, so that a file of any size costs a few reads; of a
//! file that is whole in memory nothing is copied. Knows no symbols and no relocations.

use crate::cataloguer::Pattern;
use seaworthy_image::Content;
use std::borrow::Cow;
use std::io;

/// Sections looked at; more are hostile.
const SECTIONS_MAX: u64 = 131_072;
/// Segments looked at.
const SEGMENTS_MAX: u64 = 4_096;
/// Bytes of section names or of load commands.
const NAMES_BYTES_MAX: u64 = 4 << 20;

/// What executables start with, for the patterns of units; [`looks_linked`] is the second look.
pub const MAGICS: &[Pattern] = &[
    Pattern::Magic(b"\x7fELF"),
    Pattern::Magic(b"MZ"),
    Pattern::Magic(b"\xfe\xed\xfa\xce"),
    Pattern::Magic(b"\xfe\xed\xfa\xcf"),
    Pattern::Magic(b"\xce\xfa\xed\xfe"),
    Pattern::Magic(b"\xcf\xfa\xed\xfe"),
    Pattern::Magic(b"\xca\xfe\xba\xbe"),
    Pattern::Magic(b"\xca\xfe\xba\xbf"),
];

/// Why the headers say nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes could not be read.
    #[error("cannot read the executable: {0}")]
    Read(#[from] io::Error),
    /// A header contradicts the file.
    #[error("the executable's {0} is damaged or cut off")]
    Damaged(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Elf,
    Pe { headers: u64, sections: u16, optional_bytes: u16 },
    MachO,
}

/// An executable whose first header was read.
#[derive(Clone, Copy)]
pub struct Executable<'a> {
    content: Content<'a>,
    /// Start of this part within a fat file.
    base: u64,
    kind: Kind,
    layout: Layout,
}

/// Byte order and width of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Most significant byte first.
    pub big_endian: bool,
    /// Addresses take eight bytes.
    pub wide: bool,
}

/// Where a section lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// Offset in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub size: u64,
}

/// What is loaded where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Virtual address.
    pub address: u64,
    /// Offset in the file.
    pub offset: u64,
    /// Bytes in the file.
    pub size: u64,
    /// Writable data, not code.
    pub data: bool,
}

impl Layout {
    fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
        bytes.get(at..at.checked_add(N)?)?.try_into().ok()
    }
    /// Two bytes at this offset.
    pub fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let raw = Self::array(bytes, at)?;
        Some(if self.big_endian { u16::from_be_bytes(raw) } else { u16::from_le_bytes(raw) })
    }
    /// Four bytes at this offset.
    pub fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw = Self::array(bytes, at)?;
        Some(if self.big_endian { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) })
    }
    /// Eight bytes at this offset.
    pub fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let raw = Self::array(bytes, at)?;
        Some(if self.big_endian { u64::from_be_bytes(raw) } else { u64::from_le_bytes(raw) })
    }
    /// An address at `wide_at` or `narrow_at`.
    fn address(self, bytes: &[u8], wide_at: usize, narrow_at: usize) -> Option<u64> {
        if self.wide { self.u64(bytes, wide_at) } else { self.u32(bytes, narrow_at).map(u64::from) }
    }
}

/// Whether the first bytes of a file look like an executable or library that a linker made; object
/// files, core dumps and Java classes (which share a magic with fat Mach-O files) are not.
pub fn looks_linked(head: &[u8]) -> bool {
    const LITTLE: Layout = Layout { big_endian: false, wide: true };
    const BIG: Layout = Layout { big_endian: true, wide: true };
    match head.get(..4) {
        Some(b"\x7fELF") => {
            let order = if head.get(5) == Some(&2) { BIG } else { LITTLE };
            matches!(order.u16(head, 16), Some(2 | 3))
        }
        Some(b"\xca\xfe\xba\xbe" | b"\xca\xfe\xba\xbf") => {
            BIG.u32(head, 4).is_some_and(|parts| (1..=30).contains(&parts))
        }
        Some(b"\xfe\xed\xfa\xce" | b"\xfe\xed\xfa\xcf" | b"\xce\xfa\xed\xfe" | b"\xcf\xfa\xed\xfe") => true,
        Some([b'M', b'Z', ..]) => match LITTLE.u32(head, 0x3c).map(|at| at as usize) {
            Some(at) if at < 508 => head.get(at..).is_some_and(|rest| rest.starts_with(b"PE\0\0")),
            Some(at) => at < 0x1_0000,
            None => false,
        },
        _ => false,
    }
}

impl<'a> Executable<'a> {
    /// Reads the first header; `None` when it is no executable.
    pub fn open(content: Content<'a>) -> Result<Option<Self>, Error> {
        let head = content.range(0, 64)?;
        let big = Layout { big_endian: true, wide: false };
        let base = match head.get(..4) {
            Some(b"\xca\xfe\xba\xbe") => {
                u64::from(big.u32(&head, 8 + 8).ok_or(Error::Damaged("fat header"))?)
            }
            Some(b"\xca\xfe\xba\xbf") => big.u64(&head, 8 + 8).ok_or(Error::Damaged("fat header"))?,
            _ => return Self::at(content, 0, &head),
        };
        let head = content.range(base, 64)?;
        Self::at(content, base, &head)
    }

    fn at(content: Content<'a>, base: u64, head: &[u8]) -> Result<Option<Self>, Error> {
        let (kind, big_endian, wide) = match head.get(..4) {
            Some(b"\x7fELF") => (Kind::Elf, head.get(5) == Some(&2), head.get(4) == Some(&2)),
            Some(b"\xfe\xed\xfa\xce") => (Kind::MachO, true, false),
            Some(b"\xfe\xed\xfa\xcf") => (Kind::MachO, true, true),
            Some(b"\xce\xfa\xed\xfe") => (Kind::MachO, false, false),
            Some(b"\xcf\xfa\xed\xfe") => (Kind::MachO, false, true),
            Some([b'M', b'Z', ..]) => return Self::pe(content, base, head),
            _ => return Ok(None),
        };
        Ok(Some(Self { content, base, kind, layout: Layout { big_endian, wide } }))
    }

    fn pe(content: Content<'a>, base: u64, head: &[u8]) -> Result<Option<Self>, Error> {
        let layout = Layout { big_endian: false, wide: false };
        let Some(headers) = layout.u32(head, 0x3c).map(u64::from) else { return Ok(None) };
        let coff = content.range(base.saturating_add(headers), 26)?;
        if !coff.starts_with(b"PE\0\0") {
            return Ok(None);
        }
        let parsed = (|| Some((layout.u16(&coff, 6)?, layout.u16(&coff, 20)?, layout.u16(&coff, 24)?)))();
        let (sections, optional_bytes, magic) = parsed.ok_or(Error::Damaged("COFF header"))?;
        let kind = Kind::Pe { headers, sections, optional_bytes };
        Ok(Some(Self { content, base, kind, layout: Layout { big_endian: false, wide: magic == 0x20b } }))
    }

    /// Byte order and width.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The bytes of the file from `offset`, at most `count`.
    pub fn bytes(&self, offset: u64, count: usize) -> io::Result<Cow<'a, [u8]>> {
        self.content.range(self.base.saturating_add(offset), count)
    }

    /// A table that must be there in full.
    fn table(&self, offset: u64, bytes: u64, what: &'static str) -> Result<Cow<'a, [u8]>, Error> {
        let end = self.base.checked_add(offset).and_then(|start| start.checked_add(bytes));
        if end.is_none_or(|end| end > self.content.len()) {
            return Err(Error::Damaged(what));
        }
        Ok(self.bytes(offset, usize::try_from(bytes).map_err(|_| Error::Damaged(what))?)?)
    }

    /// Whether there is a table of sections at all (`sstrip` and packers remove it).
    pub fn has_sections(&self) -> Result<bool, Error> {
        match self.kind {
            Kind::Elf => {
                let head = self.bytes(0, 64)?;
                Ok(self.layout.address(&head, 40, 32).unwrap_or(0) != 0)
            }
            _ => Ok(true),
        }
    }

    /// The first section with one of these names.
    pub fn section(&self, names: &[&str]) -> Result<Option<Section>, Error> {
        match self.kind {
            Kind::Elf => self.elf_section(names),
            Kind::Pe { .. } => self.pe_section(names),
            Kind::MachO => {
                let mut found = None;
                self.mach_segments(|_, sections| {
                    found = found.or_else(|| self.mach_section(sections, names));
                })?;
                Ok(found)
            }
        }
    }

    fn elf_section(&self, names: &[&str]) -> Result<Option<Section>, Error> {
        const WHAT: &str = "section table";
        let (layout, damaged) = (self.layout, || Error::Damaged(WHAT));
        let head = self.bytes(0, 64)?;
        let offset = layout.address(&head, 40, 32).ok_or_else(damaged)?;
        if offset == 0 {
            return Ok(None);
        }
        let at = if layout.wide { 58 } else { 46 };
        let field = |index: usize| layout.u16(&head, at + 2 * index).ok_or_else(damaged);
        let (entry, mut count, mut names_index) =
            (u64::from(field(0)?), u64::from(field(1)?), u64::from(field(2)?));
        if entry < if layout.wide { 64 } else { 40 } {
            return Err(damaged());
        }
        if count == 0 || names_index == 0xffff {
            let first = self.table(offset, entry, WHAT)?;
            if count == 0 {
                count = layout.address(&first, 32, 20).ok_or_else(damaged)?;
            }
            if names_index == 0xffff {
                let link_at = if layout.wide { 40 } else { 24 };
                names_index = u64::from(layout.u32(&first, link_at).ok_or_else(damaged)?);
            }
        }
        if count > SECTIONS_MAX {
            return Err(damaged());
        }
        let table = self.table(offset, count * entry, WHAT)?;
        let range = |header: &[u8]| {
            Some(Section { offset: layout.address(header, 24, 16)?, size: layout.address(header, 32, 20)? })
        };
        let header = |index: u64| {
            let start = usize::try_from(index.checked_mul(entry)?).ok()?;
            table.get(start..start.checked_add(entry as usize)?)
        };
        let texts = header(names_index).and_then(range).ok_or_else(damaged)?;
        if texts.size > NAMES_BYTES_MAX {
            return Err(damaged());
        }
        let texts = self.table(texts.offset, texts.size, "table of section names")?;
        for header in table.chunks_exact(entry as usize) {
            let Some(name) = layout.u32(header, 0).and_then(|at| texts.get(at as usize..)) else { continue };
            let has_name = names
                .iter()
                .any(|wanted| name.starts_with(wanted.as_bytes()) && name.get(wanted.len()) == Some(&0));
            // SHT_NOBITS takes no bytes: the section of a file with debug symbols only.
            if has_name && layout.u32(header, 4) != Some(8) {
                return Ok(range(header));
            }
        }
        Ok(None)
    }

    /// PE section headers with image base.
    fn pe_headers(&self) -> Result<(u64, Cow<'a, [u8]>), Error> {
        let Kind::Pe { headers, sections, optional_bytes } = self.kind else {
            return Err(Error::Damaged("header"));
        };
        let optional = headers.saturating_add(24);
        let start = self.bytes(optional, 32)?;
        let base = self.layout.address(&start, 24, 28).unwrap_or(0);
        let offset = optional.saturating_add(u64::from(optional_bytes));
        Ok((base, self.table(offset, u64::from(sections) * 40, "section table")?))
    }

    fn pe_section(&self, names: &[&str]) -> Result<Option<Section>, Error> {
        let (_, table) = self.pe_headers()?;
        let header = table.chunks_exact(40).find(|header| has_padded_name(header, 8, names));
        Ok(header.and_then(|header| {
            let (virtual_size, size) = (self.layout.u32(header, 8)?, self.layout.u32(header, 16)?);
            // The size in the file is rounded up with zeros.
            let size = if virtual_size == 0 { size } else { size.min(virtual_size) };
            Some(Section { offset: u64::from(self.layout.u32(header, 20)?), size: u64::from(size) })
        }))
    }

    /// Calls `each` with every segment and the bytes of its section headers.
    fn mach_segments(&self, mut each: impl FnMut(Segment, &[u8])) -> Result<(), Error> {
        let (layout, damaged) = (self.layout, || Error::Damaged("table of load commands"));
        let (head_bytes, code, sections_at) = if layout.wide { (32, 0x19, 72) } else { (28, 1, 56) };
        let head = self.bytes(0, head_bytes)?;
        let size = u64::from(layout.u32(&head, 20).ok_or_else(damaged)?);
        if size > NAMES_BYTES_MAX {
            return Err(damaged());
        }
        let commands = self.table(head_bytes as u64, size, "table of load commands")?;
        let mut rest: &[u8] = &commands;
        while let (Some(kind), Some(size)) = (layout.u32(rest, 0), layout.u32(rest, 4)) {
            let size = size as usize;
            let (true, Some((command, tail))) = (size >= 8, rest.split_at_checked(size)) else {
                return Err(damaged());
            };
            if kind == code {
                let at = if layout.wide { 60 } else { 44 };
                let segment = (|| {
                    Some(Segment {
                        address: layout.address(command, 24, 24)?,
                        offset: layout.address(command, 40, 32)?,
                        size: layout.address(command, 48, 36)?,
                        data: layout.u32(command, at)? & 0b111 == 0b011,
                    })
                })();
                each(segment.ok_or_else(damaged)?, command.get(sections_at..).unwrap_or_default());
            }
            rest = tail;
        }
        Ok(())
    }

    fn mach_section(&self, sections: &[u8], names: &[&str]) -> Option<Section> {
        let layout = self.layout;
        let size = if layout.wide { 80 } else { 68 };
        let header = sections.chunks_exact(size).find(|header| has_padded_name(header, 16, names))?;
        let offset = layout.u32(header, if layout.wide { 48 } else { 40 })?;
        Some(Section { offset: u64::from(offset), size: layout.address(header, 40, 36)? })
    }

    /// What is loaded where, in the order of the file's headers.
    pub fn segments(&self) -> Result<Vec<Segment>, Error> {
        let mut segments = Vec::new();
        match self.kind {
            Kind::Elf => self.elf_segments(&mut segments)?,
            Kind::MachO => self.mach_segments(|segment, _| segments.push(segment))?,
            Kind::Pe { .. } => {
                let (base, table) = self.pe_headers()?;
                for header in table.chunks_exact(40) {
                    let word = |at| self.layout.u32(header, at).map_or(0, u64::from);
                    // Initialised data, readable, writable; alignment and the like are left out.
                    let data = word(36) & 0xff0f_ffff == 0xc000_0040;
                    let address = base.saturating_add(word(12));
                    segments.push(Segment { address, offset: word(20), size: word(16), data });
                }
            }
        }
        Ok(segments)
    }

    fn elf_segments(&self, segments: &mut Vec<Segment>) -> Result<(), Error> {
        const WHAT: &str = "program header table";
        let (layout, damaged) = (self.layout, || Error::Damaged(WHAT));
        let head = self.bytes(0, 64)?;
        let offset = layout.address(&head, 32, 28).ok_or_else(damaged)?;
        let at = if layout.wide { 54 } else { 42 };
        let entry = u64::from(layout.u16(&head, at).ok_or_else(damaged)?);
        let count = u64::from(layout.u16(&head, at + 2).ok_or_else(damaged)?).min(SEGMENTS_MAX);
        if offset == 0 || count == 0 {
            return Ok(());
        }
        if entry < if layout.wide { 56 } else { 32 } {
            return Err(damaged());
        }
        let table = self.table(offset, count * entry, WHAT)?;
        for header in table.chunks_exact(entry as usize) {
            if layout.u32(header, 0) != Some(1) {
                continue;
            }
            let flags = layout.u32(header, if layout.wide { 4 } else { 24 }).unwrap_or(0);
            let word = |wide_at, narrow_at| layout.address(header, wide_at, narrow_at).unwrap_or(0);
            segments.push(Segment {
                address: word(16, 8),
                offset: word(8, 4),
                size: word(32, 16),
                data: flags & 0b11 == 0b10,
            });
        }
        Ok(())
    }
}

/// Whether a header starts with one of these names, padded with zeros to `width`.
fn has_padded_name(header: &[u8], width: usize, names: &[&str]) -> bool {
    let name = header.get(..width).unwrap_or_default();
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    names.iter().any(|wanted| name.get(..end) == Some(wanted.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_classes_and_texts_are_no_executables() {
        let mut elf = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0";
        assert!(looks_linked(&elf));
        elf[16] = 1;
        assert!(!looks_linked(&elf), "relocatable object");
        assert!(!looks_linked(b"\xca\xfe\xba\xbe\0\0\0\x34"), "Java class");
        assert!(looks_linked(b"\xca\xfe\xba\xbe\0\0\0\x02"), "fat Mach-O");
        for text in [
            b"".as_slice(),
            b"MZ",
            b"\x7fEL",
            b"MZ some text that goes on and on and on and on and on and on and on",
        ] {
            assert!(!looks_linked(text));
        }
    }

    #[test]
    fn any_cut_and_any_flip_is_survived() {
        let sound: &[u8] = include_bytes!("../cases/go-binary/normal-inline/input/usr/bin/tool");
        assert!(looks_linked(sound));
        let all = |bytes: &[u8]| {
            if let Ok(Some(executable)) = Executable::open(Content::Whole(bytes)) {
                let _ = (executable.section(&[".go.buildinfo"]), executable.segments());
            }
        };
        for end in 0..sound.len() {
            all(&sound[..end]);
        }
        let mut bytes = sound.to_vec();
        for at in 0..bytes.len() {
            bytes[at] ^= 0xff;
            all(&bytes);
            bytes[at] ^= 0xff;
        }
    }
}
