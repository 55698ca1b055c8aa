//! A promise with callbacks as somebody writes it in an afternoon, for a program that needs one.
//!
//! It is the yardstick for `twistor-deferred`: the least that does the job on one thread. It knows no failures, no
//! panics, no inner promises and no cancelling, and all of its callbacks map a `T` to a `T`.

use std::cell::RefCell;
use std::fmt;
use std::mem;
use std::rc::Rc;

type Callback<T> = Box<dyn FnOnce(T) -> T>;

struct State<T> {
    callbacks: Vec<Callback<T>>,
    fired: bool,
    result: Option<T>,
}

/// The producer's end.
pub struct Promise<T> {
    state: Rc<RefCell<State<T>>>,
}

/// The consumer's end.
pub struct Answer<T> {
    state: Rc<RefCell<State<T>>>,
}

/// A promise and the answer that it will give.
#[must_use]
pub fn promise<T>() -> (Promise<T>, Answer<T>) {
    let state = Rc::new(RefCell::new(State { callbacks: Vec::new(), fired: false, result: None }));
    (Promise { state: Rc::clone(&state) }, Answer { state })
}

impl<T> Promise<T> {
    /// Runs the callbacks on `value`, in the order they were added; the answer has what comes of it.
    ///
    /// # Panics
    ///
    /// If it was fired before.
    pub fn fire(&self, value: T) {
        let callbacks = {
            let mut state = self.state.borrow_mut();
            assert!(!state.fired, "fired twice");
            state.fired = true;
            mem::take(&mut state.callbacks)
        };
        let result = callbacks.into_iter().fold(value, |value, callback| callback(value));
        self.state.borrow_mut().result = Some(result);
    }
}

impl<T> Answer<T> {
    /// Adds a callback. If the answer is there it runs now, and its result is the answer.
    #[must_use]
    pub fn then(self, callback: impl FnOnce(T) -> T + 'static) -> Self {
        let result = {
            let mut state = self.state.borrow_mut();
            if !state.fired {
                state.callbacks.push(Box::new(callback));
                drop(state);
                return self;
            }
            state.result.take()
        };
        let result = result.map(callback);
        self.state.borrow_mut().result = result;
        self
    }

    /// The answer, if it is there.
    #[must_use]
    pub fn take(self) -> Option<T> {
        self.state.borrow_mut().result.take()
    }
}

impl<T> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("handmade::Promise")
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("handmade::Answer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks_run_in_order_before_and_after_it_is_fired() {
        let (promise, answer) = promise();
        let answer = answer.then(|n| n * 10).then(|n| n + 1);
        promise.fire(2);
        assert_eq!(answer.then(|n| n * 2).take(), Some(42));
    }

    #[test]
    fn there_is_no_answer_before_it_is_fired() {
        let (_promise, answer) = promise::<u8>();
        assert_eq!(answer.take(), None);
    }
}
