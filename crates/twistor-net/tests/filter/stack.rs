//! What a stack of filters makes of both streams, and who hears what when it grows.

use std::cell::Cell;
use std::rc::Rc;

use crate::common::{Heard, Pair, Probe, drive, ms, pair};
use crate::support::{Brackets, Shout, filtered, idle, push};

#[test]
fn one_filter_changes_both_ways_holds_back_and_says_goodbye() {
    let (shout, seen) = Shout::new("<bye>");
    let Pair { mut reactor, server, client, .. } = filtered(vec![push(shout.holding(ms(5)))]);
    client.transport().write(b"hello");
    drive(&mut reactor, "the filter", || seen.count("received") == 1);
    assert_eq!(server.text(), "", "it is held back");
    drive(&mut reactor, "the timer", || server.text() == "HELLO");
    server.transport().write(b"wor");
    server.transport().write(b"ld");
    drive(&mut reactor, "the answer", || client.text() == "WORLD");
    assert_eq!(seen.count("written"), 1, "what is gathered goes through once");
    server.transport().write(b"last");
    server.transport().lose_connection();
    drive(&mut reactor, "the end", || client.is_lost() && server.is_lost());
    assert_eq!(client.text(), "WORLDLAST<bye>");
    assert_eq!((server.lost().as_deref(), client.lost().as_deref()), (Some("Done"), Some("Done")));
    assert_eq!((seen.count("opened"), seen.count("closing")), (1, 1));
    assert!(seen.is_dropped(), "the filter goes with its connection");
}

#[test]
fn two_filters_are_a_stack() {
    let (shout, _) = Shout::new("<bye>");
    let Pair { mut reactor, server, client, .. } = filtered(vec![push(shout), push(Brackets)]);
    client.transport().write(b"up");
    drive(&mut reactor, "data", || server.text() == "{UP}");
    server.transport().write(b"down");
    drive(&mut reactor, "data", || client.text() == "[DOWN]");
    server.transport().lose_connection();
    drive(&mut reactor, "the end", || client.is_lost());
    // The one on top is told first, and what it says goes through the one below.
    assert_eq!(client.text(), "[DOWN](BRACKETS CLOSE)<bye>");
}

#[test]
fn the_same_filter_twice_holds_back_twice() {
    let (first, one) = Shout::new("<one>");
    let (second, two) = Shout::new("<two>");
    let filters = vec![push(first.holding(ms(2))), push(second.holding(ms(2)))];
    let Pair { mut reactor, server, client, .. } = filtered(filters);
    client.transport().write(b"up");
    drive(&mut reactor, "both timers", || server.text() == "UP");
    assert_eq!((one.count("timer"), two.count("timer")), (1, 1));
    server.transport().write(b"down");
    server.transport().lose_connection();
    drive(&mut reactor, "the end", || client.is_lost());
    // Told of the close, each lets go of all it holds, from the top.
    assert_eq!(client.text(), "DOWN<TWO><one>");
    assert!(one.is_dropped() && two.is_dropped());
}

#[test]
fn what_was_written_before_leaves_unfiltered() {
    let (first, _) = Shout::new("");
    let mut first = Some(first);
    let Pair { mut reactor, client, .. } = pair(
        Probe::new(move |heard, transport| {
            if *heard == Heard::Made {
                transport.write(b"a");
                transport.push_filter(first.take().expect("once"), b"");
                transport.write(b"b");
                transport.push_filter(Brackets, b"");
                transport.write(b"c");
                transport.lose_connection();
            }
        }),
        idle(),
    );
    drive(&mut reactor, "the end", || client.is_lost());
    assert_eq!(client.text(), "aB[C](BRACKETS CLOSE)");
}

#[test]
fn a_filter_pushed_in_mid_conversation_gets_the_unread_bytes_first() {
    let depth = Rc::new(Cell::new(0));
    let inside = Rc::clone(&depth);
    let Pair { mut reactor, server, client, .. } = pair(
        Probe::new(move |heard, transport| {
            assert_eq!(inside.replace(1), 0, "no call inside a call");
            if let Heard::Data(data) = heard {
                if let Some(rest) = data.strip_prefix(b"start") {
                    transport.write(b"plain ");
                    transport.push_filter(Shout::new("").0.holding(ms(1)), rest);
                    transport.write(b"loud");
                }
            }
            inside.set(0);
        }),
        idle(),
    );
    client.transport().write(b"startunread ");
    drive(&mut reactor, "the answer", || client.text() == "plain LOUD");
    client.transport().write(b"and more");
    drive(&mut reactor, "the data", || server.text().ends_with("AND MORE"));
    assert_eq!(server.text(), "startunread UNREAD AND MORE");
    assert_eq!(depth.get(), 0);
}

#[test]
fn a_filter_pushed_from_outside_takes_effect_by_itself() {
    let Pair { mut reactor, server, client, .. } = pair(idle(), idle());
    server.transport().write(b"before ");
    server.transport().push_filter(Shout::new("").0, b"x");
    server.transport().write(b"after ");
    drive(&mut reactor, "the unread bytes", || server.text() == "X");
    let lent = server.connection().try_with(|_, transport| {
        transport.write(b"lent ");
        transport.push_filter(Brackets, b"y");
        transport.write(b"last");
    });
    assert_eq!(lent, Ok(()));
    drive(&mut reactor, "the unread bytes", || server.text() == "X{y}");
    drive(&mut reactor, "all of it", || client.text() == "before AFTER LENT [LAST]");
}

#[test]
fn a_protocol_that_was_switched_away_hears_nothing_more() {
    let (next, heard_by_next) = idle();
    let mut next = Some(next);
    let Pair { mut reactor, server, client, .. } = pair(
        Probe::new(move |heard, transport| {
            if let Heard::Data(_) = heard {
                transport.push_filter(Shout::new("").0, b"inner ");
                transport.switch_protocol(next.take().expect("once"), b"outer ");
            }
        }),
        idle(),
    );
    client.transport().write(b"go");
    drive(&mut reactor, "the unread bytes", || heard_by_next.text() == "outer INNER ");
    client.transport().write(b"on");
    drive(&mut reactor, "the data", || heard_by_next.text() == "outer INNER ON");
    assert_eq!(server.heard(), [Heard::Made, Heard::Data(b"go".to_vec())]);
    client.transport().lose_connection();
    drive(&mut reactor, "the end", || heard_by_next.is_lost());
    assert!(!server.is_lost());
}
