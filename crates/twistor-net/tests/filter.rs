//! The stack of filters, proved by a small one that does all a filter may do: it upper-cases both ways, holds bytes back by a timer,
//! and says something at the close.

#![cfg(feature = "mio")]

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use common::{Heard, INJECTED, Pair, Probe, Side, drive, drive_for, ms, pair};
use twistor_net::{CloseReason, Connection, Filter, FilterIo, Flow, Producer, ProducerKind, Transport};

/// How a [`Shout`] takes the close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    /// Says its word at once.
    AtOnce,
    /// Says it when a time has passed, and holds the close so long.
    After(Duration),
    /// Holds the close for ever.
    Never,
}

/// The filter: upper-cases both ways, holds back for `delay`, says `word` at the close.
struct Shout {
    delay: Duration,
    word: &'static str,
    farewell: Farewell,
    /// Whether the peer's FIN brings out what is held back.
    yields_at_fin: bool,
    /// The method that panics.
    panics_in: &'static str,
    /// Bytes held back, up and down.
    up: Vec<u8>,
    down: Vec<u8>,
    closing: bool,
    log: Rc<RefCell<Vec<&'static str>>>,
    /// Alive as long as the filter is.
    _alive: Rc<()>,
}

/// What a test keeps of a filter that it gave away.
#[derive(Clone)]
struct Seen {
    log: Rc<RefCell<Vec<&'static str>>>,
    alive: std::rc::Weak<()>,
}

impl Seen {
    fn count(&self, what: &str) -> usize {
        self.log.borrow().iter().filter(|said| **said == what).count()
    }

    fn is_dropped(&self) -> bool {
        self.alive.strong_count() == 0
    }
}

impl Shout {
    fn new(word: &'static str) -> (Self, Seen) {
        let alive = Rc::new(());
        let seen = Seen { log: Rc::default(), alive: Rc::downgrade(&alive) };
        let shout = Self {
            delay: Duration::ZERO,
            word,
            farewell: Farewell::AtOnce,
            yields_at_fin: true,
            panics_in: "",
            up: Vec::new(),
            down: Vec::new(),
            closing: false,
            log: Rc::clone(&seen.log),
            _alive: alive,
        };
        (shout, seen)
    }

    fn holding(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    fn leaving(mut self, farewell: Farewell) -> Self {
        self.farewell = farewell;
        self
    }

    fn panicking_in(mut self, method: &'static str) -> Self {
        self.panics_in = method;
        self
    }

    fn note(&self, method: &'static str) {
        self.log.borrow_mut().push(method);
        assert!(self.panics_in != method, "{INJECTED} in {method}");
    }

    /// Lets go of what is held back, now or by the timer.
    fn let_go_in_time(&mut self, io: &mut FilterIo) {
        if self.delay.is_zero() { self.let_go(io) } else { io.wake_after(self.delay) }
    }

    fn let_go(&mut self, io: &mut FilterIo) {
        io.deliver(&std::mem::take(&mut self.up));
        io.send(&std::mem::take(&mut self.down));
    }
}

impl Filter for Shout {
    fn opened(&mut self, _io: &mut FilterIo) {
        self.note("opened");
    }
    fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
        assert!(!data.is_empty());
        self.note("received");
        self.up.extend(data.iter().map(u8::to_ascii_uppercase));
        self.let_go_in_time(io);
    }
    fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
        assert!(!data.is_empty() && !self.closing, "nothing is written after the close");
        self.note("written");
        self.down.extend(data.iter().map(u8::to_ascii_uppercase));
        self.let_go_in_time(io);
    }
    fn read_closed(&mut self, io: &mut FilterIo) {
        self.note("read_closed");
        if self.yields_at_fin {
            io.deliver(&std::mem::take(&mut self.up));
        }
    }
    fn closing(&mut self, io: &mut FilterIo) {
        self.note("closing");
        self.closing = true;
        match self.farewell {
            Farewell::AtOnce => {
                self.let_go(io);
                io.send(self.word.as_bytes());
            }
            Farewell::After(time) => io.wake_after(time),
            Farewell::Never => {}
        }
    }
    fn is_closing(&self) -> bool {
        self.note("is_closing");
        self.closing && self.farewell != Farewell::AtOnce
    }
    fn timer(&mut self, io: &mut FilterIo) {
        self.note("timer");
        self.let_go(io);
        if self.closing && matches!(self.farewell, Farewell::After(_)) {
            io.send(self.word.as_bytes());
            self.farewell = Farewell::AtOnce;
        }
    }
}

