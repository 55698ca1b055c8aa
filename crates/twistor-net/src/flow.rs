/// What [`Transport::write`](crate::Transport::write) says about going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on writing.
    Ready,
    /// More than the high-water mark waits to be sent. What was written is queued all the same. `pause_writing` follows, and
    /// `resume_writing` some time after it; but neither does if what waits leaves before the first of them is told. So hold on from
    /// `pause_writing` on, not from this answer: whoever waits for `resume_writing` because of it alone may wait for ever.
    Full,
    /// The connection is closing or lost: what was written was dropped.
    Closed,
}
