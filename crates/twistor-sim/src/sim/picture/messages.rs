//! A few connections, message by message.

use super::columns::Columns;
use super::glyph::{Glyph, PALETTE};
use super::page::{Drawing, about};
use super::scale::{Scale, Wish};
use super::scene::{CLIENT, Carried, Conn, SERVER, Scene, Stroke};
use super::svg::{N, Svg, bytes, moment};

/// How far the bars of connections that share a host are apart.
const SLOT: f64 = 7.0;
/// How far a message goes whose other end is not known.
const STUB: f64 = 84.0;

/// All messages of `scene`.
pub(super) fn draw(scene: &Scene) -> Drawing {
    let mut columns = Columns::new(scene, usize::MAX);
    let room = (1_000.0 / columns.all.len().max(2) as f64).clamp(120.0, 250.0);
    columns.lay_out(&vec![room; columns.all.len()]);
    columns.right += 30.0;
    let points = scene.points();
    let height = (points.len() as f64 * 21.0).max(420.0);
    let scale = Scale::new(points, Wish { top: 0.0, step: 12.5, height, gap: 84.0, breaks: 8 });
    let slots = Slots::new(scene, &scale);
    let mut sheet = Sheet {
        scene,
        columns: &columns,
        scale: &scale,
        slots,
        labels: Labels::default(),
        out: Svg::default(),
    };
    scene.conns.iter().for_each(|conn| sheet.connection(conn));
    let (body, hidden) = (sheet.out, sheet.labels.hidden);
    let mut notes =
        vec!["Every message is drawn; segments that travel together are one. The axis is stretched where much happens at once.".to_owned()];
    if hidden > 0 {
        notes.push(format!("{hidden} labels had no room: rest the pointer on the arrow."));
    }
    Drawing { columns, scale, body, notes, every_fault: true }
}

struct Sheet<'a> {
    scene: &'a Scene,
    columns: &'a Columns,
    scale: &'a Scale,
    slots: Slots,
    labels: Labels,
    out: Svg,
}

