//! The kernels' own conformance suite, over all three, and over one that lies.

mod liar;

use std::fmt;
use std::io;
use std::process::Command;
use std::rc::Rc;

use twistor_deferred::contain;
use twistor_reactor::Reactor;
use twistor_reactor::kernel::{Kernel, MioKernel};
use twistor_sim::conformance::Surroundings;
use twistor_sim::{Answer, Call, Host, ScriptedKernel, Sim, conformance, errno, kernel_conformance};

kernel_conformance!(scripted, ScriptedKernel::new);
kernel_conformance!(real, Real::new);
kernel_conformance!(sim, Simulated::new);

/// The real kernel, in the surroundings of this process.
struct Real(MioKernel);

impl Real {
    fn new() -> Self {
        Self(MioKernel::new().unwrap())
    }
}

impl Surroundings for Real {
    fn kernel(&self) -> &dyn Kernel {
        &self.0
    }

    fn raise(&self, signal: i32) -> io::Result<()> {
        let done =
            Command::new("kill").args([format!("-{signal}"), std::process::id().to_string()]).status()?;
        assert!(done.success());
        Ok(())
    }

    /// In a process of its own alone: others need theirs.
    fn starve(&self) -> io::Result<Box<dyn fmt::Debug + '_>> {
        if std::env::var_os(CHILD).is_none() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let one = io::pipe()?.0;
        let all: Vec<_> = std::iter::from_fn(|| one.try_clone().ok()).collect();
        assert!(all.len() < 1_000, "the limit is not in force");
        Ok(Box::new((one, all)))
    }
}

const CHILD: &str = "TWISTOR_KERNEL_CONFORMANCE_CHILD";
const STARVED: &str = "tcp_19_without_descriptors_accepting_is_an_error_and_shedding_is_not";

/// The one case that the real kernel leaves out above.
#[test]
fn tcp_19_the_real_kernel_without_descriptors() {
    let output = Command::new("sh")
        .args([
            "-c",
            &format!("ulimit -n 60; exec \"$0\" --exact real::{STARVED} --nocapture --test-threads=1"),
        ])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{why}");
    assert!(!said.contains("left out"), "{said}");
}

/// The kernel of a host of a simulated world.
struct Simulated {
    host: Host,
    kernel: Rc<dyn Kernel>,
    _reactor: Reactor,
}

impl Simulated {
    fn new() -> Self {
        let host = Sim::new(1).host("solo");
        let reactor = host.build(Reactor::builder());
        Self { host, kernel: reactor.kernel().expect("it is there"), _reactor: reactor }
    }
}

impl Surroundings for Simulated {
    fn kernel(&self) -> &dyn Kernel {
        &*self.kernel
    }

    fn raise(&self, signal: i32) -> io::Result<()> {
        self.host.signal(signal);
        Ok(())
    }

    fn starve(&self) -> io::Result<Box<dyn fmt::Debug + '_>> {
        #[derive(Debug)]
        struct Starved<'a>(&'a Host);
        impl Drop for Starved<'_> {
            fn drop(&mut self) {
                self.0.set_descriptors(usize::MAX);
            }
        }
        self.host.set_descriptors(self.host.descriptors());
        Ok(Box::new(Starved(&self.host)))
    }
}

#[test]
fn small_buffers_and_few_events_a_wait_change_nothing() {
    conformance::kernel(|| {
        let kernel = ScriptedKernel::new();
        kernel.set_buffers(1_000, 2_000);
        kernel.set_events_per_wait(1);
        kernel
    });
}

#[test]
fn a_kernel_that_breaks_its_word_is_told_with_every_case() {
    let broken = || {
        let kernel = ScriptedKernel::new();
        kernel.script(Call::ShutdownWrite, Answer::Errno(errno::ENOTCONN)).always();
        kernel
    };
    let why = contain(|| conformance::kernel(broken)).expect_err("no half close");
    assert!(why.contains("a_half_close_ends_one_direction: "), "{why}");
    assert!(!why.contains("a_timeout_is_not_cut_short"), "{why}");
}
