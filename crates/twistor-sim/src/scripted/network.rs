//! The sockets of a scripted kernel, its ports and its listeners. Knows no script and no time.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

use twistor_reactor::kernel::ListenOptions;

use super::address::{away, loopback, map_to_ipv6, unspecified};
use super::endpoint::{Hand, Listener, Owner, Socket};
use super::ready::ReadyQueue;
use crate::edges::Edges;
use crate::errno;
use crate::stream::StreamEnd;

#[derive(Debug)]
pub(super) struct Network {
    pub(super) sockets: BTreeMap<u64, Socket>,
    pub(super) listeners: BTreeMap<u64, Listener>,
    /// How many sockets have which local address: what tells quickly whether a port is free.
    bound: BTreeMap<SocketAddr, usize>,
    black_holes: Vec<SocketAddr>,
    /// Sockets that connect to a black hole.
    unanswered: Vec<u64>,
    next_id: u64,
    next_listen_port: u16,
    next_port: u16,
    pub(super) receive_capacity: usize,
    pub(super) send_capacity: usize,
}

/// Where ports are counted from, apart from each other so that both are easy to foretell.
const FIRST_LISTEN_PORT: u16 = 10_000;
const FIRST_PORT: u16 = 20_000;
const BUFFER: usize = 64 * 1024;

impl Default for Network {
    fn default() -> Self {
        Self {
            sockets: BTreeMap::new(),
            listeners: BTreeMap::new(),
            bound: BTreeMap::new(),
            black_holes: Vec::new(),
            unanswered: Vec::new(),
            next_id: 0,
            next_listen_port: FIRST_LISTEN_PORT,
            next_port: FIRST_PORT,
            receive_capacity: BUFFER,
            send_capacity: BUFFER,
        }
    }
}

impl Network {
    /// Binds and listens.
    pub(super) fn listen(
        &mut self,
        mut address: SocketAddr,
        options: &ListenOptions,
        by_hand: bool,
    ) -> io::Result<u64> {
        if address.port() == 0 {
            address.set_port(self.free_listen_port(address.ip())?);
        }
        let rival =
            self.listeners.values().find(|other| other.by_hand == by_hand && other.clashes(address, options));
        let taken = !by_hand && self.sockets.values().any(|s| s.occupies(address));
        if rival.is_some() || taken {
            return Err(error(errno::EADDRINUSE));
        }
        let id = self.new_id();
        self.listeners.insert(id, Listener::new(address, options.clone(), by_hand));
        Ok(id)
    }

    /// A socket that connects from `bind` to `remote`, whose first segment is not sent yet.
    pub(super) fn connecting(
        &mut self,
        bind: Option<SocketAddr>,
        mut remote: SocketAddr,
        owner: Owner,
    ) -> io::Result<u64> {
        if remote.ip().is_unspecified() {
            remote.set_ip(loopback(remote.ip()));
        }
        let mut local = bind.unwrap_or_else(|| SocketAddr::new(unspecified(remote.ip()), 0));
        if local.is_ipv4() != remote.is_ipv4() {
            return Err(error(errno::EINVAL));
        }
        if local.port() != 0 && matches!(owner, Owner::User) {
            let rival =
                self.listeners.values().any(|l| !l.by_hand && l.clashes(local, &ListenOptions::default()));
            if rival || self.sockets.values().any(|s| s.occupies(local)) {
                return Err(error(errno::EADDRINUSE));
            }
        }
        if local.ip().is_unspecified() {
            local.set_ip(self.source_for(remote.ip()));
        }
        if local.port() == 0 {
            local.set_port(self.free_port(local.ip())?);
        }
        let mut end = StreamEnd::connecting(self.receive_capacity, self.send_capacity);
        if matches!(owner, Owner::Hand(_)) {
            end.set_send_capacity(usize::MAX);
        }
        let id = self.new_id();
        self.insert(id, Socket::new(end, local, remote, owner));
        Ok(id)
    }

