//! [`Contestant`]: the servers that are compared, and how each is started.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Row, Tool};

/// What a server is in the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The limit: a loop over epoll by hand, with nothing around it.
    Limit,
    /// The same program once more. What differs between the two is noise.
    Again,
    /// Twistor.
    Ours,
    /// Somebody else's library.
    Peer,
}

/// A server that takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contestant {
    /// The name in the arguments and in the samples.
    pub id: String,
    /// The name in the table.
    pub label: String,
    /// What it is.
    pub kind: Kind,
    program: PathBuf,
    threads: Threads,
    /// Whether it is machine code, not a script.
    native: bool,
}

/// How a server is told of its number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Threads {
    /// It has one.
    One,
    /// `--reactors N`.
    Reactors,
    /// `--workers N`, of which 0 is one thread without others.
    Workers,
}

/// The servers of this crate: names, labels, what they are, their binaries and how many threads they can have.
const BUILT: [(&str, &str, Kind, &str, Threads); 7] = [
    ("epoll", "bare epoll", Kind::Limit, "peer-epoll", Threads::Reactors),
    ("epoll-again", "the same again (A/A)", Kind::Again, "peer-epoll", Threads::Reactors),
    ("twistor", "twistor", Kind::Ours, "bench-server", Threads::Reactors),
    ("mio", "mio", Kind::Peer, "peer-mio", Threads::One),
    ("tokio", "tokio", Kind::Peer, "peer-tokio", Threads::Workers),
    ("calloop", "calloop", Kind::Peer, "peer-calloop", Threads::One),
    ("smol", "smol", Kind::Peer, "peer-smol", Threads::One),
];

impl Contestant {
    /// Whether it can take part in a row.
    #[must_use]
    pub fn can(&self, row: Row) -> bool {
        row.reactors() == 1 || self.threads != Threads::One
    }

    /// Whether a tool can count what it does. An interpreter below callgrind takes minutes to begin.
    #[must_use]
    pub fn can_be_below(&self, tool: Tool) -> bool {
        self.native || tool != Tool::Instructions
    }

    /// The program and its arguments for a row.
    #[must_use]
    pub fn command(&self, row: Row, mode: &str) -> Vec<OsString> {
        let mut words = vec![self.program.clone().into_os_string()];
        words.extend(["--port", "0", "--mode", mode, "--end-with-stdin"].map(OsString::from));
        let threads = row.reactors();
        match self.threads {
            Threads::Reactors if threads > 1 => {
                words.extend(["--reactors".into(), threads.to_string().into()]);
            }
            Threads::Workers => {
                let workers = if threads > 1 { threads } else { 0 };
                words.extend(["--workers".into(), workers.to_string().into()]);
            }
            Threads::Reactors | Threads::One => {}
        }
        words
    }
}

/// The servers whose binaries are in `binaries`, and every executable file in `peers`, by their names without an extension. Those that
/// are not there are not listed.
///
/// # Errors
///
/// If `peers` is given and cannot be read.
pub fn roster(binaries: &Path, peers: Option<&Path>) -> io::Result<Vec<Contestant>> {
    let built = BUILT.iter().map(|&(id, label, kind, program, threads)| Contestant {
        id: id.to_owned(),
        label: label.to_owned(),
        kind,
        program: binaries.join(program),
        threads,
        native: true,
    });
    let mut found: Vec<Contestant> = built.filter(|it| it.program.is_file()).collect();
    let Some(peers) = peers else { return Ok(found) };
    let mut others = Vec::new();
    for entry in fs::read_dir(peers)? {
        let program = entry?.path();
        // Links are followed: a program may be elsewhere.
        let about = fs::metadata(&program)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", program.display())))?;
        let executable = about.is_file() && about.permissions().mode() & 0o111 != 0;
        let Some(name) = program.file_stem().filter(|_| executable) else { continue };
        let name = name.to_string_lossy().into_owned();
        others.push(Contestant {
            id: name.clone(),
            label: name,
            kind: Kind::Peer,
            native: is_native(&program)?,
            program,
            threads: Threads::One,
        });
    }
    others.sort_by(|one, other| one.id.cmp(&other.id));
    found.extend(others);
    Ok(found)
}

