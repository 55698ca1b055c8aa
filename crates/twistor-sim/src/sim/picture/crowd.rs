//! Thousands of connections, summed over time for each pair of columns.

use std::collections::BTreeMap;

use super::columns::Columns;
use super::glyph::{Glyph, PALETTE};
use super::page::{Drawing, count, is_data};
use super::scale::{Scale, Wish};
use super::scene::{Conn, Scene};
use super::svg::{N, Svg, bytes, duration, shortened};

/// The height of what is summed in the areas.
const BIN: f64 = 5.0;
/// How many of those are one row of shapes, with a tooltip.
const ROW: usize = 4;
/// Half of the width of both areas.
const HALF: f64 = 62.0;
/// The width of a shape with its number.
const SHAPE: f64 = 34.0;

/// What happened between two columns.
struct Flow {
    client: usize,
    server: Option<usize>,
    /// The connections that are open, those that begin, and the bytes that arrive in each bin.
    open: Vec<u64>,
    begun: Vec<u64>,
    bytes: Vec<u64>,
    /// How many of each kind are in each row.
    glyphs: Vec<BTreeMap<Glyph, u64>>,
    /// The kinds there are.
    kinds: Vec<Glyph>,
    left: f64,
}

/// The sums of `scene`.
pub(super) fn draw(scene: &Scene, mut columns: Columns) -> Drawing {
    let wish = Wish { top: 0.0, step: 0.0, height: 1_500.0, gap: 130.0, breaks: 4 };
    let scale = Scale::new(scene.points(), wish);
    let mut flows: Vec<Flow> = columns
        .pairs(scene)
        .into_iter()
        .map(|((client, server), conns)| Flow::new(client, server, &conns, &scale))
        .collect();
    let mut room = vec![0.0; columns.all.len()];
    for flow in &mut flows {
        flow.left = 18.0 + room[flow.client];
        room[flow.client] += flow.width() + 18.0;
    }
    columns.lay_out(&room);
    for flow in &mut flows {
        flow.left += columns.x[flow.client];
    }
    let most_open = flows.iter().flat_map(|flow| flow.open.iter().copied()).max().unwrap_or(1).max(1);
    let most_bytes = flows.iter().flat_map(|flow| flow.bytes.iter().copied()).max().unwrap_or(1).max(1);
    let mut sheet = Sheet { columns: &columns, scale: &scale, most_open, most_bytes, out: Svg::default() };
    flows.iter().for_each(|flow| sheet.flow(flow));
    let body = sheet.out;
    let bin = duration(BIN as u64 * scale.unit());
    let row = duration(BIN as u64 * ROW as u64 * scale.unit());
    let mut notes = vec![
        format!(
            "Connections are summed. Light, to the left: how many are open, up to {most_open}. Full, to the right: the bytes that arrive in {bin}, up to {}.",
            bytes(most_bytes)
        ),
        format!(
            "Shapes with their numbers: what happened in {row}; FINs and calls with a fault are in the tooltips, and the latter in the yellow bars beside the hosts' lines."
        ),
    ];
    if columns.are_shared() {
        notes.push("Hosts whose names differ in a number share a column.".to_owned());
    }
    Drawing { columns, scale, body, notes, every_fault: false }
}

impl Flow {
    fn new(client: usize, server: Option<usize>, conns: &[&Conn], scale: &Scale) -> Self {
        let bins = (scale.bottom() / BIN) as usize + 1;
        let bin = |point| ((scale.y(point) / BIN) as usize).min(bins - 1);
        let mut flow = Self {
            client,
            server,
            open: vec![0; bins],
            begun: vec![0; bins],
            bytes: vec![0; bins],
            glyphs: vec![BTreeMap::new(); bins.div_ceil(ROW)],
            kinds: Vec::new(),
            left: 0.0,
        };
        let mut closed = vec![0; bins + 1];
        for conn in conns {
            flow.begun[bin(conn.begin)] += 1;
            closed[bin(conn.end) + 1] += 1;
            for stroke in &conn.strokes {
                flow.bytes[bin(stroke.at)] += is_data(stroke.what).unwrap_or_default();
            }
            for (glyph, _, at) in conn.glyphs() {
                *flow.glyphs[bin(at) / ROW].entry(glyph).or_default() += 1;
            }
        }
        let mut open = 0;
        for ((sum, begun), closed) in flow.open.iter_mut().zip(&flow.begun).zip(&closed) {
            open = open + begun - closed;
            *sum = open;
        }
        let quiet = |glyph: &Glyph| matches!(glyph, Glyph::Fin | Glyph::Fault);
        let found = |glyph: &Glyph| flow.glyphs.iter().any(|row| row.contains_key(glyph));
        flow.kinds = Glyph::ALL.into_iter().filter(|glyph| !quiet(glyph) && found(glyph)).collect();
        flow
    }