impl Sheet<'_> {
    fn connection(&mut self, conn: &Conn) {
        let colour = conn.number as usize % PALETTE.len();
        self.out.raw("<g>");
        self.out.title(&about(self.scene, conn));
        for side in [CLIENT, SERVER] {
            self.bar(conn, side, colour);
        }
        self.syn(conn, colour);
        for stroke in &conn.strokes {
            self.stroke(conn, stroke, colour);
        }
        for mark in conn.marks.iter().filter(|mark| mark.glyph != Glyph::Fault) {
            let Some(x) = self.x(conn, mark.side).or_else(|| self.x(conn, CLIENT)) else { continue };
            let y = self.scale.y(mark.at);
            self.glyph(mark.glyph, x, y, &format!("{} at {}", mark.words, moment(mark.at.0, 1_000)));
            let width = mark.words.chars().count() as f64 * 6.1;
            self.label(
                &[(x + 10.0 + width / 2.0, y + 3.5), (x - 10.0 - width / 2.0, y + 3.5)],
                "mu s",
                &mark.words,
            );
        }
        self.out.close();
    }

    /// From the first to the last thing that this end has to do with.
    fn bar(&mut self, conn: &Conn, side: usize, colour: usize) {
        let (Some(x), Some(extent)) = (self.x(conn, side), extent(conn, side)) else { return };
        let (top, bottom) = (self.scale.y(extent.0), self.scale.y(extent.1));
        let place = [x - 2.0, top - 3.0, 4.0, bottom - top + 6.0];
        self.out.rect(&format!("act f{colour}"), place, "");
        for mark in conn.marks.iter().filter(|mark| mark.side == side && mark.glyph == Glyph::Fault) {
            let words = format!("{} at {}", mark.words, moment(mark.at.0, 1_000));
            let y = self.scale.y(mark.at);
            self.out.rect("flt", [x - 3.5, y - 1.0, 7.0, 2.0], &words);
        }
    }

    fn syn(&mut self, conn: &Conn, colour: usize) {
        let (Some(dialed), Some(x)) = (conn.dialed, self.x(conn, CLIENT)) else { return };
        let refused = conn.strokes.iter().any(|stroke| stroke.what == Carried::Refused);
        let words = format!("SYN #{}", conn.number);
        let y = self.scale.y(dialed);
        if let Some(connected) = conn.connected[CLIENT] {
            let at = self.scale.y(connected);
            let title = format!("connected at {}", moment(connected.0, 1_000));
            self.out.raw(format_args!(
                "<g><circle class=\"f{colour}\" cx=\"{}\" cy=\"{}\" r=\"3.6\"/>",
                N(x),
                N(at)
            ));
            self.out.title(&title);
            self.out.close();
        }
        if refused {
            return;
        }
        let (x2, y2) = match (conn.connected[SERVER], self.x(conn, SERVER)) {
            (Some(accepted), Some(there)) => (there, self.scale.y(accepted)),
            (_, there) => (x + STUB * there.map_or(1.0, |there| if there < x { -1.0 } else { 1.0 }), y + 8.0),
        };
        self.arrow([x, y, x2, y2], "syn", colour, 1.2, &format!("{words} at {}", moment(dialed.0, 1_000)));
        self.label_between([x, y, x2, y2], &words);
    }

    fn stroke(&mut self, conn: &Conn, stroke: &Stroke, colour: usize) {
        let ends = [stroke.side, 1 - stroke.side].map(|side| self.x(conn, side));
        let (x1, x2) = match ends {
            [Some(from), Some(to)] => (from, to),
            [None, Some(to)] => (to + STUB, to),
            [Some(from), None] => (from, from + STUB),
            [None, None] => return,
        };
        let line = [x1, self.scale.y(stroke.from), x2, self.scale.y(stroke.at)];
        let (words, width, glyph) = match stroke.what {
            Carried::Data { bytes: count, pieces } => {
                let width = 1.3 + 3.2 * (count as f64 / 65_536.0).min(1.0).sqrt();
                let pieces = if pieces > 1 { format!(" in {pieces}") } else { String::new() };
                (format!("{}{pieces}", bytes(count)), width, None)
            }
            Carried::Fin => ("FIN".to_owned(), 1.1, Some(Glyph::Fin)),
            Carried::Reset => ("RST".to_owned(), 1.1, Some(Glyph::Reset)),
            Carried::Refused => (format!("SYN #{} refused", conn.number), 1.1, Some(Glyph::Refused)),
        };
        let times = format!("{} to {}", moment(stroke.from.0, 1_000), moment(stroke.at.0, 1_000));
        let style = if stroke.what == Carried::Refused { "syn" } else { "msg" };
        self.arrow(line, style, colour, width, &format!("#{} {words}, {times}", conn.number));
        if let Some(glyph) = glyph {
            let inward = if line[0] < line[2] { -8.0 } else { 8.0 };
            self.glyph(glyph, line[2] + inward, line[3], &words);
        }
        self.label_between(line, &words);
    }

    /// A line with a head; from a host to itself, a loop.
    fn arrow(&mut self, [x1, y1, x2, y2]: [f64; 4], class: &str, colour: usize, width: f64, title: &str) {
        let (dx, dy) = (x2 - x1, y2 - y1);
        let long = (dx * dx + dy * dy).sqrt().max(1.0);
        self.out.raw("<g>");
        self.out.title(title);
        let (ux, uy) = if dx.abs() < 20.0 { (-1.0, 0.0) } else { (dx / long, dy / long) };
        let d = if dx.abs() < 20.0 {
            format!("M{} {}h30V{}H{}", N(x1), N(y1), N(y2), N(x2 + 6.0))
        } else {
            format!("M{} {}L{} {}", N(x1), N(y1), N(x2 - 6.0 * ux), N(y2 - 6.0 * uy))
        };
        self.out
            .raw(format_args!("<path class=\"{class} p{colour}\" stroke-width=\"{}\" d=\"{d}\"/>", N(width)));
        let half = 3.0 + width / 2.0;
        let (bx, by) = (x2 - 8.0 * ux, y2 - 8.0 * uy);
        self.out.raw(format_args!(
            "<path class=\"f{colour}\" d=\"M{} {}L{} {}L{} {}z\"/>",
            N(x2),
            N(y2),
            N(bx - uy * half),
            N(by + ux * half),
            N(bx + uy * half),
            N(by - ux * half)
        ));
        self.out.raw("</g>\n");
    }

    fn glyph(&mut self, glyph: Glyph, x: f64, y: f64, title: &str) {
        self.out.raw(format_args!("<g><use href=\"#{}\" x=\"{}\" y=\"{}\"/>", glyph.id(), N(x), N(y)));
        self.out.title(title);
        self.out.raw("</g>\n");
    }

    fn label_between(&mut self, [x1, y1, x2, y2]: [f64; 4], words: &str) {
        let at = |share: f64| (x1 + (x2 - x1) * share, y1 + (y2 - y1) * share - 4.0);
        let places = [0.5, 0.36, 0.64, 0.24, 0.76, 0.16, 0.84].map(at);
        self.label(&places, "", words);
    }

    /// At the first of `places` where there is room; words are centred there.
    fn label(&mut self, places: &[(f64, f64)], class: &str, words: &str) {
        if let Some((x, y)) = self.labels.place(places, words.chars().count() as f64 * 6.7) {
            self.out.words(x, y, &format!("{class} m halo"), words);
        }
    }

    fn x(&self, conn: &Conn, side: usize) -> Option<f64> {
        let host = conn.hosts[side]?;
        Some(self.columns.x[self.columns.of[host]] + self.slots.offset(conn.number, side))
    }
}

