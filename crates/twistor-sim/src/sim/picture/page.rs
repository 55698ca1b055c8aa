//! What is around the drawing, and below it: title, notes, legend, axis, lifelines, cuts.

use std::collections::BTreeMap;

use super::columns::{Columns, LONGEST};
use super::glyph::{Glyph, definitions, style};
use super::scale::Scale;
use super::scene::{Carried, Scene};
use super::svg::{N, Svg, bytes, duration, moment, shortened};
use crate::sim::trace::Trace;

/// What is left of the first column: the axis.
pub(super) const GUTTER: f64 = 104.0;
/// The least width.
const NARROWEST: f64 = 760.0;
/// More cuts than this are not drawn, nor more ends and starts of hosts.
const MOST: usize = 600;
/// The height of a line of words.
const LINE: f64 = 17.0;

/// What one of the ways to draw has come to. Its places are relative to the first moment, at zero.
#[derive(Debug)]
pub(super) struct Drawing {
    pub(super) columns: Columns,
    pub(super) scale: Scale,
    pub(super) body: Svg,
    /// What was left out or summed, in sentences.
    pub(super) notes: Vec<String>,
    /// Whether the body draws calls with a fault that belong to a connection, one by one.
    pub(super) every_fault: bool,
}

/// The whole file.
pub(super) fn compose(trace: &Trace, scene: &Scene, drawing: Drawing) -> String {
    let width = (drawing.columns.right + 24.0).max(NARROWEST);
    let mut head = Svg::default();
    let top = header(&mut head, trace, scene, &drawing, width) + 46.0;
    let height = top + drawing.scale.bottom() + 40.0;
    let mut page = Svg::default();
    page.raw(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\">\n",
        w = N(width),
        h = N(height)
    ));
    page.title(&format!("A simulated run with seed {}", trace.seed()));
    page.raw(format_args!("<style>{}</style>\n<defs>\n{}</defs>\n", style(), definitions()));
    page.rect("bg", [0.0, 0.0, width, height], "");
    page.raw(head.into_text());
    page.raw(format_args!("<g transform=\"translate(0 {})\">\n", N(top)));
    axis(&mut page, &drawing, width);
    early(&mut page, scene, width);
    cuts(&mut page, scene, &drawing);
    lifelines(&mut page, scene, &drawing);
    page.raw(drawing.body.into_text());
    host_marks(&mut page, scene, &drawing.columns, &drawing.scale);
    names(&mut page, scene, &drawing.columns);
    page.raw("</g>\n</svg>\n");
    page.into_text()
}

/// Title, notes and legend; gives where they end.
fn header(out: &mut Svg, trace: &Trace, scene: &Scene, drawing: &Drawing, width: f64) -> f64 {
    out.words(24.0, 34.0, "h1", &format!("Run with seed {}", trace.seed()));
    let (hosts, conns) = (scene.hosts.len(), scene.conns.len());
    let summary = format!(
        "{} of virtual time · {} · {} · {} · trace {:016x}",
        duration(scene.end),
        count(hosts as u64, "host"),
        count(conns as u64, "connection"),
        count(trace.count(), "event"),
        trace.hash()
    );
    out.words(24.0, 54.0, "mu", &summary);
    let mut y = legend(out, scene, drawing, width, 78.0);
    let mut notes = drawing.notes.clone();
    if scene.missing > 0 {
        notes.insert(
            0,
            format!(
                "The trace kept its latest {} events: the {} before {} are not in this picture.",
                trace.events().len(),
                scene.missing,
                moment(scene.begin, 1_000_000)
            ),
        );
    }
    let (marks, drawn) = ends_and_starts(scene);
    if scene.cuts.len() > MOST || marks > drawn {
        notes.push(format!(
            "Of cuts, and of ends and starts of hosts, some {MOST} are drawn; the legend counts all."
        ));
    }
    for line in notes.iter().flat_map(|note| wrapped(note, ((width - 60.0) / 6.95) as usize)) {
        out.words(24.0, y, "mu no", &line);
        y += LINE;
    }
    y
}

