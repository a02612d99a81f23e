//! Reads postcard's wire format piece by piece (<https://postcard.jamesmunns.com/wire-format>):
//! numbers as little-endian base 128, texts as length and bytes. What it does not do: know structs.

use super::stored::Malformed;

/// A number in little-endian base 128, byte by byte; one of more than 64 bits is what `over` says.
#[inline]
pub fn number<E>(mut byte: impl FnMut() -> Result<u8, E>, over: impl FnOnce() -> E) -> Result<u64, E> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = byte()?;
        let part = u64::from(byte & 0x7f);
        let placed = part << shift;
        if placed >> shift != part {
            break;
        }
        value |= placed;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(over())
}

/// What is left of the bytes.
pub struct Wire<'a> {
    rest: &'a [u8],
}

impl<'a> Wire<'a> {
    /// Starts at the first byte.
    pub fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }
    /// One byte.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*first)
    }
    /// An unsigned number of at most 64 bits.
    pub fn number(&mut self) -> Result<u64, Malformed> {
        number(|| self.byte(), || Malformed)
    }
    /// So many bytes.
    pub fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }
    /// A text.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.number()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Malformed)
    }
    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }
    /// A count of things that take at least one byte each: a false one cannot make a list grow.
    pub fn bounded(&self, count: u64) -> usize {
        usize::try_from(count).unwrap_or(usize::MAX).min(self.rest.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_postcard_s() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let bytes = postcard::to_stdvec(&(value, "täxt")).expect("memory takes everything");
            let mut wire = Wire::new(&bytes);
            assert_eq!((wire.number(), wire.text()), (Ok(value), Ok("täxt")));
            assert_eq!(wire.byte(), Err(Malformed));
        }
    }

    #[test]
    fn false_bytes_are_refused() {
        assert_eq!(Wire::new(&[0xff; 10]).number(), Err(Malformed), "never ends");
        let beyond = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
        assert_eq!(Wire::new(&beyond).number(), Err(Malformed), "more than 64 bits");
        assert_eq!(Wire::new(&[2, 0xff, 0xfe]).text(), Err(Malformed), "no UTF-8");
        assert_eq!(Wire::new(&[9, b'a']).text(), Err(Malformed), "longer than the bytes");
        assert_eq!(Wire::new(&[1, 2]).bounded(u64::MAX), 2);
    }
}
