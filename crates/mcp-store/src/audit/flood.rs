//! A flood of failures, or of reads, told as one line a minute, with its count.
//!
//! ```text
//!            the first failure of a key                 over: a minute has passed
//!   quiet ───────────────────────────────▶ window ───────────────────────────────▶ quiet
//!                                           │  ▲    one line, if any were folded
//!                     each further failure: └──┘
//!                     a line of its own while both allowances last, else folded
//! ```
//!
//! A key is an address (IPv6: its /64, which one customer has to himself) or a credential, with the
//! action, the outcome and the subject. While too many keys are open, failures from addresses that have none
//! are folded together by action and outcome; their lines name no address. No count is lost.
//!
//! Told the time; a clock that is set back by a minute or more ends the windows, too.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use mcp_identity::{Actor, AuditAction, AuditEvent, AuditOutcome, PrincipalId, Subject};

/// How long a window is open, and what an allowance is for.
const WINDOW: Duration = Duration::from_mins(1);

/// How much of a flood is told in full.
#[derive(Clone, Copy, Debug)]
pub(super) struct FloodLimits {
    /// Lines of their own for one key and minute.
    pub(super) each: u32,
    /// Lines of their own for all keys and one minute.
    pub(super) together: u32,
    /// Keys that are open at once. Beyond them there is one for each action and outcome.
    pub(super) keys: usize,
}

/// Folds what is too much. Keeps at most `limits.keys` and a handful of events.
#[derive(Debug)]
pub(super) struct Flood {
    limits: FloodLimits,
    open: HashMap<Key, Window>,
    together: Allowance,
}

/// What is folded into one line. Without an origin and a subject: what came from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    origin: Option<Origin>,
    action: AuditAction,
    outcome: AuditOutcome,
    subject: Subject,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Origin {
    Network(IpAddr),
    Principal(PrincipalId),
}

#[derive(Debug)]
struct Window {
    each: Allowance,
    /// The latest of the events that were folded, with the count of all.
    folded: Option<AuditEvent>,
}

/// So many in a minute.
#[derive(Debug)]
struct Allowance {
    since: SystemTime,
    used: u32,
}

impl Flood {
    pub(super) fn new(limits: FloodLimits) -> Self {
        let together = Allowance::new(SystemTime::UNIX_EPOCH);
        Self { limits, open: HashMap::new(), together }
    }

    /// Takes a failure, and adds to `out` what is to be written because of it: at most the line
    /// of a window that is over, and the event itself.
    pub(super) fn offer(&mut self, now: SystemTime, event: AuditEvent, out: &mut Vec<AuditEvent>) {
        let key = self.key_of(&event);
        let from_elsewhere = key.origin.is_none();
        let window = self.open.entry(key).or_insert_with(|| Window::new(now));
        if window.each.is_over(now) {
            out.extend(window.folded.take());
            *window = Window::new(now);
        }
        if self.together.is_over(now) {
            self.together = Allowance::new(now);
        }
        if window.each.used < self.limits.each && self.together.used < self.limits.together {
            window.each.used += 1;
            self.together.used += 1;
            out.push(event);
        } else {
            window.fold(if from_elsewhere { anonymous(&event) } else { event });
        }
    }

    /// The lines of the windows that are over.
    pub(super) fn due(&mut self, now: SystemTime) -> Vec<AuditEvent> {
        let over = self.open.extract_if(|_, window| window.each.is_over(now));
        in_order(over.filter_map(|(_, window)| window.folded).collect())
    }

    /// The lines of all windows: nothing will be offered any more.
    pub(super) fn drain(&mut self) -> Vec<AuditEvent> {
        in_order(self.open.drain().filter_map(|(_, window)| window.folded).collect())
    }

