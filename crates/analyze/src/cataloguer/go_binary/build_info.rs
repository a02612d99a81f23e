//! The build information that the Go linker leaves in an executable, and its text form.
//!
//! Format: package `debug/buildinfo` of the Go standard library (the comment in `buildinfo.go`) and
//! `runtime/debug.BuildInfo.String`. A 32-byte header, aligned to 16 bytes, either followed by two
//! strings with varint lengths (Go 1.18 and later) or holding two addresses of Go strings.

use crate::executable::{Error, Executable, Segment};
use serde::{Deserialize, Serialize};
use std::io;

const MAGIC: &[u8] = b"\xff Go buildinf:";
const HEADER_BYTES: usize = 32;
/// The text of a very large program takes less than 200 kB.
const TEXT_BYTES_MAX: u64 = 8 << 20;
/// Piece in which a data segment is searched.
const PIECE_BYTES: usize = 1 << 20;
/// Of a data segment, at most so much is searched (Go stops at nothing; real ones lie at the start).
const SEARCH_BYTES_MAX: u64 = 64 << 20;

/// What the linker left, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// `go1.22.1`.
    pub toolchain: String,
    /// Lines `path`, `mod`, `dep`, `=>`, `build`; may be empty.
    pub modules: String,
}

/// One module with its replacement applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Module path as imported.
    pub path: String,
    /// Version as recorded, with `v`; `(devel)` for a main module built from a working copy.
    pub version: String,
    /// Path and version (empty for a local folder) of what was built instead.
    pub replaced: Option<(String, String)>,
}

/// The build information, parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildInfo {
    /// `go1.22.1`.
    pub toolchain: String,
    /// Import path of the main package.
    pub path: String,
    /// Main module, if recorded.
    pub main: Option<Module>,
    /// All modules linked in.
    pub dependencies: Vec<Module>,
    /// Build settings in their order: `GOOS`, `-ldflags`, `vcs.revision`, …
    pub settings: Vec<(String, String)>,
    /// Lines that follow no known form.
    pub odd_lines: u32,
}

/// Finds and reads the build information; `None` when Go did not make this file.
pub fn find(executable: &Executable<'_>) -> Result<Option<Raw>, Error> {
    if let Some(section) = executable.section(&[".go.buildinfo", "__go_buildinfo"])? {
        return match search(executable, section.offset, section.size)? {
            Some(at) => read(executable, at).map(Some),
            None => Err(Error::Damaged("Go build information")),
        };
    }
    let is_pe = executable.bytes(0, 2)?.starts_with(b"MZ");
    if executable.has_sections()? && !is_pe {
        return Ok(None);
    }
    let data = executable.segments()?.into_iter().find(|segment| segment.data && segment.size > 0);
    let Some(data) = data else { return Ok(None) };
    match search(executable, data.offset, data.size.min(SEARCH_BYTES_MAX))? {
        Some(at) => read(executable, at).map(Some),
        None => Ok(None),
    }
}

/// Offset in the file of the header, aligned to 16 bytes from `start`.
fn search(executable: &Executable<'_>, start: u64, size: u64) -> io::Result<Option<u64>> {
    let finder = memchr::memmem::Finder::new(MAGIC);
    let mut done = 0u64;
    while done < size {
        let want = usize::try_from(size - done).unwrap_or(usize::MAX).min(PIECE_BYTES + HEADER_BYTES);
        let piece = executable.bytes(start.saturating_add(done), want)?;
        let hit = finder.find_iter(&piece).find(|at| at % 16 == 0);
        if let Some(at) = hit {
            return Ok(Some(start.saturating_add(done).saturating_add(at as u64)));
        }
        if piece.len() < want || want <= PIECE_BYTES {
            break;
        }
        done += PIECE_BYTES as u64;
    }
    Ok(None)
}

