//! Files of a mirror: a folder, single files, or a zip or tar archive of a mirror, each opened as bytes
//! that can be searched and are out of gzip or zstd.
//!
//! Tar: POSIX.1-1988 ustar with GNU and pax long names (only `path` and `size` are read), not
//! compressed. The `tar` crate would read long names of any length into memory, and without them it does
//! not know the pax size of the file that follows; so the few headers are read here.
//! xz and bzip2 are recognised and refused with what to do.
//! What it does not do: links and sparse files in a tar; know what the files mean.

use crate::feed::ReadSeek;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Decompressed bytes of one file.
const FILE_BYTES_MAX: u64 = 16 << 30;
/// Decompressed bytes that stay in memory.
const MEMORY_BYTES_MAX: u64 = 16 << 20;
const FILES_MAX: usize = 2_000_000;
const DEPTH_MAX: usize = 16;
const TAR_NAME_MAX: u64 = 64 << 10;
/// Largest window of a zstd frame, as a power of two.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Suffixes of compressed files: a feed may name its files with or without.
pub const COMPRESSED_SUFFIXES: [&str; 4] = [".gz", ".zst", ".xz", ".bz2"];

/// One file of a mirror.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MirrorFile {
    /// Path below the mirror's root, parts joined by `/`.
    pub path: String,
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    File(PathBuf),
    Zip(PathBuf, usize),
    Tar(PathBuf, u64, u64),
}

/// All files below a folder, in an archive, or the single file; sorted by path. `is_feed` tells a feed
/// that happens to be an archive from an archive of feeds.
pub fn list(root: &Path, is_feed: impl Fn(&str) -> bool) -> io::Result<Vec<MirrorFile>> {
    let mut files = Vec::new();
    if root.is_dir() {
        walk(root, String::new(), &mut files, 0)?;
        files.sort();
        return Ok(files);
    }
    // The path below the mirror's root is not known: the longest end of it that a feed claims.
    let full = root.to_string_lossy().replace('\\', "/");
    let ends = std::iter::once(0).chain(full.match_indices('/').map(|(at, _)| at + 1));
    if let Some(path) = ends.filter_map(|at| full.get(at..)).find(|end| is_feed(end)) {
        return Ok(vec![MirrorFile { path: path.to_owned(), place: Place::File(root.to_owned()) }]);
    }
    let mut head = [0; 512];
    let count = read_up_to(&mut File::open(root)?, &mut head)?;
    let head = head.get(..count).unwrap_or_default();
    if head.starts_with(b"PK\x03\x04") {
        zip_members(root, &mut files)?;
    } else if head.get(257..262) == Some(b"ustar") {
        tar_members(root, &mut files)?;
    } else if let Some(compression) = Compression::of(head) {
        return Err(compression.refused(root));
    }
    files.sort();
    Ok(files)
}

/// How a file is compressed, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    Gzip,
    Zstd,
    Xz,
    Bzip2,
}

impl Compression {
    fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Self::Bzip2),
            _ => None,
        }
    }
    /// What to say and to do about a file that is not read in this form.
    fn refused(self, path: &Path) -> io::Error {
        let (name, command) = match self {
            Self::Gzip => ("gzip", "gunzip"),
            Self::Zstd => ("zstd", "unzstd"),
            Self::Xz => ("xz", "unxz"),
            Self::Bzip2 => ("bzip2", "bunzip2"),
        };
        let path = path.display();
        io::Error::other(format!(
            "it is compressed with {name}, which is not read here: unpack it first, `{command} --keep {path}`"
        ))
    }
}

fn walk(folder: &Path, below: String, files: &mut Vec<MirrorFile>, depth: usize) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(io::Error::other(format!("folders are nested deeper than {DEPTH_MAX}")));
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{below}{}", entry.file_name().to_string_lossy());
        let kind = std::fs::metadata(entry.path())?;
        if kind.is_dir() {
            walk(&entry.path(), path + "/", files, depth + 1)?;
        } else if kind.is_file() {
            push(files, path, Place::File(entry.path()))?;
        }
    }
    Ok(())
}

fn push(files: &mut Vec<MirrorFile>, path: String, place: Place) -> io::Result<()> {
    if files.len() >= FILES_MAX {
        return Err(io::Error::other(format!("there are more than {FILES_MAX} files")));
    }
    files.push(MirrorFile { path, place });
    Ok(())
}

fn zip_members(root: &Path, files: &mut Vec<MirrorFile>) -> io::Result<()> {
    let mut archive = zip::ZipArchive::new(BufReader::new(File::open(root)?)).map_err(io::Error::other)?;
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index).map_err(io::Error::other)?;
        if member.is_file() {
            let path = member.name().map_err(io::Error::other)?.trim_start_matches("./").to_owned();
            push(files, path, Place::Zip(root.to_owned(), index))?;
        }
    }
    Ok(())
}

