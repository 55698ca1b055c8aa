//! The server of the comparison on smol: its local executor, which is what one thread needs. `peer-smol --help` says what it does.

use std::io;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use smol::channel::{Sender, unbounded};
use smol::future::or;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, LocalExecutor};
use twistor_bench::servers::tasks::{Room, Unsent};
use twistor_bench::servers::{
    Mode, ServerOptions, TASK_READ_SIZE, announce, listeners, on_threads, pieces, prepare,
};

fn main() -> anyhow::Result<()> {
    let options = ServerOptions::read();
    prepare(&options)?;
    let listeners = listeners(&options)?;
    announce(listeners[0].local_addr()?)?;
    on_threads(listeners, move |listener| {
        let executor = Rc::new(LocalExecutor::new());
        let listener = Async::new_nonblocking(listener)?;
        smol::block_on(executor.run(accept_all(listener, options.mode, &executor)))
    })
}

async fn accept_all(
    listener: Async<std::net::TcpListener>,
    mode: Mode,
    executor: &LocalExecutor<'static>,
) -> anyhow::Result<()> {
    let all: Bytes = pieces().into();
    let room: Rc<Room<Sender<Bytes>>> = Rc::default();
    loop {
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => return Err(error.into()),
        };
        let _ = socket.get_ref().set_nodelay(true);
        match mode {
            Mode::Echo => executor.spawn(echo(socket)).detach(),
            Mode::Stream => executor.spawn(stream(socket, all.clone())).detach(),
            Mode::Broadcast => executor.spawn(broadcast(socket, Rc::clone(&room))).detach(),
        }
    }
}

async fn echo(mut socket: Async<TcpStream>) -> io::Result<()> {
    let mut buffer = vec![0; TASK_READ_SIZE];
    loop {
        let count = socket.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        socket.write_all(&buffer[..count]).await?;
    }
}

async fn stream(socket: Async<TcpStream>, pieces: Bytes) -> io::Result<()> {
    let reading = async {
        let mut buffer = vec![0; TASK_READ_SIZE];
        while (&socket).read(&mut buffer).await? > 0 {}
        Ok(())
    };
    let writing = async {
        loop {
            (&socket).write_all(&pieces).await?;
        }
    };
    or(reading, writing).await
}

async fn broadcast(socket: Async<TcpStream>, room: Rc<Room<Sender<Bytes>>>) -> io::Result<()> {
    let (sender, channel) = unbounded::<Bytes>();
    let unsent = Unsent::new(AtomicUsize::new(0));
    let key = room.enter(sender, &unsent);
    let writing = async {
        // Ends when the client has left the room.
        while let Ok(data) = channel.recv().await {
            (&socket).write_all(&data).await?;
            unsent.fetch_sub(data.len(), Ordering::Relaxed);
        }
        Ok(())
    };
    let reading = async {
        let mut buffer = vec![0; TASK_READ_SIZE];
        loop {
            let count = (&socket).read(&mut buffer).await?;
            if count == 0 {
                return Ok(());
            }
            let data = Bytes::copy_from_slice(&buffer[..count]);
            room.tell(key, count, |other| {
                // One that is on its way out hears no more.
                let _ = other.try_send(data.clone());
            });
        }
    };
    let done = or(reading, writing).await;
    room.leave(key);
    done
}
