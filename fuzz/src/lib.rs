//! What bytes from anywhere may do. Each function takes any bytes, makes a program or an input of them, and panics if the library breaks a promise.
//!
//! `tests/replay.rs` runs them all on pseudo-random bytes with the rest of the tests; `fuzz_targets` has each as a program for a fuzzer that
//! looks for bytes which reach new code: `cargo +nightly fuzz run --sanitizer none --features libfuzzer NAME`.

#![forbid(unsafe_code)]

#[allow(
    dead_code,
    unused_imports,
    reason = "the model's own tests are there too, which this crate does not run"
)]
#[path = "../../crates/twistor-deferred/tests/it/model/mod.rs"]
mod model;
#[allow(dead_code, reason = "the model needs one thing of it")]
#[path = "../../crates/twistor-deferred/tests/it/support.rs"]
mod support;

mod addresses;
mod deferreds;
mod filters;
mod frames;
mod kernel;
mod timers;

pub use self::addresses::destination;
pub use self::deferreds::deferreds;
pub use self::filters::filters;
pub use self::frames::frames;
pub use self::kernel::kernel;
pub use self::timers::timers;

use arbitrary::Unstructured;

/// A number in `0..below`. When the bytes are used up it is zero.
fn number(bytes: &mut Unstructured<'_>, below: usize) -> usize {
    bytes.int_in_range(0..=below - 1).unwrap_or(0)
}

/// Pieces of `all`, as long as the bytes say; at most 64 bytes each.
fn pieces<'a>(mut all: &'a [u8], bytes: &mut Unstructured<'_>) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while !all.is_empty() {
        let (piece, rest) = all.split_at(all.len().min(1 + number(bytes, 64)));
        pieces.push(piece);
        all = rest;
    }
    pieces
}
