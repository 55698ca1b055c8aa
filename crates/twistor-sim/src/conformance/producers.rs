//! Producers: PROD-01 to PROD-09, and PROD-11, the sender of files.

use std::cell::{Cell, RefCell};
use std::io::{self, Cursor, Read};
use std::rc::Rc;
use std::time::Duration;

use twistor_net::{FileSender, Flow, Producer, ProducerKind, StoppedSending};

use super::Make;
use super::harness::{Ending, Event, Feeding, Pair, Side, fill};

pub(super) fn prod_01_a_second_producer_is_given_back(make: Make<'_>) {
    let pair = Pair::open(make, Side::new(), Side::new());
    let server = pair.server.transport();
    let (first, second) = (Feeding::new(), Feeding::new());
    assert!(server.register_producer(first.feeder(&pair.server), ProducerKind::Push).is_ok());
    let refused = server.register_producer(second.feeder(&pair.server), ProducerKind::Push);
    assert!(refused.is_err() && !second.is_dropped());
    drop(refused);
    server.unregister_producer();
    assert!(first.is_dropped());
    assert!(server.register_producer(Feeding::new().feeder(&pair.server), ProducerKind::Push).is_ok());
}

pub(super) fn prod_01_on_a_lost_connection_it_is_stopped(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    pair.server.transport().lose_connection();
    pair.until_over();
    let feeding = Feeding::new();
    let server = pair.server.clone();
    assert!(server.transport().register_producer(feeding.feeder(&server), ProducerKind::Push).is_ok());
    assert_eq!(server.producer_events(), [], "not from inside the call");
    pair.settle();
    assert_eq!(server.producer_events(), [Event::ProducerStopped]);
    assert!(feeding.is_dropped());
}

pub(super) fn prod_02_a_pull_producer_is_asked_at_once_and_each_time_all_was_sent(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let mut left = 5;
    let feeding = Feeding::new().on_resume(move |consumer| {
        if left == 0 {
            return consumer.unregister_producer();
        }
        left -= 1;
        consumer.write(&[b'.'; 200_000]); // Far over the mark: a pull producer is never paused.
    });
    let server = pair.server.clone();
    server.transport().register_producer(feeding.feeder(&server), ProducerKind::Pull).unwrap();
    assert_eq!(server.producer_events(), [], "not from inside the call");
    pair.until_client_received(1_000_000);
    pair.until("the producer let go", || feeding.is_dropped());
    assert_eq!(server.producer_events(), vec![Event::ProducerResumed; 6]);
}

pub(super) fn prod_02_a_pull_producer_that_has_nothing_now_is_not_asked_in_a_loop(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::echo(), Side::new());
    let server = pair.server.clone();
    server.transport().register_producer(Feeding::new().feeder(&server), ProducerKind::Pull).unwrap();
    pair.settle();
    let turns = pair.reactor().stats().turns;
    pair.pass(Duration::from_millis(30));
    assert!(pair.reactor().stats().turns - turns < 20, "the loop sleeps");
    assert_eq!(server.count(&Event::ProducerResumed), 1);
    // What it writes later counts: everything was sent, so it is asked again.
    server.transport().write(b"after all");
    pair.until("the second question", || server.count(&Event::ProducerResumed) == 2);
}

pub(super) fn prod_08_a_pull_producer_that_never_ends_does_not_keep_the_loop_awake(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let server = pair.server.clone();
    server.transport().set_close_timeout(Some(Duration::from_millis(60)));
    server.transport().register_producer(Feeding::new().feeder(&server), ProducerKind::Pull).unwrap();
    server.transport().lose_connection();
    let turns = pair.reactor().stats().turns;
    pair.until_lost(&server);
    let turns = pair.reactor().stats().turns - turns;
    assert!(turns < 50, "{turns} turns while it waited");
    assert_eq!(server.ending(), Some(Ending::CloseTimedOut));
    assert_eq!(server.count(&Event::ProducerStopped), 1);
}

