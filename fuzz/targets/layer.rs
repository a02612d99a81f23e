//! Runs libFuzzer on `seaworthy_fuzz::layer`, which says what is checked.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| seaworthy_fuzz::layer::run(data));