impl Drop for Shout {
    fn drop(&mut self) {
        if self.panics_in == "drop" {
            panic!("{INJECTED} in drop");
        }
    }
}

/// Puts brackets around every piece that goes down, and braces around every one that comes up.
struct Brackets;

impl Filter for Brackets {
    fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
        io.deliver(&[b"{", data, b"}"].concat());
    }
    fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
        io.send(&[b"[", data, b"]"].concat());
    }
    fn closing(&mut self, io: &mut FilterIo) {
        io.send(b"(brackets close)");
    }
}

fn idle() -> (Probe, Side) {
    Probe::new(|_, _| {})
}

/// Pushes a filter.
type Push = Box<dyn FnOnce(&Transport)>;

/// A server that pushes `filters` in its `connection_made`, and a plain client.
fn filtered(filters: Vec<Push>) -> Pair {
    let mut filters = Some(filters);
    pair(
        Probe::new(move |heard, transport| {
            if *heard == Heard::Made {
                for push in filters.take().into_iter().flatten() {
                    push(transport);
                }
            }
        }),
        idle(),
    )
}

fn push(filter: impl Filter) -> Push {
    Box::new(move |transport| transport.push_filter(filter, b""))
}

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

#[test]
fn tcp_36_held_bytes_come_in_order_after_a_pause() {
    let paused = Rc::new(Cell::new(0));
    let times = Rc::clone(&paused);
    let Pair { mut reactor, server, client, .. } = pair(
        Probe::new(move |heard, transport| {
            if *heard == Heard::Made {
                transport.push_filter(Shout::new("").0.holding(ms(1)), b"");
            }
            if let Heard::Data(_) = heard {
                times.set(times.get() + 1);
                transport.pause_producing();
            }
        }),
        idle(),
    );
    let mut sent = String::new();
    for round in 0..20 {
        let piece = format!("piece {round} ");
        client.transport().write(piece.as_bytes());
        sent.push_str(&piece.to_uppercase());
        drive_for(&mut reactor, ms(2));
    }
    assert_eq!(paused.get(), 1, "it is paused: nothing more comes");
    let handle = server.transport();
    drive(&mut reactor, "all of it, a resume at a time", || {
        handle.resume_producing();
        server.text() == sent
    });
    client.transport().lose_connection();
    server.transport().resume_producing();
    drive(&mut reactor, "the end", || server.is_lost());
}

/// Bytes that came through a filter during a pause are not forgotten when a post is still queued at the turn that would deliver them.
#[test]
fn held_bytes_survive_a_post_in_the_same_turn() {
    let server_connection = Rc::new(RefCell::new(None));
    let place = Rc::clone(&server_connection);
    let posted = Rc::new(Cell::new(false));
    let ran = Rc::clone(&posted);
    let poster = Probe::new(move |heard, _| {
        let connection: Option<Connection<Probe>> = place.borrow().clone();
        if let (Heard::Data(_), Some(connection)) = (heard, connection) {
            let ran = Rc::clone(&ran);
            connection.post(move |_, _| ran.set(true));
        }
    });
    let Pair { mut reactor, server, client, .. } = pair(idle(), poster);
    *server_connection.borrow_mut() = Some(server.connection());
    server.transport().pause_producing();
    server.transport().push_filter(Shout::new("").0, b"held");
    drive_for(&mut reactor, ms(3));
    assert_eq!(server.text(), "");
    // In one turn: the resume asks for a dispatch, and before it comes the other connection posts.
    server.transport().resume_producing();
    server.transport().write(b"now");
    drive(&mut reactor, "the post", || posted.get());
    drive(&mut reactor, "the held bytes", || server.text() == "HELD");
    server_connection.take();
    assert_eq!(client.text(), "NOW");
}

