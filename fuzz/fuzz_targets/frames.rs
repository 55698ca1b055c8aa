//! See `twistor_fuzz::frames`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| twistor_fuzz::frames(data));
