//! Hundreds of connections, a lane each beside the line of their client.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::columns::Columns;
use super::glyph::{Glyph, PALETTE};
use super::page::{Drawing, about, is_data};
use super::scale::{Scale, Wish};
use super::scene::{Conn, SERVER, Scene};
use super::svg::{N, Svg, bytes, duration, shortened};

/// What all lanes together take, more or less.
const ROOM: f64 = 1_050.0;
/// The narrowest bundle: its name has to stand over it.
const NARROWEST: f64 = 72.0;
/// Two connections of one lane are so far apart at least.
const BETWEEN: f64 = 7.0;
/// How many pieces of lanes there are at most.
const MOST_PIECES: usize = 45_000;

/// The connections between two columns.
struct Bundle<'a> {
    client: usize,
    server: Option<usize>,
    /// Each connection, with its lane.
    conns: Vec<(&'a Conn, usize)>,
    lanes: usize,
    left: f64,
}

/// `scene`, a lane a connection; `None` if more than `most` lanes are needed.
pub(super) fn draw(scene: &Scene, mut columns: Columns, most: usize) -> Option<Drawing> {
    let height = (900.0 + scene.conns.len() as f64 * 2.0).min(1_900.0);
    let scale = Scale::new(scene.points(), Wish { top: 0.0, step: 0.0, height, gap: 110.0, breaks: 6 });
    let mut bundles: Vec<Bundle<'_>> = columns
        .pairs(scene)
        .into_iter()
        .map(|((client, server), conns)| Bundle::new(client, server, conns, &scale))
        .collect();
    let lanes: usize = bundles.iter().map(|bundle| bundle.lanes).sum();
    if lanes > most {
        return None;
    }
    let pitch = (ROOM / lanes.max(1) as f64).clamp(2.2, 16.0);
    place(&mut columns, &mut bundles, pitch);
    let bin = bin_height(scene, &scale);
    let most_bytes = busiest(scene, &scale, bin);
    let mut sheet =
        Sheet { scene, columns: &columns, scale: &scale, pitch, bin, most_bytes, out: Svg::default() };
    bundles.iter().for_each(|bundle| sheet.bundle(bundle));
    let body = sheet.out;
    let notes = vec![
        format!(
            "A lane is a connection, beside its client; it begins with its SYN, and its width is the bytes that arrive in {} ({:.0} px), {} at the widest.",
            duration((bin as u64).max(1) * scale.unit()),
            bin,
            bytes(most_bytes)
        ),
        "Thin lines lead from the SYN to where the server accepted. A lane that just ends was closed in order (FIN). \
         Yellow bars beside a host's line count calls with a fault."
            .to_owned(),
    ];
    let mut drawing = Drawing { columns, scale, body, notes, every_fault: false };
    if drawing.columns.are_shared() {
        drawing.notes.push("Hosts whose names differ in a number share a column.".to_owned());
    }
    Some(drawing)
}

impl<'a> Bundle<'a> {
    /// Gives each connection the first lane that is free.
    fn new(client: usize, server: Option<usize>, mut conns: Vec<&'a Conn>, scale: &Scale) -> Self {
        conns.sort_by_key(|conn| (conn.begin, conn.number));
        // Lanes in use, by the place (in tenths) where they end; lanes that are free, lowest first.
        let mut busy: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
        let mut free: BinaryHeap<Reverse<usize>> = BinaryHeap::new();
        let mut lanes = 0;
        let mut placed = Vec::with_capacity(conns.len());
        for conn in conns {
            let [top, bottom] = [conn.begin, conn.end].map(|point| (scale.y(point) * 10.0) as u64);
            while let Some(Reverse((_, lane))) = busy.peek().copied().filter(|Reverse((end, _))| *end <= top)
            {
                busy.pop();
                free.push(Reverse(lane));
            }
            let lane = free.pop().map_or(lanes, |Reverse(lane)| lane);
            lanes = lanes.max(lane + 1);
            busy.push(Reverse((bottom + (BETWEEN * 10.0) as u64, lane)));
            placed.push((conn, lane));
        }
        Self { client, server, conns: placed, lanes, left: 0.0 }
    }

    fn width(&self, pitch: f64) -> f64 {
        (self.lanes as f64 * pitch).max(NARROWEST)
    }
}