pub(super) fn prod_03_over_the_mark_a_push_producer_is_paused_once(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::deaf());
    let server = pair.server.clone();
    server.transport().register_producer(Feeding::new().feeder(&server), ProducerKind::Push).unwrap();
    fill(&server.transport());
    assert_eq!(server.producer_events(), [], "not from inside the call");
    pair.settle();
    assert_eq!(server.producer_events(), [Event::ProducerPaused]);
    server.transport().write(b"more");
    pair.settle();
    assert_eq!(server.producer_events(), [Event::ProducerPaused], "told once");
}

pub(super) fn prod_03_who_comes_to_a_full_buffer_is_paused(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::deaf());
    let server = pair.server.clone();
    let transport = server.transport();
    fill(&transport);
    pair.settle();
    transport.register_producer(Feeding::new().feeder(&server), ProducerKind::Push).unwrap();
    pair.settle();
    assert_eq!(server.producer_events(), [Event::ProducerPaused]);
}

pub(super) fn prod_03_a_pause_that_is_over_at_once_is_not_told(make: Make<'_>) {
    // Over the mark and gone again before anybody is told: written in a callback, taken by the system at its end.
    let server = Side::new().on_data(|transport, _| {
        transport.set_write_buffer_limits(1_000, 0);
        transport.write(&[0; 2_000]);
    });
    let mut pair = Pair::open(make, server, Side::new());
    let server = pair.server.clone();
    server.transport().register_producer(Feeding::new().feeder(&server), ProducerKind::Push).unwrap();
    // A system that takes less than it could, once, makes a true pause of it.
    let untold = (1..=8).any(|round| {
        let before = server.producer_events().len();
        pair.client.transport().write(b"?");
        pair.until_client_received(round * 2_000);
        pair.settle();
        server.producer_events().len() == before
    });
    assert!(untold, "a pause and a resume that cancel out are told: {server:?}");
}

pub(super) fn prod_04_a_push_producer_is_resumed_when_all_was_sent(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::deaf());
    let server = pair.server.clone();
    let at_resume = Rc::new(Cell::new(usize::MAX));
    let seen = Rc::clone(&at_resume);
    let feeding = Feeding::new().on_resume(move |consumer| seen.set(consumer.pending()));
    server.transport().register_producer(feeding.feeder(&server), ProducerKind::Push).unwrap();
    pair.settle();
    assert_eq!(server.producer_events(), [], "taken as running");
    fill(&server.transport());
    pair.settle();
    pair.client.transport().resume_producing();
    pair.until("the resume", || server.saw(&Event::ProducerResumed));
    assert_eq!(at_resume.get(), 0);
    assert_eq!(server.producer_events(), [Event::ProducerPaused, Event::ProducerResumed]);
}

pub(super) fn prod_04_the_marks_can_be_set(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::deaf());
    let server = pair.server.clone();
    let at_resume = Rc::new(Cell::new(0));
    let seen = Rc::clone(&at_resume);
    let feeding = Feeding::new().on_resume(move |consumer| seen.set(consumer.pending()));
    server.transport().set_write_buffer_limits(1 << 20, 1 << 19);
    server.transport().register_producer(feeding.feeder(&server), ProducerKind::Push).unwrap();
    fill(&server.transport());
    pair.settle();
    pair.client.transport().resume_producing();
    pair.until("the resume", || server.saw(&Event::ProducerResumed));
    assert!(at_resume.get() <= 1 << 19, "{} left", at_resume.get());
}

pub(super) fn prod_05_a_producer_may_write_in_resume_and_does_not_recurse(make: Make<'_>) {
    // Each resume fills the buffer again, so that pause and resume take turns; the harness sees to it that none is inside another.
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let server = pair.server.clone();
    let mut rounds = 20;
    let feeding = Feeding::new().on_resume(move |consumer| {
        if rounds > 0 {
            rounds -= 1;
            for _ in 0..40 {
                consumer.write(&[0; 50_000]);
            }
        }
    });
    server.transport().register_producer(feeding.feeder(&server), ProducerKind::Push).unwrap();
    fill(&server.transport());
    pair.until_client_received((8 << 20) + 20 * 40 * 50_000);
    pair.settle();
    let told = server.producer_events();
    let in_turn = told.iter().enumerate().all(|(at, event)| {
        *event == if at % 2 == 0 { Event::ProducerPaused } else { Event::ProducerResumed }
    });
    assert!(in_turn, "{told:?}");
}

