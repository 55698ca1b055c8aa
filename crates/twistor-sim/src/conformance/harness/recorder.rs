use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use twistor_net::{
    Address, ClientFactory, CloseReason, ConnectError, Connector, Factory, Protocol, Transport,
};

use super::end::{End, merge};
use super::event::Event;
use super::side::Hooks;

/// The protocol of an [`End`]: writes down what it is told, then runs the hook.
pub struct Recorder {
    end: End,
    hooks: Rc<Hooks>,
    /// Which of the end's protocols it is.
    life: usize,
}

/// The factory of an [`End`].
pub struct Recording {
    end: End,
    hooks: Rc<Hooks>,
}

impl Recorder {
    pub(super) fn new(end: End, hooks: Rc<Hooks>) -> Self {
        let life = {
            let mut lives = end.state.lives.borrow_mut();
            lives.push(Vec::new());
            lives.len() - 1
        };
        Self { end, hooks, life }
    }

    fn told(&self, event: Event) {
        if let Some(life) = self.end.state.lives.borrow_mut().get_mut(self.life) {
            merge(life, event.clone());
        }
        if !matches!(event, Event::Data(_)) {
            self.end.log(event);
        }
    }
}

impl Recording {
    pub(super) const fn new(end: End, hooks: Rc<Hooks>) -> Self {
        Self { end, hooks }
    }
}

/// Runs a hook, if there is one and it is not running.
fn run<F: ?Sized, R>(end: &End, hook: &RefCell<Option<Box<F>>>, f: impl FnOnce(&mut F) -> R) -> Option<R> {
    match hook.try_borrow_mut() {
        Ok(mut hook) => hook.as_mut().map(|hook| f(hook)),
        Err(_) => {
            end.state.watch.violate("a hook was called from inside itself".to_owned());
            None
        }
    }
}

impl Protocol for Recorder {
    fn connection_made(&mut self, transport: &Transport) {
        let _inside = self.end.state.watch.enter("connection_made");
        self.end.state.transports.borrow_mut().push(transport.clone());
        self.told(Event::Made);
        run(&self.end, &self.hooks.made, |hook| hook(transport));
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        let _inside = self.end.state.watch.enter("data_received");
        if data.is_empty() {
            self.end.state.watch.violate("data_received was called with nothing".to_owned());
        }
        self.told(Event::Data(data.len()));
        self.end.log_data(data);
        run(&self.end, &self.hooks.data, |hook| hook(transport, data));
    }

    fn connection_lost(&mut self, transport: &Transport, reason: &CloseReason) {
        let _inside = self.end.state.watch.enter("connection_lost");
        *self.end.state.reason.borrow_mut() = Some(reason.clone());
        self.told(Event::Lost(reason.into()));
        run(&self.end, &self.hooks.lost, |hook| hook(transport, reason));
    }

    fn read_connection_lost(&mut self, transport: &Transport) {
        let _inside = self.end.state.watch.enter("read_connection_lost");
        self.told(Event::ReadLost);
        let ran = run(&self.end, &self.hooks.read_lost, |hook| hook(transport));
        if ran.is_none() {
            Protocol::read_connection_lost(&mut Plain, transport);
        }
    }

    fn write_connection_lost(&mut self, transport: &Transport) {
        let _inside = self.end.state.watch.enter("write_connection_lost");
        self.told(Event::WriteLost);
        run(&self.end, &self.hooks.write_lost, |hook| hook(transport));
    }

    fn pause_writing(&mut self, transport: &Transport) {
        let _inside = self.end.state.watch.enter("pause_writing");
        self.told(Event::Paused);
        run(&self.end, &self.hooks.paused, |hook| hook(transport));
    }

    fn resume_writing(&mut self, transport: &Transport) {
        let _inside = self.end.state.watch.enter("resume_writing");
        self.told(Event::Resumed);
        run(&self.end, &self.hooks.resumed, |hook| hook(transport));
    }

    fn timeout_connection(&mut self, transport: &Transport) {
        let _inside = self.end.state.watch.enter("timeout_connection");
        self.told(Event::TimedOut);
        let ran = run(&self.end, &self.hooks.timed_out, |hook| hook(transport));
        if ran.is_none() {
            Protocol::timeout_connection(&mut Plain, transport);
        }
    }

    fn close_requested(&mut self, transport: &Transport) {
        let _inside = self.end.state.watch.enter("close_requested");
        self.told(Event::CloseRequested);
        let ran = run(&self.end, &self.hooks.close_requested, |hook| hook(transport));
        if ran.is_none() {
            Protocol::close_requested(&mut Plain, transport);
        }
    }
}

/// A protocol with every default of the library's.
struct Plain;

impl Protocol for Plain {}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end.state.drops.set(self.end.state.drops.get() + 1);
        run(&self.end, &self.hooks.dropped, |hook| hook());
    }
}

impl Factory for Recording {
    type Protocol = Recorder;

    fn build_protocol(&mut self, peer: &Address) -> Option<Recorder> {
        let _inside = self.end.state.watch.enter("build_protocol");
        self.end.log(Event::Built);
        let wanted = run(&self.end, &self.hooks.build, |hook| hook(peer)).unwrap_or(true);
        wanted.then(|| Recorder::new(self.end.clone(), Rc::clone(&self.hooks)))
    }

    fn start_factory(&mut self) {
        let _inside = self.end.state.watch.enter("start_factory");
        self.end.log(Event::Started);
        run(&self.end, &self.hooks.start, |hook| hook());
    }

    fn stop_factory(&mut self) {
        let _inside = self.end.state.watch.enter("stop_factory");
        self.end.log(Event::Stopped);
        run(&self.end, &self.hooks.stop, |hook| hook());
    }
}

impl ClientFactory for Recording {
    fn started_connecting(&mut self, connector: &Connector) {
        let _inside = self.end.state.watch.enter("started_connecting");
        self.end.log(Event::Connecting);
        run(&self.end, &self.hooks.connecting, |hook| hook(connector));
    }

    fn client_connection_made(&mut self, connector: &Connector, transport: &Transport) {
        let _inside = self.end.state.watch.enter("client_connection_made");
        self.end.log(Event::ConnectionMade);
        run(&self.end, &self.hooks.connection_made, |hook| hook(connector, transport));
    }

    fn client_connection_failed(&mut self, connector: &Connector, reason: &ConnectError) {
        let _inside = self.end.state.watch.enter("client_connection_failed");
        *self.end.state.error.borrow_mut() = Some(reason.clone());
        self.end.log(Event::ConnectionFailed(reason.into()));
        run(&self.end, &self.hooks.failed, |hook| hook(connector, reason));
    }

    fn client_connection_lost(&mut self, connector: &Connector, reason: &CloseReason) {
        let _inside = self.end.state.watch.enter("client_connection_lost");
        *self.end.state.factory_reason.borrow_mut() = Some(reason.clone());
        self.end.log(Event::ConnectionLost(reason.into()));
        run(&self.end, &self.hooks.connection_lost, |hook| hook(connector, reason));
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("life", &self.life).finish_non_exhaustive()
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").finish_non_exhaustive()
    }
}