    /// The first segment of `id` arrives where it was sent.
    pub(super) fn arrive(&mut self, id: u64, ready: &mut ReadyQueue) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        let (remote, ours) = (socket.remote, matches!(socket.owner, Owner::User));
        if let Some(listener) = self.listener_for(remote, ours) {
            self.knock(id, listener, ready);
        } else if ours && self.is_black_hole(remote) {
            self.unanswered.push(id);
        } else if let Some(socket) = self.sockets.get_mut(&id) {
            socket.end.refuse(errno::ECONNREFUSED);
            self.publish(id, ready);
        }
    }

    /// Whether a dial from outside would be answered.
    pub(super) fn is_listening(&self, address: SocketAddr) -> bool {
        self.listener_for(address, false).is_some()
    }

    /// From now on `address`, with port zero every port of it, never answers. Or does again; what waited then gets its answer.
    pub(super) fn set_black_hole(&mut self, address: SocketAddr, silent: bool, ready: &mut ReadyQueue) {
        self.black_holes.retain(|hole| *hole != address);
        if silent {
            self.black_holes.push(address);
        } else {
            self.retry(ready);
        }
    }

    /// Lets sockets that nobody answered try again.
    pub(super) fn retry(&mut self, ready: &mut ReadyQueue) {
        for id in std::mem::take(&mut self.unanswered) {
            self.arrive(id, ready);
        }
    }

    /// Takes the first connection of `listener`'s queue, with the address it came from, and lets one that waited in.
    pub(super) fn accept(&mut self, listener: u64, ready: &mut ReadyQueue) -> io::Result<u64> {
        let place = self.listeners.get_mut(&listener).ok_or_else(|| error(errno::EBADF))?;
        let id = place.queue.pop_front().ok_or_else(|| error(errno::EAGAIN))?;
        let (by_hand, next) = (place.by_hand, place.waiting.pop_front());
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.owner = if by_hand { Owner::Hand(Hand::new()) } else { Owner::User };
            if by_hand {
                socket.end.set_send_capacity(usize::MAX);
            }
        }
        self.pump(id, ready);
        if let Some(next) = next {
            self.knock(next, listener, ready);
        }
        Ok(id)
    }

    /// Closes a listener: who waits in its queue is reset, who waits to get there refused.
    pub(super) fn close_listener(&mut self, id: u64, ready: &mut ReadyQueue) {
        let Some(listener) = self.listeners.remove(&id) else { return };
        if let Some(token) = listener.token {
            ready.forget(token);
        }
        for socket in listener.queue {
            self.close(socket, true, ready);
        }
        for client in listener.waiting {
            self.arrive(client, ready);
        }
    }

    /// The owner of this socket is gone.
    pub(super) fn close(&mut self, id: u64, abort: bool, ready: &mut ReadyQueue) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        socket.owner = Owner::Nobody;
        if let Some(token) = socket.token.take() {
            ready.forget(token);
        }
        if socket.end.is_connecting() {
            self.unanswered.retain(|other| *other != id);
            for listener in self.listeners.values_mut() {
                listener.waiting.retain(|other| *other != id);
            }
        }
        let abort = abort || self.sockets[&id].reset_on_close;
        self.with(id, ready, |end| end.close(abort));
    }

    /// Does something to the end of socket `id`, and lets what follows from it happen.
    pub(super) fn with<R>(
        &mut self,
        id: u64,
        ready: &mut ReadyQueue,
        act: impl FnOnce(&mut StreamEnd) -> R,
    ) -> Option<R> {
        let result = act(&mut self.sockets.get_mut(&id)?.end);
        self.pump(id, ready);
        Some(result)
    }

    /// Carries segments between `id` and its other end until neither has anything to say. Ends, since every segment uses up something:
    /// bytes of an outbox, room of an inbox, a FIN.
    pub(super) fn pump(&mut self, id: u64, ready: &mut ReadyQueue) {
        let other = self.sockets.get(&id).and_then(|socket| socket.link);
        loop {
            let mut moved = false;
            for (from, to) in [(Some(id), other), (other, Some(id))] {
                let Some(from) = from else { continue };
                // A hand that began to read makes room, which is something to say.
                if let Some(socket) = self.sockets.get_mut(&from) {
                    socket.read_along();
                }
                while let Some(segment) = self.sockets.get_mut(&from).and_then(|s| s.end.poll_segment()) {
                    moved = true;
                    if let Some(target) = to.and_then(|to| self.sockets.get_mut(&to)) {
                        target.end.handle(segment);
                        target.read_along();
                    }
                }
            }
            if !moved {
                break;
            }
        }
        for id in [Some(id), other].into_iter().flatten() {
            self.publish(id, ready);
            self.reap(id);
        }
    }

    fn publish(&mut self, id: u64, ready: &mut ReadyQueue) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        let edges = socket.end.take_edges();
        if let Some(token) = socket.token {
            ready.report(token, Some(id), edges);
        }
    }

    fn reap(&mut self, id: u64) {
        let Some(socket) = self.sockets.get(&id) else { return };
        if !matches!(socket.owner, Owner::Nobody) || !socket.end.is_over() {
            return;
        }
        let other = socket.link;
        self.remove(id);
        if let Some(other) = other.and_then(|other| self.sockets.get_mut(&other)) {
            other.link = None;
        }
    }

    /// What is possible now on a socket or listener.
    pub(super) fn level(&self, id: u64) -> Edges {
        match (self.sockets.get(&id), self.listeners.get(&id)) {
            (Some(socket), _) => socket.end.level(),
            (_, Some(listener)) if !listener.queue.is_empty() => Edges::READABLE,
            _ => Edges::NONE,
        }
    }

    /// The first segment of `client` is at a listener's door.
    fn knock(&mut self, client: u64, listener: u64, ready: &mut ReadyQueue) {
        let (receive, send) = (self.receive_capacity, self.send_capacity);
        let server = self.next_id;
        let (Some(place), Some(socket)) = (self.listeners.get_mut(&listener), self.sockets.get_mut(&client))
        else {
            return;
        };
        let backlog = usize::try_from(place.options.backlog).unwrap_or(0).max(1);
        if place.queue.len() >= backlog && !place.by_hand {
            place.waiting.push_back(client);
            return;
        }
        place.queue.push_back(server);
        place.arrived += 1;
        let mut end = StreamEnd::connecting(receive, send);
        end.open(socket.end.first_window());
        socket.end.open(end.first_window());
        socket.link = Some(server);
        // A dual-stack listener sees an IPv4 peer as `::ffff:a.b.c.d`, and itself too.
        let mapped = place.address.is_ipv6() && socket.remote.is_ipv4();
        let seen = |address| if mapped { map_to_ipv6(address) } else { address };
        let mut accepted = Socket::new(end, seen(socket.remote), seen(socket.local), Owner::Backlog);
        accepted.link = Some(client);
        accepted.bound = false;
        if let Some(token) = place.token {
            ready.report(token, Some(listener), Edges::READABLE);
        }
        self.next_id += 1;
        self.insert(server, accepted);
        self.pump(client, ready);
    }

    fn is_black_hole(&self, address: SocketAddr) -> bool {
        let fits =
            |hole: &&SocketAddr| hole.ip() == address.ip() && [0, address.port()].contains(&hole.port());
        self.black_holes.iter().any(|hole| fits(&hole))
    }

    /// Who answers at `address`: for sockets of this kernel (`ours`) a hand before a listener, for dials from outside a listener only.
    fn listener_for(&self, address: SocketAddr, ours: bool) -> Option<u64> {
        let candidates = || self.listeners.iter().filter(|(_, listener)| listener.hears(address));
        let hand = candidates().find(|(_, listener)| ours && listener.by_hand);
        if ours && hand.is_none() && self.is_black_hole(address) {
            return None;
        }
        let best = hand.or_else(|| {
            candidates()
                .filter(|(_, listener)| !listener.by_hand)
                .min_by_key(|(id, listener)| (listener.address.ip().is_unspecified(), listener.arrived, **id))
        });
        best.map(|(id, _)| *id)
    }

    /// The address of this machine from which it talks to `remote`.
    fn source_for(&self, remote: IpAddr) -> IpAddr {
        let ours = self.listeners.values().any(|l| !l.by_hand && l.address.ip() == remote);
        match remote {
            _ if remote.is_loopback() => loopback(remote),
            _ if ours => remote,
            _ => away(remote),
        }
    }

    fn free_listen_port(&mut self, ip: IpAddr) -> io::Result<u16> {
        for _ in 0..=u16::MAX {
            let port = self.next_listen_port;
            self.next_listen_port = if port >= FIRST_PORT - 1 { FIRST_LISTEN_PORT } else { port + 1 };
            let address = SocketAddr::new(ip, port);
            let options = ListenOptions::default();
            let listens = self.listeners.values().any(|l| !l.by_hand && l.clashes(address, &options));
            if !listens && !self.sockets.values().any(|s| s.occupies(address)) {
                return Ok(port);
            }
        }
        Err(error(errno::EADDRINUSE))
    }

    fn free_port(&mut self, ip: IpAddr) -> io::Result<u16> {
        for _ in FIRST_PORT..=u16::MAX {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
            let taken = self.bound.contains_key(&SocketAddr::new(ip, port))
                || self.listeners.values().any(|l| l.address.port() == port);
            if !taken {
                return Ok(port);
            }
        }
        Err(error(errno::EADDRNOTAVAIL))
    }

    fn insert(&mut self, id: u64, socket: Socket) {
        *self.bound.entry(socket.local).or_default() += 1;
        self.sockets.insert(id, socket);
    }

    fn remove(&mut self, id: u64) {
        let Some(socket) = self.sockets.remove(&id) else { return };
        if let Some(count) = self.bound.get_mut(&socket.local) {
            *count -= 1;
            if *count == 0 {
                self.bound.remove(&socket.local);
            }
        }
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }
}

fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}
