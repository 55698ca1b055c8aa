//! Searches for a seed at which a two-way transfer over twistor's connections goes wrong, under four kinds of weather.
//!
//! ```text
//! cargo run --release -p twistor-sim --example explore -- 0..100000
//! cargo run --release -p twistor-sim --example explore -- 0..100000 resets
//! TWISTOR_SEED=17 cargo run --release -p twistor-sim --example explore -- 0..1 harmless
//! ```
//!
//! The first argument is a range of seeds, the second one of `harmless`, `resets`, `forged` and `crashes`; without it, all
//! four, one after the other. It ends with 1 if it found something, which is then shown with the line that repeats it.

use std::process::ExitCode;

use twistor_sim::{Chaos, Explore};

#[path = "../tests/explore_support/mod.rs"]
mod explore_support;

use explore_support::transfer::{Weather, mix, transfer};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let range = arguments.next().unwrap_or_else(|| "0..1000".to_owned());
    let ends = range.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    let Some((from, to)) = ends else {
        eprintln!("`{range}` is no range of seeds, as 0..1000 is");
        return ExitCode::from(2);
    };
    let wanted = arguments.next();
    let mut status = ExitCode::SUCCESS;
    for (name, weather) in [
        ("harmless", Weather::Harmless),
        ("resets", Weather::Resets),
        ("forged", Weather::Forged),
        ("crashes", Weather::Crashes),
    ] {
        if wanted.as_ref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        let chaos: Chaos = mix(weather);
        let explored = Explore::seeds(from..to)
            .faults(chaos)
            .scale(2)
            .show_progress()
            .run(move |trial| transfer(trial, weather));
        match explored.found() {
            None => println!("{name}: clean, {} seeds", explored.runs()),
            Some(found) => {
                println!("{name}: {found}");
                status = ExitCode::FAILURE;
            }
        }
    }
    status
}
