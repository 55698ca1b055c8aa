//! Table 28b: each call in each state. The subject is the server's transport.

use twistor_net::{Flow, ProducerKind, SocketOptionKind, Transport};

use super::Make;
use super::harness::{Ending, Event, Feeding, Pair, Side, fill};

/// The columns of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// `lose_connection` done, flush pending.
    Closing,
    /// `lose_write_connection` done, flush pending.
    WriteClosing,
    /// The write side is shut.
    WriteClosed,
    /// The peer has closed its direction.
    ReadClosed,
    /// Both: its direction is closed, and our flush is pending.
    HalfClosing,
    /// Until the next turn.
    Aborting,
    Lost,
}

const STATES: [State; 8] =
    [Open, Closing, WriteClosing, WriteClosed, ReadClosed, HalfClosing, Aborting, Lost];

use State::{Aborting, Closing, HalfClosing, Lost, Open, ReadClosed, WriteClosed, WriteClosing};

/// One connection in a state, and how much was written to come there.
struct Subject {
    pair: Pair,
    state: State,
    written: usize,
}

impl Subject {
    fn new(make: Make<'_>, state: State) -> Self {
        let waits = matches!(state, Closing | WriteClosing | HalfClosing);
        let client = if waits { Side::deaf().stay() } else { Side::new().stay() };
        let mut pair = Pair::open(make, Side::new().stay(), client);
        let mut written = 0;
        if matches!(state, ReadClosed | HalfClosing) {
            pair.client.transport().lose_write_connection();
            pair.until_server_saw(&Event::ReadLost);
        }
        let server = pair.server.transport();
        if waits {
            written = fill(&server);
        }
        match state {
            Open | ReadClosed => {}
            Closing => server.lose_connection(),
            WriteClosing | HalfClosing => server.lose_write_connection(),
            WriteClosed => {
                server.lose_write_connection();
                pair.until_server_saw(&Event::WriteLost);
                pair.until_client_saw(&Event::ReadLost);
            }
            Aborting => server.abort_connection(),
            Lost => {
                server.lose_connection();
                let server = pair.server.clone();
                pair.until_lost(&server);
            }
        }
        if waits {
            pair.turn();
            assert!(server.pending() > 0, "the flush is pending");
        }
        Self { pair, state, written }
    }

    fn transport(&self) -> Transport {
        self.pair.server.transport()
    }

    /// Lets the other end read, write its last, and close; turns until the subject's end.
    fn finish(&mut self) -> Option<Ending> {
        let client = self.pair.client.transport();
        client.resume_producing();
        self.pair.settle();
        client.lose_connection();
        self.pair.settle();
        if !self.pair.server.is_over() {
            self.transport().lose_connection();
        }
        let server = self.pair.server.clone();
        self.pair.until_lost(&server);
        let received = self.pair.client.received_len();
        if !matches!(self.pair.server.ending(), Some(Ending::Aborted)) {
            assert!(received >= self.written, "{:?}: {received} of {} arrived", self.state, self.written);
        }
        self.pair.server.ending()
    }

    /// What the protocol was told before the call, and `more` after it.
    #[track_caller]
    fn expect(&self, more: &[Event]) {
        let mut events = vec![Event::Made];
        events.extend(match self.state {
            Open | Closing | Aborting | WriteClosing => vec![],
            WriteClosed => vec![Event::WriteLost],
            ReadClosed | HalfClosing => vec![Event::ReadLost],
            Lost => vec![Event::Lost(Ending::Done)],
        });
        events.extend_from_slice(more);
        let milestones = self.pair.server.milestones();
        assert!(milestones == events, "in {:?}: expected {events:?}, but {:?}", self.state, self.pair.server);
    }
}

/// Makes `call` in each state, checks that nothing was told inside it, and hands the subject on.
fn each(make: Make<'_>, call: impl Fn(&Transport), then: impl Fn(&mut Subject)) {
    for state in STATES {
        let mut subject = Subject::new(make, state);
        let before = subject.pair.server.events();
        call(&subject.transport());
        assert_eq!(subject.pair.server.events(), before, "something was told inside the call, in {state:?}");
        then(&mut subject);
    }
}

