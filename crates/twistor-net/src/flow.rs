/// What [`Transport::write`](crate::Transport::write) says about going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on writing.
    Ready,
    /// More than the high-water mark waits to be sent: hold on until `resume_writing`. What was written is queued all the same.
    Full,
    /// The connection is closing or lost: what was written was dropped.
    Closed,
}
