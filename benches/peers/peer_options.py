"""What the servers in Python have in common: the command line, the limit of descriptors, the end with the input, and the line that says where they
listen. The servers in Rust do the same: `src/servers.rs` and `src/servers/options.rs`."""

import argparse
import os
import platform
import resource
import threading

# How many connections may wait to be accepted.
BACKLOG = 4096

# What a server in stream mode repeats: byte i of 65,536 is i % 251. Several of these are handed to the library at a time.
PIECE = bytes(i % 251 for i in range(64 * 1024))
PIECES = PIECE * 4

# How many bytes may wait for a client of a broadcast. One that lets more wait is dropped.
MOST_UNSENT = 64 * 1024 * 1024


def _port(text):
    port = int(text)
    if not 0 <= port <= 65_535:
        raise ValueError
    return port


def read_options(library):
    """Reads the command line, and has the process ready to serve. Ends the process if the line makes no sense, or asks for help or for the version, which is
    what `library` says, and Python's."""
    parser = argparse.ArgumentParser(
        description="A server for load generators. Listens on 127.0.0.1, and prints `listening on 127.0.0.1:PORT` when clients may come.",
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=_port, default=0, help="the port to listen on; 0 has the system choose one")
    parser.add_argument(
        "--mode", choices=["echo", "stream", "broadcast"], default="echo", help="what to do with clients"
    )
    parser.add_argument("--end-with-stdin", action="store_true", help="end when standard input does")
    version = f"{library}, Python {platform.python_version()}"
    parser.add_argument("--version", action="version", version=version, help="print what the server is made with")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if options.end_with_stdin:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    return options


def _end_with_stdin():
    while os.read(0, 512):
        pass
    os._exit(0)


def announce(port):
    """Prints the one line that says that clients may come."""
    print(f"listening on 127.0.0.1:{port}", flush=True)
