//! Extensions that precede a header: PAX records (POSIX.1-2001, "pax Header Block"), GNU long names,
//! and the sparse maps of GNU tar (manual, "Storing Sparse Files").
//!
//! Global PAX headers are not applied to later entries, because Docker and containerd ignore them.

/// Largest extension body; Go's archive/tar has the same bound.
pub(crate) const EXTENSION_BYTES_MAX: u64 = 1 << 20;

/// Most segments of one sparse file.
pub(crate) const SEGMENTS_MAX: usize = 1 << 16;

/// A stored piece of a sparse file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Offset in the file.
    pub offset: u64,
    /// Bytes stored.
    pub length: u64,
}

/// What extensions said about the next entry.
#[derive(Debug, Default)]
pub(crate) struct Extended {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub sparse: Option<SparseClaim>,
    gnu_path: Option<Vec<u8>>,
    gnu_link: Option<Vec<u8>>,
    /// A record could not be understood.
    pub broken: bool,
    /// Whether there is anything at all.
    pub any: bool,
}

/// The sparse records of a PAX header.
#[derive(Debug, Default)]
pub(crate) struct SparseClaim {
    pub name: Option<Vec<u8>>,
    pub real_size: Option<u64>,
    pub segments: Vec<Segment>,
    /// Version 1.0: the map stands at the start of the body.
    pub map_in_body: bool,
    offset: Option<u64>,
}

impl Extended {
    /// Takes the body of an `x` header.
    pub fn add_pax(&mut self, body: &[u8]) {
        self.any = true;
        let mut rest = body;
        while !rest.is_empty() {
            let Some((key, value, after)) = record(rest) else {
                self.broken |= rest.iter().any(|byte| *byte != 0);
                return;
            };
            if self.add_record(key, value).is_none() {
                self.broken = true;
            }
            rest = after;
        }
    }

    /// Takes the body of an `L` header.
    pub fn add_gnu_path(&mut self, body: &[u8]) {
        self.any = true;
        self.gnu_path = Some(super::header::until_nul(body).to_vec());
    }

    /// Takes the body of a `K` header.
    pub fn add_gnu_link(&mut self, body: &[u8]) {
        self.any = true;
        self.gnu_link = Some(super::header::until_nul(body).to_vec());
    }

    /// The path that replaces the header's.
    pub fn path(&self) -> Option<&[u8]> {
        let sparse_name = self.sparse.as_ref().and_then(|sparse| sparse.name.as_deref());
        self.gnu_path.as_deref().or(sparse_name).or(self.path.as_deref())
    }

    /// The link target that replaces the header's.
    pub fn link(&self) -> Option<&[u8]> {
        self.gnu_link.as_deref().or(self.link.as_deref())
    }

    fn add_record(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"path" => self.path = some(value),
            b"linkpath" => self.link = some(value),
            b"size" => self.size = if value.is_empty() { None } else { Some(decimal(value)?) },
            b"uid" => self.uid = Some(u32::try_from(decimal(value)?).unwrap_or(u32::MAX)),
            b"gid" => self.gid = Some(u32::try_from(decimal(value)?).unwrap_or(u32::MAX)),
            key if key.starts_with(b"GNU.sparse.") => {
                let claim = self.sparse.get_or_insert_default();
                return claim.add_record(&key[b"GNU.sparse.".len()..], value);
            }
            _ => {}
        }
        Some(())
    }
}

impl SparseClaim {
    fn add_record(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"major" => self.map_in_body = decimal(value)? >= 1,
            b"name" => self.name = some(value),
            b"size" | b"realsize" => self.real_size = Some(decimal(value)?),
            b"offset" => self.offset = Some(decimal(value)?),
            b"numbytes" => {
                let segment = Segment { offset: self.offset.take()?, length: decimal(value)? };
                (self.segments.len() < SEGMENTS_MAX).then(|| self.segments.push(segment))?;
            }
            b"map" => {
                self.segments.clear();
                let mut numbers = value.split(|byte| *byte == b',').filter(|part| !part.is_empty());
                while let Some(offset) = numbers.next() {
                    let segment = Segment { offset: decimal(offset)?, length: decimal(numbers.next()?)? };
                    (self.segments.len() < SEGMENTS_MAX).then(|| self.segments.push(segment))?;
                }
            }
            _ => {}
        }
        Some(())
    }
}

/// Whether a sparse map is in order, within its file, and accounts for the stored bytes.
pub(crate) fn map_fits(segments: &[Segment], real_size: u64, stored: u64) -> bool {
    let (mut end, mut sum) = (0u64, 0u64);
    for segment in segments {
        let Some(segment_end) = segment.offset.checked_add(segment.length) else { return false };
        if segment.offset < end || segment_end > real_size {
            return false;
        }
        end = segment_end;
        sum += segment.length;
    }
    sum == stored
}

fn some(value: &[u8]) -> Option<Vec<u8>> {
    (!value.is_empty()).then(|| value.to_vec())
}

/// `LENGTH KEY=VALUE\n`: key, value, rest.
fn record(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = body.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(body.get(..space)?)?).ok()?;
    let whole = body.get(..length)?;
    let (newline, _) = whole.split_last()?;
    if *newline != b'\n' {
        return None;
    }
    let pair = whole.get(space + 1..length.checked_sub(1)?)?;
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    Some((&pair[..equals], &pair[equals + 1..], &body[length..]))
}

/// Decimal digits; PAX allows a fraction only for times.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| match byte {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pax_records() {
        let mut extended = Extended::default();
        extended.add_pax(b"14 path=a/b/c\n12 size=123\n16 linkpath=x=y\n");
        assert_eq!(extended.path(), Some(&b"a/b/c"[..]));
        assert_eq!(extended.link(), Some(&b"x=y"[..]));
        assert_eq!(extended.size, Some(123));
        assert!(!extended.broken);
    }

    #[test]
    fn broken_records() {
        for body in [&b"99 path=a\n"[..], b"8 path=a\n", b"x", b"0 a=b\n", b"11 size=12x\n", b"5 ab\n"] {
            let mut extended = Extended::default();
            extended.add_pax(body);
            assert!(extended.broken, "{:?}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn sparse_maps() {
        let segment = |offset, length| Segment { offset, length };
        assert!(map_fits(&[segment(0, 5), segment(10, 5)], 20, 10));
        assert!(!map_fits(&[segment(0, 5), segment(4, 5)], 20, 10));
        assert!(!map_fits(&[segment(0, 5)], 4, 5));
        assert!(!map_fits(&[segment(u64::MAX, 5)], 20, 5));
        assert!(!map_fits(&[segment(0, 5)], 20, 6));
    }
}
