//! What the states of requests are sealed with, in a process that has a clock and an entropy.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use mcp_identity::{Clock, Entropy, Principal};
use mcp_protocol::{RequestStates, Surroundings};

struct Process {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Surroundings<Principal> for Process {
    fn identity(&self, principal: &Principal) -> String {
        principal.id.to_string()
    }

    fn now(&self) -> u64 {
        self.clock.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    fn fill(&self, bytes: &mut [u8]) -> bool {
        self.entropy.fill(bytes).is_ok()
    }
}

/// States sealed with a key that is made now and dies with the process: a client that asks again
/// after a restart is asked anew. `None` if nothing random can be had.
#[must_use]
pub fn request_states(
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Option<RequestStates<Principal>> {
    let mut key = [0; 32];
    entropy.fill(&mut key).ok()?;
    RequestStates::new(&key, Process { clock, entropy })
}