/// Reads headers and steps over contents.
fn tar_members(root: &Path, files: &mut Vec<MirrorFile>) -> io::Result<()> {
    let mut file = BufReader::new(File::open(root)?);
    let length = file.seek(SeekFrom::End(0))?;
    let (mut at, mut long_name, mut long_size) = (0_u64, None, None);
    let mut head = [0; 512];
    while at.saturating_add(512) <= length {
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut head)?;
        if head.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let kind = head.get(156).copied().unwrap_or(0);
        let Some(size) = long_size.take().or_else(|| tar_number(head.get(124..136)?)) else {
            return Err(io::Error::other("the tar archive is malformed"));
        };
        let start = at + 512;
        if start.saturating_add(size) > length {
            return Err(io::Error::other("the tar archive is cut short"));
        }
        at = start + size.div_ceil(512) * 512;
        match kind {
            b'L' | b'x' if size <= TAR_NAME_MAX => {
                let mut bytes = vec![0; size as usize];
                file.read_exact(&mut bytes)?;
                if kind == b'L' {
                    long_name = Some(text(&bytes));
                } else {
                    let found = pax(&bytes);
                    (long_name, long_size) = (found.0.or(long_name), found.1);
                }
            }
            0 | b'0' | b'7' => {
                let name = long_name.take().unwrap_or_else(|| ustar_name(&head));
                let path = name.trim_start_matches("./").to_owned();
                push(files, path, Place::Tar(root.to_owned(), start, size))?;
            }
            b'L' | b'x' => return Err(io::Error::other("a name in the tar archive is too long")),
            b'1' | b'S' => {
                let name = long_name.take().unwrap_or_else(|| ustar_name(&head));
                let what = if kind == b'1' { "a link to another file" } else { "a sparse file" };
                let advice = "unpack the tar archive and name the folder";
                return Err(io::Error::other(format!("`{name}` is {what}: {advice}")));
            }
            // Folders, symbolic links, devices: nothing of their own.
            _ => long_name = None,
        }
    }
    // Some writers leave the end mark out; a rest means that something is missing.
    if at == length { Ok(()) } else { Err(io::Error::other("the tar archive is cut short")) }
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

fn ustar_name(head: &[u8]) -> String {
    let name = text(head.get(..100).unwrap_or_default());
    let prefix = text(head.get(345..500).unwrap_or_default());
    let is_posix = head.get(257..263) == Some(b"ustar\0");
    if prefix.is_empty() || !is_posix { name } else { format!("{prefix}/{name}") }
}

/// Octal digits, or binary when the first bit is set (GNU).
fn tar_number(field: &[u8]) -> Option<u64> {
    if field.first()? & 0x80 != 0 {
        let low = field.get(field.len().checked_sub(8)?..)?;
        return low.try_into().ok().map(u64::from_be_bytes).filter(|size| *size < 1 << 62);
    }
    let digits = text(field);
    u64::from_str_radix(digits.trim(), 8).ok()
}

/// `path` and `size` of a pax header: records `length key=value\n`.
fn pax(bytes: &[u8]) -> (Option<String>, Option<u64>) {
    let (mut path, mut size) = (None, None);
    for line in text(bytes).lines() {
        let record = line.split_once(' ').and_then(|(_, record)| record.split_once('='));
        match record {
            Some(("path", value)) => path = Some(value.to_owned()),
            Some(("size", value)) => size = value.parse().ok().filter(|size: &u64| *size < 1 << 62),
            _ => {}
        }
    }
    (path, size)
}

/// Opens files; what must be unpacked goes to memory or to nameless files in `folder`.
pub struct Opener<'a> {
    /// Folder for temporary files.
    pub folder: &'a Path,
}

impl Opener<'_> {
    /// The file's bytes, out of gzip or zstd.
    pub fn open(&self, file: &MirrorFile) -> io::Result<Box<dyn ReadSeek>> {
        let mut input: Box<dyn ReadSeek> = match &file.place {
            Place::File(path) => Box::new(BufReader::with_capacity(1 << 16, File::open(path)?)),
            Place::Zip(path, index) => {
                let archive = zip::ZipArchive::new(BufReader::new(File::open(path)?));
                let mut archive = archive.map_err(io::Error::other)?;
                let member = archive.by_index(*index).map_err(io::Error::other)?;
                self.spool(member)?
            }
            Place::Tar(path, start, length) => {
                let mut input = File::open(path)?;
                input.seek(SeekFrom::Start(*start))?;
                self.spool(BufReader::new(input).take(*length))?
            }
        };
        let mut head = [0; 6];
        let count = read_up_to(&mut input, &mut head)?;
        input.seek(SeekFrom::Start(0))?;
        match Compression::of(head.get(..count).unwrap_or_default()) {
            None => Ok(input),
            Some(Compression::Gzip) => self.spool(flate2::read::MultiGzDecoder::new(input)),
            Some(Compression::Zstd) => {
                let mut decoder = zstd::Decoder::new(input)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                self.spool(decoder)
            }
            Some(other) => Err(other.refused(Path::new(&file.path))),
        }
    }
    fn spool(&self, input: impl Read) -> io::Result<Box<dyn ReadSeek>> {
        let mut input = input.take(FILE_BYTES_MAX);
        let mut bytes = Vec::new();
        (&mut input).take(MEMORY_BYTES_MAX).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < MEMORY_BYTES_MAX {
            return Ok(Box::new(Cursor::new(bytes)));
        }
        let path = self.folder.join("unpacked");
        let mut file = File::options().create_new(true).read(true).write(true).open(&path)?;
        // Without a name nothing is left behind, however the program ends.
        std::fs::remove_file(&path)?;
        file.write_all(&bytes)?;
        drop(bytes);
        io::copy(&mut input, &mut file)?;
        if input.limit() == 0 {
            return Err(io::Error::other(format!("it unpacks to more than {FILE_BYTES_MAX} bytes")));
        }
        file.seek(SeekFrom::Start(0))?;
        Ok(Box::new(BufReader::with_capacity(1 << 16, file)))
    }
}