pub(super) fn table_28b_write(make: Make<'_>) {
    for state in STATES {
        let mut subject = Subject::new(make, state);
        let pending = subject.transport().pending();
        let flow = subject.transport().write(b"written");
        let (expected, more) = match state {
            Open | ReadClosed => (Flow::Ready, 7),
            _ => (Flow::Closed, 0),
        };
        assert_eq!(flow, expected, "in {state:?}");
        assert_eq!(subject.transport().pending(), pending + more, "in {state:?}");
        if state != Aborting {
            subject.finish();
            assert_eq!(subject.pair.client.received_len(), subject.written + more, "in {state:?}");
        }
    }
}

pub(super) fn table_28b_lose_connection(make: Make<'_>) {
    each(make, Transport::lose_connection, |subject| {
        let ending = subject.finish();
        let expected = if subject.state == Aborting { Ending::Aborted } else { Ending::Done };
        assert_eq!(ending, Some(expected), "in {:?}", subject.state);
        match subject.state {
            Lost => subject.expect(&[]),
            // A full close takes the place of a half close that is not done: no write_connection_lost.
            _ => subject.expect(&[Event::Lost(expected)]),
        }
    });
}

pub(super) fn table_28b_abort_connection(make: Make<'_>) {
    each(make, Transport::abort_connection, |subject| {
        if subject.state == Lost {
            subject.pair.settle();
            return subject.expect(&[]);
        }
        assert_eq!(subject.transport().pending(), 0, "the buffer is dropped, in {:?}", subject.state);
        subject.pair.until_over();
        subject.expect(&[Event::Lost(Ending::Aborted)]);
        assert_eq!(subject.pair.client.ending(), Some(Ending::Lost), "in {:?}", subject.state);
    });
}

pub(super) fn table_28b_lose_write_connection(make: Make<'_>) {
    each(make, Transport::lose_write_connection, |subject| match subject.state {
        Open => {
            subject.pair.until_client_saw(&Event::ReadLost);
            subject.expect(&[Event::WriteLost]);
            subject.finish();
            subject.expect(&[Event::WriteLost, Event::ReadLost, Event::Lost(Ending::Done)]);
        }
        WriteClosed => {
            subject.pair.settle();
            subject.expect(&[]);
            subject.finish();
            subject.expect(&[Event::ReadLost, Event::Lost(Ending::Done)]);
        }
        WriteClosing => {
            subject.finish();
            subject.expect(&[Event::WriteLost, Event::ReadLost, Event::Lost(Ending::Done)]);
        }
        ReadClosed | HalfClosing => {
            subject.finish();
            subject.expect(&[Event::WriteLost, Event::Lost(Ending::Done)]);
        }
        Closing => {
            subject.finish();
            subject.expect(&[Event::Lost(Ending::Done)]);
        }
        Aborting => {
            subject.pair.until_over();
            subject.expect(&[Event::Lost(Ending::Aborted)]);
        }
        Lost => {
            subject.pair.settle();
            subject.expect(&[]);
        }
    });
}

pub(super) fn table_28b_pause_producing(make: Make<'_>) {
    each(make, Transport::pause_producing, |subject| {
        if !matches!(subject.state, ReadClosed | HalfClosing) {
            subject.pair.client.transport().write(b"unheard");
        }
        subject.pair.settle();
        assert_eq!(subject.pair.server.received(), b"", "in {:?}", subject.state);
        if matches!(subject.state, Open | WriteClosing | WriteClosed) {
            subject.transport().resume_producing();
            subject.pair.until_server_received(7);
        }
        if subject.state != Aborting {
            assert_eq!(subject.finish(), Some(Ending::Done), "in {:?}", subject.state);
        }
    });
}

