//! A limit on how long a result may take.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::Deferred;
use crate::{Clock, Outcome, TimedOut};

impl<T: 'static> Deferred<T> {
    /// Cancels the chain if it has no result when `after` has passed; the failure is then [`TimedOut`].
    ///
    /// It covers what was added before it: a callback that is added later may take as long as it likes. If the
    /// producer answers the cancel with a value or a failure of its own, that is the result. A cancel of the user's
    /// stays [`Cancelled`](crate::Cancelled). To say something else than `TimedOut`, add
    /// [`map_failure`](Self::map_failure). No time at all is the next turn of the clock; a Deferred that has its
    /// result is not affected. The delayed call is cancelled as soon as the result is here.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use twistor_deferred::{ManualClock, deferred};
    ///
    /// let clock = ManualClock::new();
    /// let (_promise, answer) = deferred::<u8>();
    /// let answer = answer.add_timeout(Duration::from_secs(5), &clock);
    /// clock.advance(Duration::from_secs(5));
    /// let failure = answer.try_take().unwrap().unwrap_err();
    /// assert!(failure.is_timed_out());
    /// assert_eq!(failure.to_string(), "there was no result within 5s");
    /// ```
    pub fn add_timeout(self, after: Duration, clock: &impl Clock) -> Self {
        if self.has_result() {
            return self;
        }
        let timed_out = Rc::new(Cell::new(false));
        let canceller = self.canceller();
        let cancels = Rc::clone(&timed_out);
        let call = clock.call_later(after, move || {
            cancels.set(true);
            canceller.cancel();
        });
        self.add(move |result| {
            // The call has been made if this comes of it, and then there is nothing to cancel.
            let _ = call.cancel();
            Outcome::Done(match result {
                Err(failure) if timed_out.get() && failure.is_cancelled() => Err(TimedOut(after).into()),
                result => result,
            })
        })
    }
}
