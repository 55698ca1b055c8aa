//! What the modules share.

use std::process::Command;
use std::rc::Rc;

/// Counts what is alive: each value of a test's holds a clone of one.
pub(crate) type Alive = Rc<()>;

/// Runs the test `name` in a process of its own, so that its descriptors are nobody else's. The test must begin with
/// `if !is_child() { return }`.
#[track_caller]
pub(crate) fn in_a_process_of_its_own(name: &str) {
    let program = std::env::current_exe().expect("the test program has a path");
    let mut command = Command::new(program);
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(CHILD, "1");
    let output = command.output().expect("the test program runs again");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} ended with {}\n{said}\n{complained}", output.status);
    assert!(said.contains("1 passed"), "there is no test {name}\n{said}");
}

/// Set in a process that runs one test alone.
pub(crate) const CHILD: &str = "TWISTOR_LEAK_TEST_CHILD";

pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}