    /// Does a window wait to be over?
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    fn key_of(&self, event: &AuditEvent) -> Key {
        let origin = match &event.actor {
            Actor::Caller(caller, _) => Some(Origin::Network(network_of(caller.address))),
            Actor::Principal(id) => Some(Origin::Principal(id.clone())),
            Actor::Operator(_) | Actor::Server => None,
        };
        let (action, outcome) = (event.action, event.outcome);
        let key = Key { origin, action, outcome, subject: event.subject.clone() };
        let has_room = self.open.len() < self.limits.keys;
        if key.origin.is_some() && (has_room || self.open.contains_key(&key)) {
            return key;
        }
        Key { origin: None, action, outcome, subject: Subject::None }
    }
}

impl Window {
    fn new(now: SystemTime) -> Self {
        Self { each: Allowance::new(now), folded: None }
    }

    fn fold(&mut self, event: AuditEvent) {
        let before = self.folded.as_ref().map_or(0, |folded| folded.count);
        let count = before.saturating_add(event.count);
        self.folded = Some(AuditEvent { count, ..event });
    }
}

impl Allowance {
    fn new(since: SystemTime) -> Self {
        Self { since, used: 0 }
    }

    fn is_over(&self, now: SystemTime) -> bool {
        let apart = now.duration_since(self.since).unwrap_or_else(|back| back.duration());
        apart >= WINDOW
    }
}

/// An event that stands for many addresses or credentials names none of them.
fn anonymous(event: &AuditEvent) -> AuditEvent {
    AuditEvent { subject: Subject::None, actor: Actor::Server, ..*event }
}

fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

fn in_order(mut events: Vec<AuditEvent>) -> Vec<AuditEvent> {
    events.sort_by_key(|event| event.at);
    events
}

#[cfg(test)]
mod tests {
    use mcp_identity::{Caller, RequestId};
    use proptest::prelude::*;

    use super::*;

    const LIMITS: FloodLimits = FloodLimits { each: 2, together: 6, keys: 4 };
    const REASONS: [&str; 2] = ["unknown_credential", "malformed_credential"];

