//! The conformance suite over the scripted kernel: the same cases, in virtual time.

use twistor_reactor::Reactor;
use twistor_sim::{Answer, Call, ScriptedKernel, conformance, errno, transport_conformance};

transport_conformance!(scripted, || Reactor::builder().build_with(ScriptedKernel::new()));

/// All cases in one, over a kernel whose buffers are small, so that everything happens in little pieces.
#[test]
fn small_buffers_change_nothing() {
    conformance::transport(|| {
        let kernel = ScriptedKernel::new();
        kernel.set_buffers(20_000, 30_000);
        Reactor::builder().build_with(kernel)
    });
}

/// Over a kernel that is interrupted all the time while it reads. (A send that was interrupted is tried again in the next turn, which some
/// cases would see.)
#[test]
fn interruptions_change_nothing() {
    conformance::transport(|| {
        let kernel = ScriptedKernel::new();
        for call in [Call::Recv, Call::Accept] {
            for number in 0..100 {
                let answer = if number % 3 == 0 { Answer::Errno(errno::EINTR) } else { Answer::Pass };
                kernel.script(call, answer);
            }
        }
        Reactor::builder().build_with(kernel)
    });
}

#[test]
fn a_transport_that_fails_is_told_with_every_case() {
    let broken = || {
        let kernel = ScriptedKernel::new();
        kernel.script(Call::Recv, Answer::Errno(errno::ECONNRESET)).always();
        Reactor::builder().build_with(kernel)
    };
    let why =
        twistor_deferred::contain(|| conformance::transport(broken)).expect_err("nothing can be received");
    assert!(why.contains("tcp_36_what_came_during_a_pause_comes_after_it: "), "{why}");
    assert!(!why.contains("tcp_14_listening_binds_at_once"), "what does not read is well");
}