pub(super) fn table_28b_resume_producing(make: Make<'_>) {
    each(make, Transport::resume_producing, |subject| {
        let open = !matches!(subject.state, ReadClosed | HalfClosing);
        if open {
            subject.pair.client.transport().write(b"perhaps");
        }
        subject.pair.settle();
        let expected: &[u8] =
            if matches!(subject.state, Open | WriteClosing | WriteClosed) { b"perhaps" } else { b"" };
        assert_eq!(subject.pair.server.received(), expected, "in {:?}", subject.state);
        assert!(
            subject.pair.server.count(&Event::ReadLost) <= 1,
            "the end is told once, in {:?}",
            subject.state
        );
    });
}

pub(super) fn table_28b_register_producer(make: Make<'_>) {
    for kind in [ProducerKind::Push, ProducerKind::Pull] {
        for state in STATES {
            let mut subject = Subject::new(make, state);
            let feeding = Feeding::new();
            let end = subject.pair.server.clone();
            let before = end.events();
            let first = subject.transport().register_producer(feeding.feeder(&end), kind);
            assert!(first.is_ok(), "in {state:?}");
            let second = subject.transport().register_producer(Feeding::new().feeder(&end), kind);
            assert_eq!(end.events(), before, "nothing inside the call, in {state:?}");
            let accepted = matches!(state, Open | WriteClosed | ReadClosed);
            assert_eq!(second.is_err(), accepted, "the second is given back, in {state:?}");
            drop(second);
            subject.pair.settle();
            if accepted {
                // A pull producer is asked at once, unless nothing it could write would be sent.
                let asked = kind == ProducerKind::Pull && state != WriteClosed;
                let told: &[Event] = if asked { &[Event::ProducerResumed] } else { &[] };
                assert_eq!(end.producer_events(), told, "{kind:?} in {state:?}");
                subject.transport().abort_connection();
                subject.pair.until_lost(&end);
                assert_eq!(end.count(&Event::ProducerStopped), 1, "stopped at the loss, in {state:?}");
            } else {
                // Too late: both are told to stop, and the close does not wait for them.
                assert_eq!(end.producer_events(), vec![Event::ProducerStopped; 2], "{kind:?} in {state:?}");
                if !matches!(state, Aborting | Lost) {
                    assert_eq!(subject.finish(), Some(Ending::Done), "{kind:?} in {state:?}");
                }
            }
            assert!(feeding.is_dropped());
        }
    }
}

pub(super) fn table_28b_unregister_producer(make: Make<'_>) {
    each(make, Transport::unregister_producer, |subject| {
        let expected = if subject.state == Aborting { Ending::Aborted } else { Ending::Done };
        assert_eq!(subject.finish(), Some(expected), "nothing came of it, in {:?}", subject.state);
    });
}

pub(super) fn table_28b_addresses_and_options(make: Make<'_>) {
    for state in STATES {
        let subject = Subject::new(make, state);
        let (server, client) = (subject.transport(), subject.pair.client.transport());
        assert_eq!(server.peer(), client.host(), "in {state:?}");
        assert_eq!(server.host(), client.peer(), "in {state:?}");
        let option = server.option(SocketOptionKind::NoDelay);
        match state {
            Lost => assert!(option.is_err_and(|error| error.kind() == std::io::ErrorKind::NotConnected)),
            _ => assert!(option.is_ok(), "in {state:?}: {option:?}"),
        }
        let connected = matches!(state, Open | WriteClosing | WriteClosed | ReadClosed | HalfClosing);
        assert_eq!(server.is_connected(), connected, "in {state:?}");
        assert_eq!(server.is_closing(), matches!(state, Closing | Aborting), "in {state:?}");
    }
}

pub(super) fn table_28b_fail(make: Make<'_>) {
    each(
        make,
        |transport| transport.fail(twistor_deferred::Failure::message("failed")),
        |subject| {
            let ending = subject.finish();
            match subject.state {
                Lost => assert_eq!(ending, Some(Ending::Done)),
                Aborting => assert_eq!(ending, Some(Ending::Aborted)),
                _ => assert_eq!(ending, Some(Ending::Failed), "in {:?}", subject.state),
            }
        },
    );
}
