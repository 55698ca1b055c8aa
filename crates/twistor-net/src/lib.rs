//! Protocols, factories and transports: network code that never touches a socket.
//!
//! You implement [`Protocol`], one side of a conversation; a [`Factory`] makes one for each connection; [`ReactorTcp`] listens and
//! connects. Modules in reading order:
//!
//! - the words of users: [`Protocol`], [`Transport`], [`Factory`], [`ClientFactory`], [`ListeningPort`], [`Connector`],
//!   [`Connection`];
//! - `connection`: a socket, a stack of [`Filter`]s, one front, one slot; `closing` is the table of how it ends;
//! - `server` and `client`: ports and connectors.
//!
//! With the feature `futures-io`, `ByteStream` is a connection as `AsyncRead` and `AsyncWrite` for async code: from `ByteStream::connect`, from
//! the factory `for_stream`, or from `Transport::switch_to_stream` in a callback.
//!
//! Absent on purpose: system calls and clocks. Everything goes through the kernel of `twistor-reactor`, so that all of it runs over a
//! simulated one too.
//!
//! # Examples
//!
//! An echo server and a client that talks to it:
//!
//! ```
//! # #[cfg(feature = "mio")] {
//! use twistor_net::{for_protocol, CloseReason, Protocol, ReactorTcp, Transport};
//! use twistor_reactor::Reactor;
//!
//! struct Echo;
//! impl Protocol for Echo {
//!     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
//!         transport.write(data);
//!     }
//! }
//!
//! struct Hello;
//! impl Protocol for Hello {
//!     fn connection_made(&mut self, transport: &Transport) {
//!         transport.write(b"hello");
//!     }
//!     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
//!         assert_eq!(data, b"hello");
//!         transport.lose_connection();
//!     }
//!     fn connection_lost(&mut self, transport: &Transport, reason: &CloseReason) {
//!         assert!(reason.is_clean());
//!         transport.reactor().stop().unwrap();
//!     }
//! }
//!
//! let mut reactor = Reactor::new()?;
//! let port = reactor.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Echo))?;
//! reactor.connect_tcp(("127.0.0.1", port.host().port()), for_protocol(|_| Hello));
//! reactor.run()?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod closing;
mod connection;
mod context;
mod error;
mod factory;
mod file_sender;
mod filter;
mod flow;
mod producer;
mod protocol;
mod tcp;

mod client;
mod server;
#[cfg(feature = "futures-io")]
mod stream;

pub use self::address::{Address, Destination, Interface};
pub use self::client::{Connector, ConnectorState, TcpClientOptions};
pub use self::connection::{Connection, RemoteConnection, Transport};
pub use self::context::NetLimits;
pub use self::error::{CannotConnect, CannotListenError, ConnectError, NotConnecting, ProducerRegistered};
pub use self::factory::{ClientFactory, Factory, ForProtocol, Shared, Shortage, for_protocol};
pub use self::file_sender::{FileSender, StoppedSending};
pub use self::filter::{Filter, FilterIo};
pub use self::flow::Flow;
pub use self::producer::{Producer, ProducerKind};
pub use self::protocol::Protocol;
pub use self::server::{Drained, ListeningPort, PortState, TcpServerOptions};
#[cfg(feature = "futures-io")]
pub use self::stream::{ByteStream, ForStream, StreamProtocol, for_stream};
pub use self::tcp::ReactorTcp;

pub use twistor_reactor::kernel::{KeepAlive, SocketOption, SocketOptionKind};
pub use twistor_reactor::{Bytes, CloseReason, LendError};
