use arbitrary::Unstructured;
use twistor_net::{Filter, FilterIo};
use twistor_sim::{Accumulating, StringTransport};

use crate::{number, pieces};

/// Adds `key` to every byte, and holds back what is no whole block, in both directions, until its side closes.
struct Blocks {
    key: u8,
    size: usize,
    up: Vec<u8>,
    down: Vec<u8>,
}

impl Blocks {
    /// What of `held` and `data` is in whole blocks.
    fn take(&self, held: &mut Vec<u8>, data: &[u8]) -> Vec<u8> {
        held.extend(data.iter().map(|byte| byte.wrapping_add(self.key)));
        held.drain(..held.len() / self.size * self.size).collect()
    }
}

impl Filter for Blocks {
    fn received(&mut self, io: &mut FilterIo, data: &[u8]) {
        let mut held = std::mem::take(&mut self.up);
        io.deliver(&self.take(&mut held, data));
        self.up = held;
    }

    fn written(&mut self, io: &mut FilterIo, data: &[u8]) {
        let mut held = std::mem::take(&mut self.down);
        io.send(&self.take(&mut held, data));
        self.down = held;
    }

    fn read_closed(&mut self, io: &mut FilterIo) {
        io.deliver(&std::mem::take(&mut self.up));
    }

    fn closing(&mut self, io: &mut FilterIo) {
        io.send(&std::mem::take(&mut self.down));
    }

    fn pending(&self) -> usize {
        self.down.len()
    }
}

/// Bytes go through a stack of filters whole and in order, in whatever pieces they come and are written.
///
/// # Panics
///
/// If they do not.
pub fn filters(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let (protocol, received) = Accumulating::new();
    let mut transport = StringTransport::new(protocol);
    let mut keys = 0_u8;
    for _ in 0..number(&mut bytes, 4) {
        let key = bytes.arbitrary().unwrap_or(0_u8);
        keys = keys.wrapping_add(key);
        let filter = Blocks { key, size: 1 + number(&mut bytes, 8), up: Vec::new(), down: Vec::new() };
        transport.transport().push_filter(filter, &[]);
    }
    let seen = |input: &[u8]| input.iter().map(|byte| byte.wrapping_add(keys)).collect::<Vec<u8>>();
    let incoming = bytes.arbitrary_len::<u8>().unwrap_or(0).min(bytes.len() / 2);
    let incoming = bytes.bytes(incoming).unwrap_or(&[]);
    let outgoing = bytes.arbitrary_len::<u8>().unwrap_or(0).min(bytes.len() / 2);
    let outgoing = bytes.bytes(outgoing).unwrap_or(&[]);
    for piece in pieces(incoming, &mut bytes) {
        transport.deliver(piece);
    }
    for piece in pieces(outgoing, &mut bytes) {
        transport.transport().write(piece);
    }
    transport.transport().lose_connection();
    assert_eq!(transport.value(), seen(outgoing), "what was written");
    let heard = received.data();
    assert_eq!(heard, seen(&incoming[..heard.len()]), "what was received");
}
