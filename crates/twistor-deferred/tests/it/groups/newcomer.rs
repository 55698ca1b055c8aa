//! What a newcomer writes about groups: it compiles without a type spelled out, and does what it says.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::ok;
use twistor_deferred::{
    Deferred, Failure, FailureGroup, FirstError, OneOf2, deferred, deferred_list, fail, first_result,
    first_success, gather_results, race, succeed,
};

fn fetch(url: &str) -> Deferred<String> {
    if url.is_empty() { fail(std::io::Error::other("no url")) } else { succeed(url.to_uppercase()) }
}

fn size(url: &str) -> Deferred<usize> {
    fetch(url).map(|page| page.len())
}

fn now<R>(future: impl Future<Output = R>) -> R {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("it has to wait"),
    }
}

#[test]
fn all_of_them() {
    // 1. Two in an array.
    let a = fetch("a");
    let b = fetch("b");
    assert_eq!(ok(gather_results([a, b])), ["A", "B"]);
    // 2. A list of urls.
    let urls = ["a", "b", "c"];
    let pages = gather_results(urls.iter().map(|url| fetch(url)));
    assert_eq!(ok(pages.map(|pages| pages.len())), 3);
    // 3. The same with a function by name.
    assert_eq!(ok(gather_results(urls.map(size))), [1, 1, 1]);
    // 4. A vector that was filled in a loop.
    let mut waiting = Vec::new();
    for url in urls {
        waiting.push(fetch(url));
    }
    let joined = gather_results(waiting).add_callback(|pages| Ok(pages.join(" ")));
    assert_eq!(ok(joined), "A B C");
    // 5. What worked, and what did not.
    let report = deferred_list([fetch("a"), fetch("")]).map(|results| {
        let mut lines = Vec::new();
        for result in results {
            match result {
                Ok(page) => lines.push(page),
                Err(failure) => lines.push(format!("sorry: {failure}")),
            }
        }
        lines
    });
    assert_eq!(ok(report), ["A", "sorry: no url"]);
    // 6. A tuple in a callback.
    let text = gather_results((fetch("a"), size("abc"))).map(|(page, size)| format!("{page}: {size}"));
    assert_eq!(ok(text), "A: 3");
    // 7. Which one it was.
    let which = gather_results([fetch("a"), fetch("")]).map(|_| 9).add_errback(|failure| {
        let first = failure.trap::<FirstError>()?;
        Ok(first.index)
    });
    assert_eq!(ok(which), 1);
}

#[test]
fn in_async_code() {
    // 8. Two at once.
    async fn both() -> Result<usize, Failure> {
        let (x, y) = (fetch("abc"), size("ab"));
        let (a, b) = gather_results((x, y)).await?;
        Ok(a.len() + b)
    }
    assert_eq!(now(both()).unwrap(), 5);
    // 9. Many at once.
    async fn many(urls: &[&str]) -> Result<String, Failure> {
        let pages = gather_results(urls.iter().map(|url| fetch(url))).await?;
        Ok(pages.concat())
    }
    assert_eq!(now(many(&["a", "b"])).unwrap(), "AB");
    assert_eq!(now(many(&["a", ""])).unwrap_err().to_string(), "input 1 of the group failed");
    // 10. The first of several.
    async fn quickest() -> Result<String, Failure> {
        let (index, page) = race([fetch(""), fetch("b")]).await?;
        Ok(format!("{index}: {page}"))
    }
    assert_eq!(now(quickest()).unwrap(), "1: B");
}

#[test]
fn the_first_of_them() {
    // 11. Mirrors in a vector.
    let mirrors = vec!["", "x", "y"];
    let vec: Vec<_> = mirrors.into_iter().map(fetch).collect();
    assert_eq!(ok(race(vec)), (1, "X".to_owned()));
    // 12. An answer or a deadline.
    let (deadline, time_is_up) = deferred();
    let (_slow, answer) = deferred();
    let answer = race((answer, time_is_up)).map(|first| match first {
        OneOf2::First(answer) => answer,
        OneOf2::Second(()) => 0,
    });
    deadline.callback(());
    assert_eq!(ok(answer), 0);
    // 13. Why nothing worked.
    let reasons = first_success([fetch(""), fetch("")]).map(|_| 0).add_errback(|failure| {
        let group = failure.trap::<FailureGroup>()?;
        Ok(group.failures().len())
    });
    assert_eq!(ok(reasons), 2);
    // 14. Whatever comes first.
    let first = first_result([fetch(""), fetch("a")]).map(|(index, result)| (index, result.is_ok()));
    assert_eq!(ok(first), (0, false));
    // 15. A group of groups.
    let pairs = gather_results([gather_results([size("a"), size("ab")]), gather_results([size("abc")])]);
    assert_eq!(ok(pairs), [vec![1, 2], vec![3]]);
    // 16. Some of a vector, by draining it; perhaps one.
    let mut waiting = vec![size("a"), size("ab"), size("abc")];
    assert_eq!(ok(gather_results(waiting.drain(1..))), [2, 3]);
    assert_eq!(ok(gather_results(waiting.pop())), [1]);
    // 17. Boxed iterators of whatever kind.
    let boxed: Box<dyn Iterator<Item = _>> = Box::new(["a", "b"].into_iter().map(size));
    assert_eq!(ok(gather_results(boxed)), [1, 1]);
}

/// 18. A function of one's own over any iterator.
fn total<I>(numbers: I) -> Deferred<u32>
where
    I: IntoIterator<Item = Deferred<u32>>,
{
    gather_results(numbers).map(|numbers| numbers.into_iter().sum())
}

/// 19. A generic one, for the first of several.
fn quickest<T: 'static>(answers: Vec<Deferred<T>>) -> Deferred<T> {
    race(answers).map(|(_index, answer)| answer)
}

#[test]
fn functions_of_ones_own() {
    assert_eq!(ok(total((1..=3).map(succeed))), 6);
    assert_eq!(ok(quickest(vec![succeed("a"), succeed("b")])), "a");
}
