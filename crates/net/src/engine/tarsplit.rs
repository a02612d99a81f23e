//! A layer put together again byte by byte: the engine keeps the files unpacked, and beside them every
//! other byte of the tar (tar-split, `tar-split.json.gz`: one JSON object a line; type 2 is a piece of
//! the tar as base64, type 1 a file by name, size and CRC-64). The result is the tar that the layer's
//! digest names, or an error that names the file that is not what it was.
//!
//! Bounds: one line at a time. What the tar means is not known here.

use super::beneath::Folder;
use super::crc64::Crc64;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, SeekFrom};
use std::sync::Arc;

/// Bytes of one line: a piece of the tar that is no file, as base64.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Where a layer's parts are.
#[derive(Debug, Clone)]
pub(crate) struct Split {
    /// Holds the file of pieces.
    pub folder: Arc<Folder>,
    /// The file of pieces in it.
    pub pieces: String,
    /// The unpacked files.
    pub files: Arc<Folder>,
}

/// One line.
#[derive(Deserialize)]
struct Raw<'l> {
    r#type: u8,
    #[serde(borrow, default)]
    name: Option<Cow<'l, str>>,
    /// Instead of `name` when that is not UTF-8; base64.
    #[serde(borrow, default)]
    name_raw: Option<Cow<'l, str>>,
    #[serde(default)]
    size: Option<i64>,
    #[serde(borrow, default)]
    payload: Option<Cow<'l, str>>,
}

/// What comes next in the tar.
enum Piece {
    Bytes(Vec<u8>),
    File { name: Vec<u8>, size: u64, crc: Option<u64> },
}

impl Split {
    /// Bytes of the tar.
    pub fn size(&self) -> io::Result<u64> {
        let mut lines = self.lines()?;
        let mut total = 0_u64;
        while let Some(raw) = lines.next()? {
            let bytes = match raw.r#type {
                2 => {
                    let text = raw.payload.as_deref().unwrap_or_default().as_bytes();
                    let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
                    ((text.len() / 4).saturating_mul(3)).saturating_sub(padding) as u64
                }
                1 => size_of(&raw)?,
                other => return Err(unknown(other)),
            };
            total = total.checked_add(bytes).ok_or_else(|| damaged("its sizes exceed all bounds"))?;
        }
        Ok(total)
    }

    /// The tar from its beginning.
    pub fn read(&self) -> io::Result<Assembled> {
        Ok(Assembled { lines: self.lines()?, files: Arc::clone(&self.files), now: Now::Nothing })
    }

    fn lines(&self) -> io::Result<Lines> {
        let file = self.folder.file(&self.pieces).map_err(|error| {
            let kind = error.kind();
            let place = self.folder.path().join(&self.pieces);
            let what = format!("`{}`, which says how the layer was packed: {error}", place.display());
            io::Error::new(kind, what)
        })?;
        let unpacked = MultiGzDecoder::new(BufReader::with_capacity(64 << 10, file));
        Ok(Lines { input: BufReader::with_capacity(64 << 10, unpacked), line: Vec::new() })
    }
}

/// The lines of a file of pieces.
struct Lines {
    input: BufReader<MultiGzDecoder<BufReader<File>>>,
    line: Vec<u8>,
}

impl Lines {
    fn next(&mut self) -> io::Result<Option<Raw<'_>>> {
        loop {
            self.line.clear();
            let mut bounded = (&mut self.input).take(LINE_BYTES_MAX);
            let count = bounded
                .read_until(b'\n', &mut self.line)
                .map_err(|error| io::Error::new(error.kind(), format!("tar-split: {error}")))?;
            if count == 0 {
                return Ok(None);
            }
            if count as u64 == LINE_BYTES_MAX {
                return Err(damaged("a line of it goes over 16 MB"));
            }
            if !self.line.iter().all(u8::is_ascii_whitespace) {
                break;
            }
        }
        serde_json::from_slice(&self.line).map(Some).map_err(|error| damaged(&error.to_string()))
    }
}

fn piece(raw: &Raw<'_>) -> io::Result<Piece> {
    let payload = raw.payload.as_deref().unwrap_or_default();
    let decode = |text: &str| STANDARD.decode(text).map_err(|error| damaged(&error.to_string()));
    match raw.r#type {
        2 => Ok(Piece::Bytes(decode(payload)?)),
        1 => {
            let name = match (&raw.name, &raw.name_raw) {
                (_, Some(raw)) => decode(raw)?,
                (Some(name), None) => name.as_bytes().to_vec(),
                (None, None) => Vec::new(),
            };
            let crc = <[u8; 8]>::try_from(decode(payload)?).ok().map(u64::from_be_bytes);
            Ok(Piece::File { name, size: size_of(raw)?, crc })
        }
        other => Err(unknown(other)),
    }
}

fn size_of(raw: &Raw<'_>) -> io::Result<u64> {
    u64::try_from(raw.size.unwrap_or(0)).map_err(|_| damaged("a file of negative size"))
}

