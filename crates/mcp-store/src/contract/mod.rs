//! The suites that every store passes: [`all`] for tokens, [`accounts`] for accounts, [`recovery`]
//! for letters to be sent and links for a new password, [`attempts`] for the ledger of attempts
//! beside them, and [`shared`] for what several servers have in common, each in a test of the store's
//! own, on a tokio runtime with time (and not a paused one, where the store waits for files or
//! sockets).
//!
//! They panic with a sentence that says which promise of [`TokenStore`], [`AccountStore`],
//! [`AttemptLedger`] or [`SharedStore`] was broken. Times are whole seconds, and whole minutes where a store keeps no
//! more; places are told apart by the microsecond.
//!
//! [`TokenStore`]: crate::TokenStore
//! [`AccountStore`]: crate::AccountStore
//! [`AttemptLedger`]: crate::AttemptLedger
//! [`SharedStore`]: crate::SharedStore

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use crate::change::{Change, Changes};

mod accounts;
mod attempts;
mod shared;
mod tokens;

pub use accounts::{accounts, recovery};
pub use attempts::attempts;
pub use shared::shared;
pub use tokens::all;

/// The longest that word of a change may take. Real stores promise far less; a loaded test
/// machine promises nothing.
const WORD_OF_CHANGE: Duration = Duration::from_secs(10);

#[track_caller]
fn hold<T: Debug + PartialEq>(sentence: &str, found: &T, promised: &T) {
    assert_eq!(found, promised, "contract broken: {sentence} (left: found, right: promised)");
}

/// Waits for word of all of these, in any order. Late word of earlier changes is passed over: it
/// does no harm.
async fn told(changes: &mut Changes, expected: &[Change], sentence: &str) {
    let mut missing = expected.to_vec();
    let word = async {
        while !missing.is_empty() {
            match changes.next().await {
                Some(Change::Everything) => missing.clear(),
                Some(told) => missing.retain(|change| *change != told),
                None => break,
            }
        }
    };
    // What is still missing says more than that time is up.
    let _ = tokio::time::timeout(WORD_OF_CHANGE, word).await;
    hold(&format!("{sentence}, within {WORD_OF_CHANGE:?}: untold"), &missing, &Vec::new());
}

/// Numbers in no order to speak of, the same in every run: a failure must come back.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // Knuth's MMIX generator; its upper half is the better one.
        let (factor, step) = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
        self.0 = self.0.wrapping_mul(factor).wrapping_add(step);
        (self.0 >> 33) % sides
    }

    /// One of these, if there is any.
    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.index(from.len())?)
    }

    /// The place of one of so many, if there is any.
    fn index(&mut self, count: usize) -> Option<usize> {
        let sides = u64::try_from(count).ok().filter(|sides| *sides > 0)?;
        usize::try_from(self.roll(sides)).ok()
    }
}

/// Whole seconds: what the coarsest of stores keeps.
fn second(n: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + n)
}

/// The suite's own names parse.
fn must<T>(parsed: impl IntoIterator<Item = T>) -> T {
    match parsed.into_iter().next() {
        Some(value) => value,
        None => unreachable!("the suite's own names are valid"),
    }
}
