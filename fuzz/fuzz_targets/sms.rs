#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| anling_fuzz::modem::read(input));
