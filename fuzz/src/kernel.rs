use std::io::IoSlice;
use std::time::Duration;

use arbitrary::Unstructured;
use twistor_reactor::kernel::{Kernel, ListenOptions, ReceivedData, StreamSocket, Token};
use twistor_sim::{Answer, Call, Peer, ScriptedKernel, errno};

use crate::number;

/// The `index`th byte that an end sends.
fn byte(index: usize) -> u8 {
    (index % 251) as u8
}

/// Bytes on their way in one direction.
#[derive(Default)]
struct Way {
    sent: usize,
    received: usize,
}

impl Way {
    fn next(&self, len: usize) -> Vec<u8> {
        (self.sent..self.sent + len).map(byte).collect()
    }

    /// What arrives is what was sent, in order.
    fn take(&mut self, bytes: &[u8]) {
        assert!(self.received + bytes.len() <= self.sent, "more arrives than was sent");
        assert!(
            bytes.iter().zip(self.received..).all(|(&seen, index)| seen == byte(index)),
            "other bytes arrive"
        );
        self.received += bytes.len();
    }
}

struct World {
    kernel: ScriptedKernel,
    /// `None` once it was closed.
    socket: Option<Box<dyn StreamSocket>>,
    peer: Peer,
    /// From the socket to the peer, and back.
    out: Way,
    back: Way,
    finished: bool,
    /// Somebody closed or reset, so that bytes may be lost; never turned around, though.
    broken: bool,
}

/// Any calls of the kernel in memory, under any script of faults: it never panics, and bytes arrive in order, once, and all of them unless the
/// connection was closed or reset.
///
/// # Panics
///
/// If a promise is not kept.
pub fn kernel(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let kernel = ScriptedKernel::new();
    kernel.set_buffers(1 + number(&mut bytes, 64), 1 + number(&mut bytes, 64));
    let address = "127.0.0.1:80".parse().unwrap();
    let listener = kernel.listen_stream(address, &ListenOptions::default()).unwrap();
    let peer = kernel.dial(address);
    let socket = listener.accept().unwrap().socket;
    socket.register(Token::new(1, 1)).unwrap();
    let (out, back) = (Way::default(), Way::default());
    let mut world = World { kernel, socket: Some(socket), peer, out, back, finished: false, broken: false };
    while !bytes.is_empty() {
        world.act(&mut bytes);
    }
    world.settle();
}

impl World {
    fn act(&mut self, bytes: &mut Unstructured<'_>) {
        let len = number(bytes, 100);
        match number(bytes, 16) {
            0..=2 => self.send(len),
            3..=5 => drop(self.recv(len)),
            6 | 7 if !self.finished && !self.broken => {
                self.peer.send(&self.back.next(len));
                self.back.sent += len;
            }
            8 => self.out.take(&self.peer.received()),
            9 if len < 50 => self.peer.stop_reading(),
            9 => self.peer.start_reading(),
            10 => self.script(bytes),
            11 => self.wait(Duration::from_millis(len as u64)),
            12 if len < 10 => {
                self.peer.finish();
                self.finished = true;
            }
            13 if len < 10 => {
                let _ = self.socket.as_ref().map(|socket| socket.shutdown_write());
            }
            14 if len < 3 => {
                self.broken = true;
                if len == 0 { self.peer.reset() } else { self.peer.close() }
            }
            15 if len < 3 => {
                self.broken = true;
                if let Some(socket) = self.socket.take().filter(|_| len == 0) {
                    let _ = socket.reset_on_close();
                }
            }
            _ => self.wait(Duration::ZERO),
        }
    }

    fn send(&mut self, len: usize) {
        let Some(socket) = &self.socket else { return };
        let data = self.out.next(len);
        let (front, back) = data.split_at(len / 2);
        if let Ok(taken) = socket.send(&[IoSlice::new(front), IoSlice::new(back)]) {
            assert!(taken <= len);
            self.out.sent += taken;
        }
    }

    /// Reads once; says whether anything came.
    fn recv(&mut self, len: usize) -> bool {
        let Some(socket) = &self.socket else { return false };
        let mut scratch = vec![0; len + 1];
        let Ok(received) = socket.recv(&mut scratch) else { return false };
        match &received.data {
            ReceivedData::Scratch(len) => self.back.take(&scratch[..*len]),
            ReceivedData::Own(bytes) => self.back.take(bytes),
        }
        if received.is_empty() && !self.broken {
            assert!(self.finished && self.back.received == self.back.sent, "the end comes last");
        }
        !received.is_empty()
    }

    fn script(&mut self, bytes: &mut Unstructured<'_>) {
        let call = [Call::Send, Call::Recv, Call::Wait][number(bytes, 3)];
        let answer = match (number(bytes, 4), call) {
            (0, Call::Wait) => Answer::Errno(errno::EINTR),
            (_, Call::Wait) => return,
            (0, _) => Answer::Short(1 + number(bytes, 8)),
            (1, _) => Answer::WouldBlock,
            (2, _) => Answer::Errno(errno::EINTR),
            _ => Answer::Pass,
        };
        self.kernel.script(call, answer).times(1 + number(bytes, 3));
    }

    fn wait(&mut self, time: Duration) {
        let mut ready = Vec::new();
        let _ = self.kernel.wait(Some(time), &mut ready);
        assert!(ready.iter().all(|readiness| readiness.token == Token::new(1, 1)));
    }

    /// Everybody reads until nothing moves any more, longer than the script lasts.
    fn settle(&mut self) {
        self.peer.start_reading();
        let mut quiet = 0;
        while quiet < 10_000 && (self.out.received < self.out.sent || self.back.received < self.back.sent) {
            self.wait(Duration::ZERO);
            let arrived = self.peer.received();
            self.out.take(&arrived);
            quiet = if self.recv(4_096) || !arrived.is_empty() { 0 } else { quiet + 1 };
            if self.broken && quiet > 100 {
                return;
            }
        }
        assert!(self.broken || quiet < 10_000, "something was lost");
    }
}
