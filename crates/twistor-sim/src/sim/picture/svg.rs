//! Text that is SVG: numbers, escapes, elements.

use std::fmt::{self, Write as _};

/// A picture as it grows.
#[derive(Debug, Default)]
pub(super) struct Svg {
    text: String,
}

impl Svg {
    /// Appends markup as it is.
    pub(super) fn raw(&mut self, markup: impl fmt::Display) {
        // Writing to a string cannot fail, and nothing shown here does.
        let _ = write!(self.text, "{markup}");
    }

    /// Ends a group.
    pub(super) fn close(&mut self) {
        self.raw("</g>\n");
    }

    /// What is shown when the pointer rests on the element around.
    pub(super) fn title(&mut self, words: &str) {
        self.raw(format_args!("<title>{}</title>", Escaped(words)));
    }

    pub(super) fn words(&mut self, x: f64, y: f64, class: &str, words: &str) {
        self.raw(format_args!(
            "<text x=\"{}\" y=\"{}\" class=\"{class}\">{}</text>\n",
            N(x),
            N(y),
            Escaped(words)
        ));
    }

    pub(super) fn path(&mut self, class: &str, d: &str) {
        if !d.is_empty() {
            self.raw(format_args!("<path class=\"{class}\" d=\"{d}\"/>\n"));
        }
    }

    pub(super) fn rect(&mut self, class: &str, [x, y, width, height]: [f64; 4], title: &str) {
        let (width, height) = (width.max(0.0), height.max(0.0));
        self.raw(format_args!(
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"",
            N(x),
            N(y),
            N(width),
            N(height)
        ));
        if title.is_empty() {
            self.raw("/>\n");
        } else {
            self.raw(">");
            self.title(title);
            self.raw("</rect>\n");
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// A number of pixels, to a tenth.
#[derive(Clone, Copy, Debug)]
pub(super) struct N(pub(super) f64);

impl fmt::Display for N {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In tenths, so that zero has one sign only.
        let tenths = (self.0 * 10.0).round() as i64;
        let (sign, size) = (if tenths < 0 { "-" } else { "" }, tenths.unsigned_abs());
        match size % 10 {
            0 => write!(f, "{sign}{}", size / 10),
            tenth => write!(f, "{sign}{}.{tenth}", size / 10),
        }
    }
}

/// Text between tags, or in an attribute. What XML cannot have is shown as U+FFFD.
#[derive(Clone, Copy, Debug)]
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\t' | '\n' => f.write_char(character)?,
                '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {
                    f.write_char('\u{fffd}')?
                }
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// `text`, or its beginning and an ellipsis.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// `658 B`, `2.9 kB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    for (size, unit) in UNITS {
        if count >= size {
            let tenths = count / (size / 10);
            return if tenths >= 1_000 {
                format!("{} {unit}", tenths / 10)
            } else {
                format!("{}.{} {unit}", tenths / 10, tenths % 10)
            };
        }
    }
    format!("{count} B")
}

/// `29.9 s`, `4 min 10 s`, `1 h 5 min`, `12.5 ms`.
pub(super) fn duration(nanos: u64) -> String {
    let part = |size: u64, unit: &str| {
        let hundredths = nanos / (size / 100).max(1);
        let (whole, rest) = (hundredths / 100, hundredths % 100);
        match (whole, rest) {
            (_, 0) => format!("{whole} {unit}"),
            (0..=9, rest) if rest % 10 > 0 => format!("{whole}.{rest:02} {unit}"),
            (0..=99, rest) if rest >= 10 => format!("{whole}.{} {unit}", rest / 10),
            _ => format!("{whole} {unit}"),
        }
    };
    let seconds = nanos / 1_000_000_000;
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => part(1_000, "µs"),
        1_000_000..1_000_000_000 => part(1_000_000, "ms"),
        _ if seconds < 120 => part(1_000_000_000, "s"),
        _ if seconds < 7_200 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}

/// A moment, with as many decimals as a multiple of `step` needs: `1.25 s`, from a minute on `2:05.5`.
pub(super) fn moment(nanos: u64, step: u64) -> String {
    let (seconds, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let mut digits = String::new();
    if !step.is_multiple_of(1_000_000_000) {
        let zeros = (0..9).take_while(|power| step.is_multiple_of(10_u64.pow(power + 1))).count();
        digits = format!(".{fraction:09}");
        digits.truncate(10 - zeros.min(8));
    }
    match seconds {
        0..60 => format!("{seconds}{digits} s"),
        60..3_600 => format!("{}:{:02}{digits}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}{digits}", seconds / 3_600, seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, -0.04, 1.25, -1.25, 100.0, 99.96].map(|number| N(number).to_string());
        assert_eq!(shown, ["0", "0", "1.3", "-1.3", "100", "100"]);
    }

    #[test]
    fn names_cannot_break_out() {
        assert_eq!(
            Escaped("<a b=\"c\" d='e'>&\0\u{1b}").to_string(),
            "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;\u{fffd}\u{fffd}"
        );
        assert_eq!(shortened("häuser", 6), "häuser");
        assert_eq!(shortened("häusers", 6), "häuse…");
    }

    #[test]
    fn sizes_and_times_are_for_people() {
        assert_eq!(
            [0, 999, 1_000, 2_960, 123_456_789].map(bytes),
            ["0 B", "999 B", "1.0 kB", "2.9 kB", "123 MB"]
        );
        let times = [5, 1_500, 12_500_000, 90_000_000_000, 250_000_000_000, 7_500_000_000_000].map(duration);
        assert_eq!(times, ["5 ns", "1.5 µs", "12.5 ms", "90 s", "4 min 10 s", "2 h 5 min"]);
        assert_eq!(moment(1_250_000_000, 50_000_000), "1.25 s");
        assert_eq!(moment(1_000_000_000, 1_000_000_000), "1 s");
        assert_eq!(moment(125_500_000_000, 500_000_000), "2:05.5");
        assert_eq!(moment(3_725_000_000_000, 5_000_000_000), "1:02:05");
    }
}
