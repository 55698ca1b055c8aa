//! The upper half of the ladder: await, errors in a chain, a service, cancelling, a list.

use std::time::Duration;

use poetry_transform::TransformService;

use crate::support::{Ended, LIMIT, Program, Server, free_port, random_bytes, run};

const POEM: &[u8] = include_bytes!("../../../poems/ode-to-the-west-wind.txt");
const UPPER: [&str; 5] =
    ["poetry-5-async", "poetry-6-errors", "poetry-7-transform", "poetry-8-cancel", "poetry-9-list"];

/// The arguments that `client` cannot do without, and `addresses`.
fn arguments(client: &str, service: &str, addresses: &[String]) -> Vec<String> {
    let mut arguments = match client {
        "poetry-7-transform" => vec!["--transform-server".to_owned(), service.to_owned()],
        "poetry-8-cancel" => vec!["--patience".to_owned(), LIMIT.as_secs().to_string()],
        _ => Vec::new(),
    };
    arguments.extend_from_slice(addresses);
    arguments
}

fn small_letters(poem: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(poem).to_lowercase().into_bytes()
}

#[track_caller]
fn expect(ended: &Ended, client: &str, poem: &[u8]) {
    if client == "poetry-9-list" {
        assert!(
            ended.text().starts_with(&format!("Task 1: {} bytes of poetry from", poem.len())),
            "{}",
            ended.text()
        );
    } else {
        assert!(ended.stdout == poem, "{client}: {} bytes came, or others", ended.stdout.len());
    }
}

#[test]
fn a_poem_arrives_whole_or_as_it_was_made() {
    let service = Server::of(|| TransformService);
    for poem in [POEM.to_vec(), Vec::new(), random_bytes(3, 300_000)] {
        let is_text = std::str::from_utf8(&poem).is_ok();
        let server = Server::fast(poem.clone());
        for client in UPPER {
            let ended =
                run(client, &arguments(client, &service.address(), &[server.address()])).expect_code(0);
            let changes = ["poetry-6-errors", "poetry-7-transform"].contains(&client);
            expect(&ended, client, &if changes && is_text { small_letters(&poem) } else { poem.clone() });
            let told = ended.stderr.starts_with("The poem comes plain: ") && ended.stderr.contains("no text");
            assert_eq!(told, changes && !is_text, "{client}: {}", ended.stderr);
        }
    }
}

#[test]
fn poems_come_down_at_once_and_are_shown_in_order() {
    let (slow, fast) = (Server::slow(POEM, 100, Duration::from_millis(5)), Server::fast("short\n"));
    let service = Server::of(|| TransformService);
    for client in UPPER {
        let addresses = [slow.address(), fast.address()];
        let ended = run(client, &arguments(client, &service.address(), &addresses)).expect_code(0);
        match client {
            "poetry-9-list" => assert!(ended.text().ends_with("Got 2 of 2 poems\n"), "{}", ended.text()),
            "poetry-6-errors" | "poetry-7-transform" => {
                assert!(ended.stdout == [&small_letters(POEM)[..], b"short\n"].concat(), "{client}");
            }
            _ => assert!(ended.stdout == [POEM, b"short\n"].concat(), "{client}"),
        }
    }
}

#[test]
fn a_poem_that_does_not_come_is_told_of_and_the_others_are_shown() {
    let (server, refused, service) = (Server::fast("short\n"), free_port(), Server::of(|| TransformService));
    for client in UPPER {
        let addresses = [format!("localhost:{refused}"), server.address()];
        let ended = run(client, &arguments(client, &service.address(), &addresses)).expect_code(1);
        if client == "poetry-9-list" {
            let text = ended.text();
            assert!(
                text.starts_with(&format!("Task 1: no poem from localhost:{refused}: connection to ")),
                "{text}"
            );
            assert!(text.ends_with("Got 1 of 2 poems\n"), "{text}");
        } else {
            assert_eq!(ended.text(), "short\n", "{client}");
            assert!(ended.stderr.starts_with("Poem failed: connection to "), "{client}: {}", ended.stderr);
        }
    }
}

#[test]
fn without_the_service_or_without_its_help_the_poem_comes_plain() {
    let (server, service) = (Server::fast(POEM), Server::of(|| TransformService));
    let nobody = free_port().to_string();
    let ended = run("poetry-7-transform", &["--transform-server", &nobody, &server.address()]).expect_code(0);
    assert!(ended.stdout == POEM);
    assert!(ended.stderr.starts_with("The poem comes plain: connection to "), "{}", ended.stderr);
    let there = service.address();
    let whisper = ["--transform-server", &there, "--transform", "whisper", &server.address()];
    let ended = run("poetry-7-transform", &whisper).expect_code(0);
    assert!(ended.stdout == POEM);
    let why = "The poem comes plain: the service says: no transform is called \"whisper\"";
    assert!(ended.stderr.starts_with(why), "{}", ended.stderr);
    let shout = ["--transform-server", &there, "--transform", "shout", &server.address()];
    let ended = run("poetry-7-transform", &shout).expect_code(0);
    assert!(ended.text() == String::from_utf8_lossy(POEM).to_uppercase());
}

#[test]
fn when_the_patience_is_over_the_rest_is_cancelled() {
    let (never, fast) = (Server::slow(POEM, 10, LIMIT), Server::fast("short\n"));
    let ended =
        run("poetry-8-cancel", &["--patience", "0.3", &never.address(), &fast.address()]).expect_code(1);
    assert_eq!(ended.text(), "short\n");
    assert_eq!(ended.stderr, "Poem failed: the operation was cancelled\n");
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    for client in UPPER {
        let ended = run(client, &arguments(client, "1", &["poem".to_owned()])).expect_code(2);
        assert_eq!(ended.stderr, "Ports must be integers.\n", "{client}");
        let none: [&str; 0] = [];
        let ended = run(client, &none).expect_code(2);
        assert!(ended.stderr.contains(&format!("Usage: {client} ")), "{client}: {}", ended.stderr);
    }
    let ended = run("poetry-8-cancel", &["--patience", "soon", "10001"]).expect_code(2);
    assert!(ended.stderr.contains("--patience"), "{}", ended.stderr);
}

#[test]
fn sigint_ends_every_one() {
    let server = Server::slow(POEM, 10, LIMIT);
    for client in UPPER {
        let program = Program::start(client, &arguments(client, "1", &[server.address()]));
        server.wait_for_client();
        program.interrupt();
        assert!(
            program.end().status.code().is_some(),
            "{client}: ends by itself and not by the signal's default"
        );
    }
}
