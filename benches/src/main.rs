//! `twistor-bench`: drives servers, and compares Twistor's with others'. See `BENCHMARKING.md`.

#[cfg(target_os = "linux")]
mod arguments;

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<std::process::ExitCode> {
    arguments::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("twistor-bench measures by /proc and epoll, so it runs on Linux alone");
    std::process::exit(2);
}
