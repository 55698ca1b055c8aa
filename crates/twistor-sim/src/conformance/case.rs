//! A case, and the list of them all.

use super::harness::{MakeGround, Needs};
use super::{
    closing, connecting, errors, factories, half_close, listening, once, panics, producers, reactor, table,
    transport,
};

/// What makes the ground of a case.
pub(super) type Make<'a> = &'a dyn MakeGround;

/// Something that a transport has to do.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// Without which it does not apply.
    pub(super) needs: Needs,
    /// Panics if the transport does not do it.
    pub(super) run: fn(Make<'_>),
}

pub(super) const ALL: &[Case] = crate::__transport_cases!(__transport_table {});

/// The case of this name.
pub(super) fn named(name: &str) -> &'static Case {
    let found = ALL.iter().find(|case| case.name == name);
    found.unwrap_or_else(|| panic!("there is no case of the name {name}"))
}
