//! Connections as byte streams, over the scripted kernel: every state that a reader and a writer can meet.

mod both;
mod ending;
mod opening;
mod reading;
mod support;
mod wakers;
mod writing;