/// What occurs, each with its number; gives where it ends.
fn legend(out: &mut Svg, scene: &Scene, drawing: &Drawing, width: f64, mut y: f64) -> f64 {
    let mut counts: BTreeMap<Glyph, u64> = BTreeMap::new();
    let of_conns = scene.conns.iter().flat_map(|conn| conn.glyphs().map(|(glyph, ..)| glyph));
    let of_hosts = scene.hosts.iter().flat_map(|host| host.marks.iter().map(|mark| mark.glyph));
    of_conns.chain(of_hosts).for_each(|glyph| *counts.entry(glyph).or_default() += 1);
    let total: u64 = scene.conns.iter().flat_map(|conn| conn.bytes()).sum();
    let mut entries: Vec<(Option<Glyph>, &str, String)> = Vec::new();
    let dialed = scene.conns.iter().filter(|conn| conn.dialed.is_some()).count();
    if dialed > 0 {
        entries.push((None, "<path class=\"syn p0\" d=\"M-9 0H7\"/>", format!("SYN {dialed}")));
    }
    if drawing.every_fault && scene.conns.iter().any(|conn| conn.connected[0].is_some()) {
        let connected = scene.conns.iter().filter(|conn| conn.connected[0].is_some()).count();
        let dot = "<circle class=\"f0\" r=\"3.6\"/>";
        entries.push((None, dot, format!("connected {connected}")));
    }
    if total > 0 {
        let data = "<path class=\"msg p0\" stroke-width=\"2.6\" d=\"M-9 0H3\"/><path class=\"f0\" d=\"M8 0L1-4V4z\"/>";
        entries.push((None, data, format!("data {}", bytes(total))));
    }
    if !scene.cuts.is_empty() {
        let cut = "<rect x=\"-9\" y=\"-6\" width=\"17\" height=\"12\" fill=\"url(#hatch)\"/>";
        entries.push((None, cut, format!("cut {}", scene.cuts.len())));
    }
    if !drawing.scale.breaks().is_empty() {
        let label = format!("time cut out {}", drawing.scale.breaks().len());
        entries.push((None, "<path class=\"zig\" d=\"M-9 2l3-4 3 4 3-4 3 4 3-4 3 4\"/>", label));
    }
    entries
        .extend(counts.iter().map(|(glyph, count)| (Some(*glyph), "", format!("{} {count}", glyph.label()))));
    let mut x = 24.0;
    for (glyph, shape, label) in entries {
        let wide = label.chars().count() as f64 * 6.7 + 42.0;
        if x + wide > width - 20.0 {
            (x, y) = (24.0, y + 21.0);
        }
        out.raw(format_args!("<g transform=\"translate({} {})\">", N(x + 9.0), N(y)));
        match glyph {
            Some(glyph) => out.raw(format_args!("<use href=\"#{}\"/>", glyph.id())),
            None => out.raw(shape),
        }
        out.words(15.0, 4.0, "", &label);
        out.close();
        x += wide;
    }
    y + 27.0
}

fn axis(out: &mut Svg, drawing: &Drawing, width: f64) {
    let (ticks, step) = drawing.scale.ticks();
    let right = N(width - 20.0);
    for gone in drawing.scale.breaks() {
        let height = gone.bottom - gone.top;
        out.rect("brk", [20.0, gone.top + 5.0, width - 40.0, height - 10.0], "");
    }
    let mut grid = String::new();
    for (time, y) in &ticks {
        grid += &format!("M{} {}H{right}", N(GUTTER - 16.0), N(*y));
        let exact = if time % step == 0 { step } else { 1_000_000 };
        out.words(GUTTER - 22.0, y + 4.0, "e", &moment(*time, exact));
    }
    out.path("grid", &grid);
    let mut zigzag = String::new();
    for gone in drawing.scale.breaks() {
        let y = (gone.top + gone.bottom) / 2.0;
        out.words(GUTTER - 22.0, y + 3.5, "mu s e", &format!("↕ {}", duration(gone.to - gone.from)));
        zigzag += &format!("M{} {}", N(GUTTER - 16.0), N(y + 2.5));
        let waves = ((width - 4.0 - GUTTER) / 12.0) as usize;
        zigzag += &"l6-5 6 5".repeat(waves);
    }
    out.path("zig", &zigzag);
}

/// Where events are missing.
fn early(out: &mut Svg, scene: &Scene, width: f64) {
    if scene.missing > 0 {
        let words = format!("{} earlier events were not kept", scene.missing);
        out.rect("lost-early", [20.0, -12.0, width - 40.0, 12.0], &words);
    }
}

