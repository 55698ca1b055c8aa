//! What a program does: each action, as calls of the public interface.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use twistor_deferred::deferred;
use twistor_net::{CloseReason, LendError, ProducerKind, ReactorTcp, SocketOptionKind, TcpClientOptions};
use twistor_reactor::Phase;
use twistor_reactor::kernel::Interest;

use crate::program::{Action, Hook, Order};
use crate::user::{Delay, OwnedBytes, Prod, Proto, Watched};
use crate::world::{Canary, INJECTED, World, hook};

impl World {
    pub(crate) fn perform(self: &Rc<Self>, order: Order, own: Option<usize>) {
        let Order { action, who, size, .. } = order;
        let ms = Duration::from_millis(u64::from(size) * 7);
        let reactor = &self.reactor;
        match action {
            Action::Write | Action::WriteBytes | Action::WriteSequence => {
                let Some((id, transport)) = self.transport(who, own) else { return };
                let data = self.next_bytes(id, size);
                let len = data.len();
                let flow = match action {
                    Action::Write => transport.write(&data),
                    Action::WriteBytes => {
                        let canary = Canary::new(Hook::DropBytes);
                        transport.write_bytes(Bytes::from_owner(OwnedBytes(data, canary)))
                    }
                    _ => transport.write_sequence(data.chunks(1_000)),
                };
                self.wrote(id, len, flow);
            }
            Action::Lose | Action::Abort | Action::Fail | Action::StopProducing | Action::StopConsuming => {
                let Some((id, transport)) = self.transport(who, own) else { return };
                self.with_conn(id, |conn| conn.closing = true);
                match action {
                    Action::Lose => transport.lose_connection(),
                    Action::Abort => transport.abort_connection(),
                    Action::Fail => transport.fail(CloseReason::TimedOut(ms)),
                    Action::StopProducing => transport.stop_producing(),
                    _ => transport.stop_consuming(),
                }
            }
            Action::LoseWrite => {
                if let Some((_, transport)) = self.transport(who, own) {
                    transport.lose_write_connection();
                }
            }
            Action::PauseReading => {
                let Some((id, transport)) = self.transport(who, own) else { return };
                self.with_conn(id, |conn| conn.read_paused = true);
                transport.pause_producing();
            }
            Action::ResumeReading => {
                let Some((id, transport)) = self.transport(who, own) else { return };
                self.with_conn(id, |conn| conn.read_paused = false);
                transport.resume_producing();
            }
            Action::RegisterPush | Action::RegisterPull => {
                let Some((id, transport)) = self.transport(who, own) else { return };
                let push = action == Action::RegisterPush;
                let kind = if push { ProducerKind::Push } else { ProducerKind::Pull };
                let canary = Canary::new(Hook::DropProducer);
                let producer = Prod { conn: id, push, paused: false, stopped: false, left: size, canary };
                let _ = transport.register_producer(producer, kind);
            }
            Action::Unregister => {
                if let Some((_, transport)) = self.transport(who, own) {
                    transport.unregister_producer();
                }
            }
            Action::SetTimeout => {
                if let Some((_, transport)) = self.transport(who, own) {
                    transport.set_timeout((size > 0).then_some(ms));
                }
            }
            Action::SetMarks => {
                if let Some((_, transport)) = self.transport(who, own) {
                    transport.set_write_buffer_limits(usize::from(size) * 1_000, usize::from(size) * 500);
                }
            }
            Action::SetMaxBuffer => {
                let Some((id, transport)) = self.transport(who, own) else { return };
                let limit = usize::from(size) * 20_000;
                transport.set_max_write_buffer((size > 0).then_some(limit));
                let _ = id;
            }
            Action::SetCloseTimeout => {
                if let Some((_, transport)) = self.transport(who, own) {
                    transport.set_close_timeout(Some(ms));
                }
            }
            Action::Switch => {
                let Some((id, transport)) = self.transport(who, own) else { return };
                let next = Proto { conn: id, server: size % 2 == 0, canary: Canary::new(Hook::DropProtocol) };
                let connection = transport.switch_protocol(next, b"");
                self.connections.borrow_mut().push((id, connection));
            }
            Action::PushFilter => {
                let Some((id, transport)) = self.transport(who, own) else { return };
                let canary = Canary::new(Hook::DropFilter);
                transport.push_filter(Delay { conn: id, delay: ms, up: vec![], down: vec![], canary }, b"");
            }
            Action::Ask => {
                let Some((_, transport)) = self.transport(who, own) else { return };
                let _ = (transport.peer(), transport.host(), transport.pending(), transport.is_connected());
                let _ = (transport.is_closing(), format!("{transport:?}"), transport.set_no_delay(size > 2));
                let _ = (transport.option(SocketOptionKind::NoDelay), transport.set_keep_alive(None));
                let _ =
                    (reactor.stats(), reactor.is_running(), reactor.delayed_calls(), format!("{reactor:?}"));
                let _ = (
                    reactor.readers(),
                    reactor.writers(),
                    format!("{:?}", reactor.readers()),
                    reactor.limits(),
                );
                for port in self.ports.borrow().iter() {
                    let _ = (port.host(), port.state(), port.connections(), format!("{port:?}"));
                }
                for (_, connector) in self.connectors.borrow().iter() {
                    let _ = (connector.state(), format!("{connector:?}"));
                }
            }
            Action::TryWith => {
                let Some((id, connection)) = self.connection(who, own) else { return };
                let result = connection.try_with(|proto, transport| {
                    let known = *transport == connection.transport() && proto.conn == id;
                    hook(Hook::Lent, Some(id));
                    known
                });
                match result {
                    Ok(known) => assert!(known, "{} other connection was lent", "not injected:"),
                    Err(LendError::Busy | LendError::Gone | LendError::Switched) => {}
                }
            }
            Action::Post => {
                let Some((id, connection)) = self.connection(who, own) else { return };
                let canary = Canary::new(Hook::DropClosure);
                connection.post(move |_, _| {
                    canary.keep();
                    hook(Hook::Post, Some(id));
                });
            }
            Action::Call => {
                let Some((id, connection)) = self.connection(who, own) else { return };
                let canary = Canary::new(Hook::DropClosure);
                let answer = connection.call(move |_, _| {
                    canary.keep();
                    hook(Hook::Post, Some(id));
                    1_u32
                });
                self.keep_deferred(answer);
            }
            Action::RemotePost => {
                let Some((id, connection)) = self.connection(who, own) else { return };
                let canary = Canary::new(Hook::DropClosure);
                let _ = connection.remote().post(move |_, _| {
                    canary.keep();
                    hook(Hook::RemotePost, Some(id));
                });
            }
            Action::Connect => {
                let Some((factory, connector)) = Self::pick(&self.connectors, who) else { return };
                if connector.connect().is_ok() {
                    self.attempted(factory);
                }
            }
            Action::StopConnecting => {
                if let Some((_, connector)) = Self::pick(&self.connectors, who) {
                    let _ = connector.stop_connecting();
                }
            }
            Action::Disconnect => {
                if let Some((_, connector)) = Self::pick(&self.connectors, who) {
                    connector.disconnect();
                }
            }
            Action::ConnectTcp => {
                let Some(port) = Self::pick(&self.ports, who) else { return };
                self.connect(port.host().port(), size);
            }
            Action::ConnectNowhere => self.connect(9, size),
            Action::ConnectShared => {
                let Some((factory, shared)) = self.shared.borrow().clone() else { return };
                let port = Self::pick(&self.ports, who).map_or(9, |port| port.host().port());
                self.attempted(factory);
                let connector = reactor.connect_tcp(("127.0.0.1", port), shared);
                self.connectors.borrow_mut().push((factory, connector));
            }
            Action::ConnectProtocol => {
                let Some(port) = Self::pick(&self.ports, who) else { return };
                let id = self.new_conn(None);
                let proto = Proto { conn: id, server: false, canary: Canary::new(Hook::DropProtocol) };
                let made = reactor.connect_protocol(("127.0.0.1", port.host().port()), proto);
                self.keep_deferred(made.map(|_| 1));
            }
            Action::Listen => {
                let factory = self.new_factory(true);
                if let Ok(port) = reactor.listen_tcp(("127.0.0.1", 0), factory) {
                    self.ports.borrow_mut().push(port);
                }
            }
            Action::StopListening => {
                let Some(port) = Self::pick(&self.ports, who) else { return };
                self.keep_deferred(port.stop_listening().map(|()| 1));
            }
            Action::StartListening => {
                if let Some(port) = Self::pick(&self.ports, who) {
                    let _ = port.start_listening();
                }
            }
            Action::StopAccepting => {
                if let Some(port) = Self::pick(&self.ports, who) {
                    port.stop_accepting();
                }
            }
            Action::Drain => {
                let Some(port) = Self::pick(&self.ports, who) else { return };
                // At its deadline it aborts connections that the model does not know by name.
                for conn in self.conns.borrow_mut().iter_mut() {
                    conn.read_paused = false;
                }
                self.keep_deferred(port.drain(ms).map(|_| 1));
            }
            Action::SharedTryWith => {
                let Some((_, shared)) = self.shared.borrow().clone() else { return };
                let _ = shared.try_with(|_| hook(Hook::Lent, None));
            }
            Action::SharedPost => {
                let Some((_, shared)) = self.shared.borrow().clone() else { return };
                let canary = Canary::new(Hook::DropClosure);
                shared.post(reactor, move |_| {
                    canary.keep();
                    hook(Hook::SharedPost, None);
                });
            }
            Action::Refuse => self.refuse.set(true),
            Action::Stop => {
                let _ = reactor.stop();
            }
            Action::Crash => reactor.crash(),
            Action::CallLater => {
                let canary = Canary::new(Hook::DropClosure);
                let call = reactor.call_later(ms, move || {
                    canary.keep();
                    hook(Hook::Timer, None);
                });
                self.timers.borrow_mut().push(call);
            }
            Action::CancelTimer => {
                if let Some(call) = Self::pick(&self.timers, who) {
                    let _ = call.cancel();
                }
            }
            Action::MoveTimer => {
                if let Some(call) = Self::pick(&self.timers, who) {
                    let _ = call.reset(ms);
                }
            }
            Action::CallWhenRunning => {
                let canary = Canary::new(Hook::DropClosure);
                let trigger = reactor.call_when_running(move |_| {
                    canary.keep();
                    hook(Hook::Notification, None);
                });
                self.triggers.borrow_mut().push(trigger);
            }
            Action::AddTrigger => {
                let phase = [Phase::Before, Phase::During, Phase::After][usize::from(who) % 3];
                let event = ["startup", "shutdown", "mine"][usize::from(size) % 3];
                let canary = Canary::new(Hook::DropClosure);
                let trigger = reactor.add_system_event_trigger(phase, event, move |_| {
                    canary.keep();
                    hook(Hook::Trigger, None);
                });
                self.triggers.borrow_mut().push(trigger);
            }
            Action::FireEvent => reactor.fire_system_event("mine"),
            Action::RemoveTrigger => {
                let trigger = self.triggers.borrow_mut().pop();
                if let Some(trigger) = trigger {
                    let _ = trigger.remove();
                }
            }
            Action::CallFromThread => {
                let canary = Canary::new(Hook::DropClosure);
                let _ = reactor.remote().call_from_thread(move |_| {
                    canary.keep();
                    hook(Hook::ThreadCall, None);
                });
            }
            Action::DeferToThread => {
                let result = reactor.defer_to_thread(|| Ok(1_u32));
                self.keep_deferred(result);
            }
            Action::OnSignal => {
                let canary = Canary::new(Hook::DropClosure);
                let handler = reactor.on_signal(10, move |_| {
                    canary.keep();
                    hook(Hook::Signal, None);
                });
                self.others.borrow_mut().push(Box::new(handler));
            }
            Action::RaiseSignal => self.kernel.raise(10),
            Action::AddWatch => {
                let Ok((reader, _)) = UnixStream::pair() else { return };
                let fd = reader.as_raw_fd();
                let canary = Canary::new(Hook::DropWatched);
                let watched = Watched { reader, left: size, lost: false, canary };
                if let Ok(watch) = reactor.add_reader(watched) {
                    debug_assert!(fd > 0);
                    let _ =
                        watch.try_with(|watched, _| self.kernel.set_ready(watched.as_fd(), Interest::READ));
                    self.watches.borrow_mut().push(watch);
                }
            }
            Action::WatchInterest => {
                let Some(watch) = Self::pick(&self.watches, who) else { return };
                match size % 4 {
                    0 => watch.remove_reader(),
                    1 => watch.add_reader(),
                    2 => watch.add_writer(),
                    _ => watch.remove_writer(),
                }
            }
            Action::WatchTryWith => {
                let Some(watch) = Self::pick(&self.watches, who) else { return };
                let _ = watch.try_with(|_, _| hook(Hook::Lent, None));
            }
            Action::WatchPost => {
                let Some(watch) = Self::pick(&self.watches, who) else { return };
                let canary = Canary::new(Hook::DropClosure);
                watch.post(move |_, _| {
                    canary.keep();
                    hook(Hook::WatchPost, None);
                });
            }
            Action::RemoveWatch => {
                if let Some(watch) = Self::pick(&self.watches, who) {
                    drop(watch.remove());
                }
            }
            Action::RemoveAll => drop(reactor.remove_all()),
            Action::MakeDeferred => {
                let (promise, result) = deferred::<u32>();
                self.promises.borrow_mut().push(promise);
                self.keep_deferred(result);
            }
            Action::FirePromise => {
                let promise = self.promises.borrow_mut().pop();
                if let Some(promise) = promise {
                    promise.callback(1);
                }
            }
            Action::DropPromise => {
                let promise = self.promises.borrow_mut().pop();
                drop(promise);
            }
            Action::CancelDeferred => {
                let deferred = self.deferreds.borrow_mut().pop();
                if let Some(deferred) = deferred {
                    deferred.cancel();
                }
            }
            Action::DropDeferred => {
                let deferred = self.deferreds.borrow_mut().pop();
                drop(deferred);
            }
            Action::LetGo => self.let_go(),
            Action::Panic => {
                if let Some(own) = own {
                    self.with_conn(own, |conn| conn.closing |= !matches!(order.hook, Hook::Lent));
                }
                let filter = matches!(
                    order.hook,
                    Hook::FilterReceived | Hook::FilterWritten | Hook::FilterTimer | Hook::FilterOpened
                );
                if filter || order.hook == Hook::FilterClosing || order.hook == Hook::FilterReadClosed {
                    self.broken_stream.set(true);
                }
                panic!("{INJECTED} by {order:?}");
            }
        }
    }

    pub(crate) fn connect(&self, port: u16, size: u8) {
        let factory = self.new_factory(false);
        let id = factory.id;
        self.attempted(id);
        let options =
            TcpClientOptions::new().timeout((size > 0).then_some(Duration::from_millis(u64::from(size))));
        let connector = self.reactor.connect_tcp_with(("127.0.0.1", port), factory, options);
        self.connectors.borrow_mut().push((id, connector));
    }
}