/// Columns, each with its bundles to the right of it.
fn place(columns: &mut Columns, bundles: &mut [Bundle<'_>], pitch: f64) {
    const BESIDE: f64 = 16.0;
    let mut room = vec![0.0; columns.all.len()];
    for bundle in bundles.iter_mut() {
        bundle.left = BESIDE + room[bundle.client];
        room[bundle.client] += bundle.width(pitch) + BESIDE;
    }
    columns.lay_out(&room);
    for bundle in bundles {
        bundle.left += columns.x[bundle.client];
    }
}

/// The height of what is summed: as little as the size of the file allows.
fn bin_height(scene: &Scene, scale: &Scale) -> f64 {
    let high = |conn: &Conn| scale.y(conn.end) - scale.y(conn.begin);
    let pieces: f64 = scene.conns.iter().map(high).sum();
    (pieces / MOST_PIECES as f64).ceil().clamp(4.0, 24.0)
}

/// The bytes of each bin of a connection, by the place of their arrival.
fn binned(conn: &Conn, scale: &Scale, bin: f64) -> BTreeMap<u64, u64> {
    let mut bins = BTreeMap::new();
    for stroke in &conn.strokes {
        if let Some(bytes) = is_data(stroke.what) {
            *bins.entry((scale.y(stroke.at) / bin) as u64).or_default() += bytes;
        }
    }
    bins
}

fn busiest(scene: &Scene, scale: &Scale, bin: f64) -> u64 {
    scene.conns.iter().flat_map(|conn| binned(conn, scale, bin).into_values()).max().unwrap_or(1)
}

struct Sheet<'a> {
    scene: &'a Scene,
    columns: &'a Columns,
    scale: &'a Scale,
    pitch: f64,
    bin: f64,
    most_bytes: u64,
    out: Svg,
}

impl Sheet<'_> {
    fn bundle(&mut self, bundle: &Bundle<'_>) {
        let colour = bundle.server.unwrap_or_default() % PALETTE.len();
        let to = bundle.server.map_or("nowhere", |server| self.columns.all[server].label.as_str());
        let middle = bundle.left + bundle.width(self.pitch) / 2.0;
        let most = (bundle.width(self.pitch) / 6.2) as usize;
        let label = format!("→ {to}");
        self.out.words(middle, -4.0, &format!("s m halo f{colour}"), &shortened(&label, most.max(9)));
        self.threads(bundle, colour);
        for (conn, lane) in &bundle.conns {
            let x = bundle.left + (*lane as f64 + 0.5) * self.pitch;
            self.lane(conn, x, colour);
        }
    }

    /// From each SYN to its accept, as one path.
    fn threads(&mut self, bundle: &Bundle<'_>, colour: usize) {
        let mut d = String::new();
        for (conn, lane) in &bundle.conns {
            let (Some(dialed), Some(accepted), Some(server)) =
                (conn.dialed, conn.connected[SERVER], bundle.server)
            else {
                continue;
            };
            let x = bundle.left + (*lane as f64 + 0.5) * self.pitch;
            let (y, there) = (self.scale.y(dialed), self.scale.y(accepted));
            d += &format!("M{} {}L{} {}", N(x), N(y), N(self.columns.x[server]), N(there));
        }
        self.out.path(&format!("thin p{colour}"), &d);
    }

    fn lane(&mut self, conn: &Conn, x: f64, colour: usize) {
        let (top, bottom) = (self.scale.y(conn.begin), self.scale.y(conn.end));
        self.out.raw("<g>");
        self.out.title(&about(self.scene, conn));
        let foot = self.pitch.min(5.0) / 2.0;
        let base = format!(
            "M{} {}h{}m{} 0V{}",
            N(x - foot),
            N(top),
            N(2.0 * foot),
            N(-foot),
            N(bottom.max(top + 1.0))
        );
        self.out.path(&format!("base p{colour}"), &base);
        self.flow(conn, x, colour);
        self.glyphs(conn, x);
        self.out.close();
    }

    /// The bytes, as the width of the lane.
    fn flow(&mut self, conn: &Conn, x: f64, colour: usize) {
        let widest = (self.pitch - 0.4).min(11.0);
        let mut d = String::new();
        let mut run: Option<(u64, u64, f64)> = None;
        let mut flush = |run: Option<(u64, u64, f64)>| {
            if let Some((first, last, width)) = run {
                let (y, high) = (first as f64 * self.bin, (last - first + 1) as f64 * self.bin);
                d += &format!("M{} {}h{}v{}h{}z", N(x - width / 2.0), N(y), N(width), N(high), N(-width));
            }
        };
        for (bin, bytes) in binned(conn, self.scale, self.bin) {
            // In steps of a sixth, so that what is about the same is one piece.
            let share = (bytes as f64 / self.most_bytes as f64).sqrt();
            let width = ((share * 6.0).ceil() / 6.0 * widest).max(1.4);
            match &mut run {
                Some((_, last, same)) if *last + 1 == bin && *same == width => *last = bin,
                _ => {
                    flush(run);
                    run = Some((bin, bin, width));
                }
            }
        }
        flush(run);
        self.out.path(&format!("flow f{colour}"), &d);
    }

    /// What went wrong; of what is on one place, one.
    fn glyphs(&mut self, conn: &Conn, x: f64) {
        let size = (self.pitch / 9.0).clamp(0.55, 1.0);
        let mut last: BTreeMap<Glyph, f64> = BTreeMap::new();
        for (glyph, _, at) in conn.glyphs().filter(|(glyph, ..)| !matches!(glyph, Glyph::Fin | Glyph::Fault))
        {
            let y = self.scale.y(at);
            if last.get(&glyph).is_some_and(|last| (y - last).abs() < 8.0 * size) {
                continue;
            }
            last.insert(glyph, y);
            let place = format!("translate({} {}) scale({:.2})", N(x), N(y), size);
            self.out.raw(format_args!("<use href=\"#{}\" transform=\"{place}\"/>", glyph.id()));
        }
    }
}
