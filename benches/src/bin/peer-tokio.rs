//! The server of the comparison on tokio: the current-thread runtime, or as many workers as `--workers` says if those are more than one.
//! `peer-tokio --help` says what else it does.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use twistor_bench::servers::tasks::{Room, Unsent};
use twistor_bench::servers::{Mode, ServerOptions, TASK_READ_SIZE, announce, listener, pieces, prepare};

fn main() -> anyhow::Result<()> {
    let options = ServerOptions::read();
    prepare(&options)?;
    let runtime = match options.reactors {
        1 => Builder::new_current_thread().enable_io().build()?,
        workers => Builder::new_multi_thread().worker_threads(workers.into()).enable_io().build()?,
    };
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener(options.port, false)?)?;
        announce(listener.local_addr()?)?;
        // A task of its own, so that with several workers it is one of them that accepts.
        tokio::spawn(accept_all(listener, options.mode)).await?
    })
}

async fn accept_all(listener: TcpListener, mode: Mode) -> anyhow::Result<()> {
    let all: Bytes = pieces().into();
    let room: Arc<Room<UnboundedSender<Bytes>>> = Arc::default();
    loop {
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => return Err(error.into()),
        };
        let _ = socket.set_nodelay(true);
        match mode {
            Mode::Echo => drop(tokio::spawn(echo(socket))),
            Mode::Stream => drop(tokio::spawn(stream(socket, all.clone()))),
            Mode::Broadcast => drop(tokio::spawn(broadcast(socket, Arc::clone(&room)))),
        }
    }
}

async fn echo(mut socket: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; TASK_READ_SIZE];
    loop {
        let count = socket.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        socket.write_all(&buffer[..count]).await?;
    }
}

async fn stream(socket: TcpStream, pieces: Bytes) -> io::Result<()> {
    let (mut input, mut output) = socket.into_split();
    let reading = async {
        let mut buffer = vec![0; TASK_READ_SIZE];
        while input.read(&mut buffer).await? > 0 {}
        Ok(())
    };
    let writing = async {
        loop {
            output.write_all(&pieces).await?;
        }
    };
    tokio::select! {
        done = reading => done,
        failed = writing => failed,
    }
}

async fn broadcast(socket: TcpStream, room: Arc<Room<UnboundedSender<Bytes>>>) -> io::Result<()> {
    let (mut input, mut output) = socket.into_split();
    let (sender, mut channel) = unbounded_channel::<Bytes>();
    let unsent = Unsent::new(AtomicUsize::new(0));
    let key = room.enter(sender, &unsent);
    let writing = async {
        // Ends when the client has left the room.
        while let Some(data) = channel.recv().await {
            output.write_all(&data).await?;
            unsent.fetch_sub(data.len(), Ordering::Relaxed);
        }
        Ok(())
    };
    let reading = async {
        let mut buffer = vec![0; TASK_READ_SIZE];
        loop {
            let count = input.read(&mut buffer).await?;
            if count == 0 {
                return Ok(());
            }
            let data = Bytes::copy_from_slice(&buffer[..count]);
            room.tell(key, count, |other| {
                // One that is on its way out hears no more.
                let _ = other.send(data.clone());
            });
        }
    };
    let done = tokio::select! {
        done = reading => done,
        done = writing => done,
    };
    room.leave(key);
    done
}
