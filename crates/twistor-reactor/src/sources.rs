//! The table of everything that can become ready. Private to the reactor and to transports written over it.

use std::cell::RefCell;
use std::rc::Rc;

use slab::Slab;

use crate::kernel::{Readiness, Token};
use crate::{CloseReason, ReactorHandle};

pub use crate::host::SourceHost;

/// Something that the kernel reports about: a connection, a listener, a watched descriptor, a lookup, a signal.
///
/// The reactor calls every method with none of its own cells borrowed; an implementation owes the same to the user's code it calls, and
/// contains its panics (see [`SourceHost::guard`]).
pub trait Source: 'static {
    /// The kernel reported `readiness`. Edge-triggered: what is left undone is asked for with [`SourceHost::again`].
    fn ready(self: Rc<Self>, reactor: &ReactorHandle, readiness: Readiness);

    /// The source asked for another turn with [`SourceHost::again`].
    fn again(self: Rc<Self>, reactor: &ReactorHandle) {
        let _ = reactor;
    }

    /// The source asked to flush what it gathered, with [`SourceHost::flush_later`].
    fn flush(self: Rc<Self>, reactor: &ReactorHandle) {
        let _ = reactor;
    }

    /// A notification that was queued with [`SourceHost::notify_source`].
    fn notified(self: Rc<Self>, reactor: &ReactorHandle, note: Note) {
        let _ = (reactor, note);
    }

    /// The reactor ends: let go of the kernel's objects and tell the user `reason`, now or by a notification. Called once, in the
    /// order of [`SourceKind`].
    fn shut_down(self: Rc<Self>, reactor: &ReactorHandle, reason: &CloseReason) {
        let _ = (reactor, reason);
    }

    /// What it is: decides when it is shut down, and what `stats` counts it as.
    fn kind(&self) -> SourceKind;

    /// What it is in a few words, for lists of what is left over; `None` for what the reactor keeps for itself and no test has to put
    /// away. Calls no code of the user's but a `log_prefix`.
    fn describe(&self) -> Option<String> {
        Some(format!("{:?}", self.kind()))
    }

    /// The source as its own type, for those who know it.
    fn as_any(self: Rc<Self>) -> Rc<dyn std::any::Any>;
}

/// What a source is. The order is the order in which a reactor that ends shuts them down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    /// Accepts connections.
    Listener,
    /// A connection, or the attempt to make one.
    Connection,
    /// A descriptor of the user's.
    Watch,
    /// The library's own: a signal, a lookup, a socket that lingers.
    Internal,
}

/// A number by which a source knows its own notifications apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note(pub u32);

/// A slab of sources. Each place counts how often it was used, so that a token of a former owner finds nobody.
#[derive(Default)]
pub(crate) struct Sources {
    table: RefCell<Table>,
}

#[derive(Default)]
struct Table {
    places: Slab<Rc<dyn Source>>,
    generations: Vec<u32>,
}

impl Sources {
    pub(crate) fn insert(&self, source: Rc<dyn Source>) -> Token {
        let mut table = self.table.borrow_mut();
        let index = table.places.insert(source);
        if table.generations.len() <= index {
            table.generations.resize(index + 1, 0);
        }
        let place = u32::try_from(index).expect("fewer than 2^32 sources fit into memory");
        Token::new(place, table.generations[index])
    }

    /// Puts `source` in the place of whoever has `token`, and gives that one back. The token stays valid.
    pub(crate) fn replace(
        &self,
        token: Token,
        source: Rc<dyn Source>,
    ) -> Result<Rc<dyn Source>, Rc<dyn Source>> {
        let mut table = self.table.borrow_mut();
        if table.generations.get(token.index()) != Some(&token.generation()) {
            return Err(source);
        }
        match table.places.get_mut(token.index()) {
            Some(place) => Ok(std::mem::replace(place, source)),
            None => Err(source),
        }
    }

    /// Takes the source out, for the caller to drop when it likes.
    pub(crate) fn remove(&self, token: Token) -> Option<Rc<dyn Source>> {
        let mut table = self.table.borrow_mut();
        let generation = table.generations.get_mut(token.index())?;
        if *generation != token.generation() {
            return None;
        }
        *generation = generation.wrapping_add(1);
        table.places.try_remove(token.index())
    }

    #[inline]
    pub(crate) fn find(&self, token: Token) -> Option<Rc<dyn Source>> {
        let table = self.table.borrow();
        if table.generations.get(token.index()) != Some(&token.generation()) {
            return None;
        }
        table.places.get(token.index()).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.table.borrow().places.len()
    }

    /// Every source, in the order of the table.
    pub(crate) fn all(&self) -> Vec<(Token, Rc<dyn Source>)> {
        let table = self.table.borrow();
        let name =
            |index: usize| Token::new(u32::try_from(index).unwrap_or(u32::MAX), table.generations[index]);
        table.places.iter().map(|(index, source)| (name(index), Rc::clone(source))).collect()
    }

    pub(crate) fn take_all(&self) -> Vec<Rc<dyn Source>> {
        let all = self.all();
        all.into_iter().filter_map(|(token, _)| self.remove(token)).collect()
    }
}
