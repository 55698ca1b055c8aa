//! The side that listens.

mod accept;
mod drain;
mod options;
mod port;

pub use self::drain::Drained;
pub use self::options::TcpServerOptions;
pub use self::port::{ListeningPort, PortState};

pub(crate) use self::port::{adopt, listen};