/// Whether a file is machine code: a script begins with `#!`, or with its first line.
fn is_native(program: &Path) -> io::Result<bool> {
    Ok(fs::read(program)?.starts_with(b"\x7fELF"))
}

/// Those of `roster` that `names` asks for, with bare epoll and its double, which all others are compared with; all of them if `names` is empty.
///
/// # Errors
///
/// The name that nobody has.
pub fn chosen(roster: Vec<Contestant>, names: &[String]) -> Result<Vec<Contestant>, String> {
    if let Some(unknown) = names.iter().find(|name| roster.iter().all(|it| it.id != **name)) {
        return Err(unknown.clone());
    }
    let wanted = |it: &Contestant| {
        names.is_empty() || matches!(it.kind, Kind::Limit | Kind::Again) || names.contains(&it.id)
    };
    Ok(roster.into_iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everybody() -> Vec<Contestant> {
        let make = |&(id, label, kind, program, threads): &(&str, &str, Kind, &str, Threads)| Contestant {
            id: id.to_owned(),
            label: label.to_owned(),
            kind,
            program: program.into(),
            threads,
            native: true,
        };
        BUILT.iter().map(make).collect()
    }

    fn words(id: &str, row: Row) -> String {
        let all = everybody();
        let it = all.iter().find(|it| it.id == id).unwrap();
        it.command(row, "echo").join(" ".as_ref()).into_string().unwrap()
    }

    #[test]
    fn everybody_is_told_of_his_threads_in_his_way() {
        assert_eq!(words("twistor", Row::Churn), "bench-server --port 0 --mode echo --end-with-stdin");
        assert_eq!(
            words("epoll", Row::TwoReactors),
            "peer-epoll --port 0 --mode echo --end-with-stdin --reactors 2"
        );
        assert_eq!(
            words("tokio", Row::Churn),
            "peer-tokio --port 0 --mode echo --end-with-stdin --workers 0"
        );
        assert_eq!(
            words("tokio", Row::TwoReactors),
            "peer-tokio --port 0 --mode echo --end-with-stdin --workers 2"
        );
        let able: Vec<_> =
            everybody().into_iter().filter(|it| it.can(Row::TwoReactors)).map(|it| it.id).collect();
        assert_eq!(able, ["epoll", "epoll-again", "twistor", "tokio"]);
    }

    #[test]
    fn a_program_of_others_is_below_callgrind_if_it_is_machine_code() {
        let folder = std::env::temp_dir().join(format!("twistor-roster-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let script = folder.join("peer-script");
        fs::write(&script, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(std::env::current_exe().unwrap(), folder.join("peer-program")).unwrap();
        // Neither is a server.
        fs::write(folder.join("notes"), "").unwrap();
        fs::create_dir_all(folder.join(".python")).unwrap();
        let found = roster(Path::new("/nowhere"), Some(&folder)).unwrap();
        let able: Vec<_> = found.iter().map(|it| (&*it.id, it.can_be_below(Tool::Instructions))).collect();
        assert_eq!(able, [("peer-program", true), ("peer-script", false)]);
        assert!(found.iter().all(|it| it.can_be_below(Tool::SystemCalls)));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_limit_takes_part_always_and_unknown_names_are_told() {
        let ids = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&it| it.to_owned()).collect();
            chosen(everybody(), &names).map(|all| all.into_iter().map(|it| it.id).collect::<Vec<_>>())
        };
        assert_eq!(ids(&["mio"]).unwrap(), ["epoll", "epoll-again", "mio"]);
        assert_eq!(ids(&[]).unwrap().len(), 7);
        assert_eq!(ids(&["mio", "moi"]), Err("moi".to_owned()));
    }
}
