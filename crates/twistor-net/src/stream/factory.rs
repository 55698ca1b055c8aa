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
/// An echo server, and a client that tries it:
///
/// ```
/// # #[cfg(feature = "mio")] {
/// use futures::io::{AsyncReadExt, AsyncWriteExt, copy};
/// use twistor_net::{ByteStream, ReactorTcp, for_stream};
/// use twistor_reactor::Reactor;
///
/// let mut reactor = Reactor::new()?;
///
/// let handle = reactor.handle();
/// let port = reactor.listen_tcp(("127.0.0.1", 0), for_stream(move |stream, peer| {
///     let echo = async move {
///         let (reader, mut writer) = stream.split();
///         copy(reader, &mut writer).await?;
///         writer.close().await?;
///         Ok(())
///     };
///     handle.spawn(echo).log_failure(format!("echoing to {peer}"));
/// }))?;
///
/// let handle = reactor.handle();
/// reactor.spawn(async move {
///     let mut stream = ByteStream::connect(&handle, ("127.0.0.1", port.host().port())).await?;
///     stream.write_all(b"hello").await?;
///     stream.close().await?;
///     let mut answer = String::new();
///     stream.read_to_string(&mut answer).await?;
///     assert_eq!(answer, "hello");
///     handle.stop()?;
///     Ok(())
/// });
/// reactor.run()?;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Any other executor on the reactor's thread does as well, if its wakers wake the loop.
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
