#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rung_properties::schema(input));
