//! What the calls of sockets and listeners do: ports, queues, and the begin and the end of a socket.

use std::io;
use std::net::{IpAddr, SocketAddr};

use twistor_reactor::kernel::{ListenOptions, Token};

use super::conn::{
    Conn, End, FIRST_LISTEN_PORT, FIRST_PORT, LISTENER, Owner, Sabotage, Side, Socket, Wire, end_id, end_of,
};
use super::trace::Happening;
use super::world::{World, error};
use crate::edges::Edges;
use crate::errno;
use crate::scripted::address::{loopback, unspecified};
use crate::scripted::endpoint::Listener;
use crate::stream::StreamEnd;

impl World {
    /// Binds and listens.
    pub(super) fn listen(
        &mut self,
        id: u32,
        mut address: SocketAddr,
        options: &ListenOptions,
    ) -> io::Result<u64> {
        let host = self.nodes[id as usize].host;
        self.take_descriptor(host)?;
        let bound = self.bind_listener(host, &mut address, options);
        if let Err(error) = bound {
            self.machines[host].descriptors -= 1;
            return Err(error);
        }
        let number = self.next_listener | LISTENER;
        self.next_listener += 1;
        self.listeners.insert(number, (id, Listener::new(address, options.clone(), false)));
        self.machines[host].listeners.push(number);
        Ok(number)
    }

    fn bind_listener(
        &mut self,
        host: usize,
        address: &mut SocketAddr,
        options: &ListenOptions,
    ) -> io::Result<()> {
        if !address.ip().is_unspecified() && !self.machines[host].is_own(address.ip()) {
            return Err(error(errno::EADDRNOTAVAIL));
        }
        if address.port() == 0 {
            address.set_port(self.free_listen_port(host, address.ip())?);
        }
        match self.is_taken(host, *address, options) {
            true => Err(error(errno::EADDRINUSE)),
            false => Ok(()),
        }
    }

    /// A socket that connects from `bind` to `remote`; its first segment is on its way.
    pub(super) fn connect(
        &mut self,
        id: u32,
        bind: Option<SocketAddr>,
        mut remote: SocketAddr,
    ) -> io::Result<u64> {
        if remote.ip().is_unspecified() {
            remote.set_ip(loopback(remote.ip()));
        }
        let host = self.nodes[id as usize].host;
        self.take_descriptor(host)?;
        let local = match self.bind_client(host, bind, remote) {
            Ok(local) => local,
            Err(error) => {
                self.machines[host].descriptors -= 1;
                return Err(error);
            }
        };
        let end = StreamEnd::connecting(self.settings.receive_buffer, self.settings.send_buffer);
        let socket = Socket::new(end, local, remote, Owner::Reactor(id));
        let own = self.machines[host].is_own(remote.ip());
        let target = if own { Some(host) } else { self.by_address.get(&remote.ip()).copied() };
        let number = self.next_conn;
        self.next_conn += 1;
        self.conns.insert(
            number,
            Conn {
                ends: [End::Here(Box::new(socket)), End::Unborn],
                hosts: [Some(host), target],
                addresses: [local, remote],
                wires: [Wire::default(), Wire::default()],
                handshake: [None, None],
                sabotage: Sabotage::None,
            },
        );
        let socket = end_id(number, Side::Client);
        self.machines[host].ports.entry(local.port()).or_default().push(socket);
        Ok(socket)
    }

    fn bind_client(
        &mut self,
        host: usize,
        bind: Option<SocketAddr>,
        remote: SocketAddr,
    ) -> io::Result<SocketAddr> {
        let mut local = bind.unwrap_or_else(|| SocketAddr::new(unspecified(remote.ip()), 0));
        if local.is_ipv4() != remote.is_ipv4() {
            return Err(error(errno::EINVAL));
        }
        if !local.ip().is_unspecified() && !self.machines[host].is_own(local.ip()) {
            return Err(error(errno::EADDRNOTAVAIL));
        }
        if local.port() != 0 && self.is_taken(host, local, &ListenOptions::default()) {
            return Err(error(errno::EADDRINUSE));
        }
        if local.ip().is_unspecified() {
            local.set_ip(self.source_for(host, remote.ip())?);
        }
        if local.port() == 0 {
            local.set_port(self.free_port(host)?);
        }
        Ok(local)
    }

    /// Takes the first connection of a listener's queue for reactor `id`.
    pub(super) fn accept(&mut self, id: u32, listener: u64) -> io::Result<u64> {
        let host = self.nodes[id as usize].host;
        let (_, place) = self.listeners.get_mut(&listener).ok_or_else(|| error(errno::EBADF))?;
        if place.queue.is_empty() {
            return Err(error(errno::EAGAIN));
        }
        self.take_descriptor(host)?;
        let taken = self.listeners.get_mut(&listener).and_then(|(_, place)| place.queue.pop_front());
        let socket = taken.expect("there was one");
        if let Some(accepted) = self.socket_mut(socket) {
            accepted.owner = Owner::Reactor(id);
        }
        Ok(socket)
    }

