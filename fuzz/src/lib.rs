//! What the targets share: a server that offers one of everything, polled by hand, and the rules
//! that whatever it says must keep.
//!
//! Each target reads its input as text where that is possible, so that what a corpus holds can be
//! read, and written by hand. A rule that does not hold is a panic, which ends the run.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod answer;
mod offer;
mod surroundings;
mod tools;
mod wire;

pub use answer::{check_answer, check_message, check_reading};
pub use offer::{TEMPLATES, server, template};
pub use surroundings::{Numbers, principal, states};
pub use wire::{Collected, Heard, meta, modern, now};
