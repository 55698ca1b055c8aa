//! System calls and instructions of a server, counted by programs that may be installed or not.
//!
//! Both count a whole process. A run with twice the messages less one with as many as are asked for leaves the messages alone.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program that counts what a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// `strace`: system calls, of all threads.
    SystemCalls,
    /// `valgrind --tool=callgrind`: instructions in user mode.
    Instructions,
}

impl Tool {
    /// The program's name.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::SystemCalls => "strace",
            Self::Instructions => "valgrind",
        }
    }

    /// Whether it is installed.
    #[must_use]
    pub fn installed(self) -> bool {
        let mut asking = Command::new(self.program());
        asking.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        asking.status().is_ok_and(|status| status.success())
    }

    /// `command` below the tool, which writes into `file` what it has counted when the command ends.
    #[must_use]
    pub fn wrap(self, command: Vec<OsString>, file: &Path) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![self.program().into()];
        match self {
            Self::SystemCalls => {
                words.extend(["-f", "-qq", "-c", "-o"].map(OsString::from));
                words.push(file.into());
            }
            Self::Instructions => {
                let mut log = OsString::from("--log-file=");
                log.push(file);
                words.extend(["--tool=callgrind", "--callgrind-out-file=/dev/null"].map(OsString::from));
                words.push(log);
            }
        }
        words.extend(command);
        words
    }

    /// What it has written into `file`, in all.
    ///
    /// # Errors
    ///
    /// If the file is not there, or says nothing.
    pub fn count(self, file: &Path) -> io::Result<u64> {
        let text = fs::read_to_string(file)?;
        let count = match self {
            Self::SystemCalls => system_calls(&text),
            Self::Instructions => instructions(&text),
        };
        count.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{}: {text:?}", self.program()))
        })
    }

    /// A file for it to write into, of this process alone.
    #[must_use]
    pub fn file(self) -> PathBuf {
        std::env::temp_dir().join(format!("twistor-bench-{}-{}", std::process::id(), self.program()))
    }
}

/// The sum of the calls in the table of `strace -c`: percent, seconds, microseconds a call, calls, errors if any, name.
fn system_calls(text: &str) -> Option<u64> {
    let calls = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let name = *words.last()?;
        if name == "total" || words.len() < 5 {
            return None;
        }
        words[0].parse::<f64>().ok()?;
        words[3].parse::<u64>().ok()
    };
    let calls: Vec<u64> = text.lines().filter_map(calls).collect();
    (!calls.is_empty()).then(|| calls.iter().sum())
}

/// The number behind `Collected :` in the last words of callgrind.
fn instructions(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_of_a_table_are_added_up() {
        let text = "% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 48.15    0.001234           1      1001           sendto
 40.00    0.001000           0      2002         7 recvfrom
 11.85    0.000200           2       100           epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    0.002434           0      3103         7 total
";
        assert_eq!(system_calls(text), Some(3_103));
        assert_eq!(system_calls("strace: nothing\n"), None);
    }

    #[test]
    fn the_instructions_of_a_log_are_found() {
        let text = "==7== Events    : Ir\n==7== Collected : 123456\n==7== \n==7== I   refs:      123,456\n";
        assert_eq!(instructions(text), Some(123_456));
        assert_eq!(instructions("==7== Callgrind"), None);
    }

    #[test]
    fn a_command_is_wrapped() {
        let words = Tool::SystemCalls.wrap(vec!["server".into(), "--port".into()], Path::new("/x"));
        assert_eq!(words.join(" ".as_ref()), "strace -f -qq -c -o /x server --port");
        let words = Tool::Instructions.wrap(vec!["server".into()], Path::new("/x"));
        assert_eq!(
            words.join(" ".as_ref()),
            "valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file=/x server"
        );
    }
}
