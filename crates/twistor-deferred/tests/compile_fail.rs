//! What the types rule out does not compile, and the compiler says so in words that help.
//!
//! Each case has its expected message beside it, in a `.stderr` file, as the compiler of the day words it. When another
//! compiler words it differently, or something private that is named there was renamed, look at the new messages and
//! keep them:
//!
//! ```text
//! TRYBUILD=overwrite cargo test -p twistor-deferred --test compile_fail
//! ```

#[test]
fn def_01_06_08_27_misuse_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
