#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| anling_fuzz::read("mr24fdb1", input));
