//! One 512-byte header block: v7, ustar (POSIX.1-1988), star and GNU. Where the formats leave room,
//! what Go's archive/tar does counts, because Docker and containerd unpack with it.

/// Size of a block.
pub(crate) const BLOCK: usize = 512;

/// One block.
pub(crate) type Block = [u8; BLOCK];

/// Which flavour the magic names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    V7,
    Ustar,
    Star,
    Gnu,
}

/// What a block says, before extensions are applied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'b> {
    pub flavour: Flavour,
    pub name: &'b [u8],
    pub prefix: &'b [u8],
    pub link: &'b [u8],
    pub flag: u8,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
}

/// Why a block is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoHeader {
    /// All zero: the end mark.
    Zero,
    /// The checksum is wrong.
    Checksum,
    /// The size is not a number or negative.
    Size,
}

/// Reads a header block.
pub(crate) fn parse(block: &Block) -> Result<Header<'_>, NoHeader> {
    if !checksum_fits(block) {
        return Err(if is_zero(block) { NoHeader::Zero } else { NoHeader::Checksum });
    }
    let flavour = flavour(block);
    let prefix = match flavour {
        Flavour::Ustar => until_nul(&block[345..500]),
        Flavour::Star => until_nul(&block[345..476]),
        Flavour::V7 | Flavour::Gnu => &[],
    };
    Ok(Header {
        flavour,
        name: until_nul(&block[..100]),
        prefix,
        link: until_nul(&block[157..257]),
        flag: block[156],
        mode: (number(&block[100..108]).unwrap_or(0) & 0o7777) as u32,
        uid: number(&block[108..116]).and_then(|id| u32::try_from(id).ok()).unwrap_or(u32::MAX),
        gid: number(&block[116..124]).and_then(|id| u32::try_from(id).ok()).unwrap_or(u32::MAX),
        size: number(&block[124..136]).filter(|size| *size < 1 << 62).ok_or(NoHeader::Size)?,
    })
}

/// Whether all bytes are zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |all, byte| all | byte) == 0
}

fn flavour(block: &Block) -> Flavour {
    match &block[257..265] {
        magic if magic[..6] == *b"ustar\0" && block[508..512] == *b"tar\0" => Flavour::Star,
        magic if magic[..6] == *b"ustar\0" => Flavour::Ustar,
        b"ustar  \0" => Flavour::Gnu,
        _ => Flavour::V7,
    }
}

/// The sum over all bytes, the checksum field counted as spaces; old tars summed signed bytes.
fn checksum_fits(block: &Block) -> bool {
    let Some(claimed) = octal(&block[148..156]) else { return false };
    let unsigned = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    let blanks = 8 * u32::from(b' ');
    let sum = unsigned(block) - unsigned(&block[148..156]) + blanks;
    if claimed == u64::from(sum) {
        return true;
    }
    let high = |bytes: &[u8]| bytes.iter().filter(|byte| **byte > 127).count() as i64;
    let signed = i64::from(sum) - 256 * (high(block) - high(&block[148..156]));
    i64::try_from(claimed) == Ok(signed)
}

/// A number field: octal, or base-256 when the first bit is set. `None` if negative or malformed.
pub(crate) fn number(field: &[u8]) -> Option<u64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => {
            if first & 0x40 != 0 {
                return None;
            }
            field.iter().enumerate().try_fold(0u64, |value, (at, byte)| {
                let byte = if at == 0 { byte & 0x3f } else { *byte };
                value.checked_mul(256)?.checked_add(u64::from(byte))
            })
        }
        _ => octal(field),
    }
}

/// Octal digits between spaces and NULs; an empty field is 0.
fn octal(field: &[u8]) -> Option<u64> {
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !blank(byte)).unwrap_or(field.len());
    let digits = &field[start..];
    let end = digits.iter().position(blank).unwrap_or(digits.len());
    digits[..end].iter().try_fold(0u64, |value, byte| match byte {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// The bytes before the first NUL.
pub(crate) fn until_nul(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|byte| *byte == 0).unwrap_or(field.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (field, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"        ", Some(0)),
            (b" 755 \0\0\0", Some(0o755)),
            (b"12345678", None),
            (b"\x80\0\0\0\0\0\x01\0", Some(256)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"", Some(0)),
        ] {
            assert_eq!(number(field), value, "{field:?}");
        }
    }

    #[test]
    fn zero_and_garbage() {
        assert_eq!(parse(&[0; BLOCK]).err(), Some(NoHeader::Zero));
        assert_eq!(parse(&[7; BLOCK]).err(), Some(NoHeader::Checksum));
    }
}
