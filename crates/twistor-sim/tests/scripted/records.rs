use std::time::Duration;

use twistor_reactor::kernel::Kernel;
use twistor_sim::{Answer, Call, CallOutcome, ScriptedKernel, errno};

use crate::util::*;

#[test]
fn every_call_is_recorded_with_what_came_of_it() {
    let kernel = ScriptedKernel::new();
    let (socket, _peer) = accepted(&kernel);
    kernel.forget_calls();
    kernel.advance(Duration::from_secs(2));
    send(&*socket, b"abc").unwrap();
    kernel.script(Call::Send, Answer::Errno(errno::ENOBUFS));
    send(&*socket, b"abc").unwrap_err();
    recv(&*socket, 1).unwrap_err();
    drop(socket);
    let calls = kernel.calls();
    let summary: Vec<_> = calls.iter().map(|call| (call.call, call.outcome, call.scripted)).collect();
    assert_eq!(
        summary,
        [
            (Call::Send, CallOutcome::Count(3), false),
            (Call::Send, CallOutcome::Errno(errno::ENOBUFS), true),
            (Call::Recv, CallOutcome::WouldBlock, false),
            (Call::Close, CallOutcome::Done, false),
        ]
    );
    assert_eq!((calls[0].local, calls[0].peer), (Some(80), Some(20_000)));
    assert_eq!(calls[0].at.as_nanos(), 2_000_000_000);
    assert!(calls.iter().all(|call| call.socket == calls[0].socket));
}

#[test]
fn calls_are_counted_even_if_they_are_not_kept() {
    let kernel = ScriptedKernel::new();
    let (socket, _peer) = accepted(&kernel);
    kernel.keep_calls(2);
    for _ in 0..5 {
        send(&*socket, b"x").unwrap();
    }
    assert_eq!((kernel.count(Call::Send), kernel.calls().len()), (5, 2));
    kernel.keep_calls(0);
    assert_eq!((kernel.count(Call::Send), kernel.calls().len()), (5, 0));
    assert_eq!(kernel.count(Call::ShutdownWrite), 0);
}

#[test]
fn new_sockets_are_named_in_the_record() {
    let kernel = ScriptedKernel::new();
    let listener = listen(&kernel);
    let _socket = connect(&kernel, server());
    let calls = kernel.calls();
    assert_eq!((calls[0].call, calls[0].local), (Call::Listen, Some(80)));
    assert_eq!((calls[2].call, calls[2].local, calls[2].peer), (Call::Connect, Some(20_000), Some(80)));
    assert!(calls[0].socket.is_some() && calls[0].socket != calls[2].socket);
    drop(listener);
}

#[test]
fn an_empty_kernel_has_nothing_left() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    let listener = listen(&kernel);
    assert_eq!((kernel.open_sockets(), kernel.open_listeners(), kernel.registered()), (1, 1, 2));
    drop((socket, listener, peer));
    assert_eq!((kernel.open_sockets(), kernel.open_listeners(), kernel.registered()), (0, 0, 0));
    assert_eq!(kernel.lingering(), 0);
}

#[test]
fn equal_scripts_give_equal_records() {
    let run = || {
        let kernel = ScriptedKernel::new();
        kernel.set_buffers(16, 16);
        kernel.script(Call::Recv, Answer::Short(3)).times(3);
        let (socket, peer) = accepted(&kernel);
        for index in 0..10_u8 {
            let peer = peer.clone();
            kernel.at(Duration::from_millis(u64::from(index) * 7 % 5), move |_| peer.send(&[index; 9]));
        }
        let mut seen = Vec::new();
        while seen.len() < 90 {
            let mut ready = Vec::new();
            kernel.wait(Some(Duration::from_millis(1)), &mut ready).unwrap();
            while let Ok((bytes, _)) = recv(&*socket, 7) {
                seen.extend(bytes);
            }
        }
        (seen, kernel.calls())
    };
    assert_eq!(run(), run());
}