/// Ways that were cut: shaded between their columns.
fn cuts(out: &mut Svg, scene: &Scene, drawing: &Drawing) {
    let Drawing { columns, scale, .. } = drawing;
    for (index, cut) in scene.cuts.iter().take(MOST).enumerate() {
        let (a, b) = (columns.of[cut.from], columns.of[cut.to]);
        let back = |other: &&super::scene::Cut| {
            (other.from, other.to) == (cut.to, cut.from)
                && other.begin.0 == cut.begin.0
                && other.end.map(|end| end.0) == cut.end.map(|end| end.0)
        };
        let both = scene.cuts.iter().position(|other| back(&other));
        if both.is_some_and(|other| other < index) {
            continue;
        }
        let end = cut.end.unwrap_or((scene.end, u64::MAX));
        let (top, bottom) = (scale.y(cut.begin), scale.y(end));
        let (left, right) = (
            columns.x[a].min(columns.x[b]),
            columns.x[a].max(columns.x[b]).max(columns.x[a].min(columns.x[b]) + 30.0),
        );
        let (from, to) = (&scene.hosts[cut.from].name, &scene.hosts[cut.to].name);
        let words = if both.is_some() { format!("{from} ↔ {to}") } else { format!("{from} → {to}") };
        let title =
            format!("cut: {words}, {} to {}", moment(cut.begin.0, 1_000_000), moment(end.0, 1_000_000));
        let place = [left, top, right - left, (bottom - top).max(3.0)];
        out.rect("cutbg", place, "");
        out.raw("<g fill=\"url(#hatch)\">");
        out.rect("", place, &title);
        out.close();
        out.words(left + 8.0, top - 4.0, "cuttx s halo", &format!("cut {words}"));
    }
}

/// The line of each host, interrupted where nothing ran.
fn lifelines(out: &mut Svg, scene: &Scene, drawing: &Drawing) {
    let Drawing { columns, scale, .. } = drawing;
    for (column, x) in columns.all.iter().zip(&columns.x) {
        let (mut line, mut off) = (String::new(), String::new());
        let mut y = scale.top() - 14.0;
        // Of several hosts together one that is down is marked, and the line goes on.
        let outages = if let [host] = column.hosts[..] { &scene.hosts[host].outages[..] } else { &[] };
        for (from, to) in outages {
            let (begin, end) = (scale.y(*from), to.map_or(scale.bottom() + 12.0, |to| scale.y(to)));
            line += &format!("M{} {}V{}", N(*x), N(y), N(begin));
            off += &format!("M{} {}V{}", N(*x), N(begin), N(end));
            y = end;
        }
        line += &format!("M{} {}V{}", N(*x), N(y), N((scale.bottom() + 12.0).max(y)));
        out.path("life", &line);
        out.path("off", &off);
    }
    faults(out, scene, drawing);
}

/// Calls with a fault, as a histogram to the left of each line.
fn faults(out: &mut Svg, scene: &Scene, drawing: &Drawing) {
    let Drawing { columns, scale, .. } = drawing;
    const BIN: f64 = 6.0;
    const LONGEST: f64 = 17.0;
    let mut bins: BTreeMap<(usize, u64), u64> = BTreeMap::new();
    let of_hosts = scene.hosts.iter().enumerate().flat_map(|(host, line)| {
        line.marks.iter().filter(|mark| mark.glyph == Glyph::Fault).map(move |mark| (host, mark.at))
    });
    let summed = scene.conns.iter().filter(|_| !drawing.every_fault);
    let of_conns = summed.flat_map(|conn| {
        let faults = conn.marks.iter().filter(|mark| mark.glyph == Glyph::Fault);
        faults.filter_map(|mark| Some((conn.hosts[mark.side]?, mark.at)))
    });
    for (host, at) in of_hosts.chain(of_conns) {
        *bins.entry((columns.of[host], (scale.y(at) / BIN) as u64)).or_default() += 1;
    }
    let most = bins.values().max().copied().unwrap_or(1) as f64;
    for ((column, bin), count) in bins {
        let long = (count as f64 / most * LONGEST).max(2.0);
        let place = [columns.x[column] - 3.0 - long, bin as f64 * BIN, long, BIN - 1.5];
        out.rect("flt", place, &self::count(count, "call with a fault"));
    }
}

