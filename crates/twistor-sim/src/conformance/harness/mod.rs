//! What a case is written with.
//!
//! - [`Side`] says what one end does: a hook a callback, of its protocol and of its factory.
//! - [`End`] is what a case looks at: the log of what one end was told, what it received, its transport.
//! - [`Runner`] owns the reactor and turns it, never for longer than its limits: what does not come is a failure with both logs, never a
//!   hang.
//! - [`Ground`] is what it turns: a reactor with both ends on it, or two [`Strings`].
//! - [`Pair`] is a runner with one connection between two ends.
//! - [`Feeder`] is a producer that writes down what it is told.
//!
//! Every case checks more than it says: when a runner is dropped, each protocol must have been told things in an order that is allowed,
//! and nothing may have been called from inside another call, or from outside the loop.

mod end;
mod event;
mod feeder;
mod ground;
mod pair;
mod recorder;
mod runner;
mod side;
mod strings;
mod watch;

pub use self::end::End;
pub use self::event::{Ending, Event, Refusal};
pub use self::feeder::{Feeder, Feeding};
pub use self::ground::{Connected, Ground, MakeGround, Needs};
pub use self::pair::{Pair, fill};
pub use self::recorder::{Recorder, Recording};
pub use self::runner::Runner;
pub use self::side::Side;
pub use self::strings::Strings;
