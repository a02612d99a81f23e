//! Sets the checksums of a tar right, so that the fuzzer need not guess them.

/// Goes from header to header and writes each checksum (POSIX ustar, "The checksum field").
pub fn repair(bytes: &mut [u8]) {
    let mut at = 0_usize;
    while let Some(header) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..512)) {
        if header.iter().all(|byte| *byte == 0) {
            at += 512;
            continue;
        }
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let digits = header[124..136].iter().take_while(|byte| (b'0'..=b'7').contains(byte));
        let size = digits.fold(0_usize, |size, digit| size.saturating_mul(8) + usize::from(digit - b'0'));
        at = at.saturating_add(512).saturating_add(size.min(1 << 40).next_multiple_of(512));
    }
}
