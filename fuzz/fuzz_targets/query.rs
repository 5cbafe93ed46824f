#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| earmark_fuzz::query::run(input));
