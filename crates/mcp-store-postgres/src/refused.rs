//! Who was refused a moment ago: a flood from one address costs the database a statement a second.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use mcp_throttle::{AddressKey, Refusal};
use tokio::time::Instant;

use crate::attempts::refusal;

/// So long a refusal is repeated unasked. Whoever lifts it by hand is heard after that.
const MOMENT: Duration = Duration::from_secs(1);
/// So many addresses are remembered; of others the database is asked each time.
const ADDRESSES: usize = 10_000;

/// Refusals of the last moment.
#[derive(Default)]
pub(crate) struct Refused(Mutex<HashMap<AddressKey, Heard>>);

#[derive(Clone, Copy)]
struct Heard {
    until: SystemTime,
    at: Instant,
}

impl Heard {
    fn is_fresh(self, at: Instant) -> bool {
        at.saturating_duration_since(self.at) < MOMENT
    }
}

impl Refused {
    /// Whether an address is known to be refused still. `at` is now by the clock that never jumps.
    pub(crate) fn lately(
        &self,
        address: AddressKey,
        now: SystemTime,
        at: Instant,
    ) -> Option<Refusal> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = *known.get(&address)?;
        let until = heard.until;
        (heard.is_fresh(at) && now < until).then(|| refusal(until, now))
    }

    pub(crate) fn note(&self, address: AddressKey, until: SystemTime, at: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ADDRESSES {
            known.retain(|_, heard| heard.is_fresh(at));
        }
        if known.len() < ADDRESSES {
            known.insert(address, Heard { until, at });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(n: u32) -> AddressKey {
        AddressKey::from(std::net::IpAddr::from(Ipv4Addr::from_bits(n)))
    }

    #[test]
    fn a_refusal_is_repeated_for_a_moment_and_never_beyond_its_end() {
        let (refused, now, at) = (Refused::default(), SystemTime::UNIX_EPOCH, Instant::now());
        let until = now + Duration::from_millis(1_500);
        refused.note(address(1), until, at);
        let seconds =
            |now, at| refused.lately(address(1), now, at).map(|it| it.retry_after.as_secs());
        assert_eq!(seconds(now, at), Some(2));
        assert_eq!(seconds(until, at), None);
        assert_eq!(refused.lately(address(2), now, at), None);
        assert_eq!(seconds(now, at + MOMENT), None);
    }

    #[test]
    fn a_crowd_of_addresses_fills_no_memory() {
        let (refused, now, at) = (Refused::default(), SystemTime::UNIX_EPOCH, Instant::now());
        let until = now + Duration::from_mins(1);
        let many = u32::try_from(ADDRESSES).unwrap();
        for n in 0..=many {
            refused.note(address(n), until, at);
        }
        assert_eq!(refused.0.lock().unwrap().len(), ADDRESSES);
        refused.note(address(many), until, at + MOMENT);
        assert_eq!(refused.0.lock().unwrap().len(), 1);
    }
}