#[test]
fn half_03_our_half_ends_with_the_word_of_the_filter() {
    let (shout, seen) = Shout::new("<half>");
    let (client_probe, client_side) = idle();
    let mut shout = Some(shout.holding(ms(2)));
    let server = Probe::new(move |heard, transport| {
        if *heard == Heard::Made {
            transport.push_filter(shout.take().expect("once"), b"");
        }
    });
    let Pair { mut reactor, server, client, .. } = pair(server, (client_probe.keep_half(), client_side));
    server.transport().write(b"data");
    server.transport().lose_write_connection();
    assert_eq!(server.transport().write(b"too late"), Flow::Closed);
    drive(&mut reactor, "our FIN", || client.has(&Heard::ReadLost));
    assert_eq!(client.text(), "DATA<half>");
    drive(&mut reactor, "the word of it", || server.has(&Heard::WriteLost));
    client.transport().write(b"still read");
    drive(&mut reactor, "the other half", || server.text() == "STILL READ");
    client.transport().lose_connection();
    drive(&mut reactor, "the end", || server.is_lost() && client.is_lost());
    assert_eq!(server.lost().as_deref(), Some("Done"));
    assert_eq!(seen.count("closing"), 1, "once, not again at the full close");
}

#[test]
fn half_02_the_peers_fin_brings_out_what_is_held() {
    let Pair { mut reactor, server, client, .. } =
        filtered(vec![push(Shout::new("").0.holding(Duration::from_secs(600)))]);
    client.transport().write(b"held");
    client.transport().lose_connection();
    drive(&mut reactor, "the end", || server.is_lost());
    let heard = [Heard::Made, Heard::Data(b"HELD".to_vec()), Heard::ReadLost, Heard::Lost("Done".to_owned())];
    assert_eq!(server.heard(), heard);
}

#[test]
fn what_a_filter_keeps_past_the_fin_is_not_delivered_any_more() {
    let (mut shout, seen) = Shout::new("<bye>");
    shout.yields_at_fin = false;
    let mut shout = Some(shout.holding(ms(10)));
    let (probe, side) = Probe::new(move |heard, transport| {
        if *heard == Heard::Made {
            transport.push_filter(shout.take().expect("once"), b"");
        }
    });
    let Pair { mut reactor, server, client, .. } = pair((probe.keep_half(), side), idle());
    client.transport().write(b"held");
    client.transport().lose_write_connection();
    drive(&mut reactor, "the FIN", || server.has(&Heard::ReadLost));
    drive(&mut reactor, "the timer", || seen.count("timer") == 1);
    server.transport().write(b"answer");
    server.transport().lose_connection();
    drive(&mut reactor, "the end", || client.is_lost() && server.is_lost());
    assert_eq!((server.text().as_str(), client.text().as_str()), ("", "ANSWER<bye>"));
}

#[test]
fn tcp_31_an_abort_asks_no_filter() {
    let (shout, seen) = Shout::new("<bye>");
    let Pair { mut reactor, server, client, .. } =
        filtered(vec![push(shout.holding(Duration::from_secs(600)))]);
    client.transport().write(b"held");
    server.transport().write(b"held too");
    drive(&mut reactor, "both", || seen.count("received") == 1 && seen.count("written") == 1);
    let timers = reactor.stats().timers_pending;
    server.transport().abort_connection();
    drive(&mut reactor, "the end", || client.is_lost() && server.is_lost());
    assert_eq!(server.lost().as_deref(), Some("Aborted"));
    assert!(client.lost().is_some_and(|why| why.contains("ConnectionReset")), "{:?}", client.lost());
    assert_eq!((client.text().as_str(), server.text().as_str(), seen.count("closing")), ("", "", 0));
    assert!(seen.is_dropped());
    assert_eq!(reactor.stats().timers_pending, timers - 1, "its timer goes with it");
}

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

/// Delivers what came, then calls the connection off.
struct Refuser;

impl Filter for Refuser {
    fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
        io.deliver(data);
        io.send(b"refused");
        io.fail(CloseReason::TimedOut(ms(7)));
        io.fail(CloseReason::Aborted); // The first one holds.
    }
}

#[test]
fn a_filter_that_fails_ends_in_order_and_says_why() {
    let Pair { mut reactor, server, client, .. } = filtered(vec![push(Refuser)]);
    server.transport().write(b"written, ");
    client.transport().write(b"data");
    drive(&mut reactor, "the end", || client.is_lost() && server.is_lost());
    let heard = [Heard::Made, Heard::Data(b"data".to_vec()), Heard::Lost("TimedOut(7ms)".to_owned())];
    assert_eq!(server.heard(), heard);
    assert_eq!(client.text(), "written, refused");
    assert_eq!(client.lost().as_deref(), Some("Done"), "the peer sees an orderly end");
}

