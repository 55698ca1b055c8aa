//! The scripted kernel, over the kernel's own traits: no reactor is involved.

mod closing;
mod connecting;
mod listening;
mod peers;
mod readiness;
mod records;
mod script;
mod services;
mod streams;
mod time;
mod util;
