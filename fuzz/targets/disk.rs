//! Runs libFuzzer on `seaworthy_fuzz::disk`, which says what is checked.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| seaworthy_fuzz::disk::run(data));
