use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use twistor_reactor::Moment;
use twistor_reactor::kernel::{ConnectOptions, Kernel};
use twistor_sim::ScriptedKernel;

use crate::util::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_wait_with_nothing_to_report_jumps_by_its_timeout() {
    let kernel = ScriptedKernel::new();
    assert_eq!(kernel.now(), Moment::ZERO);
    let mut ready = Vec::new();
    kernel.wait(Some(Duration::from_nanos(1_500_000_001)), &mut ready).unwrap();
    assert_eq!(kernel.now().as_nanos(), 1_500_000_001);
    kernel.wait(Some(Duration::ZERO), &mut ready).unwrap();
    assert_eq!(kernel.now().as_nanos(), 1_500_000_001);
    assert!(ready.is_empty());
}

#[test]
fn what_is_ready_is_reported_without_moving_the_clock() {
    let kernel = ScriptedKernel::new();
    kernel.spurious(SOCKET);
    let mut ready = Vec::new();
    kernel.wait(Some(SECOND), &mut ready).unwrap();
    assert_eq!((ready.len(), kernel.now()), (1, Moment::ZERO));
}

#[test]
fn a_wait_jumps_to_what_is_planned_and_goes_on_if_that_makes_nothing_ready() {
    let kernel = ScriptedKernel::new();
    kernel.at(SECOND, |_| ());
    kernel.at(2 * SECOND, |kernel| kernel.spurious(SOCKET));
    let mut ready = Vec::new();
    kernel.wait(Some(10 * SECOND), &mut ready).unwrap();
    assert_eq!((ready.len(), kernel.now().as_nanos()), (1, 2_000_000_000));
}

#[test]
fn the_timeout_comes_before_what_is_planned_later() {
    let kernel = ScriptedKernel::new();
    kernel.at(3 * SECOND, |kernel| kernel.spurious(SOCKET));
    let mut ready = Vec::new();
    for _ in 0..2 {
        kernel.wait(Some(SECOND), &mut ready).unwrap();
        assert!(ready.is_empty());
    }
    // Due at the same moment as the timeout is in time.
    kernel.wait(Some(SECOND), &mut ready).unwrap();
    assert_eq!((ready.len(), kernel.now().as_nanos()), (1, 3_000_000_000));
}

#[test]
fn a_wait_that_could_never_end_is_an_error_that_names_who_waits() {
    let kernel = ScriptedKernel::new();
    let _listener = listen(&kernel);
    kernel.host_silent("silent.test");
    kernel.resolver().unwrap().look_up("silent.test", SOCKET).unwrap();
    let error = kernel.wait(None, &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadlock);
    assert_eq!(
        error.to_string(),
        "nothing can ever become ready: no timeout, nothing planned; registered: \
         Token(3.0) listener on 127.0.0.1:80; Token(7.1) lookup of `silent.test`, not answered"
    );
}

#[test]
fn planned_actions_run_in_order_and_may_plan_more() {
    let kernel = ScriptedKernel::new();
    let log = Rc::new(RefCell::new(Vec::new()));
    for (name, delay) in [("c", 2), ("a", 1), ("b", 1)] {
        let log = Rc::clone(&log);
        kernel.at(delay * SECOND, move |kernel| {
            log.borrow_mut().push(format!("{name}{}", kernel.now().as_nanos() / 1_000_000_000));
            if name == "a" {
                kernel.at(Duration::ZERO, move |_| log.borrow_mut().push("a again".to_owned()));
            }
        });
    }
    kernel.advance(5 * SECOND);
    assert_eq!(*log.borrow(), ["a1", "b1", "a again", "c2"]);
    assert_eq!(kernel.now().as_nanos(), 5_000_000_000);
}

#[test]
fn a_planned_action_may_do_anything_with_the_kernel() {
    let kernel = ScriptedKernel::new();
    let (socket, peer) = accepted(&kernel);
    kernel.at(SECOND, move |kernel| {
        peer.send(b"x");
        recv(&*socket, 9).unwrap();
        drop(socket);
        kernel.advance(SECOND);
        kernel.wait(Some(SECOND), &mut Vec::new()).unwrap();
        let _ = kernel.connect_stream(server(), &ConnectOptions::default());
    });
    let mut ready = Vec::new();
    kernel.wait(Some(SECOND), &mut ready).unwrap();
    assert_eq!(kernel.now().as_nanos(), 3_000_000_000);
    assert_eq!(kernel.open_sockets(), 0);
}

#[test]
fn actions_that_plan_each_other_for_ever_end_in_an_error() {
    fn again(kernel: &ScriptedKernel) {
        kernel.at(Duration::ZERO, again);
    }
    let kernel = ScriptedKernel::new();
    again(&kernel);
    assert!(kernel.wait(None, &mut Vec::new()).unwrap_err().to_string().contains("planned events"));
}

#[test]
fn a_loop_that_spins_ends_in_an_error() {
    let kernel = ScriptedKernel::new();
    kernel.keep_calls(0);
    let spin = || (0..2_000_000).find_map(|_| kernel.wait(Some(Duration::ZERO), &mut Vec::new()).err());
    assert!(spin().unwrap().to_string().contains("in a row"));
}

#[test]
fn an_action_that_panics_leaves_the_kernel_usable() {
    let kernel = ScriptedKernel::new();
    kernel.at(SECOND, |_| panic!("on purpose"));
    let wait = std::panic::AssertUnwindSafe(|| kernel.wait(None, &mut Vec::new()));
    assert!(std::panic::catch_unwind(wait).is_err());
    kernel.spurious(SOCKET);
    assert_eq!(events(&kernel).len(), 1);
}

#[test]
fn a_wake_from_another_thread_ends_a_wait() {
    let kernel = ScriptedKernel::new();
    let waker = kernel.waker();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            waker.wake_by_ref();
            waker.wake();
        });
    });
    let mut ready = Vec::new();
    kernel.wait(None, &mut ready).unwrap();
    assert!(ready.is_empty());
    assert_eq!(kernel.now(), Moment::ZERO);
    // Two wakes were one.
    assert!(kernel.wait(None, &mut ready).is_err());
}

#[test]
fn with_patience_a_wait_sleeps_for_other_threads() {
    let kernel = ScriptedKernel::new();
    kernel.set_patience(Duration::from_secs(60));
    let waker = kernel.waker();
    std::thread::scope(|scope| {
        scope.spawn(move || waker.wake());
        kernel.wait(None, &mut Vec::new()).unwrap();
    });
}

#[test]
fn a_time_that_cannot_be_represented_is_the_last_one() {
    let kernel = ScriptedKernel::new();
    kernel.at(Duration::MAX, |kernel| kernel.spurious(SOCKET));
    let mut ready = Vec::new();
    kernel.wait(Some(Duration::MAX), &mut ready).unwrap();
    assert_eq!((ready.len(), kernel.now()), (1, Moment::MAX));
}

#[test]
fn the_time_of_day_moves_with_the_clock_and_the_seed_is_fixed() {
    let kernel = ScriptedKernel::new();
    assert_eq!(kernel.seed(), ScriptedKernel::new().seed());
    kernel.set_seed(4);
    assert_eq!(kernel.seed(), 4);
    let begin = kernel.wall_time();
    kernel.advance(SECOND);
    assert_eq!(kernel.wall_time().duration_since(begin).unwrap(), SECOND);
    kernel.set_wall_clock(std::time::SystemTime::UNIX_EPOCH);
    assert_eq!(kernel.wall_time(), std::time::SystemTime::UNIX_EPOCH + SECOND);
}