#[test]
fn tcp_29_a_close_waits_for_the_timer_of_a_filter() {
    let (shout, seen) = Shout::new("<at last>");
    let Pair { mut reactor, server, client, .. } =
        filtered(vec![push(shout.leaving(Farewell::After(ms(20))))]);
    server.transport().write(b"data");
    let begin = reactor.now();
    server.transport().lose_connection();
    drive(&mut reactor, "the data", || client.text() == "DATA");
    assert!(!server.is_lost());
    drive(&mut reactor, "the end", || client.is_lost() && server.is_lost());
    assert_eq!(client.text(), "DATA<at last>");
    assert!(reactor.now().saturating_duration_since(begin) >= ms(20));
    assert_eq!(server.lost().as_deref(), Some("Done"));
    assert_eq!(seen.count("closing"), 1);
}

#[test]
fn tcp_29_a_filter_that_never_comes_to_an_end_meets_the_deadline() {
    let (shout, seen) = Shout::new("");
    let Pair { mut reactor, server, client, .. } = filtered(vec![push(shout.leaving(Farewell::Never))]);
    server.transport().set_close_timeout(Some(ms(20)));
    server.transport().write(b"data");
    server.transport().lose_connection();
    drive(&mut reactor, "the end", || client.is_lost() && server.is_lost());
    assert_eq!(client.text(), "DATA");
    assert_eq!(server.lost().as_deref(), Some("CloseTimedOut(20ms)"));
    assert!(seen.is_dropped());
    assert_eq!(reactor.stats().connections, 0);
}

#[test]
fn tcp_29_the_deadline_holds_for_the_second_half_too() {
    let (shout, _) = Shout::new("");
    let mut shout = Some(shout.leaving(Farewell::Never));
    let (probe, side) = Probe::new(move |heard, transport| {
        if *heard == Heard::Made {
            transport.push_filter(shout.take().expect("once"), b"");
            transport.set_close_timeout(Some(ms(20)));
        }
    });
    let Pair { mut reactor, server, client, .. } = pair((probe.keep_half(), side), idle());
    client.transport().lose_write_connection();
    drive(&mut reactor, "the FIN", || server.has(&Heard::ReadLost));
    server.transport().lose_write_connection();
    drive(&mut reactor, "the end", || server.is_lost());
    assert_eq!(server.lost().as_deref(), Some("CloseTimedOut(20ms)"));
}

#[test]
fn tcp_25_the_marks_count_what_the_filters_let_through() {
    let Pair { mut reactor, server, client, .. } = filtered(vec![push(Shout::new("").0)]);
    client.transport().pause_producing();
    server.transport().set_write_buffer_limits(10_000, 1_000);
    let piece = vec![b'x'; 9_000];
    let mut written = 0;
    let mut full = 0;
    // Until the system's buffers are full and the marks are passed.
    while full < 3 {
        full += usize::from(server.transport().write(&piece) == Flow::Full);
        written += piece.len();
        assert!(written < 64 << 20, "a loopback has smaller buffers");
        reactor.iterate(Some(Duration::ZERO)).expect("a turn");
    }
    assert!(server.has(&Heard::Pause) && server.transport().pending() > 10_000);
    assert!(!server.has(&Heard::Resume));
    client.transport().resume_producing();
    drive(&mut reactor, "all of it", || client.bytes().len() == written);
    drive(&mut reactor, "the word of it", || server.has(&Heard::Resume));
    assert!(client.bytes().iter().all(|&byte| byte == b'X'));
    let words: Vec<_> =
        server.heard().into_iter().filter(|h| matches!(h, Heard::Pause | Heard::Resume)).collect();
    assert!(words.chunks(2).all(|two| two == [Heard::Pause, Heard::Resume]), "in turn: {words:?}");
}

/// Counts down: a piece each time it is asked.
struct Countdown(u32);

impl Producer for Countdown {
    fn resume_producing(&mut self, consumer: &Transport) {
        if self.0 == 0 {
            return consumer.unregister_producer();
        }
        consumer.write(format!("piece {} ", self.0).as_bytes());
        self.0 -= 1;
    }
}

