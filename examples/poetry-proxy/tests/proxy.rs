//! The proxy between clients and a server, over a network of memory.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use poetry_client::PoemAddress;
use poetry_proxy::{PoemCache, ProxyFactory};
use poetry_server::{Pace, SlowPoetry};
use twistor::prelude::*;
use twistor::sim::{Peer, TestReactor};

const POEM: &[u8] = b"Much Madness is divinest Sense -\n";
const SECOND: Duration = Duration::from_secs(1);

struct Scene {
    test: TestReactor,
    cache: PoemCache,
    proxy: ListeningPort,
    /// How many clients the server has seen.
    downloads: Rc<Cell<usize>>,
}

/// A server that takes four seconds for its poem, on `port`, and a proxy before it.
fn scene(serves: bool) -> Scene {
    let test = TestReactor::new();
    let downloads = Rc::new(Cell::new(0));
    let count = Rc::clone(&downloads);
    let pace = Pace { num_bytes: 10, delay: SECOND };
    let factory =
        SlowPoetry::new(Bytes::from_static(POEM), pace).on_client(move |_| count.set(count.get() + 1));
    let server = test.listen_tcp(("127.0.0.1", 0), factory).unwrap();
    if !serves {
        server.stop_listening();
    }
    let cache = PoemCache::new(&test, PoemAddress::new("127.0.0.1", server.host().port()));
    let proxy = test.listen_tcp(("127.0.0.1", 0), ProxyFactory::new(cache.clone())).unwrap();
    let mut scene = Scene { test, cache, proxy, downloads };
    scene.test.settle();
    scene
}

impl Scene {
    fn client(&mut self) -> Peer {
        let client = self.test.kernel().dial(self.proxy.host().socket_addr().unwrap());
        self.test.settle();
        client
    }
}

#[test]
fn the_second_client_has_the_poem_at_once() {
    let mut scene = scene(true);
    let first = scene.client();
    assert!(format!("{:?}", scene.cache).contains("1 wait for"));
    scene.test.pass(SECOND * 5);
    assert_eq!((first.received(), first.is_finished()), (POEM.to_vec(), true));
    let second = scene.client();
    assert_eq!((second.received(), second.is_finished()), (POEM.to_vec(), true));
    assert_eq!(scene.downloads.get(), 1);
    assert!(scene.cache.poem().has_result());
}

#[test]
fn clients_that_come_together_wait_for_one_download() {
    let mut scene = scene(true);
    let clients: Vec<_> = (0..20).map(|_| scene.client()).collect();
    scene.test.pass(SECOND * 5);
    assert!(clients.iter().all(|client| client.received() == POEM && client.is_finished()));
    assert_eq!(scene.downloads.get(), 1);
}

#[test]
fn a_client_that_leaves_does_not_take_the_poem_from_the_others() {
    let mut scene = scene(true);
    let (leaves, stays) = (scene.client(), scene.client());
    leaves.reset();
    scene.test.pass(SECOND * 5);
    assert_eq!((stays.received(), scene.downloads.get()), (POEM.to_vec(), 1));
}

#[test]
fn a_download_that_fails_resets_who_waited_and_is_tried_again() {
    let mut scene = scene(false);
    let first = scene.client();
    scene.test.pass(SECOND);
    assert!(first.was_reset(), "a poem of nothing would look like one");
    assert!(format!("{:?}", scene.cache).starts_with("PoemCache(nothing of"));
    let second = scene.client();
    scene.test.pass(SECOND);
    assert!(second.was_reset());
}
