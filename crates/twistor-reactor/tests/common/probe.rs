//! Sources and descriptors that note what they hear.

use std::any::Any;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use twistor_reactor::kernel::Readiness;
use twistor_reactor::sources::{Note, Source, SourceKind};
use twistor_reactor::{CloseReason, Descriptor, ReactorHandle, Watch};

use super::Notes;

/// A source that notes each call, after its name.
pub(crate) struct TestSource {
    pub(crate) name: &'static str,
    pub(crate) kind: SourceKind,
    pub(crate) notes: Notes,
    pub(crate) on_ready: Box<dyn Fn(&ReactorHandle)>,
    pub(crate) on_flush: Box<dyn Fn(&ReactorHandle)>,
}

impl TestSource {
    pub(crate) fn new(name: &'static str, notes: &Notes) -> Self {
        Self {
            name,
            kind: SourceKind::Internal,
            notes: notes.clone(),
            on_ready: Box::new(|_| {}),
            on_flush: Box::new(|_| {}),
        }
    }

    fn note(&self, what: &str) {
        self.notes.add(format_args!("{} {what}", self.name));
    }
}

impl Source for TestSource {
    fn ready(self: Rc<Self>, reactor: &ReactorHandle, _: Readiness) {
        self.note("ready");
        (self.on_ready)(reactor);
    }

    fn again(self: Rc<Self>, _: &ReactorHandle) {
        self.note("again");
    }

    fn flush(self: Rc<Self>, reactor: &ReactorHandle) {
        self.note("flush");
        (self.on_flush)(reactor);
    }

    fn notified(self: Rc<Self>, _: &ReactorHandle, note: Note) {
        self.note(&format!("note {}", note.0));
    }

    fn shut_down(self: Rc<Self>, _: &ReactorHandle, _: &CloseReason) {
        self.note("shut down");
    }

    fn kind(&self) -> SourceKind {
        self.kind
    }

    fn as_any(self: Rc<Self>) -> Rc<dyn Any> {
        self
    }
}

type Ready = Box<dyn FnMut(&OwnedFd, &Watch<Probe>) -> Result<(), CloseReason>>;

/// A descriptor that notes each call, after its name. Reading takes one byte a call and ends at the end of input.
pub(crate) struct Probe {
    pub(crate) fd: OwnedFd,
    name: &'static str,
    notes: Notes,
    read: Ready,
    write: Ready,
    lost: Box<dyn FnMut()>,
    half_closeable: bool,
}

impl Probe {
    pub(crate) fn new(name: &'static str, notes: &Notes, fd: impl Into<OwnedFd>) -> Self {
        let seen = notes.clone();
        let read = move |fd: &OwnedFd, _: &Watch<Self>| {
            let mut byte = [0];
            match rustix::io::read(fd, &mut byte) {
                Ok(0) => Err(CloseReason::Done),
                Ok(_) => {
                    seen.add(format_args!("{name} got {}", char::from(byte[0])));
                    Ok(())
                }
                Err(error) => Err(CloseReason::from(std::io::Error::from(error))),
            }
        };
        Self {
            fd: fd.into(),
            name,
            notes: notes.clone(),
            read: Box::new(read),
            write: Box::new(|_, _| Ok(())),
            lost: Box::new(|| {}),
            half_closeable: false,
        }
    }

    pub(crate) fn on_read(
        mut self,
        f: impl FnMut(&OwnedFd, &Watch<Self>) -> Result<(), CloseReason> + 'static,
    ) -> Self {
        self.read = Box::new(f);
        self
    }

    pub(crate) fn on_write(
        mut self,
        f: impl FnMut(&OwnedFd, &Watch<Self>) -> Result<(), CloseReason> + 'static,
    ) -> Self {
        self.write = Box::new(f);
        self
    }

    pub(crate) fn on_lost(mut self, f: impl FnMut() + 'static) -> Self {
        self.lost = Box::new(f);
        self
    }

    pub(crate) fn half_closeable(mut self) -> Self {
        self.half_closeable = true;
        self
    }

    fn note(&self, what: &str) {
        self.notes.add(format_args!("{} {what}", self.name));
    }
}

impl AsFd for Probe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Descriptor for Probe {
    fn do_read(&mut self, watch: &Watch<Self>) -> Result<(), CloseReason> {
        self.note("read");
        (self.read)(&self.fd, watch)
    }

    fn do_write(&mut self, watch: &Watch<Self>) -> Result<(), CloseReason> {
        self.note("write");
        (self.write)(&self.fd, watch)
    }

    fn connection_lost(&mut self, reason: &CloseReason) {
        let reason = match reason {
            CloseReason::Lost(error) => format!("lost {:?}", error.kind()),
            reason => format!("lost: {reason}"),
        };
        self.note(&reason);
        (self.lost)();
    }

    fn is_half_closeable(&self) -> bool {
        self.half_closeable
    }

    fn read_connection_lost(&mut self, _: &Watch<Self>) {
        self.note("read end lost");
    }

    fn log_prefix(&self) -> String {
        self.name.to_owned()
    }
}