fn unknown(kind: u8) -> io::Error {
    damaged(&format!("an entry of the unknown type {kind}"))
}

fn damaged(what: &str) -> io::Error {
    let what: String = what.chars().take(200).collect();
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the engine's tar-split of the layer is damaged: {what}"),
    )
}

/// A tar on its way.
pub(crate) struct Assembled {
    lines: Lines,
    files: Arc<Folder>,
    now: Now,
}

enum Now {
    Nothing,
    Bytes(io::Cursor<Vec<u8>>),
    File { file: File, name: Vec<u8>, left: u64, crc: Crc64, wanted: Option<u64> },
}

/// The way to a file as the engine unpacked it: `..` leads no higher than the root.
fn way(name: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join(&b'/')
}

impl Assembled {
    fn file_error(&self, name: &[u8], why: impl std::fmt::Display) -> io::Error {
        let name: String = String::from_utf8_lossy(name).chars().take(300).collect();
        let what = format!(
            "`{name}` beneath `{}` {why}: the layer cannot be put together again; save the image and scan the \
             archive, or pull it anew",
            self.files.path().display()
        );
        io::Error::new(io::ErrorKind::InvalidData, what)
    }

    fn open(&mut self, piece: Piece) -> io::Result<()> {
        self.now = match piece {
            Piece::Bytes(bytes) => Now::Bytes(io::Cursor::new(bytes)),
            // Links, folders and empty files.
            Piece::File { size: 0, .. } => Now::Nothing,
            Piece::File { name, size, crc } => {
                let file = self.files.file_within(&way(&name));
                let file =
                    file.map_err(|error| self.file_error(&name, format!("cannot be opened ({error})")))?;
                let there = file.metadata()?.len();
                if there != size {
                    return Err(
                        self.file_error(&name, format!("was changed: {there} bytes instead of {size}"))
                    );
                }
                Now::File { file, name, left: size, crc: Crc64::new(), wanted: crc }
            }
        };
        Ok(())
    }
}

