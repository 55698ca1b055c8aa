//! Tuples as [`Group`]s and [`Choice`]s: the same as for iterators, written out for each number of inputs.

use super::inputs::Sealed;
use super::roll_call::RollCall;
use super::slots::{Others, Slot, Slots};
use super::{Choice, FirstError, Group, OneOf2, OneOf3, OneOf4};
use crate::{Deferred, Failure, succeed};

macro_rules! group {
    ($count:literal: $($T:ident $index:tt),+) => {
        impl<$($T),+> Slots for ($(Slot<$T>,)+) {
            type All = ($($T,)+);

            fn count(&self) -> usize {
                $count
            }

            fn into_all(self) -> Self::All {
                ($(self.$index.into_kept(),)+)
            }

            fn release(self, others: Others) {
                $(self.$index.release(others);)+
            }
        }

        impl<$($T),+> Sealed<($($T,)+)> for ($(Deferred<$T>,)+) {}

        impl<$($T: 'static),+> Group<($($T,)+)> for ($(Deferred<$T>,)+) {
            type Results = ($(Result<$T, Failure>,)+);
            type Values = ($($T,)+);

            #[track_caller]
            fn list(self) -> Deferred<Self::Results> {
                let (roll, group) = RollCall::new(($(Slot::of(&self.$index),)+));
                $(
                    roll.hear(self.$index, |roll, result| roll.keep(result, |slots| &mut slots.$index, Ok));
                )+
                group
            }

            #[track_caller]
            fn gather(self) -> Deferred<Self::Values> {
                let (roll, group) = RollCall::new(($(Slot::of(&self.$index),)+));
                $(
                    roll.hear(self.$index, |roll, result| match result {
                        Ok(value) => roll.keep(value, |slots| &mut slots.$index, Ok),
                        Err(failure) => roll.decide(Err(Failure::new(FirstError { index: $index, failure })), Others::KeepRunning),
                    });
                )+
                group
            }
        }
    };
}

group!(1: A 0);
group!(2: A 0, B 1);
group!(3: A 0, B 1, C 2);
group!(4: A 0, B 1, C 2, D 3);
group!(5: A 0, B 1, C 2, D 3, E 4);
group!(6: A 0, B 1, C 2, D 3, E 4, F 5);
group!(7: A 0, B 1, C 2, D 3, E 4, F 5, G 6);
group!(8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

impl Sealed<()> for () {}

impl Group<()> for () {
    type Results = ();
    type Values = ();

    #[track_caller]
    fn list(self) -> Deferred<()> {
        succeed(())
    }

    #[track_caller]
    fn gather(self) -> Deferred<()> {
        succeed(())
    }
}

macro_rules! choice {
    ($OneOf:ident: $($T:ident $index:tt $Variant:ident),+) => {
        impl<$($T: 'static),+> Choice<($($T,)+)> for ($(Deferred<$T>,)+) {
            type First = $OneOf<$(Result<$T, Failure>),+>;
            type Success = $OneOf<$($T),+>;

            #[track_caller]
            fn first_result(self) -> Deferred<Self::First> {
                let (roll, group) = RollCall::new(vec![$(Slot::<()>::of(&self.$index)),+]);
                $(
                    roll.hear(self.$index, |roll, result| roll.decide(Ok($OneOf::$Variant(result)), Others::KeepRunning));
                )+
                group
            }

            #[track_caller]
            fn first_success(self) -> Deferred<Self::Success> {
                let (roll, group) = RollCall::new(vec![$(Slot::of(&self.$index)),+]);
                $(
                    roll.hear(self.$index, |roll, result| {
                        roll.candidate($index, result.map($OneOf::$Variant), Others::KeepRunning);
                    });
                )+
                group
            }

            #[track_caller]
            fn race(self) -> Deferred<Self::Success> {
                let (roll, group) = RollCall::new(vec![$(Slot::of(&self.$index)),+]);
                $(
                    roll.hear(self.$index, |roll, result| {
                        roll.candidate($index, result.map($OneOf::$Variant), Others::AreCancelled);
                    });
                )+
                group
            }
        }
    };
}

choice!(OneOf2: A 0 First, B 1 Second);
choice!(OneOf3: A 0 First, B 1 Second, C 2 Third);
choice!(OneOf4: A 0 First, B 1 Second, C 2 Third, D 3 Fourth);
