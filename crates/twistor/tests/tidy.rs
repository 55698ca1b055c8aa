//! What reviews would otherwise have to look for: layers, sizes, and claims that nothing proves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every file below `dir` whose name ends in `.ext`, in order, with its text.
fn files(dir: &Path, ext: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        let mut entries: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                dirs.push(path);
            } else if path.extension().is_some_and(|it| it == ext) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// The dependencies a crate's manifest names, those of its tests aside.
fn dependencies(krate: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("crates").join(krate).join("Cargo.toml")).unwrap();
    let mut section = String::new();
    let mut found = BTreeSet::new();
    for line in manifest.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if section == "dependencies" {
            found.extend(line.split(['.', ' ', '=']).next().map(str::to_owned));
        }
    }
    found
}

#[test]
fn layers_point_one_way() {
    let layers = [
        ("twistor-deferred", &[][..]),
        ("twistor-reactor", &["twistor-deferred"]),
        ("twistor-net", &["twistor-deferred", "twistor-reactor"]),
        ("twistor-sim", &["twistor-deferred", "twistor-net", "twistor-reactor"]),
    ];
    for (krate, allowed) in layers {
        let ours: Vec<_> =
            dependencies(krate).into_iter().filter(|name| name.starts_with("twistor")).collect();
        assert_eq!(ours, allowed, "{krate} depends on the layers below it alone");
    }
}

#[test]
fn only_the_real_kernel_names_the_system() {
    for (path, text) in files(&root().join("crates"), "rs") {
        let path = relative(&path);
        let sources = path.contains("/src/") && !path.ends_with("tests.rs") && !path.contains("/tests/");
        if !sources || path.starts_with("crates/twistor-reactor/src/kernel/real/") {
            continue;
        }
        for name in ["mio::", "rustix::", "socket2::", "signal_hook::", "libc::"] {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let named = code.filter(|line| line.contains(name)).count();
            assert_eq!(named, 0, "{path} names {name} outside the real kernel");
        }
    }
}

#[test]
fn no_file_is_over_a_thousand_lines() {
    for (path, text) in files(&root(), "rs") {
        let lines = text.lines().count();
        assert!(lines <= 1_000, "{} has {lines} lines: it has more than one noun", relative(&path));
    }
}

#[test]
fn nothing_is_left_unfinished() {
    for (path, text) in files(&root(), "rs") {
        for mark in [
            concat!("to", "do!("),
            concat!("unimpl", "emented!("),
            concat!("#[ig", "nore"),
            concat!("FIX", "ME"),
        ] {
            assert!(!text.contains(mark), "{} contains {mark}", relative(&path));
        }
    }
}

#[test]
fn the_changelog_knows_the_version() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(changelog.contains(concat!("## ", env!("CARGO_PKG_VERSION"))));
}

/// The areas whose rules are done, with their number of rules.
const AREAS: [(&str, usize); 14] = [
    ("CORE", 16),
    ("FDS", 13),
    ("TIME", 13),
    ("THR", 12),
    ("TCP", 39),
    ("PROD", 12),
    ("HALF", 10),
    ("SIG", 9),
    ("FACT", 4),
    ("ERR", 6),
    ("DEF", 33),
    ("FAIL", 5),
    ("TASK", 11),
    ("TEST", 15),
];

/// The rows of `docs/contract.md`: rule id to what stands in its second and third column.
fn contract() -> BTreeMap<String, (String, String)> {
    let text = fs::read_to_string(root().join("docs/contract.md")).unwrap();
    let mut rows = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, id, tests, note, ..] = cells[..] else { continue };
        let Some((area, number)) = id.split_once('-') else { continue };
        if area.chars().all(|c| c.is_ascii_uppercase()) && number.len() == 2 && number.parse::<u8>().is_ok() {
            let twice = rows.insert(id.to_owned(), (tests.to_owned(), note.to_owned()));
            assert!(twice.is_none(), "{id} has two rows");
        }
    }
    rows
}

/// Whether a test has a rule's id in its name: `def_07_deep`, `r02_def_07_deep`, or one of several, `def_01_07_deep`.
fn carries(name: &str, id: &str) -> bool {
    let (area, number) = id.split_once('-').unwrap();
    let words: Vec<_> = name.split('_').collect();
    let is_number = |word: &&&str| word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_digit());
    let of_area = words.iter().enumerate().filter(|(_, word)| word.eq_ignore_ascii_case(area));
    let mut numbers = of_area.flat_map(|(at, _)| words[at + 1..].iter().take_while(is_number));
    numbers.any(|word| *word == number)
}

#[test]
fn a_test_may_carry_several_ids() {
    assert!(carries("def_07_deep", "DEF-07") && carries("def_01_07_deep", "DEF-07"));
    assert!(carries("time_03_task_07_both", "TASK-07") && !carries("time_03_task_07_both", "TIME-07"));
    assert!(!carries("def_0_7", "DEF-07") && !carries("undef_07", "DEF-07"));
}

#[test]
fn every_rule_of_the_contract_is_proved_or_explained() {
    let rows = contract();
    let tests: BTreeSet<String> = files(&root(), "rs")
        .iter()
        .flat_map(|(_, text)| text.lines())
        .filter_map(|line| line.split_once("fn ").map(|(_, rest)| rest))
        .filter_map(|rest| rest.split(['(', '<']).next().map(str::to_owned))
        .collect();
    let mut missing = Vec::new();
    for (area, count) in AREAS {
        for number in 1..=count {
            let id = format!("{area}-{number:02}");
            match rows.get(&id) {
                None => missing.push(format!("{id}: no row")),
                Some((proofs, note)) if proofs == "-" => {
                    if note.is_empty() {
                        missing.push(format!("{id}: neither a test nor a reason"));
                    }
                }
                Some((proofs, _)) => {
                    for proof in proofs.split([',', ' ', '`']).filter(|name| name.contains('_')) {
                        let name = proof.rsplit("::").next().unwrap_or(proof);
                        if !carries(name, &id) && !name.starts_with("table_") {
                            missing.push(format!("{id}: the test {name} does not carry its id"));
                        }
                        if !tests.contains(name) {
                            missing.push(format!("{id}: there is no test {name}"));
                        }
                    }
                }
            }
        }
    }
    assert!(missing.is_empty(), "docs/contract.md:\n{}", missing.join("\n"));
}
