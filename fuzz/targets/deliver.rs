//! Runs libFuzzer on `seaworthy_fuzz::deliver`, which says what is checked.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| seaworthy_fuzz::deliver::run(data));