    fn failure(second: u64, address: IpAddr, reason: usize) -> AuditEvent {
        let request_id = RequestId::from_bytes([0; 16]);
        AuditEvent::new(
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + second),
            AuditAction::Bearer,
            AuditOutcome::Refused(REASONS[reason]),
            Subject::None,
            Actor::Caller(Caller { address, agent: None, request_id }, None),
        )
    }

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn offer(flood: &mut Flood, event: AuditEvent) -> Vec<AuditEvent> {
        let mut out = Vec::new();
        flood.offer(event.at, event, &mut out);
        out
    }

    fn counts(events: &[AuditEvent]) -> Vec<u64> {
        events.iter().map(|event| event.count).collect()
    }

    #[test]
    fn the_first_failures_of_a_minute_are_lines_of_their_own_and_the_rest_is_one() {
        let mut flood = Flood::new(LIMITS);
        let all = (0..10).flat_map(|second| offer(&mut flood, failure(second, v4(1), 0)));
        assert_eq!(counts(&all.collect::<Vec<_>>()), [1, 1]);
        assert!(flood.due(failure(59, v4(1), 0).at).is_empty());
        let told = flood.due(failure(60, v4(1), 0).at);
        assert_eq!(counts(&told), [8]);
        assert_eq!(told[0].at, failure(9, v4(1), 0).at, "it bears the time of the last one");
        assert!(!flood.is_open());
    }

    #[test]
    fn a_flood_that_goes_on_is_told_once_a_minute_without_being_asked() {
        let mut flood = Flood::new(LIMITS);
        let all = (0..180).flat_map(|second| offer(&mut flood, failure(second, v4(1), 0)));
        assert_eq!(counts(&all.collect::<Vec<_>>()), [1, 1, 58, 1, 1, 58, 1, 1]);
        assert_eq!(counts(&flood.drain()), [58]);
    }

    #[test]
    fn two_addresses_and_two_reasons_are_told_apart() {
        let mut flood = Flood::new(FloodLimits { each: 0, ..LIMITS });
        for (address, reason) in [(1, 0), (1, 1), (2, 0), (2, 0)] {
            assert!(offer(&mut flood, failure(0, v4(address), reason)).is_empty());
        }
        let mut told = counts(&flood.drain());
        told.sort_unstable();
        assert_eq!(told, [1, 1, 2]);
    }

    #[test]
    fn the_addresses_of_one_network_of_ipv6_are_one() {
        let mut flood = Flood::new(FloodLimits { each: 0, ..LIMITS });
        for host in 0..100 {
            let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host);
            offer(&mut flood, failure(0, address.into(), 0));
        }
        assert_eq!(counts(&flood.drain()), [100]);
    }

    #[test]
    fn too_many_addresses_are_told_together_and_none_of_them_is_blamed() {
        let mut flood = Flood::new(FloodLimits { each: 0, ..LIMITS });
        for address in 0..100 {
            offer(&mut flood, failure(0, v4(address), 0));
        }
        let told = flood.drain();
        let elsewhere: Vec<_> = told.iter().filter(|event| event.actor == Actor::Server).collect();
        assert_eq!(elsewhere.len(), 1);
        assert_eq!(elsewhere[0].count, 96);
        assert_eq!(told.len(), 5);
    }

    #[test]
    fn a_clock_that_was_set_back_ends_a_window() {
        let mut flood = Flood::new(FloodLimits { each: 0, ..LIMITS });
        offer(&mut flood, failure(5_000, v4(1), 0));
        assert!(flood.due(failure(4_941, v4(1), 0).at).is_empty());
        assert_eq!(counts(&flood.due(failure(4_940, v4(1), 0).at)), [1]);
    }

    /// What a reader may expect of one key, the slow way: all of its failures, minute by minute.
    fn naive(seconds: &[u64]) -> Vec<u64> {
        let mut told = Vec::new();
        let mut rest = seconds;
        while let Some(first) = rest.first() {
            let minute = rest.partition_point(|second| second - first < 60);
            let alone = minute.min(LIMITS.each as usize);
            told.extend(std::iter::repeat_n(1, alone));
            told.extend(Some((minute - alone) as u64).filter(|folded| *folded > 0));
            rest = &rest[minute..];
        }
        told
    }

    proptest! {
        #[test]
        fn each_key_is_told_as_if_it_were_alone(
            gaps in prop::collection::vec((0_u64..40, 1_u8..4), 0..200),
            asked in any::<bool>(),
        ) {
            let mut flood = Flood::new(FloodLimits { together: u32::MAX, ..LIMITS });
            let (mut second, mut out) = (0, Vec::new());
            let mut offered: HashMap<IpAddr, Vec<u64>> = HashMap::new();
            for (gap, host) in gaps {
                second += gap;
                if asked {
                    out.extend(flood.due(failure(second, v4(0), 0).at));
                }
                out.extend(offer(&mut flood, failure(second, v4(host), 0)));
                offered.entry(v4(host)).or_default().push(second);
            }
            out.extend(flood.drain());
            for (address, seconds) in offered {
                let from = |event: &&AuditEvent| match &event.actor {
                    Actor::Caller(caller, _) => caller.address == address,
                    _ => false,
                };
                let told: Vec<_> = out.iter().filter(from).map(|event| event.count).collect();
                prop_assert_eq!(told, naive(&seconds));
            }
        }

        #[test]
        fn no_count_is_ever_lost_and_memory_and_lines_are_bounded(
            failures in prop::collection::vec((0_u64..400, any::<u8>(), 0_usize..2, 1_u64..5), 0..300),
        ) {
            let mut flood = Flood::new(LIMITS);
            let (mut told, mut offered) = (0, 0);
            for (second, host, reason, count) in failures {
                let event = AuditEvent { count, ..failure(second, v4(host), reason) };
                offered += count;
                let out = offer(&mut flood, event);
                prop_assert!(out.len() <= 2);
                prop_assert!(flood.open.len() <= LIMITS.keys + REASONS.len());
                prop_assert!(flood.together.used <= LIMITS.together);
                told += counts(&out).iter().sum::<u64>();
            }
            told += counts(&flood.drain()).iter().sum::<u64>();
            prop_assert_eq!(told, offered);
        }
    }
}
