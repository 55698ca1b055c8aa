//! Every client of the ladder, against both servers: what it prints, how it ends, and that poems arrive whole.

use std::time::Duration;

use crate::support::{LIMIT, Program, Server, free_port, random_bytes, run};

const POEM: &[u8] = include_bytes!("../../../poems/ode-to-the-west-wind.txt");

const LADDER: [&str; 5] =
    ["poetry-0-no-reactor", "poetry-1-reader", "poetry-2-protocol", "poetry-3-callback", "poetry-4-deferred"];
const COUNTING: [&str; 3] = [LADDER[0], LADDER[1], LADDER[2]];
const PRINTING: [&str; 2] = [LADDER[3], LADDER[4]];
const ALL: [&str; 6] = [LADDER[0], LADDER[1], LADDER[2], LADDER[3], LADDER[4], "get-poetry"];

const TICK: Duration = Duration::from_millis(5);

/// Has each client download one poem of `poem` from `server`.
#[track_caller]
fn check_one(server: &Server, poem: &[u8]) {
    for client in COUNTING {
        let text = run(client, &[server.port.to_string()]).expect_code(0).text();
        assert!(text.contains(&format!("Task 1: {} bytes of poetry\n", poem.len())), "{client}: {text}");
        assert!(text.contains("Got 1 poems in 0:00:"), "{client}: {text}");
    }
    for client in PRINTING {
        let ended = run(client, &[server.port.to_string()]).expect_code(0);
        assert!(ended.stdout == poem, "{client}: {} bytes came, or others", ended.stdout.len());
        assert_eq!(ended.stderr, "", "{client}");
    }
    let ended = run("get-poetry", &["--print", &server.address()]).expect_code(0);
    assert!(ended.stdout == poem, "get-poetry: {} bytes came, or others", ended.stdout.len());
    assert!(ended.stderr.contains("Got 1 poems in 0:00:"), "{}", ended.stderr);
}

#[test]
fn a_poem_arrives_whole_from_the_fast_server() {
    check_one(&Server::fast(POEM), POEM);
}

#[test]
fn a_poem_arrives_whole_from_the_slow_server() {
    check_one(&Server::slow(POEM, 100, TICK), POEM);
}

#[test]
fn a_poem_of_nothing_arrives_whole() {
    check_one(&Server::fast(""), b"");
    check_one(&Server::slow("", 10, TICK), b"");
}

#[test]
fn fifty_megabytes_of_random_bytes_arrive_whole() {
    let poem = random_bytes(7, 50_000_000);
    check_one(&Server::fast(poem.clone()), &poem);
}

#[test]
fn several_poems_come_down_at_once() {
    let (slow, fast) = (Server::slow(POEM, 10, TICK), Server::fast("short\n"));
    for client in COUNTING {
        let text = run(client, &[slow.address(), fast.address()]).expect_code(0).text();
        let (one, two) = (text.find("Task 1: 3136 bytes"), text.find("Task 2: 6 bytes"));
        assert!(one.is_some() && one < two, "{client}: {text}");
        assert!(text.ends_with("\n") && text.contains("\nGot 2 poems in 0:00:0"), "{client}: {text}");
        // The fast one is there before the slow one has ended.
        let (fast, slow) = (text.find("Task 2: got"), text.rfind("Task 1: got"));
        assert!(fast < slow, "{client}: {text}");
    }
    for client in PRINTING {
        let ended = run(client, &[slow.address(), fast.address()]).expect_code(0);
        assert!(ended.stdout == [POEM, b"short\n"].concat(), "{client}: {}", ended.text());
    }
}

#[test]
fn the_first_three_tell_of_each_piece() {
    let server = Server::fast("a poem of thirty bytes, no less");
    for client in COUNTING {
        let text = run(client, &[server.address()]).expect_code(0).text();
        let got = format!("Task 1: got 31 bytes of poetry from {}\n", server.address());
        assert!(text.starts_with(&got), "{client}: {text}");
        assert_eq!(text.contains("Task 1 finished\n"), client != "poetry-2-protocol", "{client}: {text}");
    }
}

#[test]
fn a_refused_port_is_told_and_the_others_arrive() {
    let (server, refused) = (Server::fast(POEM), free_port());
    for client in ALL {
        let ended = run(client, &[format!("localhost:{refused}"), server.address()]).expect_code(1);
        let told = match client {
            client if COUNTING.contains(&client) => format!("Failed to connect to: localhost:{refused}\n"),
            client if PRINTING.contains(&client) => "Poem failed: connection to ".to_owned(),
            _ => "failed: connection to ".to_owned(),
        };
        let all = ended.text() + &ended.stderr;
        assert!(all.contains(&told), "{client}: {all}");
        if PRINTING.contains(&client) {
            assert!(ended.stderr.starts_with(&told) && ended.stdout == POEM, "{client}: {all}");
        } else {
            assert!(all.contains("Got 1 poems in 0:00:0"), "{client}: {all}");
        }
    }
}

#[test]
fn nobody_to_download_from_ends_at_once() {
    for client in ALL {
        run(client, &[free_port().to_string()]).expect_code(1);
    }
}

#[test]
fn ports_must_be_integers() {
    for client in ALL {
        for address in ["localhost:http", "poem", "10001:"] {
            let ended = run(client, &[address]).expect_code(2);
            assert_eq!(ended.stderr, "Ports must be integers.\n", "{client} {address}");
            assert_eq!(ended.text(), "", "{client} {address}");
        }
        let ended = run(client, &["65536"]).expect_code(2);
        assert_eq!(ended.stderr, "Ports must be between 1 and 65535.\n", "{client}");
    }
}

#[test]
fn no_address_shows_the_help() {
    for client in ALL {
        let none: [&str; 0] = [];
        let ended = run(client, &none).expect_code(2);
        let usage = format!("Usage: {client} ");
        assert!(ended.stderr.contains(&usage) && ended.stderr.contains("[ADDRESS]..."), "{}", ended.stderr);
        let asked = run(client, &["--help"]).expect_code(0);
        assert!(asked.text().contains("hostname:port"), "{}", asked.text());
    }
}

#[test]
fn sigint_ends_every_client() {
    let server = Server::slow(POEM, 10, LIMIT);
    for client in ALL {
        let program = Program::start(client, &[server.address()]);
        server.wait_for_client();
        if COUNTING.contains(&client) {
            program.wait_for("Task 1: got 10 bytes");
        }
        program.interrupt();
        let ended = program.end();
        match client {
            // By the default of the signal: it handles none.
            "poetry-0-no-reactor" => assert_eq!(ended.status.code(), None),
            "get-poetry" => assert!(ended.expect_code(1).text().contains("failed: interrupted")),
            client if PRINTING.contains(&client) => {
                assert!(ended.expect_code(1).stderr.starts_with("Poem failed: reactor was stopped"));
            }
            _ => assert!(ended.expect_code(1).text().contains("Got 0 poems in ")),
        }
    }
}
