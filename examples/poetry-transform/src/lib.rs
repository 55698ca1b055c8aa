//! A service that changes poems, and its client.
//!
//! - [`Transform`], [`cummingsify`], [`NotText`]: the changes themselves, which may fail;
//! - [`Frame`], [`FrameReader`]: what client and server say to each other, `WORD LENGTH` on a line, then so many bytes;
//! - [`TransformService`]: the server's factory;
//! - [`transform`]: the client, a function that returns a Deferred.

mod client;
mod engine;
mod frame;
mod service;

pub use self::client::{ServiceError, transform};
pub use self::engine::{NotText, Transform, cummingsify};
pub use self::frame::{Frame, FrameError, FrameReader, MAX_PAYLOAD, MAX_WORD};
pub use self::service::{TransformProtocol, TransformService};
