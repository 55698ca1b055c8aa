//! Marks, producers and fairness above a filter.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use twistor_net::{Filter, FilterIo, Flow, Producer, ProducerKind, Transport};

use crate::common::{Heard, Pair, Probe, drive, ms, pair};
use crate::support::{Farewell, Shout, filtered, idle, push};

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