fn read_up_to(input: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match input.read(rest)? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tar entry with a true size field.
    fn entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut head = vec![0; 512];
        head[..name.len()].copy_from_slice(name.as_bytes());
        head[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        head[156] = kind;
        head[257..263].copy_from_slice(b"ustar\0");
        head.extend_from_slice(content);
        head.resize(512 + content.len().div_ceil(512) * 512, 0);
        head
    }

    #[test]
    fn tar_and_gzip_are_opened() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("mirror.tar");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"content").expect("memory");
        let long = "d/".repeat(80) + "x";
        let pax = format!("{} path={long}\n", long.len() + 10);
        let tar = [
            entry("./a.json.gz", b'0', &packed.finish().expect("memory")),
            entry("folder", b'5', b""),
            entry("head", b'x', pax.as_bytes()),
            entry("short", b'0', b"two"),
            vec![0; 1024],
        ]
        .concat();
        std::fs::write(&path, &tar).expect("written");
        let files = list(&path, |_| false).expect("listed");
        assert_eq!(files.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["a.json.gz", &long]);
        let opener = Opener { folder: folder.path() };
        for (file, wanted) in files.iter().zip(["content", "two"]) {
            let mut found = String::new();
            opener.open(file).expect("opened").read_to_string(&mut found).expect("read");
            assert_eq!(found, wanted);
        }
        std::fs::write(&path, &tar[..600]).expect("written");
        assert!(list(&path, |_| false).is_err());
        // What cannot be read is never left out in silence.
        for (kind, word) in [(b'1', "link"), (b'S', "sparse")] {
            std::fs::write(&path, entry("osv/a.json", kind, b"")).expect("written");
            let error = list(&path, |_| false).expect_err("refused").to_string();
            assert!(error.contains("osv/a.json") && error.contains(word), "{error}");
        }
        let name = vec![b'x'; TAR_NAME_MAX as usize + 1];
        std::fs::write(&path, [entry("l", b'L', &name), entry("short", b'0', b"two")].concat())
            .expect("written");
        assert!(list(&path, |_| false).expect_err("refused").to_string().contains("too long"));
        let mut hostile = entry("x", b'0', b"");
        hostile[124..136].copy_from_slice(&[0xff; 12]);
        std::fs::write(&path, &hostile).expect("written");
        assert!(list(&path, |_| false).is_err());
    }

    #[test]
    fn compressions_are_read_or_refused_with_what_to_do() {
        let folder = tempfile::tempdir().expect("folder");
        let opener = Opener { folder: folder.path() };
        let zstd = zstd::encode_all(b"content".as_slice(), 1).expect("memory");
        let cases: [(&str, &[u8], Result<&str, &str>); 4] = [
            ("a.json.zst", &zstd, Ok("content")),
            ("a.json.zst", &zstd[..6], Err("")),
            ("a.json.xz", b"\xfd7zXZ\0\0\x04", Err("`unxz --keep a.json.xz`")),
            ("a.json.bz2", b"BZh91AY&SY", Err("`bunzip2 --keep a.json.bz2`")),
        ];
        for (path, bytes, expected) in cases {
            let place = folder.path().join("file");
            std::fs::write(&place, bytes).expect("written");
            let file = MirrorFile { path: path.into(), place: Place::File(place.clone()) };
            let mut text = String::new();
            let found = opener.open(&file).and_then(|mut input| input.read_to_string(&mut text));
            match (found, expected) {
                (Ok(_), Ok(wanted)) => assert_eq!(text, wanted),
                (Err(error), Err(wanted)) => assert!(error.to_string().contains(wanted), "{error}"),
                (found, expected) => panic!("{path}: {found:?}, not {expected:?}"),
            }
            // The same as an archive of a mirror.
            let error = list(&place, |_| false).expect_err("refused").to_string();
            assert!(error.contains("--keep"), "{error}");
        }
    }

    #[test]
    fn a_single_feed_file_keeps_its_end() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("osv/npm");
        std::fs::create_dir_all(&path).expect("made");
        std::fs::write(path.join("all.zip"), b"PK\x03\x04").expect("written");
        let files = list(&path.join("all.zip"), |end| end == "osv/npm/all.zip").expect("listed");
        assert_eq!(files[0].path, "osv/npm/all.zip");
    }
}
