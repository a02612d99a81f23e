//! CRC-64 of ISO 3309 (polynomial x⁶⁴+x⁴+x³+x+1, reflected): what tar-split keeps of each file, so that a
//! changed one can be named. No protection against an attacker; the digest of the layer is.

/// Eight tables: eight bytes in one step.
static TABLES: [[u64; 256]; 8] = tables();

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xd800_0000_0000_0000 } else { value >> 1 };
            bit += 1;
        }
        tables[0][byte] = value;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = tables[0][(before & 0xff) as usize] ^ before >> 8;
            byte += 1;
        }
        table += 1;
    }
    tables
}

/// A checksum that grows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crc64(u64);

impl Crc64 {
    pub const fn new() -> Self {
        Self(!0)
    }

    pub fn update(&mut self, bytes: &[u8]) {
        let at = |table: usize, value: u64| TABLES[table][(value & 0xff) as usize];
        let (chunks, rest) = bytes.as_chunks::<8>();
        for chunk in chunks {
            let value = self.0 ^ u64::from_le_bytes(*chunk);
            self.0 = at(7, value)
                ^ at(6, value >> 8)
                ^ at(5, value >> 16)
                ^ at(4, value >> 24)
                ^ at(3, value >> 32)
                ^ at(2, value >> 40)
                ^ at(1, value >> 48)
                ^ at(0, value >> 56);
        }
        for byte in rest {
            self.0 = at(0, self.0 ^ u64::from(*byte)) ^ self.0 >> 8;
        }
    }

    pub const fn value(self) -> u64 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_value_and_any_division() {
        // CRC-64/GO-ISO of the catalogue of parametrised CRC algorithms.
        let mut crc = Crc64::new();
        crc.update(b"123456789");
        assert_eq!(crc.value(), 0xb909_56c7_75a4_1001);
        let mut parts = Crc64::new();
        parts.update(b"1");
        parts.update(b"23456789");
        assert_eq!(parts.value(), crc.value());
        assert_eq!(Crc64::new().value(), 0);
    }
}
