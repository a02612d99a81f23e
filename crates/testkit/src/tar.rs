//! Writes tars, good and bad ones: ustar (POSIX.1-1988), PAX, GNU long names and all sparse forms.

/// Fields of a header; everything may be made wrong.
#[derive(Debug, Clone)]
pub struct Fields<'f> {
    /// Name, at most 100 bytes are kept.
    pub name: &'f [u8],
    /// Type flag.
    pub flag: u8,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size field.
    pub size: u64,
    /// Link target.
    pub link: &'f [u8],
    /// `ustar\0` + `00`, `ustar  \0` or zeros.
    pub magic: &'f [u8; 8],
    /// Prefix field of ustar.
    pub prefix: &'f [u8],
}

impl Default for Fields<'_> {
    fn default() -> Self {
        Self {
            name: b"",
            flag: b'0',
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 0,
            link: b"",
            magic: b"ustar\x0000",
            prefix: b"",
        }
    }
}

/// A tar in the making.
#[derive(Debug, Clone, Default)]
pub struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    /// An empty tar.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes so far, without an end mark.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds the end mark.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend([0; 1024]);
        self.bytes
    }

    /// Any bytes.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A header block with a right checksum.
    pub fn header(&mut self, fields: &Fields<'_>) -> &mut Self {
        let block = block(fields);
        self.raw(&block)
    }

    /// A body with its padding.
    pub fn body(&mut self, body: &[u8]) -> &mut Self {
        self.raw(body);
        let padded = self.bytes.len().next_multiple_of(512);
        self.bytes.resize(padded, 0);
        self
    }

    /// A header and its body; a long name gets a PAX header.
    pub fn entry(&mut self, fields: &Fields<'_>, body: &[u8]) -> &mut Self {
        if fields.name.len() > 100 {
            self.pax(&[("path", &String::from_utf8_lossy(fields.name))]);
        }
        if fields.link.len() > 100 {
            self.pax(&[("linkpath", &String::from_utf8_lossy(fields.link))]);
        }
        self.header(fields).body(body)
    }

    /// A regular file.
    pub fn file(&mut self, path: &str, body: &[u8]) -> &mut Self {
        self.file_with_mode(path, 0o644, body)
    }

    /// A regular file with permission bits.
    pub fn file_with_mode(&mut self, path: &str, mode: u32, body: &[u8]) -> &mut Self {
        let fields = Fields { name: path.as_bytes(), mode, size: body.len() as u64, ..Fields::default() };
        self.entry(&fields, body)
    }

    /// A folder.
    pub fn folder(&mut self, path: &str) -> &mut Self {
        let name = format!("{path}/");
        self.entry(&Fields { name: name.as_bytes(), flag: b'5', mode: 0o755, ..Fields::default() }, b"")
    }

    /// A symbolic link.
    pub fn symlink(&mut self, path: &str, target: &str) -> &mut Self {
        let (name, link) = (path.as_bytes(), target.as_bytes());
        self.entry(&Fields { name, flag: b'2', mode: 0o777, link, ..Fields::default() }, b"")
    }

    /// A hard link.
    pub fn hardlink(&mut self, path: &str, target: &str) -> &mut Self {
        let (name, link) = (path.as_bytes(), target.as_bytes());
        self.entry(&Fields { name, flag: b'1', link, ..Fields::default() }, b"")
    }

    /// `.wh.NAME` beside where `path` would be.
    pub fn whiteout(&mut self, path: &str) -> &mut Self {
        let mark = match path.rsplit_once('/') {
            Some((folder, name)) => format!("{folder}/.wh.{name}"),
            None => format!(".wh.{path}"),
        };
        self.file(&mark, b"")
    }

    /// `.wh..wh..opq` in a folder.
    pub fn opaque(&mut self, folder: &str) -> &mut Self {
        self.file(&format!("{folder}/.wh..wh..opq"), b"")
    }

    /// A PAX header for the next entry.
    pub fn pax(&mut self, records: &[(&str, &str)]) -> &mut Self {
        self.extension(b'x', &pax_body(records))
    }

    /// A global PAX header.
    pub fn global_pax(&mut self, records: &[(&str, &str)]) -> &mut Self {
        self.extension(b'g', &pax_body(records))
    }

    /// A GNU long name for the next entry.
    pub fn gnu_long_name(&mut self, name: &str) -> &mut Self {
        self.extension(b'L', format!("{name}\0").as_bytes())
    }

    /// A GNU long link target for the next entry.
    pub fn gnu_long_link(&mut self, target: &str) -> &mut Self {
        self.extension(b'K', format!("{target}\0").as_bytes())
    }

    /// An extension header with any body.
    pub fn extension(&mut self, flag: u8, body: &[u8]) -> &mut Self {
        let fields = Fields { name: b"././@LongLink", flag, size: body.len() as u64, ..Fields::default() };
        self.header(&fields).body(body)
    }

    /// A sparse file in the old GNU form.
    pub fn sparse_old(&mut self, path: &str, size: u64, segments: &[(u64, &[u8])]) -> &mut Self {
        let stored: Vec<u8> = segments.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        let fields = Fields {
            name: path.as_bytes(),
            flag: b'S',
            size: stored.len() as u64,
            magic: b"ustar  \0",
            ..Fields::default()
        };
        let mut header = block(&fields);
        put_octal(&mut header[483..495], size);
        let pairs: Vec<[u8; 24]> =
            segments.iter().map(|(offset, bytes)| pair(*offset, bytes.len())).collect();
        for (slot, pair) in header[386..482].chunks_exact_mut(24).zip(&pairs) {
            slot.copy_from_slice(pair);
        }
        header[482] = u8::from(pairs.len() > 4);
        put_checksum(&mut header);
        self.raw(&header);
        let rest: Vec<_> = pairs.into_iter().skip(4).collect();
        let blocks = rest.len().div_ceil(21);
        for (number, some) in rest.chunks(21).enumerate() {
            let mut more = [0u8; 512];
            for (slot, pair) in more[..504].chunks_exact_mut(24).zip(some) {
                slot.copy_from_slice(pair);
            }
            more[504] = u8::from(number + 1 < blocks);
            self.raw(&more);
        }
        self.body(&stored)
    }

    /// A sparse file in one of the PAX forms: `0.0`, `0.1` or `1.0`.
    pub fn sparse_pax(
        &mut self,
        version: &str,
        path: &str,
        size: u64,
        segments: &[(u64, &[u8])],
    ) -> &mut Self {
        let count = segments.len().to_string();
        let (size_text, mut body) = (size.to_string(), Vec::new());
        let numbers: Vec<(String, String)> =
            segments.iter().map(|(offset, bytes)| (offset.to_string(), bytes.len().to_string())).collect();
        let joined = numbers.iter().map(|(o, n)| format!("{o},{n}")).collect::<Vec<_>>().join(",");
        let mut records = vec![("GNU.sparse.name", path)];
        match version {
            "0.0" => {
                records.extend([("GNU.sparse.size", &*size_text), ("GNU.sparse.numblocks", &*count)]);
                for (offset, length) in &numbers {
                    records.extend([("GNU.sparse.offset", &**offset), ("GNU.sparse.numbytes", &**length)]);
                }
            }
            "0.1" => records.extend([("GNU.sparse.size", &*size_text), ("GNU.sparse.map", &*joined)]),
            _ => {
                records.extend([("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")]);
                records.push(("GNU.sparse.realsize", &*size_text));
                let lines: String = numbers.iter().map(|(o, n)| format!("{o}\n{n}\n")).collect();
                body.extend(format!("{count}\n{lines}").bytes());
                body.resize(body.len().next_multiple_of(512), 0);
            }
        }
        body.extend(segments.iter().flat_map(|(_, bytes)| bytes.iter().copied()));
        self.pax(&records);
        let fields = Fields { name: b"GNUSparseFile.0/x", size: body.len() as u64, ..Fields::default() };
        self.header(&fields).body(&body)
    }
}

