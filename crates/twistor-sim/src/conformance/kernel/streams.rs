//! Bytes, and the edges of readiness.

use std::io::{self, IoSlice};

use twistor_reactor::kernel::{Readiness, SocketOption, SocketOptionKind};

use super::MakeKernel;
use super::bench::{Bench, CLIENT, SERVER, kind, recv, send};

pub(in super::super) fn nothing_to_read_would_block(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let ends = bench.ends();
    assert_eq!(kind(recv(&*ends.client, 1)), io::ErrorKind::WouldBlock);
    send(&*ends.server, b"x");
    bench.event(CLIENT, Readiness::has_data);
    assert_eq!(recv(&*ends.client, 9).unwrap().0, b"x");
    assert_eq!(kind(recv(&*ends.client, 9)), io::ErrorKind::WouldBlock);
}

pub(in super::super) fn bytes_go_both_ways_in_order(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let ends = bench.ends();
    for number in 0..50_u8 {
        let len = usize::from(number) * 13 + 1;
        send(&*ends.client, &vec![number; len]);
        assert_eq!(bench.read(&*ends.server, SERVER, len), vec![number; len]);
        send(&*ends.server, &[number, 1]);
        send(&*ends.server, &[2]);
        assert_eq!(bench.read(&*ends.client, CLIENT, 3), [number, 1, 2]);
    }
}

pub(in super::super) fn parts_are_sent_from_the_front(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let ends = bench.ends();
    let parts: Vec<Vec<u8>> = (0..40_u8).map(|number| vec![number; usize::from(number)]).collect();
    let all = parts.concat();
    let mut sent = 0;
    while sent < all.len() {
        // What is left, in parts as they were cut.
        let mut skip = sent;
        let mut left = Vec::new();
        for part in &parts {
            let front = skip.min(part.len());
            skip -= front;
            left.push(IoSlice::new(&part[front..]));
        }
        sent += ends.client.send(&left).expect("there is room");
    }
    assert_eq!(bench.read(&*ends.server, SERVER, all.len()), all);
}

pub(in super::super) fn every_arrival_at_a_drained_socket_is_announced(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let ends = bench.ends();
    // Read until the kernel says that nothing is left, by `drained` or by `WouldBlock`: then the next byte has to be announced.
    for round in 1..=30_usize {
        send(&*ends.client, &vec![1; round]);
        bench.event(SERVER, Readiness::has_data);
        let mut left = round;
        loop {
            match recv(&*ends.server, 7) {
                Ok((data, drained)) => {
                    left -= data.len();
                    assert!(!drained || left == 0, "drained, with {left} bytes there");
                    if drained {
                        break;
                    }
                }
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    if left == 0 {
                        break;
                    }
                    bench.event(SERVER, Readiness::has_data);
                }
            }
        }
    }
}

pub(in super::super) fn a_full_socket_says_when_there_is_room(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let ends = bench.ends();
    for _ in 0..3 {
        while !bench.ready_now().is_empty() {} // What is left of before.
        let taken = bench.fill(&*ends.client);
        let (mut came, mut room) = (0, false);
        bench.until("room in a socket whose peer has read everything", |events| {
            // Room may be announced while the peer still reads.
            room |= events.iter().any(|event| event.token == CLIENT && event.is_writable());
            while let Ok((data, _)) = recv(&*ends.server, 65_536) {
                assert!(!data.is_empty() && data.iter().all(|byte| *byte == 7), "nobody closes");
                came += data.len();
            }
            (room && came == taken).then_some(())
        });
        assert!(ends.client.send(&[IoSlice::new(b"on")]).is_ok_and(|len| len > 0));
        let rest = bench.read(&*ends.server, SERVER, 2);
        assert_eq!(rest, b"on");
    }
}

pub(in super::super) fn each_source_is_told_under_its_own_token(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let ends = bench.ends();
    while !bench.ready_now().is_empty() {} // What is left of the beginning.
    send(&*ends.client, b"to the server");
    bench.event(SERVER, Readiness::has_data);
    assert_eq!(kind(recv(&*ends.client, 1)), io::ErrorKind::WouldBlock);
    send(&*ends.server, b"to the client");
    bench.event(CLIENT, Readiness::has_data);
}

pub(in super::super) fn options_are_kept(make: MakeKernel<'_>) {
    let bench = Bench::new(make);
    let ends = bench.ends();
    for on in [true, false, true] {
        ends.client.set_option(SocketOption::NoDelay(on)).unwrap();
        assert_eq!(ends.client.option(SocketOptionKind::NoDelay).unwrap(), SocketOption::NoDelay(on));
    }
    assert_eq!(
        ends.server.option(SocketOptionKind::KeepAlive).unwrap(),
        SocketOption::KeepAlive(None),
        "off unless it is asked for"
    );
}