/// How many ends and starts of each host are drawn.
fn most_marks(scene: &Scene) -> usize {
    MOST / scene.hosts.len().clamp(1, MOST)
}

/// How many ends and starts of hosts there are, and how many of them are drawn.
fn ends_and_starts(scene: &Scene) -> (usize, usize) {
    let counts =
        scene.hosts.iter().map(|host| host.marks.iter().filter(|mark| mark.glyph != Glyph::Fault).count());
    let drawn = counts.clone().take(MOST).map(|count| count.min(most_marks(scene))).sum();
    (counts.sum(), drawn)
}

fn host_marks(out: &mut Svg, scene: &Scene, columns: &Columns, scale: &Scale) {
    for (index, host) in scene.hosts.iter().enumerate().take(MOST) {
        let x = columns.x[columns.of[index]];
        for mark in host.marks.iter().filter(|mark| mark.glyph != Glyph::Fault).take(most_marks(scene)) {
            let y = scale.y(mark.at);
            let title = format!("{} {} at {}", host.name, mark.words, moment(mark.at.0, 1_000_000));
            out.raw(format_args!("<g><use href=\"#{}\" x=\"{}\" y=\"{}\"/>", mark.glyph.id(), N(x), N(y)));
            out.title(&title);
            let shared = columns.all[columns.of[index]].hosts.len() > 1;
            let words = if shared { format!("{} {}", host.name, mark.words) } else { mark.words.clone() };
            out.words(x - 10.0, y + 4.0, "s e halo", &words);
            out.close();
        }
    }
}

/// The names of the hosts, over their lines.
fn names(out: &mut Svg, scene: &Scene, columns: &Columns) {
    for (column, x) in columns.all.iter().zip(&columns.x) {
        let label = shortened(&column.label, LONGEST);
        let wide = label.chars().count() as f64 * 7.6 + 22.0;
        out.raw("<g>");
        let names: Vec<&str> =
            column.hosts.iter().take(40).map(|host| scene.hosts[*host].name.as_str()).collect();
        let more = column.hosts.len().saturating_sub(40);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        out.title(&format!("{}{rest}", names.join(", ")));
        out.raw(format_args!(
            "<rect class=\"card\" rx=\"6\" x=\"{}\" y=\"-38\" width=\"{}\" height=\"24\"/>",
            N(x - wide / 2.0),
            N(wide)
        ));
        out.words(*x, -21.5, "h2", &label);
        out.close();
    }
}

/// `1 host`, `2 hosts`, `3 calls with a fault`.
pub(super) fn count(number: u64, noun: &str) -> String {
    match (number, noun.split_once(' ')) {
        (1, _) => format!("{number} {noun}"),
        (_, Some((noun, rest))) => format!("{number} {noun}s {rest}"),
        (_, None) => format!("{number} {noun}s"),
    }
}

/// What is said of a connection when the pointer rests on it.
pub(super) fn about(scene: &Scene, conn: &super::scene::Conn) -> String {
    let name = |side: usize| conn.hosts[side].map_or("nowhere", |host| scene.hosts[host].name.as_str());
    let mut words = format!("connection {}: {} → {}", conn.number, name(0), name(1));
    if let Some(to) = &conn.to {
        words += &format!(" ({to})");
    }
    words += &format!(", {} to {}", moment(conn.begin.0, 1_000_000), moment(conn.end.0, 1_000_000));
    let [up, down] = conn.bytes();
    words += &format!(", {} up, {} down", bytes(up), bytes(down));
    let mut counts: BTreeMap<Glyph, u32> = BTreeMap::new();
    conn.glyphs().for_each(|(glyph, ..)| *counts.entry(glyph).or_default() += 1);
    for (glyph, count) in counts {
        words += &format!(", {}", glyph.label());
        if count > 1 {
            words += &format!(" ×{count}");
        }
    }
    words
}

/// Whether any data of it arrived.
pub(super) const fn is_data(what: Carried) -> Option<u64> {
    match what {
        Carried::Data { bytes, .. } => Some(bytes),
        _ => None,
    }
}

fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > most {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
