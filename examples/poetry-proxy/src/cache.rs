//! One poem, fetched when it is first wanted and kept.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use bytes::Bytes;
use poetry_client::{PoemAddress, get_poetry};
use twistor::prelude::*;

/// The poem of another server. A clone is another handle of the same cache.
#[derive(Clone)]
pub struct PoemCache {
    reactor: ReactorHandle,
    origin: PoemAddress,
    state: Rc<RefCell<State>>,
}

/// What the cache has.
enum State {
    Empty,
    /// A download runs, and these wait for it.
    Fetching(Vec<Promise<Bytes>>),
    Cached(Bytes),
}

impl PoemCache {
    /// An empty cache of the poem at `origin`.
    #[must_use]
    pub fn new(reactor: &ReactorHandle, origin: PoemAddress) -> Self {
        Self { reactor: reactor.clone(), origin, state: Rc::new(RefCell::new(State::Empty)) }
    }

    /// The poem. It is there already if it was fetched before; otherwise all who want it wait for one download. After a download that failed, which
    /// all of them hear, the next one to ask starts another.
    ///
    /// The caller need not know which it is: a callback that is added to a Deferred with a result is called at once.
    #[must_use]
    pub fn poem(&self) -> Deferred<Bytes> {
        let (promise, poem) = deferred();
        {
            let mut state = self.state.borrow_mut();
            match &mut *state {
                State::Cached(poem) => return succeed(poem.clone()),
                State::Fetching(waiting) => {
                    waiting.push(promise);
                    return poem;
                }
                State::Empty => *state = State::Fetching(vec![promise]),
            }
        }
        self.fetch();
        poem
    }

    fn fetch(&self) {
        let cache = self.clone();
        get_poetry(&self.reactor, &self.origin)
            .map(Bytes::from)
            .add_both(move |result| cache.fetched(result));
    }

    fn fetched(&self, result: Result<Bytes, Failure>) {
        let next = result.as_ref().map_or(State::Empty, |poem| State::Cached(poem.clone()));
        // The state is as it will be before anybody hears of it: a callback may ask for the poem again.
        let State::Fetching(waiting) = self.state.replace(next) else { return };
        for promise in waiting {
            promise.fire(result.clone());
        }
    }
}

impl fmt::Debug for PoemCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.state.borrow() {
            State::Empty => write!(f, "PoemCache(nothing of {})", self.origin),
            State::Fetching(waiting) => write!(f, "PoemCache({} wait for {})", waiting.len(), self.origin),
            State::Cached(poem) => write!(f, "PoemCache({} bytes of {})", poem.len(), self.origin),
        }
    }
}
