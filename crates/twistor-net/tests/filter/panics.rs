//! A filter that panics ends its connection alone.

use crate::common::{Heard, INJECTED, Pair, Probe, drive, drive_for, ms, pair};
use crate::support::{Shout, filtered, idle, push};

#[test]
fn a_panic_in_any_method_ends_the_connection_alone() {
    for method in ["opened", "received", "written", "read_closed", "closing", "is_closing", "timer", "drop"] {
        let (shout, seen) = Shout::new("");
        let delay = if method == "timer" { ms(1) } else { ms(0) };
        let mut shout = Some(shout.holding(delay).panicking_in(method));
        let (probe, side) = Probe::new(move |heard, transport| {
            if *heard == Heard::Made {
                transport.push_filter(shout.take().expect("once"), b"");
            }
        });
        let Pair { mut reactor, server, client, .. } = pair((probe, side), idle());
        client.transport().write(b"up");
        server.transport().write(b"down");
        drive_for(&mut reactor, ms(5));
        let first = matches!(method, "opened" | "received" | "written" | "timer");
        assert_eq!(server.is_lost(), first, "{method}");
        if method == "read_closed" {
            client.transport().lose_connection();
        } else {
            server.transport().lose_connection();
        }
        drive(&mut reactor, "the end", || client.is_lost() && server.is_lost());
        let reason = server.lost().expect("lost");
        if method == "drop" {
            assert_eq!(reason, "Done");
        } else {
            assert_eq!(reason, format!("Panicked(\"{INJECTED} in {method}\")"));
        }
        let ends = server.heard().iter().filter(|heard| matches!(heard, Heard::Lost(_))).count();
        assert_eq!(ends, 1, "{method}");
        assert!(seen.is_dropped(), "{method}");
        assert_eq!(reactor.stats().connections, 0, "{method}");
    }
}

#[test]
fn filters_that_all_panic_when_they_are_dropped_do_not_end_the_process() {
    let filters: Vec<_> = (0..3).map(|_| push(Shout::new("").0.panicking_in("drop"))).collect();
    let Pair { mut reactor, server, client, .. } = filtered(filters);
    server.transport().push_filter(Shout::new("").0.panicking_in("drop"), b"");
    server.transport().abort_connection();
    drive(&mut reactor, "the end", || client.is_lost() && server.is_lost());
    server.transport().push_filter(Shout::new("").0.panicking_in("drop"), b"");
}
