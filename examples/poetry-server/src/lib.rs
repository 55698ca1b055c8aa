//! Poetry servers: whoever connects is sent a poem, and the end of the connection is the end of the poem.
//!
//! - [`FastPoetry`]: the whole poem at once;
//! - [`SlowPoetry`]: a few bytes at a time, to any number of clients at once;
//! - [`ServerArgs`] and [`serve`]: what the two programs share.
//!
//! A poem is bytes: nothing here looks into it.

mod args;
mod fast;
mod slow;

pub use self::args::{ServerArgs, parse_args, serve};
pub use self::fast::{FastPoem, FastPoetry};
pub use self::slow::{Pace, SlowPoem, SlowPoetry};
