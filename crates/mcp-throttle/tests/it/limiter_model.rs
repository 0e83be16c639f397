//! Generated histories of the rate limiter, against a list of everything that ever happened.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use mcp_throttle::{Admission, DEFAULT_KEYS, Guess, Quota, RateLimiter};
use proptest::prelude::*;

const WINDOW_MS: u64 = 60_000;
const SKEW_MS: u64 = 60_000;

#[derive(Clone, Debug)]
enum Step {
    Pass { ms: u64 },
    SetBack { ms: u64 },
    Reserve { key: u32, late_ms: u64 },
    Count { key: u32 },
    Settle { which: usize, right: bool },
    Abandon { which: usize },
}

#[derive(Debug, PartialEq, Eq)]
enum Said {
    Reserved,
    Wait,
    Refused { seconds: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..WINDOW_MS * 5 / 4).prop_map(|ms| Step::Pass { ms }),
        2 => (0..2000_u64).prop_map(|ms| Step::Pass { ms }),
        1 => (0..SKEW_MS * 3).prop_map(|ms| Step::SetBack { ms }),
        8 => (0..3_u32, prop_oneof![3 => Just(0), 1 => 0..SKEW_MS / 2])
            .prop_map(|(key, late_ms)| Step::Reserve { key, late_ms }),
        2 => (0..3_u32).prop_map(|key| Step::Count { key }),
        6 => (any::<usize>(), prop::bool::weighted(0.3))
            .prop_map(|(which, right)| Step::Settle { which, right }),
        1 => any::<usize>().prop_map(|which| Step::Abandon { which }),
    ];
    prop::collection::vec(step, 1..120)
}

/// Everything in milliseconds, nothing forgotten.
struct Model {
    attempts: usize,
    /// The clock outside, and the latest that was told.
    wall: u64,
    told: u64,
    elapsed: u64,
    failures: Vec<(u32, u64)>,
    in_flight: Vec<u32>,
}

impl Model {
    fn new(attempts: usize) -> Self {
        let wall = 1 << 40;
        let (failures, in_flight) = (Vec::new(), Vec::new());
        Self { attempts, wall, told: 0, elapsed: 0, failures, in_flight }
    }

    /// The clock as somebody reads it who comes late with it.
    fn tell(&mut self, late_ms: u64) -> SystemTime {
        let now = self.wall - late_ms;
        self.elapsed += now.saturating_sub(self.told);
        if now > self.told || self.told - now > SKEW_MS {
            self.told = now;
        }
        SystemTime::UNIX_EPOCH + Duration::from_millis(now)
    }

    fn reserve(&self, key: u32) -> Said {
        let of_key = self.failures.iter().filter(|(failed, _)| *failed == key);
        let ends: Vec<u64> = of_key.map(|(_, at)| at + WINDOW_MS).collect();
        let within = ends.iter().filter(|end| **end > self.elapsed).count();
        if within >= self.attempts {
            // The last so many fill the quota until the first of them leaves.
            let free = ends[ends.len() - self.attempts];
            return Said::Refused { seconds: (free - self.elapsed).div_ceil(1000) };
        }
        let held = self.in_flight.iter().filter(|holder| **holder == key).count();
        if within + held >= self.attempts { Said::Wait } else { Said::Reserved }
    }
}

fn limiter(attempts: u32) -> RateLimiter<u32> {
    let attempts = NonZeroU32::new(attempts).unwrap();
    let window = Duration::from_millis(WINDOW_MS);
    RateLimiter::new(Quota { attempts, window }, DEFAULT_KEYS)
}

