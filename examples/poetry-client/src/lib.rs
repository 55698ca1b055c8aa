//! What the clients of the ladder share, so that each of them shows its own idea and little else.
//!
//! - [`PoemAddress`], [`PoemArgs`], [`parse_args`]: where the poems are, from the command line;
//! - [`say`], [`got_bytes`], [`failed_to_connect`], [`print_totals`], [`print_poems`]: what is printed;
//! - [`get_poetry`]: a download as a Deferred, for the upper half of the ladder;
//! - [`print_outcomes`], [`plain_poem`]: what that half prints;
//! - [`connect_blocking`]: for the two clients that have no transport to do it.

mod address;
mod args;
mod download;
mod print;

pub use self::address::{AddressError, PoemAddress};
pub use self::args::{PoemArgs, exit_with, parse_args};
pub use self::download::get_poetry;
pub use self::print::{
    clock, failed_to_connect, got_bytes, plain_poem, poem_failed, print_outcomes, print_poems, print_totals,
    say,
};

use std::io;
use std::net::TcpStream;

/// Connects, and blocks until that is done. The socket is non-blocking afterwards.
///
/// # Errors
///
/// What looking up the name, or connecting to the last of its addresses, has failed with.
#[expect(
    clippy::disallowed_methods,
    reason = "the first two steps of the ladder do without the library's sockets"
)]
pub fn connect_blocking(address: &PoemAddress) -> io::Result<TcpStream> {
    let socket = TcpStream::connect((address.host(), address.port()))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
