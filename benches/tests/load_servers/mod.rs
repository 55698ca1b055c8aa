//! Servers with a thread a connection, which may have one fault.
#![expect(clippy::disallowed_methods, reason = "servers of their own, on plain sockets")]
// Each test program uses some of it.
#![allow(dead_code)]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What is wrong with a server, at an offset of what it sends on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// This byte has a bit flipped.
    Wrong(u64),
    /// This byte is left out.
    Lost(u64),
    /// This byte and the next one have changed places, if they go out together.
    Swapped(u64),
    /// This byte is sent twice.
    Doubled(u64),
    /// Closes when it has sent so many bytes.
    Closes(u64),
    /// Does not close when the client does.
    StaysOpen,
    /// What belongs on one connection goes to another one; of a broadcast: to the sender, too.
    Crossed,
}

impl Fault {
    /// What is to be sent instead of `bytes`, the first of which is at `offset`; and whether to close after it.
    fn spoil(self, offset: u64, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut bytes = bytes.to_vec();
        let place = |at: u64| at.checked_sub(offset).map(|it| it as usize).filter(|it| *it < bytes.len());
        match self {
            Self::Wrong(at) => place(at).into_iter().for_each(|it| bytes[it] ^= 1),
            Self::Lost(at) => drop(place(at).map(|it| bytes.remove(it))),
            Self::Swapped(at) => place(at).into_iter().for_each(|it| bytes.swap(it, it + 1)),
            Self::Doubled(at) => place(at).into_iter().for_each(|it| bytes.insert(it, bytes[it])),
            Self::Closes(at) if at <= offset + bytes.len() as u64 => {
                bytes.truncate(at.saturating_sub(offset) as usize);
                return (bytes, true);
            }
            Self::None | Self::Closes(_) | Self::StaysOpen | Self::Crossed => {}
        }
        (bytes, false)
    }
}

/// A server, which lives as long as the test program.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Sends back what comes.
    pub(crate) fn echo(fault: Fault) -> Self {
        let first: Arc<Mutex<Option<TcpStream>>> = Arc::default();
        Self::start(move |_, mut socket| {
            let mut buffer = vec![0; 100_000];
            let mut offset = 0;
            loop {
                let count = socket.read(&mut buffer)?;
                // One byte alone is the question whether all connections are accepted, which has no faults.
                let fault = if offset == 0 && count == 1 { Fault::None } else { fault };
                if count == 0 {
                    if fault == Fault::StaysOpen {
                        thread::park();
                    }
                    return Ok(());
                }
                let (bytes, close) = fault.spoil(offset, &buffer[..count]);
                if fault == Fault::Crossed {
                    let mut first = first.lock().unwrap();
                    match first.as_mut() {
                        Some(first) => first.write_all(&bytes)?,
                        None => *first = Some(socket.try_clone()?),
                    }
                } else {
                    socket.write_all(&bytes)?;
                }
                if close {
                    return Ok(());
                }
                offset += count as u64;
            }
        })
    }

    /// Sends pieces of 65,536 bytes, in which byte i is i modulo 251, for ever.
    pub(crate) fn stream(fault: Fault) -> Self {
        let piece: Vec<u8> = (0..65_536).map(|byte| (byte % 251) as u8).collect();
        Self::start(move |_, mut socket| {
            for offset in (0..).step_by(65_536) {
                let (bytes, close) = fault.spoil(offset, &piece);
                socket.write_all(&bytes)?;
                if close {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Sends what comes from one client to all others.
    pub(crate) fn broadcast(fault: Fault) -> Self {
        let clients: Arc<Mutex<Vec<(usize, TcpStream)>>> = Arc::default();
        Self::start(move |number, mut socket| {
            clients.lock().unwrap().push((number, socket.try_clone()?));
            let mut buffer = vec![0; 100_000];
            let mut offset = 0;
            loop {
                let count = socket.read(&mut buffer)?;
                let mut clients = clients.lock().unwrap();
                if count == 0 {
                    clients.retain(|(other, _)| *other != number);
                    return Ok(());
                }
                let (bytes, _) = fault.spoil(offset, &buffer[..count]);
                for (other, client) in clients.iter() {
                    if *other != number || fault == Fault::Crossed {
                        client.try_clone()?.write_all(&bytes)?;
                    }
                }
                offset += count as u64;
            }
        })
    }

    /// An address at which nobody listens.
    pub(crate) fn refusing() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    fn start(serve: impl Fn(usize, TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serve = Arc::new(serve);
        let accept = move || {
            for (number, socket) in listener.incoming().enumerate() {
                let (socket, serve) = (socket.unwrap(), Arc::clone(&serve));
                socket.set_nodelay(true).unwrap();
                // A client that is gone is no fault of the server.
                let serve = move || drop(serve(number, socket));
                drop(thread::Builder::new().spawn(serve).unwrap());
            }
        };
        drop(thread::Builder::new().spawn(accept).unwrap());
        Self { address }
    }
}
