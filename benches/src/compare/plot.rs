//! [`plot()`]: an outcome as a picture, in SVG that needs nothing else.

use std::fmt::{self, Write};

use super::Kind;
use super::outcome::{Metric, Outcome, RowOutcome, Server};
use super::rows::Figure;
use super::statistics::Interval;
use super::table::number;

/// Where the axes begin, how long they are, and how wide everything is, in pixels.
const LEFT: f64 = 190.0;
const LENGTH: f64 = 520.0;
const WIDTH: f64 = 820.0;

/// The heights of a server's line, of a panel's title, and of its axis.
const LINE: f64 = 20.0;
const TITLE: f64 = 34.0;
const AXIS: f64 = 26.0;

/// Places for numbers on the axes, of which those within are used.
const RATIOS: [f64; 13] = [0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0, 4.0, 8.0, 16.0, 32.0];
const BYTES: [f64; 10] =
    [16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0];

/// What is smaller than this many bytes a connection is drawn here: it is less than measuring can tell.
const FEW_BYTES: f64 = 8.0;

/// Colours, for light and for dark.
const STYLE: &str = "
svg { font: 13px system-ui, sans-serif; } .paper { fill: #ffffff; }
text { fill: #24292f; } .minor { fill: #57606a; font-size: 11px; } .title { font-weight: 600; }
.grid { stroke: #d8dee4; } .aim { stroke: #57606a; stroke-dasharray: 4 3; } .noise { fill: #d8dee4; opacity: 0.6; }
.limit, .again { stroke: #57606a; fill: #57606a; } .ours { stroke: #0969da; fill: #0969da; } .peer { stroke: #bc4c00; fill: #bc4c00; }
text.ours { fill: #0969da; font-weight: 600; stroke: none; }
line { stroke-width: 1; } line.bar { stroke-width: 2.5; stroke-linecap: round; }
@media (prefers-color-scheme: dark) {
.paper { fill: #0d1117; } text { fill: #e6edf3; } .minor { fill: #9198a1; }
.grid { stroke: #30363d; } .aim { stroke: #9198a1; } .noise { fill: #30363d; }
.limit, .again { stroke: #9198a1; fill: #9198a1; } .ours { stroke: #58a6ff; fill: #58a6ff; } .peer { stroke: #f0883e; fill: #f0883e; }
text.ours { fill: #58a6ff; }
}
";

/// One server in one panel.
struct Dot<'a> {
    server: &'a Server,
    interval: Interval,
}

/// One row, or one of a row's figures.
struct Panel<'a> {
    title: String,
    dots: Vec<Dot<'a>>,
    scale: &'a Scale,
    /// What two equal servers may differ by, as a part of 1. Not drawn in bytes.
    noise: Option<f64>,
}

/// An axis: logarithmic, from `low` to `high`, both above zero.
struct Scale {
    low: f64,
    high: f64,
    ticks: &'static [f64],
    /// Where a line is drawn through all panels.
    aim: f64,
    sign: &'static str,
}

impl Scale {
    /// An axis for `values` and for `aim`, with a little room on either side.
    fn of(values: impl Iterator<Item = f64>, aim: f64, ticks: &'static [f64], sign: &'static str) -> Self {
        let (low, high) = values.fold((aim, aim), |(low, high), value| (low.min(value), high.max(value)));
        Self { low: low / 1.1, high: high * 1.1, ticks, aim, sign }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + LENGTH * (value / self.low).ln() / (self.high / self.low).ln()
    }
}

/// The outcome as a picture: a panel for each row whose figure is processor time, all on one logarithmic axis of ratios to bare epoll, a
/// dot for the median and a bar for the interval; then the bytes of idle connections in the same manner. A grey band is what two equal
/// servers differ by.
///
/// # Errors
///
/// None of its own: what writing to a string gives.
pub fn plot(outcome: &Outcome) -> Result<String, fmt::Error> {
    let ratios: Vec<_> = outcome.rows.iter().filter_map(|row| ratio_dots(row, outcome.seed)).collect();
    let bytes: Vec<_> = outcome.rows.iter().flat_map(|row| byte_dots(row, outcome.seed)).collect();
    let ends = |dots: &[Dot<'_>]| -> Vec<f64> {
        dots.iter().flat_map(|it| [it.interval.low, it.interval.high]).collect()
    };
    let ratio_scale = Scale::of(ratios.iter().flat_map(|(_, dots)| ends(dots)), 1.0, &RATIOS, "");
    let byte_scale = Scale::of(bytes.iter().flat_map(|(_, dots)| ends(dots)), 256.0, &BYTES, " B");
    let ratios = ratios.into_iter().map(|(row, dots)| Panel {
        title: format!("{}: {}", row.row.name(), row.row.what()),
        dots,
        scale: &ratio_scale,
        noise: row.spread(Metric::Cpu, outcome.seed),
    });
    let bytes = bytes.into_iter().map(|(title, dots)| Panel {
        title: title.to_owned(),
        dots,
        scale: &byte_scale,
        noise: None,
    });
    draw(&ratios.chain(bytes).collect::<Vec<_>>())
}

fn ratio_dots(row: &RowOutcome, seed: u64) -> Option<(&RowOutcome, Vec<Dot<'_>>)> {
    let limit = row.of(Kind::Limit).filter(|_| row.row.figure() == Figure::Cpu)?;
    let dot = |server| Some(Dot { server, interval: Server::ratio(server, limit, Metric::Cpu, seed)? });
    let dots: Vec<Dot<'_>> = row.servers.iter().filter_map(dot).collect();
    (!dots.is_empty()).then_some((row, dots))
}

fn byte_dots(row: &RowOutcome, seed: u64) -> Vec<(&'static str, Vec<Dot<'_>>)> {
    let figures = [
        ("idle: resident bytes a connection that was never used", Metric::Fresh),
        ("idle: resident bytes a connection that has echoed a message", Metric::Used),
    ];
    let dots = |metric| -> Vec<Dot<'_>> {
        let dot = |server| {
            let it = Server::interval(server, metric, seed)?;
            let [low, median, high] = [it.low, it.median, it.high].map(|it| it.max(FEW_BYTES));
            Some(Dot { server, interval: Interval { low, median, high } })
        };
        row.servers.iter().filter_map(dot).collect()
    };
    figures
        .into_iter()
        .map(|(title, metric)| (title, dots(metric)))
        .filter(|(_, dots)| !dots.is_empty())
        .collect()
}

fn draw(panels: &[Panel<'_>]) -> Result<String, fmt::Error> {
    let height: f64 = 40.0 + panels.iter().map(height_of).sum::<f64>();
    let mut svg = String::new();
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"name about\">"
    )?;
    writeln!(svg, "<title id=\"name\">Processor time of servers, beside bare epoll</title>")?;
    writeln!(svg, "<desc id=\"about\">Medians and 95 % intervals. Left is better.</desc>")?;
    writeln!(svg, "<style>{STYLE}</style>")?;
    writeln!(svg, "<rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>")?;
    writeln!(
        svg,
        "<text class=\"minor\" x=\"12\" y=\"22\">Server's processor time, as a multiple of bare epoll's in the same round. \
         Left is better. The grey band is noise: bare epoll beside itself.</text>"
    )?;
    let mut top = 40.0;
    for panel in panels {
        one(panel, top, &mut svg)?;
        top += height_of(panel);
    }
    writeln!(svg, "</svg>")?;
    Ok(svg)
}

fn height_of(panel: &Panel<'_>) -> f64 {
    TITLE + LINE * panel.dots.len() as f64 + AXIS
}

fn one(panel: &Panel<'_>, top: f64, svg: &mut String) -> fmt::Result {
    let scale = panel.scale;
    let (first, last) = (top + TITLE, top + TITLE + LINE * panel.dots.len() as f64);
    writeln!(
        svg,
        "<g>\n<text class=\"title\" x=\"12\" y=\"{:.1}\">{}</text>",
        top + 20.0,
        escaped(&panel.title)
    )?;
    if let Some(noise) = panel.noise {
        let (from, to) = (scale.x((1.0 - noise).max(scale.low)), scale.x((1.0 + noise).min(scale.high)));
        let (width, height) = (to - from, last - first);
        writeln!(
            svg,
            "<rect class=\"noise\" x=\"{from:.1}\" y=\"{first:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        )?;
    }
    for tick in scale.ticks.iter().filter(|it| (scale.low..=scale.high).contains(it)) {
        let x = scale.x(*tick);
        writeln!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{first:.1}\" y2=\"{last:.1}\"/>"
        )?;
        let y = last + 13.0;
        let text = if scale.sign.is_empty() { tick.to_string() } else { number(*tick).replace(".0", "") };
        writeln!(
            svg,
            "<text class=\"minor\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{y:.1}\">{text}{}</text>",
            scale.sign
        )?;
    }
    let x = scale.x(scale.aim);
    writeln!(svg, "<line class=\"aim\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{first:.1}\" y2=\"{last:.1}\"/>")?;
    for (place, dot) in panel.dots.iter().enumerate() {
        line(dot, scale, first + LINE * (place as f64 + 0.5), svg)?;
    }
    writeln!(svg, "</g>")
}

fn line(dot: &Dot<'_>, scale: &Scale, y: f64, svg: &mut String) -> fmt::Result {
    let Interval { low, median, high } = dot.interval;
    let class = match dot.server.kind {
        Kind::Limit => "limit",
        Kind::Again => "again",
        Kind::Ours => "ours",
        Kind::Peer => "peer",
    };
    let [from, middle, to] = [low, median, high].map(|it| scale.x(it));
    let (label, words) = (escaped(&dot.server.label), y + 4.5);
    let value = |it: f64| if scale.sign.is_empty() { format!("{it:.3}") } else { number(it) };
    let (shown, low, high) = (value(median), value(low), value(high));
    let name = if class == "ours" { "ours" } else { "name" };
    writeln!(
        svg,
        "<text class=\"{name}\" text-anchor=\"end\" x=\"{:.1}\" y=\"{words:.1}\">{label}</text>",
        LEFT - 12.0
    )?;
    writeln!(
        svg,
        "<line class=\"bar {class}\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
    )?;
    writeln!(
        svg,
        "<circle class=\"{class}\" cx=\"{middle:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{label}: {shown} ({low} to {high})</title></circle>"
    )?;
    let right = LEFT + LENGTH + 14.0;
    writeln!(svg, "<text class=\"minor\" x=\"{right:.1}\" y=\"{words:.1}\">{shown}{}</text>", scale.sign)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Row;
    use crate::compare::outcome::tests::{made, outcome_of};
    use crate::compare::rows::Scale as Size;

    /// The numbers of an attribute of all elements that begin so.
    fn attribute(svg: &str, begins: &str, name: &str) -> Vec<f64> {
        let of = |line: &str| {
            let (_, rest) = line.split_once(&format!(" {name}=\""))?;
            rest.split('"').next()?.parse().ok()
        };
        svg.lines().filter(|line| line.starts_with(begins)).filter_map(of).collect()
    }

    fn picture() -> String {
        let mut rows = vec![
            made(Row::Echo64, Metric::Cpu, &[100.0, 102.0, 110.0, 200.0]),
            made(Row::Churn, Metric::Cpu, &[100.0, 100.0, 95.0, 1_000.0]),
            made(Row::Idle, Metric::Fresh, &[-3.0, 16.0, 200.0, 9_000.0]),
        ];
        rows[0].servers[3].label = "a<b & c".to_owned();
        rows[0].servers[2].enter(0, Metric::Cpu, 90.0);
        rows[0].servers[2].enter(1, Metric::Cpu, 130.0);
        plot(&outcome_of(rows, Size::Smoke)).unwrap()
    }

    #[test]
    fn every_server_has_a_dot_in_every_panel() {
        let svg = picture();
        assert_eq!(svg.matches("<circle").count(), 12);
        assert_eq!(svg.matches("<line class=\"bar").count(), 12);
        assert_eq!(svg.matches("class=\"title\"").count(), 3);
        assert_eq!(svg.matches("<circle class=\"ours\"").count(), 3);
        assert_eq!(svg.matches("class=\"noise\"").count(), 2);
        assert!(svg.contains(">a&lt;b &amp; c</text>"));
    }

    #[test]
    fn the_axis_is_logarithmic_and_shared() {
        let svg = picture();
        let dots = attribute(&svg, "<circle", "cx");
        let (one, two, ten) = (dots[0], dots[3], dots[7]);
        assert!(((two - one) / (ten - one) - 2_f64.log10()).abs() < 0.002, "{dots:?}");
        assert_eq!(dots[4], one, "1 is at the same place in both panels");
        assert!(dots.iter().all(|x| (LEFT..=LEFT + LENGTH).contains(x)), "{dots:?}");
        // The dashed line is at 1, and at 256 bytes, which are more than 200.
        let aims = attribute(&svg, "<line class=\"aim\"", "x1");
        assert_eq!(aims[0], one);
        assert!(dots[10] < aims[2] && aims[2] < dots[11]);
    }

    #[test]
    fn a_bar_is_the_interval_and_lies_around_its_dot() {
        let svg = picture();
        let from = attribute(&svg, "<line class=\"bar ours\"", "x1");
        let to = attribute(&svg, "<line class=\"bar ours\"", "x2");
        let dot = attribute(&svg, "<circle class=\"ours\"", "cx");
        assert!(from[0] < dot[0] && dot[0] < to[0], "{from:?} {dot:?} {to:?}");
        assert!(from[1] == dot[1] && dot[1] == to[1]);
    }

    #[test]
    fn it_is_well_formed_and_needs_nothing_else() {
        for svg in [picture(), plot(&outcome_of(vec![], Size::Smoke)).unwrap()] {
            assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"));
            for element in ["g", "text", "title", "style", "svg", "circle"] {
                let opened = svg.matches(&format!("<{element}>")).count()
                    + svg.matches(&format!("<{element} ")).count();
                assert_eq!(opened, svg.matches(&format!("</{element}>")).count(), "{element}");
            }
            assert!(svg.contains("prefers-color-scheme: dark"));
            assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("href"));
        }
    }
}
