//! What a newcomer writes: it compiles without a type spelled out, and does what it says.
#![expect(clippy::redundant_closure, reason = "newcomers write closures")]

use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::rc::Rc;

use twistor_deferred::{
    Cancelled, Deferred, Failure, OrFail, Promise, deferred, fail, maybe_deferred, succeed,
};

fn other_deferred(x: i32) -> Deferred<String> {
    succeed(format!("<{x}>"))
}

fn fetch(name: &str) -> Deferred<String> {
    if name.is_empty() { fail(io::Error::other("no name")) } else { succeed(name.to_uppercase()) }
}

fn legacy(x: i32) -> Result<i32, Box<dyn Error + Send + Sync>> {
    if x < 0 { Err("negative".into()) } else { Ok(x) }
}

struct Collector {
    lines: Vec<String>,
    done: Option<Promise<Vec<String>>>,
}

impl Collector {
    fn line(&mut self, line: &str) {
        self.lines.push(line.to_owned());
    }

    fn end(&mut self) {
        if let Some(done) = self.done.take() {
            done.callback(std::mem::take(&mut self.lines));
        }
    }
}

#[track_caller]
fn ok<T>(deferred: Deferred<T>) -> T {
    deferred.try_take().unwrap().unwrap()
}

#[test]
fn callbacks() {
    // 1. A statement for a body.
    ok(fetch("x").add_callback(|poem| {
        println!("{}", poem.len());
    }));
    // 2. A block with several statements.
    ok(fetch("x").add_callback(|poem| {
        let length = poem.len();
        assert_eq!(length, 1);
    }));
    // 3. A value in `Ok`.
    assert_eq!(ok(succeed(1).add_callback(|x| Ok(x + 1))), 2);
    // 4. `?` on an error of the standard library.
    let number = succeed("7").add_callback(|x| {
        let n: i32 = x.parse()?;
        Ok(n)
    });
    assert_eq!(ok(number), 7);
    // 5. Two kinds of errors in one callback.
    let both = succeed(vec![0x37]).add_callback(|bytes| {
        let text = String::from_utf8(bytes)?;
        Ok(text.parse::<i32>()?)
    });
    assert_eq!(ok(both), 7);
    // 6. Another Deferred.
    assert_eq!(ok(succeed(1).add_callback(|x| other_deferred(x))), "<1>");
    // 7. A function by name.
    assert_eq!(ok(succeed(1).add_callback(other_deferred)), "<1>");
    // 8. A plain value.
    assert_eq!(ok(fetch("abc").map(|poem| poem.len())), 3);
    // 9. A method by name.
    assert_eq!(ok(fetch("abc").map(String::into_bytes)), b"ABC");
    // 10. A decision.
    let checked = succeed(5).add_callback(|n| if n > 3 { Err(Failure::message("too many")) } else { Ok(n) });
    assert!(checked.try_take().unwrap().is_err());
    // 11. An early return.
    let early = succeed(5).add_callback(|n| {
        if n > 3 {
            return Ok("many");
        }
        Err(io::Error::other("too few").into())
    });
    assert_eq!(ok(early), "many");
    // 12. A boxed error.
    assert_eq!(ok(succeed(1).add_callback(|n| legacy(n).or_fail())), 1);
    let negative = succeed(-1).add_callback(|n| {
        let n = legacy(n).or_fail()?;
        Ok(n)
    });
    assert_eq!(negative.try_take().unwrap().unwrap_err().to_string(), "negative");
}

#[test]
fn errbacks() {
    // 13. Passing it on.
    let same = fetch("").add_errback(|f: Failure| Err(f));
    assert!(same.try_take().unwrap().is_err());
    // 14. A default.
    assert_eq!(ok(fetch("").add_errback(|_| Ok(String::new()))), "");
    // 15. Only what is expected here.
    let expected = fetch("").add_errback(|failure| {
        let error = failure.trap::<io::Error>()?;
        Ok(error.to_string())
    });
    assert_eq!(ok(expected), "no name");
    // 16. A check.
    let checked = fetch("").add_errback(|failure| {
        if failure.check::<Cancelled>() { Ok("cancelled".to_owned()) } else { Err(failure) }
    });
    assert!(checked.try_take().unwrap().is_err());
    // 17. Another attempt.
    assert_eq!(ok(fetch("").add_errback(|_| fetch("again"))), "AGAIN");
    // 18. A message at the end.
    ok(fetch("").add_callback(|_| {}).add_errback(|failure| eprintln!("{failure:#}")));
    // 19. Both sides.
    let text = fetch("").add_callbacks(|poem| Ok(poem.len()), |_| Ok(0));
    assert_eq!(ok(text), 0);
    let either = fetch("").add_both(|result| match result {
        Ok(poem) => Ok(poem),
        Err(failure) => Ok(format!("sorry: {failure}")),
    });
    assert_eq!(ok(either), "sorry: no name");
}

#[test]
fn promises() {
    // 20. A promise in a field that is fired when something ends.
    let (done, lines) = deferred();
    let mut collector = Collector { lines: Vec::new(), done: Some(done) };
    let count = lines.map(|lines| lines.len());
    collector.line("one");
    collector.line("two");
    collector.end();
    assert_eq!(ok(count), 2);
    // 21. A result into a variable outside.
    let seen = Rc::new(RefCell::new(Vec::new()));
    let list = seen.clone();
    fetch("x").add_callback(move |poem| list.borrow_mut().push(poem));
    assert_eq!(*seen.borrow(), ["X"]);
    // 22. A chain across functions.
    let chained = fetch("a")
        .add_callback(|a| fetch("b").map(move |b| a + &b))
        .add_callback(|both| Ok(both.len()))
        .map_failure(|failure| Failure::message(format!("could not fetch: {failure}")));
    assert_eq!(ok(chained), 2);
    // 23. An error that is no closure's.
    let (promise, answer) = deferred::<()>();
    promise.errback(io::Error::from(io::ErrorKind::TimedOut));
    assert!(answer.try_take().unwrap().is_err());
    // 24. Code that may fail before there is a Deferred.
    let started = maybe_deferred(|| {
        let n: i32 = "12".parse()?;
        Ok(n)
    });
    assert_eq!(ok(started), 12);
    // 25. Cancelling from elsewhere.
    let (promise, answer) = deferred::<u8>();
    promise.on_cancel(|| println!("stopping"));
    let canceller = answer.canceller();
    answer.add_errback(|failure| if failure.is_cancelled() { Ok(0) } else { Err(failure) });
    canceller.cancel();
}