impl Assembled {
    /// Passes over bytes; files that lie wholly in them are not opened.
    pub fn skip(&mut self, mut bytes: u64) -> io::Result<()> {
        while bytes > 0 {
            match &mut self.now {
                Now::Nothing => match self.lines.next()?.as_ref().map(piece).transpose()? {
                    Some(Piece::File { size, .. }) if size <= bytes => bytes -= size,
                    Some(piece) => self.open(piece)?,
                    None => return Err(io::ErrorKind::UnexpectedEof.into()),
                },
                Now::Bytes(piece) => {
                    let left = (piece.get_ref().len() as u64).saturating_sub(piece.position());
                    piece.set_position(piece.position() + left.min(bytes));
                    if left <= bytes {
                        self.now = Now::Nothing;
                    }
                    bytes -= left.min(bytes);
                }
                Now::File { file, left, wanted, .. } => {
                    let part = bytes.min(*left);
                    file.seek(SeekFrom::Current(i64::try_from(part).map_err(io::Error::other)?))?;
                    // What was not read has no checksum.
                    *wanted = None;
                    *left -= part;
                    bytes -= part;
                    if *left == 0 {
                        self.now = Now::Nothing;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Read for Assembled {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.now {
                Now::Nothing => match self.lines.next()?.as_ref().map(piece).transpose()? {
                    Some(piece) => self.open(piece)?,
                    None => return Ok(0),
                },
                Now::Bytes(bytes) => match bytes.read(buffer)? {
                    0 => self.now = Now::Nothing,
                    count => return Ok(count),
                },
                Now::File { file, name, left, crc, wanted } => {
                    let most = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
                    let part = buffer.get_mut(..most).unwrap_or_default();
                    let count = file.read(part)?;
                    if count == 0 {
                        let name = std::mem::take(name);
                        return Err(self.file_error(&name, "became shorter while it was read"));
                    }
                    crc.update(part.get(..count).unwrap_or_default());
                    *left -= count as u64;
                    if *left == 0 {
                        let (name, is_same) = (std::mem::take(name), wanted.is_none_or(|w| w == crc.value()));
                        self.now = Now::Nothing;
                        if !is_same {
                            return Err(self.file_error(&name, "was changed since the image came"));
                        }
                    }
                    return Ok(count);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// A layer as an engine keeps it.
    fn split(files: &[(&str, &[u8])], lines: &str) -> (tempfile::TempDir, Split) {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(root.path().join("diff/a")).expect("folders");
        for (name, bytes) in files {
            std::fs::write(root.path().join("diff").join(name), bytes).expect("a file");
        }
        let file = File::create(root.path().join("split.gz")).expect("a file");
        let mut out = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        out.write_all(lines.as_bytes()).expect("written");
        out.finish().expect("finished");
        let folder = Arc::new(Folder::open(root.path()).expect("opened"));
        let files = Arc::new(folder.folder("diff").expect("opened"));
        (root, Split { folder, pieces: "split.gz".into(), files })
    }

    fn whole(split: &Split) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        split.read()?.read_to_end(&mut bytes).map(|_| bytes)
    }

    fn crc(bytes: &[u8]) -> String {
        let mut crc = Crc64::new();
        crc.update(bytes);
        STANDARD.encode(crc.value().to_be_bytes())
    }

    #[test]
    fn pieces_and_files_in_turn() {
        let lines = format!(
            "{{\"type\":2,\"payload\":\"aGVhZA==\",\"position\":0}}\n\
             {{\"type\":1,\"name\":\"./a/x\",\"size\":5,\"payload\":\"{}\",\"position\":1}}\n\
             {{\"type\":1,\"name\":\"a/\",\"payload\":null,\"position\":2}}\n\
             {{\"type\":2,\"payload\":\"dGFpbA\u{003d}=\",\"position\":3}}\n\
             {{\"type\":1,\"name_raw\":\"Yi//\",\"size\":0,\"payload\":\"\",\"position\":4}}\n\
             {{\"type\":2,\"payload\":\"\",\"position\":5}}\n",
            crc(b"hello")
        );
        let (_root, split) = split(&[("a/x", b"hello")], &lines);
        assert_eq!(whole(&split).expect("whole"), b"headhellotail");
        assert_eq!(split.size().expect("a size"), 13);
        for at in 0..=13 {
            let mut rest = Vec::new();
            let mut tar = split.read().expect("opened");
            tar.skip(at).expect("there");
            tar.read_to_end(&mut rest).expect("read");
            assert_eq!(rest, b"headhellotail"[usize::try_from(at).expect("small")..]);
        }
        assert!(split.read().expect("opened").skip(14).is_err());
    }

    #[test]
    fn what_is_not_as_it_was_is_named() {
        let line = |name: &str, size: &str| {
            let crc = crc(b"hello");
            format!("{{\"type\":1,\"name\":\"{name}\",\"size\":{size},\"payload\":\"{crc}\"}}\n")
        };
        for (content, says) in [
            (&b"hallo"[..], "was changed since"),
            (b"hello!", "6 bytes instead of 5"),
            (b"", "0 bytes instead of 5"),
        ] {
            let (_root, split) = split(&[("a/x", content)], &line("a/x", "5"));
            let error = whole(&split).expect_err("changed").to_string();
            assert!(error.contains("`a/x`") && error.contains(says), "{error}");
        }
        let (_root, gone) = split(&[], &line("a/x", "5"));
        assert!(whole(&gone).expect_err("gone").to_string().contains("cannot be opened"));
    }

    #[test]
    fn hostile_pieces() {
        let outside = "{\"type\":1,\"name\":\"../../../../etc/passwd\",\"size\":5}\n";
        let absolute = "{\"type\":1,\"name\":\"/etc/passwd\",\"size\":5}\n";
        let link = "{\"type\":1,\"name\":\"link\",\"size\":5}\n";
        let fifo = "{\"type\":1,\"name\":\"fifo\",\"size\":5}\n";
        for lines in [outside, absolute, link, fifo] {
            let (root, split) = split(&[], lines);
            std::os::unix::fs::symlink("/etc/passwd", root.path().join("diff/link")).expect("a link");
            let fifo = root.path().join("diff/fifo");
            rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0)
                .expect("a fifo");
            assert!(whole(&split).is_err(), "{lines}");
        }
        for (lines, says) in [
            ("{\"type\":1,\"name\":\"x\",\"size\":-1}\n", "negative"),
            ("{\"type\":9}\n", "unknown type 9"),
            ("{\"type\":2,\"payload\":\"!!!!\"}\n", "damaged"),
            ("{\"type\":2,\"payload\":{}}\n", "damaged"),
            ("[[[[[[\n", "damaged"),
            ("{\"type\":300}\n", "damaged"),
        ] {
            let (_root, split) = split(&[], lines);
            let error = whole(&split).expect_err(lines).to_string();
            assert!(error.contains(says), "{error}");
        }
        let huge = "{\"type\":1,\"name\":\"x\",\"size\":9223372036854775807}\n".repeat(3);
        let (_root, absurd) = split(&[("x", b"x")], &huge);
        assert!(absurd.size().expect_err("too large").to_string().contains("exceed"));
        assert!(whole(&absurd).is_err());
        // A line without end, small when packed.
        let (_root, long) = split(&[], &format!("{{\"type\":2,\"payload\":\"{}", "A".repeat(20 << 20)));
        assert!(long.size().expect_err("too long").to_string().contains("16 MB"));
        // No gzip at all.
        let (root, split) = split(&[], "");
        std::fs::write(root.path().join("split.gz"), "plain").expect("written");
        assert!(whole(&split).is_err() && split.size().is_err());
    }
}