pub(super) fn prod_06_unregister_goes_on_with_a_close_that_waits(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let server = pair.server.clone();
    let feeding = Feeding::new();
    server.transport().register_producer(feeding.feeder(&server), ProducerKind::Pull).unwrap();
    pair.settle();
    server.transport().lose_connection();
    pair.settle();
    assert!(!server.is_over(), "the close waits");
    assert_ne!(server.transport().write(b"the rest"), Flow::Closed, "the producer may write on");
    server.transport().unregister_producer();
    assert_eq!(server.transport().write(b"late"), Flow::Closed);
    pair.until_over();
    assert_eq!(pair.client.received(), b"the rest");
    assert_eq!(server.ending(), Some(Ending::Done));
    assert_eq!(server.count(&Event::ProducerStopped), 0, "it was forgotten, not stopped");
}

pub(super) fn prod_07_a_push_producer_that_runs_is_stopped(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let server = pair.server.clone();
    server.transport().register_producer(Feeding::new().feeder(&server), ProducerKind::Push).unwrap();
    server.transport().write(b"all of it");
    server.transport().lose_connection();
    pair.until_over();
    assert_eq!(pair.client.received(), b"all of it");
    let events = server.events();
    assert_eq!(events[events.len() - 2..], [Event::ProducerStopped, Event::Lost(Ending::Done)], "{events:?}");
}

pub(super) fn prod_07_a_close_waits_for_a_paused_producer(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::deaf());
    let server = pair.server.clone();
    let feeding = Feeding::new().on_resume(|consumer| {
        consumer.write(b"the end");
        consumer.unregister_producer();
    });
    server.transport().register_producer(feeding.feeder(&server), ProducerKind::Push).unwrap();
    let written = fill(&server.transport());
    pair.settle();
    server.transport().lose_connection();
    pair.client.transport().resume_producing();
    pair.until_over();
    assert_eq!(pair.client.received_len(), written + 7);
    assert_eq!(server.ending(), Some(Ending::Done));
}

pub(super) fn prod_08_a_producer_that_stays_paused_meets_the_deadline(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::deaf());
    let server = pair.server.clone();
    server.transport().set_close_timeout(Some(Duration::from_millis(30)));
    server.transport().register_producer(Feeding::new().feeder(&server), ProducerKind::Push).unwrap();
    fill(&server.transport());
    pair.settle();
    server.transport().lose_connection();
    pair.until_over();
    assert_eq!(server.ending(), Some(Ending::CloseTimedOut));
    assert_eq!(server.producer_events(), [Event::ProducerPaused, Event::ProducerStopped]);
}

pub(super) fn prod_09_a_transport_is_a_producer(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let mut input = pair.client.transport();
    let consumer = pair.server.transport();
    Producer::pause_producing(&mut input, &consumer);
    consumer.write(b"held");
    pair.settle();
    assert_eq!(pair.client.received(), b"");
    Producer::resume_producing(&mut input, &consumer);
    pair.until_client_received(4);
    Producer::stop_producing(&mut input, &consumer);
    pair.until_over();
    assert_eq!(pair.client.ending(), Some(Ending::Done));
}

pub(super) fn prod_09_stop_consuming_forgets_the_producer_and_closes(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let server = pair.server.clone();
    server.transport().register_producer(Feeding::new().feeder(&server), ProducerKind::Push).unwrap();
    server.transport().write(b"all of it");
    server.transport().stop_consuming();
    pair.until_over();
    assert_eq!(pair.client.received(), b"all of it");
    assert_eq!(server.producer_events(), []);
    assert_eq!(server.ending(), Some(Ending::Done));
}