#[test]
fn prod_07_a_close_waits_for_a_pull_producer_then_for_the_filter() {
    let (shout, seen) = Shout::new("<bye>");
    let Pair { mut reactor, server, client, .. } =
        filtered(vec![push(shout.leaving(Farewell::After(ms(3))))]);
    server.transport().register_producer(Countdown(5), ProducerKind::Pull).expect("the first one");
    server.transport().lose_connection();
    drive(&mut reactor, "the end", || client.is_lost() && server.is_lost());
    assert_eq!(client.text(), "PIECE 5 PIECE 4 PIECE 3 PIECE 2 PIECE 1 <bye>");
    assert_eq!(seen.count("closing"), 1);
    assert_eq!(server.lost().as_deref(), Some("Done"));
}

/// Writes a piece whenever it is told to go on, and counts what it is told.
struct Pump {
    told: Rc<RefCell<Vec<&'static str>>>,
}

impl Producer for Pump {
    fn resume_producing(&mut self, _consumer: &Transport) {
        self.told.borrow_mut().push("resume");
    }
    fn pause_producing(&mut self, _consumer: &Transport) {
        self.told.borrow_mut().push("pause");
    }
    fn stop_producing(&mut self, _consumer: &Transport) {
        self.told.borrow_mut().push("stop");
    }
}

#[test]
fn prod_03_a_push_producer_is_paused_and_resumed_above_a_filter() {
    let Pair { mut reactor, server, client, .. } = filtered(vec![push(Shout::new("").0)]);
    let told = Rc::new(RefCell::new(Vec::new()));
    server.transport().set_write_buffer_limits(10_000, 0);
    let pump = Pump { told: Rc::clone(&told) };
    server.transport().register_producer(pump, ProducerKind::Push).expect("the first one");
    client.transport().pause_producing();
    let mut written = 0;
    while told.borrow().is_empty() {
        server.transport().write(&[b'x'; 9_000]);
        written += 9_000;
        assert!(written < 64 << 20, "a loopback has smaller buffers");
        reactor.iterate(Some(Duration::ZERO)).expect("a turn");
    }
    client.transport().resume_producing();
    drive(&mut reactor, "all of it", || client.bytes().len() == written && told.borrow().len() == 2);
    assert_eq!(*told.borrow(), ["pause", "resume"]);
    server.transport().abort_connection();
    drive(&mut reactor, "the end", || server.is_lost());
    assert_eq!(*told.borrow(), ["pause", "resume", "stop"]);
}

/// Answers everything that is written to it, as a test peer would.
struct Mirror;

impl Filter for Mirror {
    fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
        io.deliver(data);
    }
}

#[test]
fn a_filter_that_answers_an_echo_for_ever_starves_nobody_and_grows_no_stack() {
    let count = Rc::new(Cell::new(0_u32));
    let echoes = Rc::clone(&count);
    let Pair { mut reactor, server, client, .. } = pair(
        Probe::new(move |heard, transport| match heard {
            Heard::Made => {
                transport.push_filter(Mirror, b"");
                transport.write(b"ping");
            }
            Heard::Data(data) => {
                echoes.set(echoes.get() + 1);
                if echoes.get() < 100_000 {
                    transport.write(data);
                }
            }
            _ => {}
        }),
        idle(),
    );
    let (ticks, fired) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
    let (tick, at) = (Rc::clone(&ticks), Rc::clone(&fired));
    let echoes = Rc::clone(&count);
    reactor.call_later(ms(1), move || {
        tick.set(true);
        at.set(echoes.get());
    });
    drive(&mut reactor, "a timer", || ticks.get());
    drive(&mut reactor, "the last echo", || count.get() == 100_000);
    assert!(fired.get() < 100_000, "timers have their turn between the echoes");
    server.transport().abort_connection();
    drive(&mut reactor, "the end", || client.is_lost());
}

#[test]
fn a_filter_outlives_no_reactor() {
    let (shout, seen) = Shout::new("<bye>");
    let Pair { reactor, server, client, .. } = filtered(vec![push(shout.holding(Duration::from_secs(600)))]);
    server.transport().write(b"held");
    drop(reactor);
    assert_eq!(server.lost().as_deref(), Some("ReactorGone"));
    assert!(client.is_lost() && seen.is_dropped());
    // What is left of it is harmless.
    server.transport().push_filter(Shout::new("").0.panicking_in("drop"), b"more");
    assert_eq!(server.transport().write(b"x"), Flow::Closed);
}
