//! The service over a network of memory, asked by hand and by its client.

use std::time::Duration;

use poetry_transform::{Frame, ServiceError, TransformService, transform};
use twistor::prelude::*;
use twistor::sim::{Peer, TestReactor};

fn serve() -> (TestReactor, ListeningPort) {
    let mut test = TestReactor::new();
    let port = test.listen_tcp(("127.0.0.1", 0), TransformService).unwrap();
    test.settle();
    (test, port)
}

fn dial(test: &TestReactor, port: &ListeningPort) -> Peer {
    test.kernel().dial(port.host().socket_addr().unwrap())
}

fn ask(test: &TestReactor, port: &ListeningPort, name: &str, poem: &[u8]) -> Deferred<Vec<u8>> {
    transform(&test.handle(), ("127.0.0.1", port.host().port()), name, poem.to_vec())
}

#[test]
fn the_client_gets_what_the_service_makes_of_a_poem() {
    let (mut test, port) = serve();
    let changed = ask(&test, &port, "shout", "größe\n".as_bytes());
    let refused = ask(&test, &port, "whisper", b"hey");
    let no_text = ask(&test, &port, "cummings", b"\xff\xfe");
    test.settle();
    assert_eq!(changed.try_take().unwrap().unwrap(), "GRÖSSE\n".as_bytes());
    let why = |answer: Deferred<Vec<u8>>| answer.try_take().unwrap().unwrap_err().to_string();
    assert!(why(refused).starts_with("the service says: no transform is called \"whisper\""));
    assert_eq!(why(no_text), "the service says: it is no text, from byte 0 on");
    test.pass(Duration::from_secs(5));
    assert_eq!(test.stats().connections, 0, "nobody keeps a connection");
}

#[test]
fn requests_may_come_in_any_pieces_and_one_behind_the_other() {
    let (mut test, port) = serve();
    let client = dial(&test, &port);
    let requests = [Frame::new("shout", "one\n"), Frame::new("backwards", "a\nb\n"), Frame::new("x", "")];
    for byte in requests.iter().flat_map(Frame::encode) {
        client.send(&[byte]);
        test.settle();
    }
    let answers = String::from_utf8(client.received()).unwrap();
    assert!(answers.starts_with("ok 4\nONE\nok 4\nb\na\nerror "), "{answers}");
    assert!(!client.is_finished());
}

#[test]
fn nonsense_is_answered_and_ends_the_connection() {
    let (mut test, port) = serve();
    let client = dial(&test, &port);
    client.send(b"GET / HTTP/1.1\r\n\r\n");
    test.settle();
    let answer = String::from_utf8(client.received()).unwrap();
    assert!(answer.starts_with("error ") && answer.contains("a frame begins with"), "{answer}");
    assert!(client.is_finished());
}

#[test]
fn a_client_that_says_nothing_is_let_go() {
    let (mut test, port) = serve();
    let client = dial(&test, &port);
    test.pass(Duration::from_secs(59));
    assert!(!client.is_finished());
    test.pass(Duration::from_secs(2));
    assert!(client.is_finished());
}

#[test]
fn a_service_that_answers_nonsense_or_goes_away_is_a_failure() {
    let mut test = TestReactor::new();
    struct Rude(&'static [u8]);
    impl Protocol for Rude {
        fn data_received(&mut self, transport: &Transport, _data: &[u8]) {
            transport.write(self.0);
            transport.lose_connection();
        }
    }
    let nonsense = test.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Rude(b"well 2\nhm"))).unwrap();
    let away = test.listen_tcp(("127.0.0.1", 0), for_protocol(|_| Rude(b"ok 9\nhm"))).unwrap();
    let (nonsense, away) = (ask(&test, &nonsense, "shout", b"a"), ask(&test, &away, "shout", b"a"));
    test.settle();
    let failure = nonsense.try_take().unwrap().unwrap_err();
    assert_eq!(failure.downcast_ref(), Some(&ServiceError::Nonsense));
    assert!(away.try_take().unwrap().unwrap_err().check::<CloseReason>());
}

#[test]
fn a_cancelled_request_gives_up_its_connection() {
    let (mut test, port) = serve();
    let changed = ask(&test, &port, "shout", b"a");
    changed.cancel();
    test.pass(Duration::from_secs(5));
    assert!(changed.try_take().unwrap().unwrap_err().is_cancelled());
    assert_eq!(test.stats().connections, 0);
}
