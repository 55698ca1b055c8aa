//! The program: what it prints, that it repeats itself, and the picture it draws.

use std::path::PathBuf;
use std::process::{Command, Output};

#[track_caller]
fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sim-poetry")).args(args).output().unwrap()
}

/// What it prints, if all poems are whole or failed with a reason.
#[track_caller]
fn said(args: &[&str]) -> String {
    let output = run(args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The last line, which is `trace` and 16 digits.
#[track_caller]
fn trace(args: &[&str]) -> String {
    let text = said(args);
    let last = text.lines().last().unwrap().to_owned();
    let digits = last.strip_prefix("trace ").unwrap_or_else(|| panic!("the last line is {last:?}"));
    assert!(digits.len() == 16 && digits.bytes().all(|digit| b"0123456789abcdef".contains(&digit)), "{last}");
    last
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_gives_another() {
    let args = ["--clients", "300", "--minutes", "5", "--seed"];
    let with = |seed: &'static str| trace(&[&args[..], &[seed]].concat());
    assert_eq!(with("3"), with("3"));
    assert_ne!(with("3"), with("4"));
}

#[test]
fn every_poem_is_counted_once() {
    let text = said(&["--clients", "500", "--minutes", "10", "--chaos", "0.5"]);
    let numbers =
        |line: &str| -> Vec<usize> { line.split_whitespace().map_while(|word| word.parse().ok()).collect() };
    let (table, reasons) = text.split_once("reasons\n").expect("at this level something fails");
    let rows: Vec<Vec<usize>> = table.lines().skip(1).take(5).map(numbers).collect();
    assert!(rows.iter().all(|row| row.len() == 2), "{text}");
    let (whole, failed) = rows.iter().fold((0, 0), |(whole, failed), row| (whole + row[0], failed + row[1]));
    assert_eq!(whole + failed, 500, "{text}");
    let of_reasons: usize = reasons
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| numbers(line).first().copied())
        .sum();
    assert_eq!(of_reasons, failed, "{text}");
    assert!(text.contains(&format!("seed 1: {whole} of 500 poems whole")), "{text}");
}

#[test]
fn where_nothing_goes_wrong_every_poem_is_whole_unless_its_reader_was_hasty() {
    let text = said(&["--clients", "100", "--minutes", "5", "--chaos", "0"]);
    for kind in ["fast-poetry", "slow-poetry", "poetry-proxy", "fast-poetry, then transform-server"] {
        assert!(text.contains(&format!("     20       0  {kind}\n")), "{kind}: {text}");
    }
}

#[test]
fn no_clients_are_no_trouble() {
    let text = said(&["--clients", "0"]);
    assert!(text.contains("0 of 0 poems whole"), "{text}");
    trace(&["--clients", "0"]);
}

#[test]
fn the_help_names_every_option() {
    let text = said(&["--help"]);
    for option in ["--seed", "--clients", "--chaos", "--minutes", "--spread", "--timeline"] {
        assert!(text.contains(option), "{option}: {text}");
    }
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    for args in
        [["--chaos", "2"], ["--chaos", "NaN"], ["--minutes", "0"], ["--spread", "-1"], ["--clients", "x"]]
    {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

/// A file of its own, removed with its guard.
struct Picture(PathBuf);

impl Picture {
    fn path(name: &str) -> Self {
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.svg", std::process::id())))
    }

    #[track_caller]
    fn draw(name: &str, args: &[&str]) -> String {
        let file = Self::path(name);
        let path = file.0.to_str().unwrap();
        said(&[args, &["--timeline", path]].concat());
        std::fs::read_to_string(&file.0).unwrap()
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Tags are nested and closed, attributes quoted, and nothing is in the text that has to be escaped.
#[track_caller]
fn assert_well_formed(xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = xml;
    while let Some((text, tag_and_rest)) = rest.split_once('<') {
        assert_text(text);
        let (tag, after) = tag_and_rest.split_once('>').expect("a tag that ends");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "near {}", text.chars().take(60).collect::<String>());
        } else {
            let attributes = tag.trim_end_matches('/');
            assert_eq!(attributes.matches('"').count() % 2, 0, "{tag}");
            assert_text(attributes);
            if !tag.ends_with('/') {
                open.push(tag.split_whitespace().next().unwrap());
            }
        }
        rest = after;
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?}");
}

#[track_caller]
fn assert_text(text: &str) {
    assert!(!text.contains('>'), "{text}");
    for (at, _) in text.match_indices('&') {
        let entity = &text[at..];
        assert!(
            ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].iter().any(|known| entity.starts_with(known)),
            "{entity}"
        );
    }
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
}

#[test]
fn the_picture_is_well_formed_at_every_size() {
    for (clients, most) in [("0", 20_000), ("5", 100_000), ("60", 300_000), ("2500", 3_000_000)] {
        let svg = Picture::draw("sizes", &["--clients", clients, "--minutes", "5", "--chaos", "0.3"]);
        assert_well_formed(&svg);
        assert!(svg.starts_with("<svg ") && svg.len() < most, "{clients} clients: {} bytes", svg.len());
        assert!(
            !svg.contains("<script") && svg.matches("http").count() == 1,
            "the name of the format is no reference"
        );
    }
}

#[test]
fn the_picture_is_the_same_each_time() {
    let args = ["--clients", "40", "--minutes", "5"];
    assert_eq!(Picture::draw("first", &args), Picture::draw("second", &args));
}

#[test]
fn a_picture_that_cannot_be_written_is_an_error() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("no").join("such").join("folder.svg");
    let output = run(&["--clients", "1", "--timeline", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("Cannot write "));
}

#[test]
#[should_panic(expected = "assertion")]
fn the_check_finds_what_is_not_closed() {
    assert_well_formed("<svg><g></svg>");
}
