//! [`OneOf2`] and its kin: which of several Deferreds of different types it was, and what it gave.

macro_rules! one_of {
    ($name:ident, $count:literal: $($T:ident $Variant:ident $ordinal:literal),+) => {
        #[doc = concat!("The answer of one of ", $count, " inputs in a tuple.")]
        ///
        /// Made by [`race`](crate::race), [`first_success`](crate::first_success) and
        /// [`first_result`](crate::first_result).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name<$($T),+> {
            $(
                #[doc = concat!("The ", $ordinal, " input's.")]
                $Variant($T),
            )+
        }
    };
}

one_of!(OneOf2, "two": A First "first", B Second "second");
one_of!(OneOf3, "three": A First "first", B Second "second", C Third "third");
one_of!(OneOf4, "four": A First "first", B Second "second", C Third "third", D Fourth "fourth");
