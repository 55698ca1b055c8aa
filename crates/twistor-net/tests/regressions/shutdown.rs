//! What a reactor that stops does to its connections.

use crate::common::{Heard, drive};
use crate::support::{Served, read_what_is_there, served};

/// A close that shutdown completed was reported as one that shutdown had cut off.
#[test]
fn a_close_that_shutdown_completes_keeps_its_reason() {
    let Served { mut reactor, side, mut peer } = served();
    side.transport().write(b"bye");
    side.transport().lose_connection();
    reactor.stop().unwrap();
    let mut got = Vec::new();
    drive(&mut reactor, "the end", || read_what_is_there(&mut peer, &mut got));
    assert_eq!(got, b"bye");
    assert_eq!(side.heard(), [Heard::Made, Heard::Lost("Done".to_owned())]);
}

/// Shutdown sent once, which takes some pieces only, and threw the rest away although the socket would have taken it.
#[test]
fn shutdown_sends_all_that_the_socket_takes() {
    const PIECES: usize = 100;
    let Served { mut reactor, side, mut peer } = served();
    for _ in 0..PIECES {
        side.transport().write_bytes(vec![b'.'; 1_024]);
    }
    side.transport().lose_connection();
    reactor.stop().unwrap();
    let mut got = Vec::new();
    drive(&mut reactor, "the end", || read_what_is_there(&mut peer, &mut got));
    assert_eq!((got.len(), side.lost().as_deref()), (PIECES * 1_024, Some("Done")));
}