fn read(executable: &Executable<'_>, at: u64) -> Result<Raw, Error> {
    let damaged = || Error::Damaged("Go build information");
    // Version and modules of most programs fit into the first piece.
    let piece = executable.bytes(at, 64 << 10)?;
    let &[pointer_bytes, flags] = piece.get(14..16).ok_or_else(damaged)? else { return Err(damaged()) };
    if flags & 2 != 0 {
        let (toolchain, end) = inline(executable, at + HEADER_BYTES as u64)?;
        let (modules, _) = inline(executable, end)?;
        return Ok(raw(&toolchain, &modules));
    }
    let layout = executable.layout();
    if usize::from(pointer_bytes) != if layout.wide { 8 } else { 4 } {
        return Err(damaged());
    }
    let segments = executable.segments()?;
    let pointer = |index: usize| {
        let at = 16 + index * usize::from(pointer_bytes);
        if layout.wide { layout.u64(&piece, at) } else { layout.u32(&piece, at).map(u64::from) }
    };
    let toolchain = pointed(executable, &segments, pointer(0).ok_or_else(damaged)?)?;
    let modules = pointed(executable, &segments, pointer(1).ok_or_else(damaged)?)?;
    Ok(raw(&toolchain, &modules))
}

fn raw(toolchain: &[u8], modules: &[u8]) -> Raw {
    // Sixteen bytes of marks stand before and after the text, whose last line ends with a line feed.
    let text = match modules.len().checked_sub(17) {
        Some(end) if end >= 16 && modules.get(end) == Some(&b'\n') => modules.get(16..=end),
        _ => None,
    };
    Raw {
        toolchain: String::from_utf8_lossy(toolchain).into_owned(),
        modules: String::from_utf8_lossy(text.unwrap_or_default()).into_owned(),
    }
}

/// A string with a varint length, and where it ends.
fn inline<'a>(executable: &Executable<'a>, at: u64) -> Result<(std::borrow::Cow<'a, [u8]>, u64), Error> {
    let damaged = || Error::Damaged("Go build information");
    let start = executable.bytes(at, 10)?;
    let (mut length, mut used) = (0u64, 0u64);
    for (index, byte) in start.iter().enumerate() {
        length |= u64::from(byte & 0x7f).checked_shl(7 * index as u32).unwrap_or(0);
        used += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    if used == 0 || length > TEXT_BYTES_MAX {
        return Err(damaged());
    }
    let bytes = executable.bytes(at + used, length as usize)?;
    if (bytes.len() as u64) < length {
        return Err(damaged());
    }
    Ok((bytes, at + used + length))
}

/// The Go string (address, length) at a virtual address; address 0 is the empty string.
fn pointed<'a>(
    executable: &Executable<'a>,
    segments: &[Segment],
    address: u64,
) -> Result<std::borrow::Cow<'a, [u8]>, Error> {
    let damaged = || Error::Damaged("Go build information");
    if address == 0 {
        return Ok(std::borrow::Cow::Borrowed(&[]));
    }
    let load = |address: u64, count: u64| {
        let segment = segments
            .iter()
            .find(|segment| address.checked_sub(segment.address).is_some_and(|inside| inside < segment.size));
        let inside = segment.map(|segment| (segment.offset, address - segment.address, segment.size));
        let (offset, inside, size) = inside.ok_or_else(damaged)?;
        if count > size - inside || count > TEXT_BYTES_MAX {
            return Err(damaged());
        }
        let bytes = executable.bytes(offset.saturating_add(inside), count as usize)?;
        if (bytes.len() as u64) < count { Err(damaged()) } else { Ok(bytes) }
    };
    let layout = executable.layout();
    let header = load(address, if layout.wide { 16 } else { 8 })?;
    let word = |index: usize| match layout.wide {
        true => layout.u64(&header, index * 8),
        false => layout.u32(&header, index * 4).map(u64::from),
    };
    let (text, length) = (word(0).ok_or_else(damaged)?, word(1).ok_or_else(damaged)?);
    if length == 0 { Ok(std::borrow::Cow::Borrowed(&[])) } else { load(text, length) }
}