    /// Accepts and closes at most `most` connections; the spare descriptor is what makes it possible.
    pub(super) fn shed(&mut self, id: u32, listener: u64, most: usize) -> usize {
        let host = self.nodes[id as usize].host;
        let mut count = 0;
        while count < most {
            let budget = std::mem::replace(&mut self.machines[host].budget, usize::MAX);
            let accepted = self.accept(id, listener);
            self.machines[host].budget = budget;
            let Ok(socket) = accepted else { break };
            self.close_socket(socket, false);
            count += 1;
        }
        count
    }

    /// The owner of this socket is gone.
    pub(super) fn close_socket(&mut self, id: u64, abort: bool) {
        let Some(socket) = self.socket_mut(id) else { return };
        let owner = std::mem::replace(&mut socket.owner, Owner::Nobody);
        let (token, abort) = (socket.token.take(), abort || socket.reset_on_close);
        let connecting = socket.end.is_connecting();
        socket.end.close(abort);
        let (conn, side) = end_of(id);
        if connecting {
            let conn = self.conns.get_mut(&conn).expect("it has an end");
            let timer = conn.handshake[side as usize].take();
            self.timeline.cancel(timer);
        }
        if let Owner::Reactor(reactor) = owner {
            self.forget(reactor, token);
        }
        self.pump(id);
    }

    /// Closes a listener: who waits in its queue, or to get there, is reset.
    pub(super) fn close_listener(&mut self, id: u64) {
        let Some((reactor, listener)) = self.listeners.remove(&id) else { return };
        self.forget(reactor, listener.token);
        let host = self.nodes[reactor as usize].host;
        self.machines[host].listeners.retain(|other| *other != id);
        for socket in listener.queue {
            self.close_socket(socket, true);
        }
        if self.half_open.remove(&id).is_some() {
            for socket in self.ends_of(|socket| socket.owner == Owner::HalfOpen(id)) {
                self.drop_half_open(socket, true);
            }
        }
    }

    /// The numbers of all sockets that fit.
    pub(super) fn ends_of(&self, fits: impl Fn(&Socket) -> bool) -> Vec<u64> {
        let both =
            self.conns.iter().flat_map(|(id, conn)| [(*id, Side::Client, conn), (*id, Side::Server, conn)]);
        both.filter(|(_, side, conn)| conn.socket(*side).is_some_and(&fits))
            .map(|(id, side, _)| end_id(id, side))
            .collect()
    }

    /// A descriptor of `reactor`'s is closed.
    fn forget(&mut self, reactor: u32, token: Option<Token>) {
        let node = &mut self.nodes[reactor as usize];
        self.machines[node.host].descriptors -= 1;
        if let Some(token) = token {
            node.tokens.remove(&token);
            node.ready.forget(token);
        }
    }

    fn take_descriptor(&mut self, host: usize) -> io::Result<()> {
        let machine = &mut self.machines[host];
        if machine.descriptors >= machine.budget {
            return Err(error(errno::EMFILE));
        }
        machine.descriptors += 1;
        Ok(())
    }

    /// Does something to the end `id`, and lets what follows from it begin.
    pub(super) fn with_end<R>(&mut self, id: u64, act: impl FnOnce(&mut StreamEnd) -> R) -> Option<R> {
        let result = act(&mut self.socket_mut(id)?.end);
        self.pump(id);
        Some(result)
    }

    /// Puts everything that the end `id` has to say on its way.
    pub(super) fn pump(&mut self, id: u64) {
        while let Some(segment) = self.socket_mut(id).and_then(|socket| socket.end.poll_segment()) {
            self.send_segment(id, segment);
        }
        self.probe(id);
        self.publish(id);
        self.reap(id);
    }

    fn publish(&mut self, id: u64) {
        let Some(socket) = self.socket_mut(id) else { return };
        let edges = socket.end.take_edges();
        if let (Some(reactor), Some(token)) = (socket.reactor(), socket.token) {
            self.report(reactor, token, Some(id), edges);
        }
    }

    fn reap(&mut self, id: u64) {
        let (number, side) = end_of(id);
        let Some(socket) = self.socket(id) else { return };
        if socket.owner != Owner::Nobody {
            return;
        }
        if socket.end.is_over() {
            self.remove_end(number, side, End::Over);
        }
        self.bury(number);
    }

