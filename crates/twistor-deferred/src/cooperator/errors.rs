//! How a cooperative task ends other than well, and what can be wrong about an operation on one.

use thiserror::Error;

/// The task was stopped with [`CooperativeTask::stop`](crate::CooperativeTask::stop).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the cooperative task was stopped")]
pub struct TaskStopped;

/// The cooperator of the task was stopped, or its clock is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the cooperator was stopped")]
pub struct SchedulerStopped;

/// Why a task did not do as it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TaskError {
    /// It is finished: its iterator came to an end.
    #[error("the cooperative task is done")]
    Done,
    /// It is finished: an item was a failure, or the iterator panicked.
    #[error("the cooperative task has failed")]
    Failed,
    /// It is finished: somebody stopped it.
    #[error("the cooperative task was stopped")]
    Stopped,
    /// It is finished: its cooperator was stopped.
    #[error("the cooperative task was stopped with its cooperator")]
    SchedulerStopped,
    /// It cannot be resumed: it is not paused.
    #[error("the cooperative task is not paused")]
    NotPaused,
}
