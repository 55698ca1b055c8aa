//! The fuzz targets on pseudo-random bytes: what a fuzzer would look for longer, looked for a moment in every run of the tests.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs `target` on inputs of many lengths, and says which one it was if it panics.
fn replay(target: fn(&[u8])) {
    target(b"");
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let doublings = random.usize(1..11);
        let length = random.usize(..1 << doublings);
        let input: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&input))) {
            eprintln!("seed {seed}, input {input:?}");
            resume_unwind(panic);
        }
    }
}

#[test]
fn deferreds() {
    replay(twistor_fuzz::deferreds);
}

#[test]
fn destination() {
    replay(twistor_fuzz::destination);
    for text in
        ["127.0.0.1", "[::1]", "fe80::1%2", "[fe80::1%2]", "::ffff:1.2.3.4", "a%2", "[", "[]", "[1.2.3.4]"]
    {
        twistor_fuzz::destination(&[b"\0\x50", text.as_bytes()].concat());
    }
}

#[test]
fn filters() {
    replay(twistor_fuzz::filters);
}

#[test]
fn frames() {
    replay(twistor_fuzz::frames);
    replay(|data| {
        let alphabet = b"ok 0123456789\n-\xff";
        let text: Vec<u8> = data.iter().map(|byte| alphabet[usize::from(*byte) % alphabet.len()]).collect();
        twistor_fuzz::frames(&text);
    });
}

#[test]
fn kernel() {
    replay(twistor_fuzz::kernel);
}

#[test]
fn timers() {
    replay(twistor_fuzz::timers);
}
