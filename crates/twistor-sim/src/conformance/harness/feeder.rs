use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use twistor_net::{Producer, Transport};

use super::end::End;
use super::event::Event;

/// A producer for an [`End`]'s transport that writes down what it is told. What it does is in a [`Feeding`], which a case keeps.
pub struct Feeder {
    end: End,
    feeding: Feeding,
}

type Hook = RefCell<Option<Box<dyn FnMut(&Transport)>>>;

/// What a [`Feeder`] does. A cheap clone.
#[derive(Clone, Default)]
pub struct Feeding {
    hooks: Rc<Hooks>,
}

#[derive(Default)]
struct Hooks {
    resume: Hook,
    pause: Hook,
    stop: Hook,
    dropped: Cell<bool>,
}

impl Feeding {
    /// A producer that does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// In `resume_producing`.
    #[must_use]
    pub fn on_resume(self, hook: impl FnMut(&Transport) + 'static) -> Self {
        *self.hooks.resume.borrow_mut() = Some(Box::new(hook));
        self
    }

    /// In `pause_producing`.
    #[must_use]
    pub fn on_pause(self, hook: impl FnMut(&Transport) + 'static) -> Self {
        *self.hooks.pause.borrow_mut() = Some(Box::new(hook));
        self
    }

    /// In `stop_producing`.
    #[must_use]
    pub fn on_stop(self, hook: impl FnMut(&Transport) + 'static) -> Self {
        *self.hooks.stop.borrow_mut() = Some(Box::new(hook));
        self
    }

    /// The producer, which writes to the log of `end`.
    #[must_use]
    pub fn feeder(&self, end: &End) -> Feeder {
        Feeder { end: end.clone(), feeding: self.clone() }
    }

    /// Whether the producer was dropped.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.hooks.dropped.get()
    }
}

impl Feeder {
    fn told(&self, what: &'static str, event: Event, hook: &Hook, transport: &Transport) {
        let _inside = self.end.state.watch.enter(what);
        self.end.log(event);
        match hook.try_borrow_mut() {
            Ok(mut hook) => {
                if let Some(hook) = hook.as_mut() {
                    hook(transport);
                }
            }
            Err(_) => self.end.state.watch.violate(format!("{what} was called from inside itself")),
        }
    }
}

impl Producer for Feeder {
    fn resume_producing(&mut self, consumer: &Transport) {
        self.told("resume_producing", Event::ProducerResumed, &self.feeding.hooks.resume, consumer);
    }

    fn pause_producing(&mut self, consumer: &Transport) {
        self.told("pause_producing", Event::ProducerPaused, &self.feeding.hooks.pause, consumer);
    }

    fn stop_producing(&mut self, consumer: &Transport) {
        self.told("stop_producing", Event::ProducerStopped, &self.feeding.hooks.stop, consumer);
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.feeding.hooks.dropped.set(true);
    }
}

impl fmt::Debug for Feeder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feeder").finish_non_exhaustive()
    }
}

impl fmt::Debug for Feeding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feeding").field("is_dropped", &self.is_dropped()).finish_non_exhaustive()
    }
}
