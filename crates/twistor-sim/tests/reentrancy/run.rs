//! Running a program, and what must hold afterwards.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use twistor_net::{NetLimits, ReactorTcp, Shared};
use twistor_reactor::Reactor;
use twistor_sim::ScriptedKernel;

use crate::program::{End, Hook, Program};
use crate::world::{FOREIGN, INJECTED, WORLD, World, hook, world};

/// Notes panics that no program asked for, and keeps the others off standard error.
fn watch_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info.payload().downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| info.payload().downcast_ref::<String>().cloned()).unwrap_or_default();
            if world().is_none() {
                return usual(info);
            }
            if !text.starts_with(INJECTED) {
                FOREIGN.with(|foreign| foreign.borrow_mut().push(format!("{text} at {:?}", info.location())));
            }
        }));
    });
}

/// Runs a program to its end. Gives the calls that were made, or what went wrong.
pub(crate) fn run(program: &Program) -> Result<Vec<String>, String> {
    watch_panics();
    FOREIGN.with(|foreign| foreign.borrow_mut().clear());
    let kernel = ScriptedKernel::new();
    let reactor = Reactor::builder().shutdown_timeout(Duration::from_millis(100)).build_with(kernel.clone());
    let mut limits = NetLimits::default();
    limits.close_timeout = Some(Duration::from_millis(200));
    limits.linger_time = Duration::from_millis(50);
    reactor.set_net_limits(limits);
    let world = Rc::new(World {
        program: program.clone(),
        reactor: reactor.handle(),
        kernel: kernel.clone(),
        counts: RefCell::default(),
        stack: RefCell::default(),
        over: Cell::new(false),
        log: RefCell::default(),
        blames: RefCell::default(),
        conns: RefCell::default(),
        factories: RefCell::default(),
        broken_stream: Cell::new(false),
        refuse: Cell::new(false),
        transports: RefCell::default(),
        connections: RefCell::default(),
        connectors: RefCell::default(),
        ports: RefCell::default(),
        shared: RefCell::default(),
        timers: RefCell::default(),
        triggers: RefCell::default(),
        watches: RefCell::default(),
        promises: RefCell::default(),
        deferreds: RefCell::default(),
        others: RefCell::default(),
        canary: Arc::default(),
    });
    WORLD.with(|place| *place.borrow_mut() = Some(Rc::clone(&world)));
    let escaped = catch_unwind(AssertUnwindSafe(|| live(&world, reactor))).err();
    world.over.set(true);
    let result = verdict(&world, &kernel, escaped);
    WORLD.with(|place| place.borrow_mut().take());
    result
}

/// The life of the reactor, from the first connect to the drop.
fn live(world: &Rc<World>, mut reactor: Reactor) {
    let server = world.new_factory(true);
    let port = reactor.listen_tcp(("127.0.0.1", 0), server).expect("a free port");
    let number = port.host().port();
    world.ports.borrow_mut().push(port);
    let shared = world.new_factory(false);
    world.factories.borrow_mut()[shared.id].shared = true;
    *world.shared.borrow_mut() = Some((shared.id, Shared::new(shared)));
    for _ in 0..world.program.clients {
        world.connect(number, 0);
    }
    // What it throws is its own affair: nothing of the library is above it.
    let _ = catch_unwind(|| hook(Hook::Outside, None));
    let turns = match world.program.end {
        End::Stop => 150,
        End::DropAfter(turns) => usize::from(turns),
    };
    let turn =
        |reactor: &mut Reactor| reactor.iterate(Some(Duration::from_millis(4))).expect("the kernel waits");
    reactor.start().expect("a new reactor");
    for _ in 0..turns {
        if reactor.is_finished() && reactor.start().is_err() {
            break; // It was stopped. A crashed one goes on.
        }
        turn(&mut reactor);
    }
    if matches!(world.program.end, End::Stop) {
        let _ = reactor.stop();
        for _ in 0..200 {
            if reactor.is_finished() {
                break;
            }
            turn(&mut reactor);
        }
        if !reactor.is_finished() {
            world.blame("the reactor did not stop".to_owned());
        }
    }
    drop(reactor);
}

fn verdict(
    world: &Rc<World>,
    kernel: &ScriptedKernel,
    escaped: Option<Box<dyn Any + Send>>,
) -> Result<Vec<String>, String> {
    let mut blames = world.blames.take();
    if let Some(panic) = escaped {
        blames.push(format!("a panic got out of the reactor: {}", twistor_deferred::panic_text(panic)));
    }
    blames.extend(
        FOREIGN
            .with(|foreign| foreign.take())
            .into_iter()
            .map(|text| format!("a panic of the library's: {text}")),
    );
    let stats = world.reactor.stats();
    if (stats.sources, stats.connections, stats.timers_pending) != (0, 0, 0) {
        blames.push(format!("something is left in the reactor: {stats:?}"));
    }
    let sockets = (kernel.open_sockets(), kernel.open_listeners());
    if sockets != (0, 0) {
        blames.push(format!("sockets and listeners are left: {sockets:?}"));
    }
    for (id, conn) in world.conns.borrow().iter().enumerate() {
        if conn.made > 0 && conn.lost != 1 {
            blames.push(format!("connection {id} was lost {} times: {conn:?}", conn.lost));
        }
    }
    for (id, factory) in world.factories.borrow().iter().enumerate() {
        if factory.started {
            blames.push(format!("factory {id} was not stopped: {factory:?}"));
        }
        if factory.attempts != factory.failed + factory.lost || factory.attempts != factory.announced {
            blames.push(format!("factory {id} did not hear the end of every attempt: {factory:?}"));
        }
    }
    world.let_go();
    let left = Arc::strong_count(&world.canary) - 1;
    if left > 0 {
        blames.push(format!("{left} values of the user's are left"));
    }
    if blames.is_empty() {
        Ok(world.log.take())
    } else {
        Err(format!("{}\n{}", blames.join("\n"), world.log.borrow().join("\n")))
    }
}
