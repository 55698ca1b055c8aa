//! The shapes, each with a colour of its own, and the style of everything else.

/// What is marked by a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Glyph {
    Fin,
    Reset,
    Refused,
    Timeout,
    Lost,
    Dropped,
    Held,
    Released,
    Nobody,
    Sabotage,
    Fault,
    Crash,
    Kill,
    Restart,
}

impl Glyph {
    pub(super) const ALL: [Self; 14] = [
        Self::Fin,
        Self::Reset,
        Self::Refused,
        Self::Timeout,
        Self::Lost,
        Self::Dropped,
        Self::Held,
        Self::Released,
        Self::Nobody,
        Self::Sabotage,
        Self::Fault,
        Self::Crash,
        Self::Kill,
        Self::Restart,
    ];

    /// How it is called in the file.
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::Fin => "fin",
            Self::Reset => "rst",
            Self::Refused => "ref",
            Self::Timeout => "tmo",
            Self::Lost => "lost",
            Self::Dropped => "drop",
            Self::Held => "held",
            Self::Released => "rel",
            Self::Nobody => "nob",
            Self::Sabotage => "sab",
            Self::Fault => "flt",
            Self::Crash => "crash",
            Self::Kill => "kill",
            Self::Restart => "start",
        }
    }

    /// What the legend calls it.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Fin => "FIN",
            Self::Reset => "RST",
            Self::Refused => "refused",
            Self::Timeout => "timed out",
            Self::Lost => "segment lost",
            Self::Dropped => "handshake dropped",
            Self::Held => "held",
            Self::Released => "released",
            Self::Nobody => "meets nobody",
            Self::Sabotage => "cut by a fault",
            Self::Fault => "call with a fault",
            Self::Crash => "loses power",
            Self::Kill => "killed",
            Self::Restart => "starts again",
        }
    }

    /// Five pixels around the origin.
    const fn shape(self) -> &'static str {
        match self {
            Self::Fin => "M-1.6-4.5h3.2v9h-3.2z",
            Self::Reset => "M-4-4l8 8M-4 4l8-8",
            Self::Refused => "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0zM-3.2 3.2l6.4-6.4",
            Self::Timeout => "M-4-5h8l-8 10h8z",
            Self::Lost => "M0-4.8l4.8 4.8-4.8 4.8-4.8-4.8z",
            Self::Dropped => "M0-4.6l4.6 4.6-4.6 4.6-4.6-4.6z",
            Self::Held => "M-3.4-4h2.4v8h-2.4zM1-4h2.4v8h-2.4z",
            Self::Released => "M-3-4.5l7 4.5-7 4.5z",
            Self::Nobody => {
                "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0zM-1.5-1.4a1.5 1.5 0 1 1 2 1.4q-.5.3-.5 1M0 2.6v.5"
            }
            Self::Sabotage => "M1.5-6l-5.5 7h3.2l-1 5 5.6-7.2h-3.3z",
            Self::Fault => "M-3 2.6l3-5.2 3 5.2z",
            Self::Crash => "M-5-5l10 10M-5 5l10-10",
            Self::Kill => "M-4.5-4.5h9v9h-9z",
            Self::Restart => "M0-5.5l5.5 9.5h-11z",
        }
    }

    /// Its colours, on light ground and on dark: filled, or drawn with a line of this width.
    const fn paint(self) -> (&'static str, &'static str, Option<&'static str>) {
        match self {
            Self::Fin => ("#475569", "#cbd5e1", None),
            Self::Reset => ("#d11a2a", "#ff6b6b", Some("2.2")),
            Self::Refused => ("#dd5f00", "#ff9d4d", Some("1.8")),
            Self::Timeout => ("#7c3aed", "#b794ff", None),
            Self::Lost => ("#c28a00", "#f2c14e", None),
            Self::Dropped => ("#c28a00", "#f2c14e", Some("1.7")),
            Self::Held => ("#2563a8", "#7db7ff", None),
            Self::Released => ("#2563a8", "#7db7ff", Some("1.5")),
            Self::Nobody => ("#64748b", "#a8b3c4", Some("1.2")),
            Self::Sabotage => ("#c2188f", "#ff7ad1", None),
            Self::Fault => ("#9a8f3c", "#b7ad63", None),
            Self::Crash => ("#a30f1f", "#ff4d5e", Some("3")),
            Self::Kill => ("#a30f1f", "#ff4d5e", None),
            Self::Restart => ("#15803d", "#4ade80", None),
        }
    }

    fn rule(self, dark: bool) -> String {
        let (light_colour, dark_colour, line) = self.paint();
        let colour = if dark { dark_colour } else { light_colour };
        match line {
            Some(width) => format!(".{}{{fill:none;stroke:{colour};stroke-width:{width}}}", self.id()),
            None => format!(".{}{{fill:{colour}}}", self.id()),
        }
    }
}

