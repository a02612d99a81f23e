//! Runs libFuzzer on `seaworthy_fuzz::cataloguer`, which says what is checked.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| seaworthy_fuzz::cataloguer::run(data));