/// One step on both sides; what both said, if anything.
fn play(
    step: &Step,
    model: &mut Model,
    limiter: &RateLimiter<u32>,
    guesses: &mut Vec<Guess<u32>>,
) -> Option<(Said, Said)> {
    match *step {
        Step::Pass { ms } => model.wall += ms,
        Step::SetBack { ms } => model.wall -= ms,
        Step::Reserve { key, late_ms } => {
            let now = model.tell(late_ms);
            let expected = model.reserve(key);
            let said = match limiter.reserve(key, now) {
                Admission::Reserved(place) => {
                    guesses.push(place.begin());
                    model.in_flight.push(key);
                    Said::Reserved
                }
                Admission::Wait => Said::Wait,
                Admission::Refused(it) => Said::Refused { seconds: it.retry_after.as_secs() },
            };
            return Some((said, expected));
        }
        Step::Count { key } => {
            let now = model.tell(0);
            let expected = match model.reserve(key) {
                Said::Wait => Said::Refused { seconds: 1 },
                said => said,
            };
            let said = match limiter.count(key, now) {
                Ok(()) => {
                    model.failures.push((key, model.elapsed));
                    Said::Reserved
                }
                Err(it) => Said::Refused { seconds: it.retry_after.as_secs() },
            };
            return Some((said, expected));
        }
        Step::Settle { which, right } if !guesses.is_empty() => {
            let guess = guesses.remove(which % guesses.len());
            let key = model.in_flight.remove(which % model.in_flight.len());
            if right {
                guess.was_right();
            } else {
                guess.was_wrong(model.tell(0));
                model.failures.push((key, model.elapsed));
            }
        }
        Step::Abandon { which } if !guesses.is_empty() => {
            drop(guesses.remove(which % guesses.len()));
            let key = model.in_flight.remove(which % model.in_flight.len());
            model.failures.push((key, model.elapsed));
        }
        Step::Settle { .. } | Step::Abandon { .. } => {}
    }
    None
}

proptest! {
    #[test]
    fn every_answer_is_that_of_a_list_of_all_failures(attempts in 1..7_u32, steps in steps()) {
        let (limiter, mut guesses) = (limiter(attempts), Vec::new());
        let mut model = Model::new(attempts as usize);
        for step in steps {
            if let Some((said, expected)) = play(&step, &mut model, &limiter, &mut guesses) {
                prop_assert_eq!(said, expected, "{:?}", step);
            }
        }
    }

    #[test]
    fn whatever_happened_nobody_is_refused_for_longer_than_the_window_from_then_on(
        attempts in 1..7_u32,
        steps in steps(),
    ) {
        let (limiter, mut guesses) = (limiter(attempts), Vec::new());
        let mut model = Model::new(attempts as usize);
        for step in steps {
            let _ = play(&step, &mut model, &limiter, &mut guesses);
        }
        drop(guesses);
        // Nobody can tell that a clock was set back who does not look at it; and it may stand a
        // little before the latest that was told.
        let _ = limiter.reserve(0, model.tell(0));
        model.wall += WINDOW_MS + SKEW_MS;
        for key in 0..3 {
            let admission = limiter.reserve(key, model.tell(0));
            prop_assert!(matches!(admission, Admission::Reserved(_)));
        }
        prop_assert_eq!(limiter.keys(), 0);
    }

    #[test]
    fn a_large_quota_is_never_exceeded_and_forgives_late_by_a_slice_at_most(
        attempts in 33..120_u32,
        gaps in prop::collection::vec(0..1500_u64, 1..600),
    ) {
        let limiter = limiter(attempts);
        let (mut now, mut counted) = (0, Vec::new());
        for gap in gaps {
            now += gap;
            let moment = SystemTime::UNIX_EPOCH + Duration::from_millis(now);
            let within = |ms: u64, counted: &[u64]| {
                counted.iter().filter(|at| now - **at < ms).count()
            };
            if limiter.count(1, moment).is_ok() {
                counted.push(now);
                prop_assert!(within(WINDOW_MS, &counted) <= attempts as usize);
            } else {
                prop_assert!(within(WINDOW_MS + WINDOW_MS / 32, &counted) >= attempts as usize);
            }
        }
    }
}
