//! Pictures of what happened: an SVG made of a trace and of nothing else, the same for the same trace.
//!
//! `scene` reads the trace; `columns` and `scale` say where hosts and moments are; `messages` draws a few connections message by
//! message, `lanes` hundreds as a lane each, `crowd` thousands as sums; `page` draws what is around and below all of that;
//! `glyph` has shapes and colours, `svg` the words of the format. Nothing here knows of the world.

mod columns;
mod crowd;
mod glyph;
mod lanes;
mod messages;
mod page;
mod scale;
mod scene;
mod svg;

use std::net::IpAddr;

use self::columns::Columns;
use self::page::Drawing;
use self::scene::Scene;
use super::trace::Trace;

/// A few connections are drawn message by message: so many, with so many things to draw.
const FEW: usize = 24;
const FEW_POINTS: usize = 420;
/// More connections than this are drawn as sums, and if more than so many are open at once.
const MANY: usize = 1_500;
const MANY_LANES: usize = 520;

/// The picture of `trace`, that ends `now` nanoseconds after its world began, with hosts of these names and addresses.
pub(super) fn draw(trace: &Trace, hosts: Vec<(String, Vec<IpAddr>)>, now: u64) -> String {
    let scene = Scene::read(trace, hosts, now);
    let drawing = choose(&scene);
    page::compose(trace, &scene, drawing)
}

fn choose(scene: &Scene) -> Drawing {
    const MOST_COLUMNS: usize = 14;
    if scene.conns.len() <= FEW && scene.hosts.len() <= MOST_COLUMNS && scene.points().len() <= FEW_POINTS {
        return messages::draw(scene);
    }
    if scene.conns.len() <= MANY {
        let drawing = lanes::draw(scene, Columns::new(scene, MOST_COLUMNS), MANY_LANES);
        if let Some(drawing) = drawing {
            return drawing;
        }
    }
    /// Sums are wide: a column less for each host that has others of its kind.
    const FEW_COLUMNS: usize = 6;
    crowd::draw(scene, Columns::new(scene, FEW_COLUMNS))
}
