use crate::Transport;

/// A source of bytes for a transport that knows how to hold on.
///
/// Registered with [`Transport::register_producer`] on its consumer. The calls are queued: none comes inside a call of yours, and a pause
/// and a resume that cancel out are not made. A panic ends the connection of the consumer with
/// [`CloseReason::Panicked`](crate::CloseReason::Panicked).
///
/// A [`Transport`] is itself a producer, of what it receives: registering one connection's transport on another's makes a relay whose
/// memory is bounded.
#[expect(unused_variables, reason = "the parameters are named for those who override the methods")]
pub trait Producer: 'static {
    /// Push: go on after a pause. Pull: write one more piece, or unregister if there is none.
    fn resume_producing(&mut self, consumer: &Transport);

    /// Push alone: more than the high-water mark waits. Hold on until `resume_producing`.
    fn pause_producing(&mut self, consumer: &Transport) {}

    /// The consumer is lost: nothing more is wanted, ever. Called once, before the protocol's `connection_lost`.
    fn stop_producing(&mut self, consumer: &Transport) {}
}

/// How a producer is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProducerKind {
    /// It produces by itself and is paused and resumed at the marks (Twisted's streaming producer). Taken as running when registered.
    Push,
    /// It is asked for one piece each time everything was sent. It is never paused.
    Pull,
}

impl Producer for Transport {
    fn resume_producing(&mut self, _consumer: &Transport) {
        Self::resume_producing(self);
    }

    fn pause_producing(&mut self, _consumer: &Transport) {
        Self::pause_producing(self);
    }

    fn stop_producing(&mut self, _consumer: &Transport) {
        self.lose_connection();
    }
}
