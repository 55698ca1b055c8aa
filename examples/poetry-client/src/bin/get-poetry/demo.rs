//! Three slow servers of different pace, in this process and in this loop.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use poetry_client::PoemAddress;
use poetry_server::{Pace, SlowPoetry};
use twistor::net::Bytes;
use twistor::prelude::*;

use crate::Job;

struct Demo {
    name: &'static str,
    poem: &'static [u8],
    num_bytes: usize,
    delay: Duration,
}

/// The slowest one takes some 8 s.
const DEMOS: [Demo; 3] = [
    Demo {
        name: "Ode to the West Wind",
        poem: include_bytes!("../../../../poems/ode-to-the-west-wind.txt"),
        num_bytes: 20,
        delay: Duration::from_millis(50),
    },
    Demo {
        name: "The Tyger",
        poem: include_bytes!("../../../../poems/the-tyger.txt"),
        num_bytes: 10,
        delay: Duration::from_millis(60),
    },
    Demo {
        name: "Fire and Ice",
        poem: include_bytes!("../../../../poems/fire-and-ice.txt"),
        num_bytes: 25,
        delay: Duration::from_millis(200),
    },
];

/// Starts the servers on free ports of 127.0.0.1, and says so, on stderr if stdout is `taken`.
pub(crate) fn start_servers(reactor: &ReactorHandle, taken: bool) -> Result<Vec<Job>, CannotListenError> {
    let mut jobs = Vec::new();
    for demo in DEMOS {
        let pace = Pace { num_bytes: demo.num_bytes, delay: demo.delay };
        let port =
            reactor.listen_tcp(("127.0.0.1", 0), SlowPoetry::new(Bytes::from_static(demo.poem), pace))?;
        let line = format_args!("Serving {demo} on {}.", port.host());
        // Nobody reading is no reason not to go on.
        let _ = if taken { writeln!(io::stderr(), "{line}") } else { writeln!(io::stdout(), "{line}") };
        let address = PoemAddress::new("127.0.0.1", port.host().port());
        jobs.push(Job { address, length: Some(demo.poem.len() as u64) });
    }
    Ok(jobs)
}

impl fmt::Display for Demo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes, {} every {:?})", self.name, self.poem.len(), self.num_bytes, self.delay)
    }
}