/// The colours of connections, or of what belongs to a server: on light ground and on dark.
pub(super) const PALETTE: [(&str, &str); 8] = [
    ("#2f6db5", "#6fb1ff"),
    ("#b8502f", "#ff9a76"),
    ("#23856a", "#5fd6b0"),
    ("#7d55a8", "#c6a0f5"),
    ("#a06a10", "#e8b75c"),
    ("#1f8299", "#62cfe6"),
    ("#b03f78", "#ff8fc4"),
    ("#5f7020", "#b5c964"),
];

/// Fonts and everything that light and dark have in common.
const COMMON: &str = "text{font:11px ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace}\
.h1{font:600 17px system-ui,'Segoe UI',Helvetica,'DejaVu Sans',sans-serif}\
.h2{font:600 13px system-ui,'Segoe UI',Helvetica,'DejaVu Sans',sans-serif;text-anchor:middle}\
.no{font-size:11.5px}.s{font-size:10px}.e{text-anchor:end}.m{text-anchor:middle}\
.grid,.life,.off,.zig,.thin,.box,.arc{fill:none}.grid{stroke-width:1}.life{stroke-width:1.6}\
.off{stroke-width:1.6;stroke-dasharray:1.5 4}.zig{stroke-width:1.2}.thin{stroke-width:.8;opacity:.28}\
.syn{fill:none;stroke-width:1.2;stroke-dasharray:5 3}.msg{fill:none}.base{fill:none;stroke-width:1;opacity:.55}\
.halo{paint-order:stroke;stroke-width:3.5px;stroke-linejoin:round}.act{opacity:.8}.area{opacity:.3}\
.flow{opacity:.85}.crash,.rst{stroke-linecap:round}";

/// The colours of what is no glyph and no connection.
const fn ground(dark: bool) -> &'static str {
    if dark {
        ".bg{fill:#11141b}text{fill:#e7eaf0}.mu{fill:#939db0}.grid{stroke:#232936}.life{stroke:#6c7688}\
.off{stroke:#ff4d5e}.zig{stroke:#8791a5}.brk{fill:#1a1f2a}.halo{stroke:#11141b}.card{fill:#1c212d;stroke:#3a4355}\
.hatch{stroke:#ff5a5f;stroke-width:1.6;opacity:.5}.cutbg{fill:#ff5a5f;opacity:.07}.lost-early{fill:#f2c14e;opacity:.16}.cuttx{fill:#ff8589}"
    } else {
        ".bg{fill:#fdfcf9}text{fill:#1c2230}.mu{fill:#667085}.grid{stroke:#ebe8df}.life{stroke:#8b93a3}\
.off{stroke:#a30f1f}.zig{stroke:#98a0b0}.brk{fill:#f3f0e8}.halo{stroke:#fdfcf9}.card{fill:#fff;stroke:#cfd3da}\
.hatch{stroke:#d11a2a;stroke-width:1.6;opacity:.4}.cutbg{fill:#d11a2a;opacity:.05}.lost-early{fill:#c28a00;opacity:.14}.cuttx{fill:#b01525}"
    }
}

/// The whole style sheet: light, and dark for who prefers it.
pub(super) fn style() -> String {
    let colours = |dark: bool| {
        let mut rules = ground(dark).to_owned();
        rules.extend(Glyph::ALL.map(|glyph| glyph.rule(dark)));
        for (index, (light, night)) in PALETTE.iter().enumerate() {
            let colour = if dark { night } else { light };
            rules += &format!(".p{index}{{stroke:{colour}}}.f{index}{{fill:{colour}}}");
        }
        rules
    };
    format!("{COMMON}\n{}\n@media (prefers-color-scheme:dark){{{}}}\n", colours(false), colours(true))
}

/// The shapes, to be referred to, and the hatching of ways that are cut.
pub(super) fn definitions() -> String {
    let mut text = String::new();
    for glyph in Glyph::ALL {
        let (id, shape) = (glyph.id(), glyph.shape());
        text += &format!("<path id=\"{id}\" class=\"{id}\" d=\"{shape}\"/>\n");
    }
    text += "<pattern id=\"hatch\" width=\"9\" height=\"9\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><path class=\"hatch\" d=\"M0 0V9\"/></pattern>\n";
    text
}