    /// Takes one end out of the world, and what it waits for.
    pub(super) fn remove_end(&mut self, number: u64, side: Side, left: End) {
        let Some(conn) = self.conns.get_mut(&number) else { return };
        conn.ends[side as usize] = left;
        let timers = [conn.handshake[side as usize].take(), conn.wires[side as usize].give_up.take()];
        let (port, host) = (conn.addresses[0].port(), conn.hosts[0]);
        for timer in timers {
            self.timeline.cancel(timer);
        }
        if let (Side::Client, Some(host)) = (side, host) {
            let ports = &mut self.machines[host].ports;
            if let Some(ends) = ports.get_mut(&port) {
                ends.retain(|other| *other != end_id(number, side));
                if ends.is_empty() {
                    ports.remove(&port);
                }
            }
        }
    }

    /// Forgets a connection of which nothing is left.
    pub(super) fn bury(&mut self, number: u64) {
        if self.conns.get(&number).is_some_and(Conn::is_over) {
            for side in [Side::Client, Side::Server] {
                self.remove_end(number, side, End::Over);
            }
            self.conns.remove(&number);
            self.held.remove(&(number, Side::Client));
            self.held.remove(&(number, Side::Server));
        }
    }

    /// Whether `address` cannot be bound on `host`.
    fn is_taken(&self, host: usize, address: SocketAddr, options: &ListenOptions) -> bool {
        let machine = &self.machines[host];
        let listens = machine.listeners.iter().filter_map(|id| self.listeners.get(id));
        let rival = listens.into_iter().any(|(_, listener)| listener.clashes(address, options));
        // Sockets that only live on in the network do not count, as with `SO_REUSEADDR`.
        let holds = |id: &u64| {
            self.socket(*id).is_some_and(|socket| {
                matches!(socket.owner, Owner::Reactor(_))
                    && socket.local.is_ipv4() == address.is_ipv4()
                    && (socket.local.ip() == address.ip() || address.ip().is_unspecified())
            })
        };
        rival || machine.ports.get(&address.port()).is_some_and(|ends| ends.iter().any(holds))
    }

    fn free_listen_port(&mut self, host: usize, ip: IpAddr) -> io::Result<u16> {
        for _ in FIRST_LISTEN_PORT..FIRST_PORT {
            let machine = &mut self.machines[host];
            let port = machine.next_listen_port;
            machine.next_listen_port = if port >= FIRST_PORT - 1 { FIRST_LISTEN_PORT } else { port + 1 };
            if !self.is_taken(host, SocketAddr::new(ip, port), &ListenOptions::default()) {
                return Ok(port);
            }
        }
        Err(error(errno::EADDRINUSE))
    }

    fn free_port(&mut self, host: usize) -> io::Result<u16> {
        for _ in FIRST_PORT..=u16::MAX {
            let machine = &mut self.machines[host];
            let port = machine.next_port;
            machine.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
            let machine = &self.machines[host];
            let listens = machine.listeners.iter().filter_map(|id| self.listeners.get(id));
            let listened = listens.into_iter().any(|(_, listener)| listener.address.port() == port);
            if !listened && !machine.ports.contains_key(&port) {
                return Ok(port);
            }
        }
        Err(error(errno::EADDRNOTAVAIL))
    }

    /// The address of `host` from which it talks to `remote`.
    fn source_for(&self, host: usize, remote: IpAddr) -> io::Result<IpAddr> {
        let machine = &self.machines[host];
        if remote.is_loopback() {
            return Ok(loopback(remote));
        }
        if machine.is_own(remote) {
            return Ok(remote);
        }
        let same_family = machine.addresses.iter().find(|own| own.is_ipv4() == remote.is_ipv4());
        same_family.copied().ok_or_else(|| error(errno::ENETUNREACH))
    }

    /// Registers a socket under `token` for reactor `id`.
    pub(super) fn register(&mut self, id: u32, source: u64, token: Token) -> io::Result<()> {
        let place = match self.listeners.get_mut(&source) {
            Some((_, listener)) => &mut listener.token,
            None => &mut self.socket_mut(source).ok_or_else(|| error(errno::EBADF))?.token,
        };
        if place.is_some() {
            return Err(error(errno::EEXIST));
        }
        *place = Some(token);
        self.nodes[id as usize].tokens.insert(token, source);
        let level = self.level(source);
        self.report(id, token, Some(source), level);
        Ok(())
    }

    /// Tells the listener's reactor that somebody waits.
    pub(super) fn announce(&mut self, listener: u64) {
        let Some((reactor, place)) = self.listeners.get(&listener) else { return };
        if let (reactor, Some(token)) = (*reactor, place.token) {
            self.report(reactor, token, Some(listener), Edges::READABLE);
        }
    }

    /// Writes down that something happened to the end `id`.
    pub(super) fn note_end(&mut self, conn: u64, side: Side, happening: Happening) {
        self.note_net(end_id(conn, side), happening);
    }
}
