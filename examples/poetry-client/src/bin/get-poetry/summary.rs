//! What came of each poem, and the table of it.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::path::PathBuf;

use poetry_client::{PoemAddress, clock};
use twistor::prelude::*;

use crate::Job;

/// A poem that arrived whole.
pub(crate) struct Saved {
    poem: Vec<u8>,
    path: Option<PathBuf>,
}

impl Saved {
    pub(crate) const fn in_memory(poem: Vec<u8>) -> Self {
        Self { poem, path: None }
    }

    pub(crate) const fn in_file(path: PathBuf, poem: Vec<u8>) -> Self {
        Self { poem, path: Some(path) }
    }
}

/// The state of all downloads.
pub(crate) struct Summary {
    rows: Vec<Row>,
    start: Moment,
    /// Whether the poems go to stdout, and the table to stderr.
    print_poems: bool,
}

struct Row {
    address: PoemAddress,
    bytes: Cell<usize>,
    end: RefCell<Option<End>>,
}

/// How a download ended.
struct End {
    at: Moment,
    result: Result<Saved, String>,
}

impl Summary {
    pub(crate) fn new(jobs: &[Job], start: Moment, print_poems: bool) -> Self {
        let row =
            |job: &Job| Row { address: job.address.clone(), bytes: Cell::new(0), end: RefCell::new(None) };
        Self { rows: jobs.iter().map(row).collect(), start, print_poems }
    }

    /// More of a poem came.
    pub(crate) fn got(&self, index: usize, bytes: usize) {
        let row = &self.rows[index];
        row.bytes.set(row.bytes.get() + bytes);
    }

    /// A poem is there, or will never be.
    pub(crate) fn ended(&self, index: usize, result: Result<Saved, Failure>, at: Moment) {
        let result = result.map_err(|failure| explain(&failure)).map(|saved| self.without_ballast(saved));
        self.rows[index].end.replace(Some(End { at, result }));
    }

    /// Keeps in memory only what is to be printed.
    fn without_ballast(&self, saved: Saved) -> Saved {
        if self.print_poems { saved } else { Saved { poem: Vec::new(), ..saved } }
    }

    /// Whether every poem arrived.
    pub(crate) fn is_complete(&self) -> bool {
        self.arrived() == self.rows.len()
    }

    fn arrived(&self) -> usize {
        self.rows.iter().filter(|row| row.end.borrow().as_ref().is_some_and(|end| end.result.is_ok())).count()
    }

    /// Prints the poems, if that was asked for, and the table.
    pub(crate) fn print(&self, now: Moment) -> io::Result<()> {
        if self.print_poems {
            let mut stdout = io::stdout().lock();
            for row in &self.rows {
                if let Some(End { result: Ok(saved), .. }) = &*row.end.borrow() {
                    stdout.write_all(&saved.poem)?;
                }
            }
            stdout.flush()?;
            self.print_table(&mut io::stderr().lock(), now)
        } else {
            self.print_table(&mut io::stdout().lock(), now)
        }
    }

    fn print_table(&self, out: &mut impl Write, now: Moment) -> io::Result<()> {
        let poem = |row: &Row| row.address.to_string();
        let width = self.rows.iter().map(|row| poem(row).len()).chain([4]).max().unwrap_or_default();
        writeln!(out, "{:width$}  {:>10}  {:>9}  result", "poem", "bytes", "time")?;
        for row in &self.rows {
            let end = row.end.borrow();
            let at = end.as_ref().map_or(now, |end| end.at);
            let time = clock(at.saturating_duration_since(self.start));
            let result = match end.as_ref().map(|end| &end.result) {
                Some(Ok(Saved { path: Some(path), .. })) => format!("saved as {}", path.display()),
                Some(Ok(Saved { path: None, .. })) => "ok".to_owned(),
                Some(Err(why)) => format!("failed: {why}"),
                None => "failed: interrupted".to_owned(),
            };
            writeln!(out, "{:width$}  {:>10}  {time:>9}  {result}", poem(row), row.bytes.get())?;
        }
        let (arrived, failed) = (self.arrived(), self.rows.len() - self.arrived());
        let took = clock(now.saturating_duration_since(self.start));
        match failed {
            0 => writeln!(out, "Got {arrived} poems in {took}"),
            _ => writeln!(out, "Got {arrived} poems in {took}, {failed} failed"),
        }
    }
}

fn explain(failure: &Failure) -> String {
    let interrupted = matches!(failure.downcast_ref(), Some(CloseReason::ReactorGone))
        || matches!(failure.downcast_ref(), Some(ConnectError::ReactorGone));
    if interrupted { "interrupted".to_owned() } else { failure.to_string() }
}
