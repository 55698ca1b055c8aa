//! The clients as programs, against servers in this process.

mod get_poetry;
mod ladder;
mod support;
mod upper;
