//! The side that connects.

mod attempt;
mod connector;
mod once;
mod options;
mod stage;

pub use self::connector::{Connector, ConnectorState};
pub use self::options::TcpClientOptions;

pub(crate) use self::connector::connect;
#[cfg(feature = "futures-io")]
pub(crate) use self::once::connect_once;
pub(crate) use self::once::connect_protocol;