/// Parses the text form.
pub fn parse(raw: &Raw) -> BuildInfo {
    let mut info = BuildInfo { toolchain: raw.toolchain.clone(), ..BuildInfo::default() };
    let mut last_is_main = false;
    for line in raw.modules.lines() {
        let (kind, rest) = line.split_once('\t').unwrap_or((line, ""));
        let mut fields = rest.split('\t');
        let path = fields.next().unwrap_or_default().to_owned();
        let version = fields.next().unwrap_or_default().to_owned();
        match kind {
            "path" => info.path = path,
            "mod" if !path.is_empty() => {
                info.main = Some(Module { path, version, replaced: None });
                last_is_main = true;
            }
            "dep" if !path.is_empty() => {
                info.dependencies.push(Module { path, version, replaced: None });
                last_is_main = false;
            }
            "=>" => {
                let last = if last_is_main { info.main.as_mut() } else { info.dependencies.last_mut() };
                match last {
                    Some(module) => module.replaced = Some((path, version)),
                    None => info.odd_lines += 1,
                }
            }
            "build" => match setting(rest) {
                Some(setting) => info.settings.push(setting),
                None => info.odd_lines += 1,
            },
            "" => {}
            _ => info.odd_lines += 1,
        }
    }
    info
}

/// `key=value`, either side quoted as Go quotes strings when it holds odd characters.
fn setting(text: &str) -> Option<(String, String)> {
    let (key, rest) = if text.starts_with(['"', '`']) {
        unquote(text)?
    } else {
        let at = text.find('=')?;
        (text.get(..at)?.to_owned(), text.get(at..)?)
    };
    let value = rest.strip_prefix('=')?;
    let value = if value.starts_with(['"', '`']) { unquote(value)?.0 } else { value.to_owned() };
    Some((key, value))
}

/// A quoted Go string at the start, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('`') {
        return rest.split_once('`').map(|(value, rest)| (value.to_owned(), rest));
    }
    let mut value = String::new();
    let mut characters = text.strip_prefix('"')?.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return text.get(at + 2..).map(|rest| (value, rest)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                'r' => value.push('\r'),
                letter @ ('x' | 'u' | 'U') => {
                    let digits = match letter {
                        'x' => 2,
                        'u' => 4,
                        _ => 8,
                    };
                    let mut code = 0u32;
                    for _ in 0..digits {
                        code = code.checked_mul(16)?.checked_add(characters.next()?.1.to_digit(16)?)?;
                    }
                    value.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_modules_and_settings() {
        let modules = "path\tm/cmd\nmod\tm\tv1.0.0\th1:x=\ndep\ta\tv0.1.0\th1:y=\ndep\tb\tv0.2.0\n=>\tc\tv0.3.0\th1:z=\n\
                       dep\td\tv1.0.0\n=>\t./local\t\t\nbuild\t-ldflags=\"-s -X \\\"main.version=v1\\\"\"\nbuild\tGOOS=linux\n\
                       build\tno-equals\nwhat\n";
        let info = parse(&Raw { toolchain: "go1.22".into(), modules: modules.into() });
        assert_eq!(info.main.as_ref().map(|m| m.version.as_str()), Some("v1.0.0"));
        let replaced: Vec<_> = info.dependencies.iter().map(|d| d.replaced.clone()).collect();
        assert_eq!(
            replaced,
            [None, Some(("c".into(), "v0.3.0".into())), Some(("./local".into(), String::new()))]
        );
        assert_eq!(info.settings.first(), Some(&("-ldflags".into(), "-s -X \"main.version=v1\"".into())));
        assert_eq!((info.settings.len(), info.odd_lines), (2, 2));
    }

    #[test]
    fn quoting_is_go_quoting() {
        assert_eq!(setting("\"a\\tb\"=`c\"d`"), Some(("a\tb".into(), "c\"d".into())));
        assert_eq!(setting("a=\"\\u00e9\\x41\""), Some(("a".into(), "éA".into())));
        for bad in ["", "a", "\"a", "a=\"", "a=\"\\", "a=\"\\u00", "\"é"] {
            assert_eq!(setting(bad), None, "{bad}");
        }
    }
}
