use std::collections::BTreeMap;

use super::*;

/// Whether `count` draws fall into `places` places as evenly as chance has it: chi squared is near its mean, the number of places
/// less one, by six times its standard deviation.
#[track_caller]
fn assert_even(places: usize, count: usize, mut draw: impl FnMut() -> usize) {
    let mut hits = vec![0_u32; places];
    for _ in 0..count {
        hits[draw()] += 1;
    }
    let expected = count as f64 / places as f64;
    let chi = hits.iter().map(|hits| (f64::from(*hits) - expected).powi(2) / expected).sum::<f64>();
    let (mean, deviation) = ((places - 1) as f64, (2.0 * (places - 1) as f64).sqrt());
    assert!((chi - mean).abs() < 6.0 * deviation, "chi squared is {chi}, about {mean} was expected");
}

#[test]
fn the_numbers_are_those_of_splitmix64() {
    // The first three of the published reference for the seed 1234567.
    let rng = Rng::seeded(1_234_567);
    let drawn = [rng.next_u64(), rng.next_u64(), rng.next_u64()];
    assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
}

#[test]
fn every_kind_of_draw_is_the_same_on_every_platform() {
    let rng = Rng::seeded(5);
    let mut order = [0, 1, 2, 3, 4, 5, 6, 7];
    rng.shuffle(&mut order);
    let mut bytes = [0; 11];
    rng.fill(&mut bytes);
    let drawn = format!(
        "{} {} {} {} {} {:?} {:?} {order:?} {bytes:?} {}",
        rng.below(1_000_000),
        rng.range(-5..5_i8),
        rng.range(0..1_000_usize),
        rng.f64(),
        rng.chance(0.5),
        rng.duration(Duration::from_millis(1), Duration::from_secs(1)),
        rng.choose(&["a", "b", "c"]),
        rng.fork().next_u64(),
    );
    assert_eq!(
        drawn,
        "603440 -1 136 0.874250597673692 true 954.724109ms Some(\"c\") [7, 2, 6, 4, 0, 1, 5, 3] \
         [43, 239, 153, 6, 19, 140, 215, 130, 232, 233, 233] 7548358549209120156"
    );
}

#[test]
fn draws_are_even() {
    let rng = Rng::seeded(1);
    assert_even(10, 100_000, || rng.below(10) as usize);
    assert_even(64, 100_000, || (rng.next_u64() & 63) as usize);
    assert_even(64, 100_000, || (rng.next_u64() >> 58) as usize);
    assert_even(100, 100_000, || (rng.f64() * 100.0) as usize);
    assert_even(7, 100_000, || rng.range(-3..=3_i32).wrapping_add(3) as usize);
    assert_even(11, 100_000, || {
        rng.duration(Duration::from_nanos(5), Duration::from_nanos(15)).as_nanos() as usize - 5
    });
    assert_even(2, 100_000, || usize::from(rng.chance(0.5)));
    let mut byte = [0];
    assert_even(256, 100_000, || {
        rng.fill(&mut byte);
        byte[0].into()
    });
    let hits = (0..100_000).filter(|_| rng.chance(0.25)).count();
    assert!((24_000..26_000).contains(&hits), "{hits}");
}

/// Draws that are only scaled to three quarters of 2^64 are multiples of three twice as often as either of the others.
#[test]
fn large_bounds_are_even_too() {
    let rng = Rng::seeded(2);
    let bound = 3 << 62;
    assert_even(3, 60_000, || (rng.below(bound) % 3) as usize);
    assert!((0..1_000).all(|_| rng.below(bound) < bound));
    assert!((0..1_000).all(|_| rng.below(u64::MAX) < u64::MAX));
}

#[test]
fn orders_are_even() {
    let rng = Rng::seeded(3);
    let mut numbers = BTreeMap::new();
    assert_even(24, 48_000, || {
        let mut order = [0, 1, 2, 3];
        rng.shuffle(&mut order);
        let next = numbers.len();
        *numbers.entry(order).or_insert(next)
    });
    assert_even(3, 10_000, || *rng.choose(&[0, 1, 2]).unwrap());
}

