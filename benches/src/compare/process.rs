//! [`Process`]: a server that runs.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};

use crate::load::clock;

/// What a server says when it is ready, before its address.
const READY: &str = "listening on ";

/// A server, which listens. It is ended when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Process {
    /// Starts `command` and waits until it says that it listens, for `patience` at most.
    ///
    /// # Errors
    ///
    /// If it cannot be started, ends, or does not say so in time.
    pub fn start(command: &[OsString], patience: Duration) -> io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program)
            .args(arguments)
            // A server ends at the end of its input, so none is left behind when this process dies.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| told(program, &error))?;
        match ready(&mut child, patience) {
            Ok(address) => Ok(Self { child, address }),
            Err(error) => {
                end(&mut child);
                Err(told(program, &error))
            }
        }
    }

    /// Its number. Of a server below another program, that one's.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Ends a server: by the end of its input, or if it takes no notice of that, by signals.
fn end(child: &mut Child) {
    drop(child.stdin.take());
    if ended_within(child, Duration::from_secs(3)) {
        return;
    }
    if let Ok(pid) = i32::try_from(child.id()) {
        // It may end at this moment, which is what is wanted.
        let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::TERM));
    }
    if !ended_within(child, Duration::from_secs(3)) {
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn ended_within(child: &mut Child, time: Duration) -> bool {
    let began = clock::now();
    loop {
        match child.try_wait() {
            Ok(Some(_)) | Err(_) => return true,
            Ok(None) if clock::now().saturating_duration_since(began) >= time => return false,
            Ok(None) => clock::pause(Duration::from_millis(1)),
        }
    }
}

/// The address that a server says it listens on. Other lines before are passed over.
fn ready(child: &mut Child, patience: Duration) -> io::Result<SocketAddr> {
    let output = child.stdout.as_mut().ok_or(io::ErrorKind::InvalidInput)?;
    let began = clock::now();
    let mut text = Vec::new();
    loop {
        let left = patience.saturating_sub(clock::now().saturating_duration_since(began));
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it does not say that it listens"));
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        if poll(&mut [PollFd::new(output, PollFlags::IN)], Some(&timeout))? == 0 {
            continue;
        }
        // One byte at a time, since nothing behind the line is ours. It is a short line.
        let mut byte = [0];
        if output.read(&mut byte)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended before it listened"));
        }
        if byte != *b"\n" {
            text.extend(byte);
            continue;
        }
        let line = String::from_utf8_lossy(&text);
        if let Some(address) = line.strip_prefix(READY) {
            return address.trim_end().parse().map_err(|_| {
                io::Error::new(io::ErrorKind::InvalidData, format!("it listens on no address: {address}"))
            });
        }
        text.clear();
    }
}

fn told(program: &OsStr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", program.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> io::Result<Process> {
        Process::start(&["/bin/sh", "-c", script].map(OsString::from), Duration::from_millis(300))
    }

    #[test]
    fn a_server_is_ready_when_it_says_so_and_ends_with_its_input() {
        let process = shell("echo good morning; echo listening on 127.0.0.1:7; cat").unwrap();
        assert_eq!(process.address.port(), 7);
        assert!(process.pid() > 1);
        drop(process);
    }

    #[test]
    fn a_server_that_is_not_ready_is_an_error() {
        let kind = |script| shell(script).unwrap_err().kind();
        assert_eq!(kind("exec cat"), io::ErrorKind::TimedOut);
        assert_eq!(kind("echo hello"), io::ErrorKind::UnexpectedEof);
        assert_eq!(kind("echo listening on the moon; cat"), io::ErrorKind::InvalidData);
        let missing = Process::start(&["/nowhere/server".into()], Duration::from_secs(1)).unwrap_err();
        assert!(missing.to_string().starts_with("/nowhere/server: "), "{missing}");
    }
}
