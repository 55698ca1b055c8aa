use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use twistor_reactor::kernel::{
    Accepted, ConnectOptions, ConnectProgress, Kernel, ListenOptions, Readiness, ReceivedData,
    StreamListener, StreamSocket, Token,
};

use super::MakeKernel;
use super::surroundings::Surroundings;

/// A kernel, and how a case waits for it.
pub(super) struct Bench {
    world: Box<dyn Surroundings>,
}

/// Both ends of a connection, registered.
pub(super) struct Ends {
    pub(super) listener: Box<dyn StreamListener>,
    pub(super) client: Box<dyn StreamSocket>,
    pub(super) server: Box<dyn StreamSocket>,
}

pub(super) const LISTENER: Token = Token::new(0, 7);
pub(super) const CLIENT: Token = Token::new(1, 0);
pub(super) const SERVER: Token = Token::new(2, u32::MAX);
pub(super) const OTHER: Token = Token::new(u32::MAX, 3);

/// How long a case waits for what must come: so many times one step.
const STEPS: usize = 200;
const STEP: Duration = Duration::from_millis(50);

impl Bench {
    pub(super) fn new(make: MakeKernel<'_>) -> Self {
        Self { world: make.make() }
    }

    pub(super) fn kernel(&self) -> &dyn Kernel {
        self.world.kernel()
    }

    /// What is around the kernel.
    pub(super) fn world(&self) -> &dyn Surroundings {
        &*self.world
    }

    /// What is ready now.
    #[track_caller]
    pub(super) fn ready_now(&self) -> Vec<Readiness> {
        let mut ready = Vec::new();
        self.kernel().wait(Some(Duration::ZERO), &mut ready).expect("the kernel can wait");
        ready
    }

    /// Waits until `done`, which is asked first and after each wait, and given the events of the last one.
    #[track_caller]
    pub(super) fn until<R>(&self, what: &str, mut done: impl FnMut(&[Readiness]) -> Option<R>) -> R {
        let mut ready = Vec::new();
        let mut seen = 0;
        for _ in 0..STEPS {
            if let Some(result) = done(&ready) {
                return result;
            }
            seen += ready.len();
            ready.clear();
            self.kernel().wait(Some(STEP), &mut ready).expect("the kernel can wait");
        }
        panic!("waited for {what} in vain; {seen} events came that were others");
    }

    /// Waits for an event of `token` that `wanted` agrees with.
    #[track_caller]
    pub(super) fn event(&self, token: Token, wanted: impl Fn(Readiness) -> bool) -> Readiness {
        let is_it = |event: &&Readiness| event.token == token && wanted(**event);
        self.until(&format!("an event of {token:?}"), |events| events.iter().find(is_it).copied())
    }

    /// A listener on a free port of the loopback, registered.
    #[track_caller]
    pub(super) fn listen(&self) -> Box<dyn StreamListener> {
        let listener = self.listen_at((Ipv4Addr::LOCALHOST, 0).into()).expect("the loopback is there");
        listener.register(LISTENER).expect("a new listener can be registered");
        listener
    }

    pub(super) fn listen_at(&self, address: SocketAddr) -> io::Result<Box<dyn StreamListener>> {
        self.kernel().listen_stream(address, &ListenOptions::default())
    }

    /// A port of the loopback on which nobody listens.
    #[track_caller]
    pub(super) fn nobody(&self) -> SocketAddr {
        self.listen_at((Ipv4Addr::LOCALHOST, 0).into())
            .and_then(|l| l.local())
            .expect("the loopback is there")
    }

    /// A socket that connects, registered as `token`.
    ///
    /// # Errors
    ///
    /// What the kernel answers at once, or why the connect failed.
    pub(super) fn connect(&self, to: SocketAddr, token: Token) -> io::Result<Box<dyn StreamSocket>> {
        let client = self.kernel().connect_stream(to, &ConnectOptions::default())?;
        client.register(token)?;
        self.until("the end of a connect", |_| match client.connect_progress() {
            Ok(ConnectProgress::InProgress) => None,
            Ok(ConnectProgress::Connected) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        })?;
        Ok(client)
    }

    /// Accepts the next connection. It is not registered yet.
    #[track_caller]
    pub(super) fn accept(&self, listener: &dyn StreamListener) -> Accepted {
        self.until("a connection to accept", |_| match listener.accept() {
            Ok(accepted) => Some(accepted),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => panic!("accept: {error}"),
        })
    }

    /// A connection with both ends registered.
    #[track_caller]
    pub(super) fn ends(&self) -> Ends {
        let listener = self.listen();
        let address = listener.local().expect("a listener has an address");
        let client = self.connect(address, CLIENT).expect("somebody listens");
        let server = self.accept(&*listener).socket;
        server.register(SERVER).expect("an accepted socket can be registered");
        Ends { listener, client, server }
    }

    /// Reads what comes, as an edge-triggered reader does, until `len` bytes are there.
    #[track_caller]
    pub(super) fn read(&self, socket: &dyn StreamSocket, token: Token, len: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < len {
            match recv(socket, len - all.len()) {
                Ok((data, _)) if data.is_empty() => panic!("the end after {} of {len} bytes", all.len()),
                Ok((data, _)) => all.extend(data),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.event(token, Readiness::is_readable);
                }
                Err(error) => panic!("{error} after {} of {len} bytes", all.len()),
            }
        }
        all
    }

    /// Reads and throws away until the stream ends, or with its error.
    pub(super) fn read_to_end(&self, socket: &dyn StreamSocket, token: Token) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            match recv(socket, 4_096) {
                Ok((data, _)) if data.is_empty() => return Ok(all),
                Ok((data, _)) => all.extend(data),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.event(token, Readiness::is_readable);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends until the socket takes no more; what it took.
    #[track_caller]
    pub(super) fn fill(&self, socket: &dyn StreamSocket) -> usize {
        let piece = [7; 65_536];
        let mut taken = 0;
        for _ in 0..10_000 {
            match socket.send(&[IoSlice::new(&piece)]) {
                Ok(0) => panic!("a send of nothing: at least one byte, or an error"),
                Ok(len) => taken += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return taken,
                Err(error) => panic!("send: {error}"),
            }
        }
        panic!("the socket takes {taken} bytes, and more, that nobody reads");
    }
}

/// The service, or `None` if there is none here: then the case is left out, and says so on standard output.
#[track_caller]
pub(super) fn offered<T>(what: &str, service: io::Result<T>) -> Option<T> {
    match service {
        Ok(service) => Some(service),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            println!("left out: this kernel does not offer {what}");
            None
        }
        Err(error) => panic!("{what}: {error}"),
    }
}

/// Reads once: the bytes, and whether the kernel said that nothing is left.
pub(super) fn recv(socket: &dyn StreamSocket, at_most: usize) -> io::Result<(Vec<u8>, bool)> {
    let mut scratch = vec![0; at_most];
    let received = socket.recv(&mut scratch)?;
    match received.data {
        ReceivedData::Scratch(len) => scratch.truncate(len),
        ReceivedData::Own(bytes) => scratch = bytes.to_vec(),
    }
    Ok((scratch, received.drained))
}

/// Sends all of it, which has to fit.
#[track_caller]
pub(super) fn send(socket: &dyn StreamSocket, data: &[u8]) {
    let taken = socket.send(&[IoSlice::new(data)]).expect("there is room");
    assert_eq!(taken, data.len(), "a small send to an empty socket is taken whole");
}

/// What kind of error a result is.
#[track_caller]
pub(super) fn kind<T>(result: io::Result<T>) -> io::ErrorKind {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(error) => error.kind(),
    }
}
