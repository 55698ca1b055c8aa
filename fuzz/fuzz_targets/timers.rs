//! See `twistor_fuzz::timers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| twistor_fuzz::timers(data));
