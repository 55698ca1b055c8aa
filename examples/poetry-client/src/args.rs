use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use clap::{Args, Parser};

use crate::{AddressError, PoemAddress, print};

/// The exit code for arguments that make no sense, as clap has it.
const USAGE: u8 = 2;

/// What every client is told. Flattened into its own arguments.
#[derive(Args, Debug)]
pub struct PoemArgs {
    /// Where a poem is: hostname:port, or a port alone for one on 127.0.0.1; all of them come down at once
    #[arg(value_name = "ADDRESS")]
    pub addresses: Vec<PoemAddress>,
}

/// The program's arguments, or the code to exit with after the help, the version or an error was shown.
///
/// An address that is none is answered with the [`AddressError`] alone, without clap's frame around it.
///
/// # Errors
///
/// 0 if the help or the version was asked for, 2 if the arguments make no sense.
pub fn parse_args<P: Parser>() -> Result<P, ExitCode> {
    P::try_parse().map_err(|error| {
        match error.source().and_then(|source| source.downcast_ref::<AddressError>()) {
            Some(why) => print::complain(why),
            None => {
                let _ = error.print(); // There is nobody left to tell if this fails.
            }
        }
        if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
    })
}

/// The code to exit with after `result`, whether every poem arrived: 0, or 1 after an error, which is shown.
pub fn exit_with<E: fmt::Display>(result: Result<bool, E>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            print::complain(&error);
            ExitCode::FAILURE
        }
    }
}