    fn width(&self) -> f64 {
        2.0 * HALF + 12.0 + self.kinds.len() as f64 * SHAPE
    }
}

struct Sheet<'a> {
    columns: &'a Columns,
    scale: &'a Scale,
    most_open: u64,
    most_bytes: u64,
    out: Svg,
}

impl Sheet<'_> {
    fn flow(&mut self, flow: &Flow) {
        let colour = flow.server.unwrap_or_default() % PALETTE.len();
        let to = flow.server.map_or("nowhere", |server| self.columns.all[server].label.as_str());
        let middle = flow.left + HALF;
        let label = format!("→ {}", shortened(to, 18));
        self.out.words(middle, -4.0, &format!("m halo f{colour}"), &label);
        let open = |bin: usize| flow.open[bin] as f64 / self.most_open as f64;
        let carried = |bin: usize| flow.bytes[bin] as f64 / self.most_bytes as f64;
        let (left, right) =
            (area(middle, -HALF, flow.open.len(), open), area(middle, HALF, flow.bytes.len(), carried));
        self.out.path(&format!("area f{colour}"), &left);
        self.out.path(&format!("flow f{colour}"), &right);
        let bottom = N(self.scale.bottom());
        self.out.path(&format!("base p{colour}"), &format!("M{} 0V{bottom}", N(middle)));
        for row in 0..flow.glyphs.len() {
            self.row(flow, row);
        }
    }

    fn row(&mut self, flow: &Flow, row: usize) {
        let bins = row * ROW..((row + 1) * ROW).min(flow.open.len());
        let sum = |of: &[u64]| of[bins.clone()].iter().sum::<u64>();
        let (begun, carried) = (sum(&flow.begun), sum(&flow.bytes));
        let open = flow.open[bins.clone()].iter().copied().max().unwrap_or_default();
        if open == 0 && flow.glyphs[row].is_empty() {
            return;
        }
        let high = BIN * ROW as f64;
        let y = row as f64 * high;
        let mut title =
            format!("{open} open, {} begun, {} arrived", count(begun, "connection"), bytes(carried));
        for (glyph, number) in &flow.glyphs[row] {
            title += &format!(", {} ×{number}", glyph.label());
        }
        self.out.raw("<g>");
        self.out.title(&title);
        self.out.raw(format_args!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" pointer-events=\"all\"/>",
            N(flow.left),
            N(y),
            N(flow.width()),
            N(high)
        ));
        for (place, glyph) in flow.kinds.iter().enumerate() {
            let Some(number) = flow.glyphs[row].get(glyph) else { continue };
            let x = flow.left + 2.0 * HALF + 16.0 + place as f64 * SHAPE;
            let middle = y + high / 2.0;
            self.out.raw(format_args!("<use href=\"#{}\" x=\"{}\" y=\"{}\"/>", glyph.id(), N(x), N(middle)));
            if *number > 1 {
                self.out.words(x + 8.0, middle + 3.5, "s", &number.to_string());
            }
        }
        self.out.close();
    }
}

/// The outline of shares, one a bin, from `middle` to one side.
fn area(middle: f64, half: f64, bins: usize, share: impl Fn(usize) -> f64) -> String {
    let mut d = String::new();
    let mut before = 0.0;
    for bin in 0..bins {
        let share = share(bin);
        if share != before {
            if before == 0.0 {
                d += &format!("M{} {}", N(middle), N(bin as f64 * BIN));
            } else {
                d += &format!("V{}", N(bin as f64 * BIN));
            }
            if share > 0.0 {
                // What there is at all can be seen.
                let wide = if half < 0.0 { (share * half).min(-0.8) } else { (share * half).max(0.8) };
                d += &format!("H{}", N(middle + wide));
            } else {
                d += &format!("H{}z", N(middle));
            }
        }
        before = share;
    }
    if before > 0.0 {
        d += &format!("V{}H{}z", N(bins as f64 * BIN), N(middle));
    }
    d
}