#[test]
fn bounds_hold() {
    let rng = Rng::seeded(4);
    assert_eq!([rng.below(0), rng.below(1)], [0, 0]);
    for _ in 0..1_000 {
        assert!(rng.below(10) < 10);
        assert!((250..=255).contains(&rng.range(250..=255_u8)));
        assert!((-4..7).contains(&rng.range(-4..7_i64)));
        assert!(rng.range(250_u8..) >= 250);
        assert!(rng.range(..-120_i8) < -120);
        assert_eq!(rng.range((Bound::Excluded(3), Bound::Included(4))), 4);
        assert!((0.0..1.0).contains(&rng.f64()));
        assert!(!rng.chance(0.0) && !rng.chance(-1.0) && !rng.chance(f64::NAN) && rng.chance(1.0));
    }
    assert_eq!(rng.range(i64::MAX..=i64::MAX), i64::MAX);
    assert_eq!(rng.range(i64::MIN..=i64::MIN), i64::MIN);
    let (low, high) = (0..64).fold((0, 0), |(low, high), _| {
        let drawn = rng.range::<i64>(..);
        (low + u32::from(drawn < 0), high + u32::from(drawn > 0))
    });
    assert!(low > 10 && high > 10, "{low} below zero and {high} above");
    assert!((0..100).any(|_| rng.range::<u64>(..) > u64::MAX / 2));
}

#[test]
fn times_stay_between_their_ends() {
    let rng = Rng::seeded(6);
    let [five, seven] = [5, 7].map(Duration::from_nanos);
    let seen: std::collections::BTreeSet<_> =
        (0..100).map(|_| rng.duration(five, seven).as_nanos()).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [5, 6, 7]);
    assert_eq!([rng.duration(seven, five), rng.duration(five, five)], [seven, five]);
    assert_eq!(rng.duration(Duration::MAX, Duration::MAX), Duration::MAX);
    assert!(rng.duration(seven, Duration::MAX) >= seven);
}

#[test]
fn nothing_to_choose_from_is_nothing() {
    let rng = Rng::seeded(7);
    assert_eq!(rng.choose::<u8>(&[]), None);
    rng.shuffle::<u8>(&mut []);
    rng.fill(&mut []);
}

#[test]
#[should_panic(expected = "there is no number from 3 to 2")]
fn a_range_without_numbers_is_refused() {
    let _ = Rng::seeded(8).range(3..3_u8);
}

#[test]
#[should_panic(expected = "there is no number")]
fn a_range_that_begins_past_its_type_is_refused() {
    let _ = Rng::seeded(8).range((Bound::Excluded(u64::MAX), Bound::Unbounded));
}

#[test]
fn clones_share_and_forks_do_not() {
    let (rng, same) = (Rng::seeded(9), Rng::seeded(9));
    let clone = rng.clone();
    let shared = [rng.next_u64(), clone.next_u64(), rng.next_u64()];
    assert_eq!(shared, [same.next_u64(), same.next_u64(), same.next_u64()]);

    // What a fork draws does not move the rest.
    let (fork, silent) = (rng.fork(), same.fork());
    fork.fill(&mut [0; 800]);
    assert_eq!(rng.next_u64(), same.next_u64());
    // Nor has it anything in common with the rest: no number of one among those of the others.
    let second = rng.fork();
    let mut seen = std::collections::BTreeSet::new();
    for generator in [&rng, &silent, &second] {
        assert!((0..10_000).all(|_| seen.insert(generator.next_u64())));
    }
    // And the same bit agrees as often as it does not.
    for bit in 0..64 {
        let agree = (0..2_000).filter(|_| (rng.next_u64() ^ second.next_u64()) >> bit & 1 == 0).count();
        assert!((800..1_200).contains(&agree), "bit {bit} agrees {agree} times");
    }
}

#[test]
fn seeds_that_differ_in_a_bit_have_nothing_in_common() {
    let firsts = (0..64).map(|bit| Rng::seeded(1 << bit).next_u64());
    let apart: u32 = firsts.map(|first| (first ^ Rng::seeded(0).next_u64()).count_ones()).sum();
    assert!((1_800..2_300).contains(&apart), "{apart} of 4096 bits differ");
}
