use std::collections::{BTreeMap, VecDeque};

use twistor_reactor::kernel::{Readiness, Token};

use crate::edges::Edges;

/// What the next wait reports: one event a token, in the order in which the tokens became ready.
#[derive(Debug)]
pub(crate) struct ReadyQueue {
    next: u64,
    order: BTreeMap<u64, Token>,
    queued: BTreeMap<Token, Queued>,
    /// Events that a test made up. They come first and are not merged.
    injected: VecDeque<Readiness>,
    pub(crate) most: usize,
}

#[derive(Debug)]
struct Queued {
    place: u64,
    edges: Edges,
    /// The socket or listener, for asking whether it is still so.
    source: Option<u64>,
}

impl Default for ReadyQueue {
    fn default() -> Self {
        Self {
            next: 0,
            order: BTreeMap::new(),
            queued: BTreeMap::new(),
            injected: VecDeque::new(),
            most: usize::MAX,
        }
    }
}

impl ReadyQueue {
    pub(crate) fn report(&mut self, token: Token, source: Option<u64>, edges: Edges) {
        if edges.is_empty() {
            return;
        }
        if let Some(queued) = self.queued.get_mut(&token) {
            queued.edges |= edges;
            return;
        }
        self.queued.insert(token, Queued { place: self.next, edges, source });
        self.order.insert(self.next, token);
        self.next += 1;
    }

    pub(crate) fn inject(&mut self, event: Readiness) {
        self.injected.push_back(event);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty() && self.injected.is_empty()
    }

    /// The source is gone: nothing of it is reported any more.
    pub(crate) fn forget(&mut self, token: Token) {
        if let Some(queued) = self.queued.remove(&token) {
            self.order.remove(&queued.place);
        }
    }

    /// Moves events to `ready` and says how many. What is not so any more, as `level` tells of a source, is left out, as epoll does:
    /// it would come again with an edge of its own.
    pub(crate) fn drain(&mut self, ready: &mut Vec<Readiness>, level: impl Fn(u64) -> Edges) -> usize {
        let before = ready.len();
        while ready.len() - before < self.most {
            if let Some(event) = self.injected.pop_front() {
                ready.push(event);
                continue;
            }
            let Some((_, token)) = self.order.pop_first() else { break };
            let Some(queued) = self.queued.remove(&token) else { continue };
            let edges = queued.source.map_or(queued.edges, |source| queued.edges & level(source));
            if !edges.is_empty() {
                ready.push(edges.on(token));
            }
        }
        ready.len() - before
    }
}
