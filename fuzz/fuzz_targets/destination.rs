//! See `twistor_fuzz::destination`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| twistor_fuzz::destination(data));
