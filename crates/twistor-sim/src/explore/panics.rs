//! Hears of every panic of a thread while it runs a scenario, those that somebody contains included.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// The panics of the scenario that runs here; `None` while none does.
    static HEARD: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Runs `f`, whose panics are not printed. Gives its answer, or what it panicked with, and all panics by then, contained ones too.
pub(super) fn listen<R>(f: impl FnOnce() -> R) -> (Result<R, String>, Vec<String>) {
    install();
    let former = HEARD.with(|heard| heard.replace(Some(Vec::new())));
    let outcome = catch_unwind(AssertUnwindSafe(f));
    let heard = HEARD.with(|heard| heard.replace(former)).unwrap_or_default();
    let outcome = outcome.map_err(|payload| {
        // What was resumed, not begun, here was not heard.
        let text = heard.last().cloned().unwrap_or_else(|| words(&*payload));
        twistor_deferred::drop_contained(payload);
        text
    });
    (outcome, heard)
}

/// One hook for the whole process, in front of the one there was, which other threads keep.
fn install() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let former = take_hook();
        set_hook(Box::new(move |info| {
            if !note(info) {
                former(info);
            }
        }));
    });
}

fn note(info: &PanicHookInfo<'_>) -> bool {
    let noted = HEARD.try_with(|heard| {
        let Ok(mut heard) = heard.try_borrow_mut() else { return false };
        let Some(heard) = heard.as_mut() else { return false };
        let place = info.location().map(|at| format!(", at {}:{}", at.file(), at.line())).unwrap_or_default();
        heard.push(format!("panicked: {}{place}", words(info.payload())));
        true
    });
    noted.unwrap_or(false)
}

fn words(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "with something that is no text".to_owned(),
    }
}