/// When `side` of a connection is first and last heard of.
fn extent(conn: &Conn, side: usize) -> Option<(super::scale::Point, super::scale::Point)> {
    let strokes = conn.strokes.iter().map(|stroke| if stroke.side == side { stroke.from } else { stroke.at });
    let marks = conn.marks.iter().filter(|mark| mark.side == side).map(|mark| mark.at);
    let begun = conn.connected[side].into_iter().chain(conn.dialed.filter(|_| side == CLIENT));
    let refusal = |point: &super::scale::Point| {
        side == CLIENT || !conn.strokes.iter().any(|s| s.what == Carried::Refused && s.from == *point)
    };
    let mut all: Vec<_> = strokes.chain(marks).chain(begun).filter(refusal).collect();
    all.sort_unstable();
    Some((*all.first()?, *all.last()?))
}

/// Which connections stand beside each other on one host.
struct Slots(std::collections::BTreeMap<(u64, usize), usize>);

impl Slots {
    fn new(scene: &Scene, scale: &Scale) -> Self {
        let mut slots = std::collections::BTreeMap::new();
        for host in 0..scene.hosts.len() {
            let mut ends: Vec<f64> = Vec::new();
            let on = |conn: &Conn, side| conn.hosts[side] == Some(host);
            let all = scene.conns.iter().flat_map(|conn| [(conn, CLIENT), (conn, SERVER)]);
            let mut bars: Vec<_> = all
                .filter(|(conn, side)| on(conn, *side))
                .filter_map(|(conn, side)| Some((extent(conn, side)?, conn.number, side)))
                .collect();
            bars.sort_unstable();
            for ((first, last), number, side) in bars {
                let (top, bottom) = (scale.y(first), scale.y(last));
                let free = ends.iter().position(|end| *end + 8.0 < top);
                let slot = free.unwrap_or_else(|| {
                    ends.push(0.0);
                    ends.len() - 1
                });
                ends[slot] = bottom;
                slots.insert((number, side), slot);
            }
        }
        Self(slots)
    }

    /// 0, to the right, to the left, further to the right, and so on.
    fn offset(&self, number: u64, side: usize) -> f64 {
        let slot = self.0.get(&(number, side)).copied().unwrap_or_default() % 9;
        let far = slot.div_ceil(2) as f64 * SLOT;
        if slot % 2 == 1 { far } else { -far }
    }
}

/// Where words are already.
#[derive(Default)]
struct Labels {
    taken: Vec<[f64; 4]>,
    hidden: usize,
}

impl Labels {
    fn place(&mut self, places: &[(f64, f64)], width: f64) -> Option<(f64, f64)> {
        for (x, y) in places {
            let [left, top, right, bottom] = [x - width / 2.0, y - 9.0, x + width / 2.0, y + 1.0];
            let free = |[l, t, r, b]: &[f64; 4]| right <= *l || left >= *r || bottom <= *t || top >= *b;
            if self.taken.iter().all(free) {
                self.taken.push([left, top, right, bottom]);
                return Some((*x, *y));
            }
        }
        self.hidden += 1;
        None
    }
}
