use std::error::Error;
use std::io;

use super::*;

#[derive(Debug, thiserror::Error)]
#[error("cannot read {name}")]
struct ReadError {
    name: &'static str,
    source: io::Error,
}

fn read_error() -> Failure {
    Failure::new(ReadError {
        name: "poem.txt",
        source: io::Error::new(io::ErrorKind::NotFound, "no such file"),
    })
}

fn parse(text: &str) -> Result<i32, Failure> {
    Ok(text.parse()?)
}

#[test]
fn fail_01_any_error_travels_as_a_value() {
    fn assert_sends<T: Send + Sync + Clone + 'static>() {}
    assert_sends::<Failure>();
    let failure = parse("x").unwrap_err();
    let clone = failure.clone();
    assert!(clone.is_same(&failure));
    assert!(!clone.is_same(&parse("x").unwrap_err()));
    assert!(failure.downcast_ref::<std::num::ParseIntError>().is_some());
}

#[test]
fn fail_01_a_question_mark_takes_any_error() {
    fn of<E: Error + Send + Sync + 'static>(error: E) -> Result<(), Failure> {
        Err(error)?
    }
    assert!(of(io::Error::from(io::ErrorKind::TimedOut)).unwrap_err().check::<io::Error>());
    assert!(of(fmt::Error).unwrap_err().check::<fmt::Error>());
    assert!(of(Cancelled).unwrap_err().is_cancelled());
    let failure = read_error();
    assert!(of(failure.clone().into_error()).unwrap_err().is_same(&failure));
    // And a failure is taken as it is.
    let passed_on = || -> Result<(), Failure> { Err(failure.clone())? };
    assert!(passed_on().unwrap_err().is_same(&failure));
}

#[test]
fn fail_01_a_failure_of_a_failure_is_that_failure() {
    let failure = read_error();
    assert!(Failure::new(failure.clone().into_error()).is_same(&failure));
    let boxed: Box<dyn Error + Send + Sync> = failure.clone().into();
    assert!(Failure::from_boxed(boxed).is_same(&failure));
    let again: Failure = failure.clone();
    assert!(again.is_same(&failure));
}

#[test]
fn fail_02_check_and_downcast_look_at_the_error_alone() {
    let failure = read_error();
    assert!(failure.check::<ReadError>());
    assert!(!failure.check::<io::Error>());
    assert_eq!(failure.downcast_ref::<ReadError>().unwrap().name, "poem.txt");
    assert!(failure.downcast_ref::<io::Error>().is_none());
    assert_eq!(failure.find::<io::Error>().unwrap().kind(), io::ErrorKind::NotFound);
    assert!(failure.find::<Cancelled>().is_none());
}

#[test]
fn fail_02_trap_gives_the_error_or_the_failure_back() {
    let failure = read_error();
    let back = failure.clone().trap::<Cancelled>().unwrap_err();
    assert!(back.is_same(&failure));
    let trapped = back.trap::<ReadError>().unwrap();
    assert_eq!(trapped.name, "poem.txt");
    assert!(trapped.into_failure().is_same(&failure));
}

#[test]
fn fail_02_boxed_errors_can_be_checked_for_what_they_are() {
    let boxed: Box<dyn Error + Send + Sync> = Box::new(Cancelled);
    assert!(Failure::from_boxed(boxed).is_cancelled());
    let result: Result<u8, Box<dyn Error + Send + Sync>> = Err("plain text".into());
    assert_eq!(result.or_fail().unwrap_err().to_string(), "plain text");
}

#[test]
fn fail_03_the_original_error_and_its_chain_come_out_again() {
    let boxed: Box<dyn Error + Send + Sync> = read_error().into();
    assert_eq!(boxed.to_string(), "cannot read poem.txt");
    assert_eq!(boxed.source().unwrap().to_string(), "no such file");
    let local: Box<dyn Error> = read_error().into();
    assert_eq!(local.source().unwrap().to_string(), "no such file");
    let inner = local.downcast_ref::<FailureError>().unwrap().failure();
    assert!(inner.check::<ReadError>());
}

#[test]
fn fail_03_a_question_mark_makes_a_boxed_error_of_a_failure() {
    fn shared(failure: Failure) -> Result<(), Box<dyn Error + Send + Sync>> {
        Err(failure)?
    }
    fn local(failure: Failure) -> Result<(), Box<dyn Error>> {
        Err(failure)?
    }
    let failure = read_error();
    let boxed = shared(failure.clone()).unwrap_err();
    assert_eq!(boxed.source().unwrap().downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::NotFound);
    assert!(Failure::from_boxed(boxed).is_same(&failure));
    let boxed = local(failure.clone()).unwrap_err();
    assert!(boxed.downcast_ref::<FailureError>().unwrap().failure().is_same(&failure));
}

#[test]
fn fail_03_anyhow_takes_the_error_with_its_chain() {
    fn fetch(failure: Failure) -> anyhow::Result<()> {
        Err(failure.into_error())?
    }
    let failure = read_error();
    let error = fetch(failure.clone()).unwrap_err();
    assert_eq!(format!("{error:#}"), "cannot read poem.txt: no such file");
    assert!(error.downcast_ref::<FailureError>().unwrap().failure().is_same(&failure));
    assert_eq!(error.root_cause().to_string(), "no such file");
}

#[test]
fn fail_04_the_alternate_form_shows_the_whole_chain() {
    #[derive(Debug, thiserror::Error)]
    #[error("no poem today")]
    struct NoPoem(#[source] FailureError);

    let failure = Failure::new(NoPoem(read_error().into_error()));
    assert_eq!(failure.to_string(), "no poem today");
    assert_eq!(format!("{failure:#}"), "no poem today: cannot read poem.txt: no such file");
    assert_eq!(failure.chain().count(), 3);
}

#[test]
fn fail_04_text_forms() {
    let failure = read_error();
    assert_eq!(format!("{failure}"), "cannot read poem.txt");
    assert_eq!(format!("{failure:#}"), "cannot read poem.txt: no such file");
    let debug = format!("{failure:?}");
    assert!(debug.starts_with("Failure(ReadError"), "{debug}");
    assert!(debug.contains("NotFound"), "{debug}");
    assert_eq!(failure.source().unwrap().to_string(), "no such file");
    assert_eq!(failure.error().to_string(), "cannot read poem.txt");
    assert_eq!(format!("{:#}", Failure::message("alone")), "alone");
}

#[test]
fn the_kinds_of_this_crate_are_told_apart() {
    let kinds = [
        Failure::new(Cancelled),
        Failure::new(Abandoned),
        Failure::new(Circular),
        Failure::new(Panicked("boom".to_owned())),
    ];
    let told: Vec<[bool; 4]> = kinds
        .iter()
        .map(|f| [f.is_cancelled(), f.is_abandoned(), f.is_circular(), f.is_panicked()])
        .collect();
    for (row, told) in told.iter().enumerate() {
        for (column, &told) in told.iter().enumerate() {
            assert_eq!(told, row == column);
        }
    }
    assert_eq!(kinds[3].to_string(), "panicked: boom");
}
