use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::model;

/// The first sixteen bytes are the seed of a random program over Deferreds, which the library and the model of `twistor-deferred`'s tests run alike.
///
/// # Panics
///
/// If they are not observed to do the same.
pub fn deferreds(data: &[u8]) {
    // Not the bytes themselves (`PassThrough`): drawing from those may go on for ever once they are used up.
    let mut seed = [1; 16];
    seed.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
    let random = TestRng::from_seed(RngAlgorithm::XorShift, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    if let Ok(program) = model::program(3).new_tree(&mut runner) {
        model::check(&program.current());
    }
}
