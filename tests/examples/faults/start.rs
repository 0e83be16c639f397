//! What must be true of what the server said that was to remove expired tokens when it started.

use crate::case::Ran;
use crate::fault::Fault;
use crate::table::STOPPED;
use crate::verdict::{State, tokens};

/// Said of what was done.
const REMOVED: &str = "Removed 1 expired token(s)";
/// Said of what was not done, or perhaps not for good.
const FAILED: &str = "Could not remove expired tokens";
const NOT_DURABLE: &str = "the change is in the file but perhaps not on disk";

/// What was said agrees with what is in the file.
pub(crate) fn told(fault: Fault<'_>, ran: &Ran, state: State) -> Result<(), String> {
    // The protocol's, where the server speaks on it.
    if !ran.stdout.is_empty() {
        return Err(format!("it wrote to standard output:\n{}", ran.stdout));
    }
    if !tokens(&ran.stderr).is_empty() {
        return Err("a token is in a message".to_owned());
    }
    let says = |words| ran.stderr.contains(words);
    if state == State::Old && (says(REMOVED) || says(NOT_DURABLE)) {
        return Err(format!("it told of a change that is not in the file:\n{}", ran.stderr));
    }
    if !fault.leaves_a_voice() {
        return Ok(());
    }
    if !says("ERROR: ") {
        return Err("it ended and did not say why".to_owned());
    }
    match state {
        State::New if !says(REMOVED) && !says(NOT_DURABLE) => {
            Err(format!("the change is in the file and the log does not tell:\n{}", ran.stderr))
        }
        // It went on and left what it was to remove.
        State::Old if says(STOPPED) && !says(FAILED) => {
            Err(format!("nothing was removed and the log does not tell:\n{}", ran.stderr))
        }
        State::New | State::Old => Ok(()),
    }
}