fn pax_body(records: &[(&str, &str)]) -> Vec<u8> {
    let record = |(key, value): &(&str, &str)| {
        let rest = format!(" {key}={value}\n");
        let mut length = rest.len() + 1;
        while length != rest.len() + length.to_string().len() {
            length += 1;
        }
        format!("{length}{rest}").into_bytes()
    };
    records.iter().flat_map(record).collect()
}

fn pair(offset: u64, length: usize) -> [u8; 24] {
    let mut pair = [0; 24];
    put_octal(&mut pair[..12], offset);
    put_octal(&mut pair[12..], length as u64);
    pair
}

fn block(fields: &Fields<'_>) -> [u8; 512] {
    let mut block = [0; 512];
    put(&mut block[..100], fields.name);
    put_octal(&mut block[100..108], u64::from(fields.mode));
    put_octal(&mut block[108..116], u64::from(fields.uid));
    put_octal(&mut block[116..124], u64::from(fields.gid));
    if fields.size < 1 << 33 {
        put_octal(&mut block[124..136], fields.size);
    } else {
        block[124] = 0x80;
        block[128..136].copy_from_slice(&fields.size.to_be_bytes());
    }
    put_octal(&mut block[136..148], 0);
    block[156] = fields.flag;
    put(&mut block[157..257], fields.link);
    block[257..265].copy_from_slice(fields.magic);
    if fields.magic[5] == 0 {
        put(&mut block[345..500], fields.prefix);
    }
    put_checksum(&mut block);
    block
}

fn put(field: &mut [u8], bytes: &[u8]) {
    let length = bytes.len().min(field.len());
    field[..length].copy_from_slice(&bytes[..length]);
}

fn put_octal(field: &mut [u8], value: u64) {
    let width = field.len() - 1;
    put(field, format!("{value:0width$o}\0").as_bytes());
}

fn put_checksum(block: &mut [u8; 512]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}
