use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::protocol::Opener;
use super::{ByteStream, Pipe, StreamProtocol};
use crate::{Address, ClientFactory, Factory};

/// Makes a factory of a closure that is given streams. See [`for_stream`].
pub struct ForStream<F> {
    open: Rc<RefCell<F>>,
}

/// A factory of a closure that is called once a connection, with the [`ByteStream`] and the peer's address. It serves ports and connectors
/// alike.
///
/// The call comes from the loop when the connection stands; the closure hands the stream to a task of the program's executor, or drops it,
/// which closes the connection. A panic ends this connection alone.
///
/// # Examples
///
/// An echo server, and a client that tries it. The executor is that of the crate `futures`; any other does.
///
/// ```
/// # #[cfg(feature = "mio")] {
/// use std::time::Duration;
/// use futures::executor::LocalPool;
/// use futures::io::{AsyncReadExt, AsyncWriteExt, copy};
/// use futures::task::LocalSpawnExt;
/// use twistor_net::{ByteStream, ReactorTcp, for_stream};
/// use twistor_reactor::Reactor;
///
/// let mut reactor = Reactor::new()?;
/// let mut tasks = LocalPool::new();
///
/// let spawner = tasks.spawner();
/// let port = reactor.listen_tcp(("127.0.0.1", 0), for_stream(move |stream, _peer| {
///     let echo = async move {
///         let (reader, mut writer) = stream.split();
///         copy(reader, &mut writer).await.expect("the client is honest");
///         writer.close().await.expect("and waits for our end");
///     };
///     spawner.spawn_local(echo).expect("the program has not ended");
/// }))?;
///
/// let connecting = ByteStream::connect(&reactor, ("127.0.0.1", port.host().port()));
/// let handle = reactor.handle();
/// let client = async move {
///     let mut stream = connecting.await.expect("somebody listens");
///     stream.write_all(b"hello").await.unwrap();
///     stream.close().await.unwrap();
///     let mut answer = String::new();
///     stream.read_to_string(&mut answer).await.unwrap();
///     assert_eq!(answer, "hello");
///     handle.stop().unwrap();
/// };
/// tasks.spawner().spawn_local(client)?;
///
/// reactor.start()?;
/// while !reactor.is_finished() {
///     tasks.run_until_stalled();
///     reactor.iterate(Some(Duration::from_millis(1)))?; // This executor cannot wake the loop.
/// }
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn for_stream<F: FnMut(ByteStream, &Address) + 'static>(open: F) -> ForStream<F> {
    ForStream { open: Rc::new(RefCell::new(open)) }
}

impl<F: FnMut(ByteStream, &Address) + 'static> Factory for ForStream<F> {
    type Protocol = StreamProtocol;

    fn build_protocol(&mut self, _peer: &Address) -> Option<StreamProtocol> {
        let open = Rc::clone(&self.open);
        let opener: Opener = Box::new(move |stream, peer| match open.try_borrow_mut() {
            Ok(mut open) => open(stream, peer),
            // Another reactor, with a port of the same factory, is driven or dropped inside the closure.
            Err(_) => {
                tracing::error!("a stream was closed unseen: the closure that opens them is being called")
            }
        });
        Some(StreamProtocol::new(Rc::new(Pipe::new(&[])), Some(opener)))
    }

    fn log_prefix(&self) -> String {
        "ByteStream".to_owned()
    }

    fn noisy(&self) -> bool {
        false
    }
}

impl<F: FnMut(ByteStream, &Address) + 'static> ClientFactory for ForStream<F> {}

impl<F> fmt::Debug for ForStream<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("for_stream(..)")
    }
}
