use clap::{Parser, ValueEnum};

/// The command line of every server.
#[derive(Parser, Clone, Copy, Debug)]
#[command(
    about = "A server for load generators: echo, an endless stream, or a broadcast. Listens on 127.0.0.1, and prints `listening on 127.0.0.1:PORT` when clients may come."
)]
pub struct ServerOptions {
    /// The port to listen on; 0 has the system choose one.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// What to do with clients.
    #[arg(long, value_enum, default_value_t = Mode::Echo)]
    pub mode: Mode,
    /// How many loops, each on a thread of its own, share the port (SO_REUSEPORT); 0 is 1. A broadcast has one: its clients know each other.
    #[arg(long, visible_alias = "workers", default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub reactors: u16,
    /// End when standard input does, so that whoever started the server need not outlive it.
    #[arg(long)]
    pub end_with_stdin: bool,
}

impl ServerOptions {
    /// Reads the command line; ends the process if it makes no sense.
    #[must_use]
    pub fn read() -> Self {
        let mut options = Self::parse();
        options.reactors = options.reactors.max(1);
        if options.mode == Mode::Broadcast && options.reactors > 1 {
            eprintln!(
                "error: a broadcast has one reactor, since its clients know each other: leave out --reactors"
            );
            std::process::exit(2);
        }
        options
    }
}

/// What a server does with its clients.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Sends back what comes. Who does not read is not read from; who closes is closed when all was sent.
    Echo,
    /// Sends pieces of 65,536 bytes without end, byte i of each being i % 251, and ignores what comes.
    Stream,
    /// Sends what one client sends to all others, in order. Who lets 64 MiB wait is dropped.
    Broadcast,
}