pub(super) fn prod_09_a_relay_stops_with_its_consumer(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let second = pair.another(Side::new());
    let server = pair.server.clone();
    let seen = second.clone();
    pair.until("two connections", || server.count(&Event::Made) == 2 && seen.saw(&Event::Made));
    let transports = server.transports();
    let (input, output) = (transports[0].clone(), transports[1].clone());
    output.register_producer(input.clone(), ProducerKind::Push).unwrap();
    second.transport().abort_connection();
    pair.until("the input closed too", || !input.is_connected());
    let client = pair.client.clone();
    pair.until_lost(&client);
}

pub(super) fn prod_11_a_file_in_pieces(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let file = (0..1_000_000_u32).map(|at| at.to_le_bytes()[at as usize % 4]).collect::<Vec<u8>>();
    let sent = FileSender::new(Cursor::new(file.clone())).begin(&pair.server.transport());
    assert!(!sent.has_result() && pair.server.transport().pending() == 0, "nothing inside the call");
    pair.server.transport().lose_connection();
    pair.until_over();
    assert!(pair.client.received() == file, "the file arrived as it was");
    assert_eq!(sent.try_take().expect("it was fired").expect("no failure"), 1_000_000);
}

pub(super) fn prod_11_pieces_can_be_sized_and_transformed(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let sizes = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&sizes);
    let sender = FileSender::new(Cursor::new(b"some words of a poem".to_vec())).piece_size(8).transform(
        move |piece| {
            seen.borrow_mut().push(piece.len());
            // The second comes to nothing, and the third is asked for all the same.
            if seen.borrow().len() == 2 { Vec::new() } else { piece.to_ascii_uppercase() }
        },
    );
    let sent = sender.begin(&pair.server.transport());
    pair.until("the end of the file", || sent.has_result());
    pair.until_client_received(12);
    assert_eq!(pair.client.received(), b"SOME WORPOEM");
    assert_eq!(*sizes.borrow(), [8, 8, 4]);
    assert_eq!(sent.try_take().expect("it was fired").expect("no failure"), 20);
    assert!(!pair.server.is_over(), "the connection is left as it is");
}

pub(super) fn prod_11_a_lost_consumer_fails_the_sender(make: Make<'_>) {
    let mut pair = Pair::open(make, Side::new(), Side::deaf());
    let sent = FileSender::new(Cursor::new(vec![0; 32 << 20])).begin(&pair.server.transport());
    pair.settle();
    assert!(pair.server.transport().pending() <= 16_384, "one piece waits at most");
    pair.client.transport().abort_connection();
    pair.until_over();
    let failure = sent.try_take().expect("it was fired").expect_err("the consumer stopped");
    assert!(failure.downcast_ref::<StoppedSending>().is_some_and(|stopped| stopped.sent > 0), "{failure}");
    let late = FileSender::new(Cursor::new(vec![0; 10])).begin(&pair.server.transport());
    pair.settle();
    let failure = late.try_take().expect("it was fired").expect_err("the connection is lost");
    assert!(failure.check::<StoppedSending>(), "{failure}");
}

pub(super) fn prod_11_a_reader_that_fails_fails_the_sender(make: Make<'_>) {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _into: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is on fire"))
        }
    }
    let mut pair = Pair::open(make, Side::new(), Side::new());
    let sent = FileSender::new(Cursor::new(b"so far".to_vec()).chain(Broken)).begin(&pair.server.transport());
    pair.until("the failure", || sent.has_result());
    let failure = sent.try_take().expect("it was fired").expect_err("the reader failed");
    assert!(failure.to_string().contains("on fire"), "{failure}");
    pair.until_client_received(6);
    assert!(!pair.server.is_over(), "what to do about it is the caller's");
    let busy = Feeding::new().feeder(&pair.server);
    pair.server.transport().register_producer(busy, ProducerKind::Push).unwrap();
    let second = FileSender::new(Cursor::new(vec![0; 10])).begin(&pair.server.transport());
    assert!(second.try_take().expect("at once").is_err_and(|failure| failure.check::<StoppedSending>()));
}
