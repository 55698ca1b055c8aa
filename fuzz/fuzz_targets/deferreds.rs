//! See `twistor_fuzz::deferreds`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| twistor_fuzz::deferreds(data));
