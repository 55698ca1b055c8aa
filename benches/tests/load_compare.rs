//! The whole comparison, small: through the program's arguments, over servers that are this very program by other names.
//!
//! Called with `--port` it is a server, with the fault that its name tells; else it runs the checks.

#[cfg(target_os = "linux")]
mod load_servers;

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Output};
    use std::{env, fs, io};

    use super::load_servers::{Fault, Server};

    pub(crate) fn main() {
        let words: Vec<String> = env::args().collect();
        if words.iter().any(|word| word == "--port") {
            return serve(&words);
        }
        for (name, check) in CHECKS {
            let folders = Folders::new(name);
            check(&folders);
            println!("{name} ... ok");
        }
    }

    type Check = (&'static str, fn(&Folders));

    const CHECKS: [Check; 5] = [
        ("a_smoke_run_goes_through_every_row", a_smoke_run_goes_through_every_row),
        ("a_server_with_a_fault_fails_alone", a_server_with_a_fault_fails_alone),
        ("figures_are_judged_and_a_strict_run_fails", figures_are_judged_and_a_strict_run_fails),
        ("what_is_missing_is_told_at_once", what_is_missing_is_told_at_once),
        ("one_server_is_driven_by_its_address", one_server_is_driven_by_its_address),
    ];

    fn a_smoke_run_goes_through_every_row(folders: &Folders) {
        folders.add_peer("elsewhere");
        let output = folders.compare(&["--smoke", "--no-system-calls"]);
        let text = folders.result("results.md");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), text, "the same on standard output");
        let rows: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("### `")?.split('`').next()).collect();
        let all = [
            "echo-64",
            "echo-1000",
            "echo-depth-16",
            "echo-64k",
            "echo-5000",
            "churn",
            "stream",
            "fan-out",
            "idle",
            "slow-readers",
            "two-reactors",
        ];
        assert_eq!(rows, all);
        assert_eq!(text.matches("\n| twistor |").count(), 11);
        assert_eq!(text.matches("\n| the same again (A/A) |").count(), 11);
        assert_eq!(text.matches("\n| elsewhere |").count(), 10, "it has one thread");
        assert!(!text.contains("Failures"), "{text}");
        let samples = folders.result("samples.csv");
        for row in all {
            assert!(samples.contains(&format!("\n{row},twistor,0,")), "{row}");
        }
        assert_eq!(folders.result("plot.svg").matches("class=\"title\"").count(), 9 + 2);
        let lines = String::from_utf8_lossy(&output.stderr);
        assert!(lines.contains("churn: round 1 of 1\n"), "plain lines, since nobody looks: {lines}");
    }

    fn a_server_with_a_fault_fails_alone(folders: &Folders) {
        for fault in ["wrong", "lost", "swapped", "closes", "stays-open", "crossed"] {
            folders.add_peer(fault);
        }
        let rows = ["--rows", "echo-64", "--stall", "1", "--no-system-calls"];
        let output = folders.compare(&[&["--smoke"], &rows[..]].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let text = folders.result("results.md");
        let (_, failures) = text.split_once("### Failures\n\n").expect("failures");
        assert_eq!(failures.lines().count(), 6, "{failures}");
        for (name, what) in [
            ("wrong", "the byte at 100 is 0x"),
            ("lost", "the byte at 100 is 0x"),
            ("swapped", "the byte at 100 is 0x"),
            ("closes", "closed by the server after 100 bytes, 128 were owed"),
            ("stays-open", "nothing moved for 1s: 1 connections are to be closed by the server"),
            ("crossed", "nothing moved for 1s"),
        ] {
            let line = failures.lines().find(|line| line.contains(&format!("echo-64, {name}: ")));
            let line = line.unwrap_or_else(|| panic!("{name} of {failures}"));
            // Which of a crossed server's connections is first is not told: a wrong byte is as good.
            assert!(line.contains(what) || name == "crossed", "{line}");
        }
        assert!(text.contains("\n| wrong | - | - | - |"), "{text}");
        assert!(!text.contains("\n| twistor | - |"), "{text}");
    }

    fn figures_are_judged_and_a_strict_run_fails(folders: &Folders) {
        let words = ["--rows", "echo-64", "--rounds", "2", "--seconds", "0.05", "--no-system-calls"];
        let output = folders.compare(&words);
        assert!(output.status.success(), "{output:?}");
        let text = folders.result("results.md");
        assert!(text.contains("- 2 rounds of 50ms each\n"), "{text}");
        assert_eq!(text.matches("| echo-64 | ").count(), 2, "two aims: {text}");
        let line = text.lines().find(|line| line.contains("behind no peer")).unwrap();
        assert!(line.ends_with("| unknown: not measured |"), "there is no peer: {line}");
        let strict = folders.compare(&[&words[..], &["--strict"]].concat());
        assert_eq!(strict.status.code(), Some(1), "what is unknown is not met");
    }

    fn what_is_missing_is_told_at_once(folders: &Folders) {
        let said = |output: Output| {
            assert!(!output.status.success());
            String::from_utf8_lossy(&output.stderr).into_owned()
        };
        let unknown = said(folders.compare(&["--servers", "moi"]));
        assert!(
            unknown.contains("there is no server moi; there are epoll, epoll-again, twistor"),
            "{unknown}"
        );
        fs::remove_file(folders.binaries.join("bench-server")).unwrap();
        let missing = said(folders.compare(&["--smoke"]));
        assert!(missing.contains("the server twistor is not in"), "{missing}");
    }

    fn one_server_is_driven_by_its_address(_: &Folders) {
        let drive = |server: &Server| {
            let address = server.address.to_string();
            let words = ["load", "--server", &address, "--messages", "500", "--warm-up", "0.01", "echo"];
            program().args(words).args(["--connections", "2"]).output().unwrap()
        };
        let output = drive(&Server::echo(Fault::None));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{output:?}");
        assert!(text.starts_with("500 times a message, 32000 bytes, all right\n"), "{text}");
        let output = drive(&Server::echo(Fault::Doubled(7)));
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(text.contains("the byte at 8 is 0x"), "{text}");
    }

    /// A folder of binaries, one of peers and one of results, which are gone afterwards.
    struct Folders {
        all: PathBuf,
        binaries: PathBuf,
        peers: PathBuf,
    }

    impl Folders {
        fn new(name: &str) -> Self {
            let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
            let (binaries, peers) = (all.join("binaries"), all.join("peers"));
            fs::create_dir_all(&binaries).unwrap();
            fs::create_dir_all(&peers).unwrap();
            for name in ["peer-epoll", "bench-server"] {
                symlink(env::current_exe().unwrap(), binaries.join(name)).unwrap();
            }
            Self { all, binaries, peers }
        }

        fn add_peer(&self, name: &str) {
            symlink(env::current_exe().unwrap(), self.peers.join(name)).unwrap();
        }

        fn compare(&self, words: &[&str]) -> Output {
            let mut program = program();
            program.arg("compare").arg("--bin-dir").arg(&self.binaries).arg("--peers-dir").arg(&self.peers);
            program.arg("--out").arg(self.all.join("results")).args(words).output().unwrap()
        }

        fn result(&self, name: &str) -> String {
            fs::read_to_string(self.all.join("results").join(name)).unwrap()
        }
    }

    impl Drop for Folders {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.all);
        }
    }

    fn program() -> Command {
        Command::new(env!("CARGO_BIN_EXE_twistor-bench"))
    }

    /// Is a server, until its input ends.
    fn serve(words: &[String]) {
        let name = Path::new(&words[0]).file_name().unwrap().to_str().unwrap();
        let fault = match name {
            "wrong" => Fault::Wrong(100),
            "lost" => Fault::Lost(100),
            "swapped" => Fault::Swapped(100),
            "closes" => Fault::Closes(100),
            "stays-open" => Fault::StaysOpen,
            "crossed" => Fault::Crossed,
            _ => Fault::None,
        };
        let mode = words.iter().skip_while(|word| *word != "--mode").nth(1).unwrap();
        let server = match mode.as_str() {
            "stream" => Server::stream(fault),
            "broadcast" => Server::broadcast(fault),
            _ => Server::echo(fault),
        };
        println!("listening on {}", server.address);
        io::stdin().read_to_end(&mut Vec::new()).unwrap();
    }
}
