//! The finished client: files, limits, the demo, a crowd.

use std::time::Duration;

use crate::support::{Folder, LIMIT, Program, Server, free_port, random_bytes, run};

const POEM: &[u8] = include_bytes!("../../../poems/the-tyger.txt");

#[test]
fn output_saves_a_file_for_each_poem_that_arrived() {
    let (fast, refused) = (Server::fast(POEM), free_port());
    let folder = Folder::new("output");
    let inner = folder.0.join("made/if/need/be");
    let (address, refused) = (fast.address(), format!("localhost:{refused}"));
    let args = ["--output".as_ref(), inner.as_os_str(), address.as_ref(), refused.as_ref(), address.as_ref()];

    let text = run("get-poetry", &args).expect_code(1).text();

    let port = fast.port;
    let names = [format!("1-127.0.0.1-{port}.txt"), format!("3-127.0.0.1-{port}.txt")];
    let expect: Vec<_> = names.iter().map(|name| (name.clone(), POEM.to_vec())).collect();
    assert_eq!(Folder(inner.clone()).files(), expect);
    for name in names {
        assert!(text.contains(&format!("saved as {}", inner.join(name).display())), "{text}");
    }
    assert!(text.contains("Got 2 poems in 0:00:0") && text.contains(", 1 failed\n"), "{text}");
}

#[test]
fn output_saves_fifty_megabytes() {
    let poem = random_bytes(11, 50_000_000);
    let (server, folder) = (Server::fast(poem.clone()), Folder::new("large"));
    let address = server.address();
    run("get-poetry", &["--output".as_ref(), folder.0.as_os_str(), address.as_ref()]).expect_code(0);
    let files = folder.files();
    assert!(files.len() == 1 && files[0].1 == poem);
}

#[test]
fn output_that_cannot_be_written_is_told() {
    let (server, folder) = (Server::fast(POEM), Folder::new("blocked"));
    std::fs::create_dir_all(&folder.0).unwrap();
    let file = folder.0.join("a-file");
    std::fs::write(&file, "").unwrap();
    let address = server.address();
    let ended = run("get-poetry", &["--output".as_ref(), file.as_os_str(), address.as_ref()]).expect_code(1);
    assert!(ended.stderr.starts_with("Cannot save poems in "), "{}", ended.stderr);

    // A folder is in the way of the file.
    std::fs::create_dir_all(folder.0.join(format!("1-127.0.0.1-{}.txt", server.port))).unwrap();
    let ended =
        run("get-poetry", &["--output".as_ref(), folder.0.as_os_str(), address.as_ref()]).expect_code(1);
    assert!(ended.text().contains("failed: cannot save "), "{}", ended.text());
}

#[test]
fn timeout_ends_a_poem_of_which_nothing_comes() {
    let (stuck, fast) = (Server::slow(POEM, 10, LIMIT), Server::fast(POEM));
    let text =
        run("get-poetry", &["--timeout", "0.2", &stuck.address(), &fast.address()]).expect_code(1).text();
    assert!(text.contains("failed: nothing happened on the connection for 200ms"), "{text}");
    assert!(text.contains("Got 1 poems in 0:00:00."), "{text}");
}

#[test]
fn timeout_lets_a_poem_pass_that_keeps_coming() {
    let slow = Server::slow(POEM, 100, Duration::from_millis(100));
    let text = run("get-poetry", &["--timeout", "0.5", &slow.address()]).expect_code(0).text();
    assert!(text.contains("808  0:00:00."), "{text}");
}

#[test]
fn a_limit_that_makes_no_sense_is_refused() {
    for limit in ["0", "-1", "soon", "nan", "inf"] {
        let ended = run("get-poetry", &[&format!("--timeout={limit}"), "10001"]).expect_code(2);
        assert!(ended.stderr.contains("--timeout"), "{}", ended.stderr);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the promise is about real time")]
fn the_demo_needs_nothing_and_takes_less_than_fifteen_seconds() {
    let start = std::time::Instant::now();
    let text = run("get-poetry", &["--demo"]).expect_code(0).text();
    assert!(start.elapsed() < Duration::from_secs(15));
    assert_eq!(text.matches("Serving ").count(), 3, "{text}");
    assert!(text.contains("Got 3 poems in 0:00:0"), "{text}");
}

#[test]
fn five_hundred_slow_poems_come_down_at_once() {
    let server = Server::slow(POEM, 50, Duration::from_millis(100));
    let addresses = vec![server.address(); 500];
    let text = run("get-poetry", &addresses).expect_code(0).text();
    assert_eq!(text.matches("  ok\n").count(), 500);
    assert!(text.contains("Got 500 poems in 0:00:"), "{text}");
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_client() {
    let server = Server::slow(POEM, 10, LIMIT);
    let program = Program::start("get-poetry", &[server.address()]);
    server.wait_for_client();
    drop(server); // Reset or closed: the poem has an end, one way or another.
    let ended = program.end();
    assert!(ended.text().contains("Got "), "{}", ended.text());
}
