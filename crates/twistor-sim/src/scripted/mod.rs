//! A kernel of memory for unit tests: exact answers, virtual time, and the other end of every connection in the test's hand.
//!
//! What a file here may know: `script` and `call` know no sockets, `network`, `endpoint` and [`stream`](crate::stream) know no script and no time,
//! `timeline` knows only order. `world` ties them together behind the kernel's one cell; `kernel`, `socket`, `peer`, `resolver`, `jobs`,
//! `signals` and `descriptors` are what users see of it. No user code runs while the cell is borrowed.

pub(crate) mod address;
pub(crate) mod call;
mod controls;
mod descriptors;
pub(crate) mod endpoint;
mod jobs;
mod kernel;
mod network;
mod peer;
pub(crate) mod ready;
mod resolver;
mod script;
pub(crate) mod signals;
pub(crate) mod socket;
mod timeline;
mod waker;
mod world;

pub use self::call::{Call, CallRecord, Outcome, Target};
pub use self::peer::{Peer, PeerListener};
pub use self::script::{Answer, Script, ScriptGuard};

use std::cell::{RefCell, RefMut};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use self::waker::WakeFlag;
use self::world::World;

/// A kernel of memory whose every answer a test can foresee, and change.
///
/// It is a handle: clones are the same kernel, so a test gives one to a reactor and keeps another.
///
/// - **Time is virtual.** It begins at zero and moves in [`wait`](twistor_reactor::kernel::Kernel::wait) alone (and in
///   [`advance`](Self::advance)): to the next thing that is planned, or by the timeout. A wait that could never end is an error of the kind
///   `Deadlock` that lists what is registered, and so is a million waits in a row that stand still and report nothing: a hang is a result.
/// - **The network is lossless memory.** Ports, backlogs, receive and send buffers, half closes and resets behave as those of Linux
///   over its loopback. Listeners without a port get 10000, 10001 and so on, connecting sockets 20000 and so on.
/// - **Readiness is as edge-triggered as it can be:** a socket is reported as readable with each arrival, and as writable when it
///   connects and when room appears after a `WouldBlock`; nothing more. (epoll adds the other direction's state to each event; who
///   needs that is found out here.) Events come in the order in which sources became ready.
/// - **The other end** is a [`Peer`], which needs no reactor; or another socket of the same kernel.
/// - **Faults** are a [`script`](Self::script) of answers; every call is [recorded](Self::calls).
///
/// The same calls in the same order give the same answers: nothing here asks the machine anything.
#[derive(Clone)]
pub struct ScriptedKernel {
    core: Rc<Core>,
}

struct Core {
    world: RefCell<World>,
    wake: Arc<WakeFlag>,
}

impl ScriptedKernel {
    /// A kernel at time zero, with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        let core = Core { world: RefCell::default(), wake: Arc::default() };
        Self { core: Rc::new(core) }
    }

    /// The one cell. Borrowed for the length of one step that calls nobody: jobs, actions and drops of either happen outside.
    fn world(&self) -> RefMut<'_, World> {
        self.core.world.borrow_mut()
    }
}

impl Default for ScriptedKernel {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ScriptedKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ScriptedKernel");
        if let Ok(world) = self.core.world.try_borrow() {
            out.field("now", &world.now)
                .field("planned", &world.timeline.len())
                .field("registered", &world.registered());
        }
        out.finish_non_exhaustive()
    }
}
