//! The clocks of the load generator.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The present.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "measuring is what this crate is for")]
pub fn now() -> Instant {
    Instant::now()
}

/// The processor time of the calling thread until now, user and system together.
#[must_use]
pub fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // The clock of a thread starts at zero and has less than a second of nanoseconds, so both fit.
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Waits for `time`, doing nothing.
pub fn pause(time: Duration) {
    let timeout = rustix::event::Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    };
    // A signal may end it early, which is as good.
    let _ = rustix::event::poll(&mut [], Some(&timeout));
}
