//! What the reactor offers to those who write transports over it.

use std::any::{Any, TypeId};
use std::fmt;
use std::rc::Rc;

use tracing::error;
use twistor_deferred::contain;

use crate::ReactorHandle;
use crate::inner::Notice;
use crate::kernel::Token;
use crate::sources::{Note, Source, SourceKind};
use crate::stats::count;

/// What a transport asks of the reactor that it is written over: sources, flushes, the read buffer. Programs that use transports need none of it,
/// so it is not among the methods of [`ReactorHandle`] until it is imported.
pub trait SourceHost {
    /// Puts a source into the table, for the kernel to report under the token; `None` if the reactor is gone, or has stopped as far as
    /// disconnecting everything, and the source is dropped.
    fn register(&self, source: Rc<dyn Source>) -> Option<Token>;

    /// Puts `source` in the place of the one that has `token`; events go to it from now on, whatever was registered with the kernel.
    ///
    /// # Errors
    ///
    /// Gives `source` back if nobody has the token any more. The former one is handed out, to be dropped where it does no harm.
    fn replace(&self, token: Token, source: Rc<dyn Source>) -> Result<Rc<dyn Source>, Rc<dyn Source>>;

    /// Takes a source out of the table: events for the token are dropped from now on. `None` if nobody has it.
    fn deregister(&self, token: Token) -> Option<Rc<dyn Source>>;

    /// The source that has `token`.
    #[must_use]
    fn source(&self, token: Token) -> Option<Rc<dyn Source>>;

    /// Every source, with its token, in the order of the table.
    #[must_use]
    fn sources(&self) -> Vec<(Token, Rc<dyn Source>)>;

    /// Whether somebody has `token`.
    #[must_use]
    fn is_registered(&self, token: Token) -> bool;

    /// Has [`Source::again`] called in the dispatch of the coming turn.
    fn again(&self, token: Token);

    /// Has [`Source::flush`] called before the loop sleeps. A source asks once until it was flushed.
    fn flush_later(&self, source: Rc<dyn Source>);

    /// As [`notify`](ReactorHandle::notify), without an allocation: has [`Source::notified`] called with `note`.
    fn notify_source(&self, source: Rc<dyn Source>, note: Note);

    /// Calls `f`, code of the user's, and contains its panic, which is logged as that of `what`.
    ///
    /// # Errors
    ///
    /// The text of the panic.
    fn guard<R>(&self, what: impl fmt::Display, f: impl FnOnce() -> R) -> Result<R, String> {
        self.guard_for(None, what, f)
    }

    /// As [`guard`](Self::guard), for code that has to do with the source that has the token: an [`Observer`](crate::Observer) is
    /// told which.
    ///
    /// # Errors
    ///
    /// The text of the panic.
    fn guard_for<R>(
        &self,
        source: Option<Token>,
        what: impl fmt::Display,
        f: impl FnOnce() -> R,
    ) -> Result<R, String>;

    /// Lends the reactor's one read buffer, of [`Limits::read_size`](crate::Limits::read_size) bytes. Lent twice at once, the second is a new one.
    fn with_scratch<R>(&self, f: impl FnOnce(&mut [u8]) -> R) -> R;

    /// What a crate above keeps once a reactor, made on first use.
    #[must_use]
    fn extension<T: Default + 'static>(&self) -> Rc<T>;

    /// Counts bytes that a transport gathered to be sent.
    fn count_gathered(&self, bytes: usize);

    /// Counts bytes that a transport received.
    fn count_received(&self, bytes: usize);
}

#[cold]
fn report_panic(what: &dyn fmt::Display, text: &str) {
    // A subscriber is code of the application's too.
    let _ = contain(|| error!("{what} panicked: {text}"));
}

impl SourceHost for ReactorHandle {
    fn register(&self, source: Rc<dyn Source>) -> Option<Token> {
        if !self.inner.stage.get().takes_sources() {
            return None;
        }
        if source.kind() == SourceKind::Connection {
            self.inner.counters.connections.set(self.inner.counters.connections.get() + 1);
        }
        Some(self.inner.sources.insert(source))
    }

    fn replace(&self, token: Token, source: Rc<dyn Source>) -> Result<Rc<dyn Source>, Rc<dyn Source>> {
        let became = source.kind();
        let former = self.inner.sources.replace(token, source)?;
        let connections = &self.inner.counters.connections;
        match (former.kind() == SourceKind::Connection, became == SourceKind::Connection) {
            (true, false) => connections.set(connections.get() - 1),
            (false, true) => connections.set(connections.get() + 1),
            _ => {}
        }
        Ok(former)
    }

    fn deregister(&self, token: Token) -> Option<Rc<dyn Source>> {
        let source = self.inner.sources.remove(token)?;
        if source.kind() == SourceKind::Connection {
            self.inner.counters.connections.set(self.inner.counters.connections.get() - 1);
        }
        Some(source)
    }

    fn source(&self, token: Token) -> Option<Rc<dyn Source>> {
        self.inner.sources.find(token)
    }

    fn sources(&self) -> Vec<(Token, Rc<dyn Source>)> {
        self.inner.sources.all()
    }

    fn is_registered(&self, token: Token) -> bool {
        self.inner.sources.find(token).is_some()
    }

    fn again(&self, token: Token) {
        if !self.inner.is_gone() {
            self.inner.again.borrow_mut().push(token);
            self.inner.tell_of_work();
        }
    }

    fn flush_later(&self, source: Rc<dyn Source>) {
        if !self.inner.is_gone() {
            self.inner.flushes.borrow_mut().push(source);
            self.inner.tell_of_work();
        }
    }

    fn notify_source(&self, source: Rc<dyn Source>, note: Note) {
        if !self.inner.is_gone() {
            self.inner.queue(Notice::Source(source, note));
        }
    }

    #[inline(always)]
    fn guard_for<R>(
        &self,
        source: Option<Token>,
        what: impl fmt::Display,
        f: impl FnOnce() -> R,
    ) -> Result<R, String> {
        if let Some(observer) = &self.inner.observer {
            observer.calling(source, &what);
        }
        match contain(f) {
            Ok(result) => Ok(result),
            Err(text) => {
                report_panic(&what, &text);
                Err(text)
            }
        }
    }

    #[inline(always)]
    fn with_scratch<R>(&self, f: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut scratch = self.inner.scratch.take().unwrap_or_else(|| self.inner.make_scratch());
        let result = f(&mut scratch);
        self.inner.scratch.set(Some(scratch));
        result
    }

    fn extension<T: Default + 'static>(&self) -> Rc<T> {
        let found = self.inner.extensions.borrow().get(&TypeId::of::<T>()).cloned();
        if let Some(extension) = found.and_then(|any| any.downcast::<T>().ok()) {
            return extension;
        }
        let made = Rc::new(T::default());
        if !self.inner.is_gone() {
            let any: Rc<dyn Any> = Rc::<T>::clone(&made);
            self.inner.extensions.borrow_mut().insert(TypeId::of::<T>(), any);
        }
        made
    }

    #[inline]
    fn count_gathered(&self, bytes: usize) {
        count(&self.inner.counters.bytes_gathered, bytes as u64);
    }

    #[inline]
    fn count_received(&self, bytes: usize) {
        count(&self.inner.counters.bytes_received, bytes as u64);
    }
}
