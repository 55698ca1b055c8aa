//! What both programs do before and after their own idea: arguments, the file, listening, running.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytes::Bytes;
use clap::{Args, Parser};
use twistor::prelude::*;

/// The exit code for arguments that make no sense, as clap has it.
const USAGE: u8 = 2;

/// What every poetry server is told.
#[derive(Args, Debug)]
pub struct ServerArgs {
    /// The file to serve, text or not
    #[arg(value_name = "FILE")]
    pub poem: PathBuf,
    /// The port to listen on; 0 is any free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// The interface to listen on, as an IP address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub iface: String,
}

/// The program's arguments, or the code to exit with after the help, the version or an error was shown.
///
/// # Errors
///
/// 0 if the help or the version was asked for, 2 if the arguments make no sense.
pub fn parse_args<P: Parser>() -> Result<P, ExitCode> {
    P::try_parse().map_err(|error| {
        let _ = error.print(); // There is nobody left to tell if this fails.
        if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
    })
}

/// Reads the poem, listens with the factory that `factory` makes of it, says where, and runs until SIGINT or SIGTERM.
///
/// Gives the exit code: 2 if the poem cannot be read, 1 if the port cannot be had.
pub fn serve<F: Factory>(args: &ServerArgs, factory: impl FnOnce(Bytes) -> F) -> ExitCode {
    let poem = match fs::read(&args.poem) {
        Ok(poem) => Bytes::from(poem),
        Err(error) => return refuse(&unreadable(&args.poem, &error), USAGE),
    };
    match listen_and_run(args, factory(poem)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error.to_string(), 1),
    }
}

fn listen_and_run<F: Factory>(args: &ServerArgs, factory: F) -> Result<(), Box<dyn std::error::Error>> {
    /// Clients that may wait to be accepted: a crowd that comes at once is not turned away.
    const BACKLOG: u16 = 1024;
    let mut reactor = Reactor::new()?;
    let options = TcpServerOptions::new().backlog(BACKLOG);
    let port = reactor.listen_tcp_with((args.iface.as_str(), args.port), factory, options)?;
    say(format_args!("Serving {} on {}.", args.poem.display(), port.host()));
    reactor.run()?; // The reactor ends in order at SIGINT and SIGTERM by itself.
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("No such file: {}", path.display()),
        _ => format!("Cannot read {}: {error}", path.display()),
    }
}

fn refuse(why: &str, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "{why}");
    ExitCode::from(code)
}

/// Prints a line. A server goes on if nobody reads what it says, where `println!` would panic.
pub(crate) fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}
