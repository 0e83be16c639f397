//! Generated histories of one account: against a model in plain numbers, and against what must
//! hold whatever happens.

use std::time::{Duration, SystemTime};

use mcp_throttle::{Failure, Lock, Lockout, LockoutPolicy, Ticket, Verdict};
use proptest::prelude::*;

use crate::policy;

/// Places are held for half a second longer, so that none is void to the microsecond: those taken
/// in one moment are told apart by microseconds, which the model does not know.
const HOLD: i64 = 40;
const START: i64 = 1_700_000_000;

#[derive(Clone, Debug)]
enum Step {
    Pass { seconds: i64 },
    Reserve,
    Fail { which: usize },
    Succeed { which: usize },
    Withdraw { which: usize },
    Lose { which: usize },
    Unlock,
}

/// Unruly: the clock may be set back, attempts take long, and tickets get lost.
fn steps(unruly: bool) -> impl Strategy<Value = Vec<Step>> {
    let which = any::<usize>;
    let pass = if unruly { -2000..2000_i64 } else { 0..HOLD / 20 };
    let lost = u32::from(unruly);
    let step = prop_oneof![
        4 => pass.prop_map(|seconds| Step::Pass { seconds }),
        10 => Just(Step::Reserve),
        8 => which().prop_map(|which| Step::Fail { which }),
        2 => which().prop_map(|which| Step::Succeed { which }),
        1 => which().prop_map(|which| Step::Withdraw { which }),
        lost => which().prop_map(|which| Step::Lose { which }),
        1 => Just(Step::Unlock),
    ];
    prop::collection::vec(step, 1..150)
}

fn time(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap())
}

/// The rule again, in seconds. `i64::MAX` is for ever; places have numbers instead of times.
#[derive(Debug)]
struct Model {
    limit: u32,
    duration: Option<i64>,
    failures: u32,
    locked_until: Option<i64>,
    places: Vec<(usize, i64)>,
    issued: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Said {
    Reserved,
    Wait,
    Locked { until: i64 },
    Counted { failures: u32 },
    Locks { until: i64 },
    Ignored,
    LetIn,
}

impl Model {
    fn catch_up(&mut self, now: i64) {
        self.places.retain(|(_, taken)| (now - taken).abs() <= HOLD);
        let longest = self.duration.map_or(i64::MAX, |duration| now + duration);
        self.locked_until = self.locked_until.map(|until| until.min(longest));
        if self.locked_until.is_some_and(|until| until <= now) {
            (self.failures, self.locked_until) = (0, None);
        }
    }

    fn reserve(&mut self, now: i64) -> Said {
        self.catch_up(now);
        if let Some(until) = self.locked_until {
            return Said::Locked { until };
        }
        if self.failures as usize + self.places.len() >= self.limit as usize {
            return Said::Wait;
        }
        self.issued += 1;
        self.places.push((self.issued, now));
        Said::Reserved
    }

    fn fail(&mut self, place: usize, now: i64) -> Said {
        self.withdraw(place);
        self.catch_up(now);
        if self.locked_until.is_some() {
            return Said::Ignored;
        }
        self.failures += 1;
        if self.failures < self.limit {
            return Said::Counted { failures: self.failures };
        }
        let until = self.duration.map_or(i64::MAX, |duration| now + duration);
        self.locked_until = Some(until);
        Said::Locks { until }
    }

    fn succeed(&mut self, place: usize, now: i64) -> Said {
        self.withdraw(place);
        self.catch_up(now);
        if let Some(until) = self.locked_until {
            return Said::Locked { until };
        }
        self.failures = 0;
        Said::LetIn
    }

    fn withdraw(&mut self, place: usize) {
        self.places.retain(|(number, _)| *number != place);
    }
}

fn seconds(lock: Lock) -> i64 {
    match lock {
        Lock::Until(end) => {
            end.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().cast_signed()
        }
        Lock::UntilUnlocked => i64::MAX,
    }
}

fn said_of(failure: Failure) -> Said {
    match failure {
        Failure::Counted { failures } => Said::Counted { failures },
        Failure::Locks(lock) => Said::Locks { until: seconds(lock) },
        Failure::Ignored => Said::Ignored,
    }
}

/// An account, its model, and the attempts in flight: ticket and number.
struct Both {
    policy: LockoutPolicy,
    account: Lockout,
    model: Model,
    in_flight: Vec<(Ticket, usize)>,
    now: i64,
}

impl Both {
    fn new(limit: u32, minutes: u64) -> Self {
        let hold = Duration::from_secs(HOLD.cast_unsigned()) + Duration::from_millis(500);
        let policy = LockoutPolicy { hold, ..policy(limit, minutes) };
        let duration = policy.duration.map(|duration| duration.as_secs().cast_signed());
        let (failures, locked_until, issued, places) = (0, None, 0, Vec::new());
        let model = Model { limit, duration, failures, locked_until, places, issued };
        let (account, in_flight) = (Lockout::default(), Vec::new());
        Self { policy, account, model, in_flight, now: START }
    }

    fn pick(&mut self, which: usize) -> Option<(Ticket, usize)> {
        let index = which.checked_rem(self.in_flight.len())?;
        Some(self.in_flight.remove(index))
    }

    /// One step on both sides; what both said, if anything.
    fn play(&mut self, step: &Step) -> Option<(Said, Said)> {
        let (now, policy) = (self.now, self.policy);
        match *step {
            Step::Pass { seconds } => self.now += seconds,
            Step::Unlock => {
                self.account.unlock();
                (self.model.failures, self.model.locked_until) = (0, None);
            }
            Step::Reserve => {
                let expected = self.model.reserve(now);
                let said = match self.account.reserve(&policy, time(now)) {
                    Verdict::Reserved(ticket) => {
                        self.in_flight.push((ticket, self.model.issued));
                        Said::Reserved
                    }
                    Verdict::Wait => Said::Wait,
                    Verdict::Locked(lock) => Said::Locked { until: seconds(lock) },
                };
                return Some((said, expected));
            }
            Step::Fail { which } => {
                let (ticket, number) = self.pick(which)?;
                let said = said_of(self.account.failed(ticket, &policy, time(now)));
                return Some((said, self.model.fail(number, now)));
            }
            Step::Succeed { which } => {
                let (ticket, number) = self.pick(which)?;
                let said = match self.account.succeeded(ticket, &policy, time(now)) {
                    Ok(()) => Said::LetIn,
                    Err(lock) => Said::Locked { until: seconds(lock) },
                };
                return Some((said, self.model.succeed(number, now)));
            }
            Step::Withdraw { which } => {
                let (ticket, number) = self.pick(which)?;
                self.account.withdrawn(ticket);
                self.model.withdraw(number);
            }
            Step::Lose { which } => {
                let _ = self.pick(which)?;
            }
        }
        None
    }
}

/// Any time that a store could hand back, the ends of time included.
fn any_time() -> impl Strategy<Value = SystemTime> {
    let far = u64::MAX / 4;
    let seconds = prop_oneof![0..4_000_000_000_u64, 0..far, Just(far)];
    (seconds, any::<bool>()).prop_map(|(seconds, after)| {
        let distance = Duration::from_secs(seconds);
        let epoch = SystemTime::UNIX_EPOCH;
        if after { epoch + distance } else { epoch - distance }
    })
}

fn any_account() -> impl Strategy<Value = Lockout> {
    let lock = prop_oneof![any_time().prop_map(Lock::Until), Just(Lock::UntilUnlocked)];
    let (failures, reserved) = (any::<u32>(), prop::collection::vec(any_time(), 0..8));
    (failures, prop::option::of(any_time()), prop::option::of(lock), reserved).prop_map(
        |(failures, last_failure, lock, reserved)| Lockout {
            failures,
            last_failure,
            lock,
            reserved,
        },
    )
}

proptest! {
    #[test]
    fn every_answer_is_that_of_the_model(
        limit in 1..6_u32,
        minutes in 0..20_u64,
        steps in steps(true),
    ) {
        let mut both = Both::new(limit, minutes);
        for step in steps {
            if let Some((said, expected)) = both.play(&step) {
                prop_assert_eq!(said, expected, "{:?}", step);
                prop_assert_eq!(both.account.failures, both.model.failures);
                prop_assert_eq!(both.account.reserved.len(), both.model.places.len());
                prop_assert_eq!(both.account.lock.map(seconds), both.model.locked_until);
            }
        }
    }

    #[test]
    fn at_most_so_many_guesses_are_evaluated_as_the_limit_says(
        limit in 1..6_u32,
        steps in steps(false),
    ) {
        let mut both = Both::new(limit, 15);
        let mut wrong = 0;
        for step in steps {
            let said = both.play(&step).map(|(said, _)| said);
            match (&step, said) {
                (Step::Fail { .. }, Some(_)) => wrong += 1,
                (Step::Unlock, _) | (Step::Succeed { .. }, Some(Said::LetIn)) => wrong = 0,
                _ => {}
            }
            // All that is in flight may turn out wrong, and the limit holds even then.
            let in_flight = u32::try_from(both.account.reserved.len()).unwrap();
            prop_assert!(wrong + in_flight <= limit);
        }
    }

    #[test]
    fn whatever_a_store_hands_back_a_timed_lock_ends(
        mut account in any_account(),
        limit in 0..6_u32,
        minutes in 1..20_u64,
        now in any_time(),
    ) {
        let policy = policy(limit, minutes);
        let _ = account.reserve(&policy, now);
        let Some(later) = now.checked_add(Duration::from_mins(minutes + 1)) else { return Ok(()) };
        let verdict = account.reserve(&policy, later);
        prop_assert!(matches!(verdict, Verdict::Reserved(_)), "{:?} {:?}", verdict, account);
    }

    #[test]
    fn an_attempt_while_locked_changes_nothing(
        mut account in any_account(),
        limit in 0..6_u32,
        minutes in 0..20_u64,
        (first, second) in (any_time(), 0..900_u64),
    ) {
        let policy = policy(limit, minutes);
        let Verdict::Locked(lock) = account.reserve(&policy, first) else { return Ok(()) };
        let Some(second) = first.checked_add(Duration::from_secs(second)) else { return Ok(()) };
        let still = Lock::Until(second) < lock;
        let before = Lockout { reserved: Vec::new(), ..account.clone() };
        prop_assert_eq!(account.lock_at(&policy, second), still.then_some(lock));
        let failure = account.failed(Ticket::taken_at(first), &policy, second);
        if still {
            prop_assert_eq!(failure, Failure::Ignored);
            prop_assert_eq!(Lockout { reserved: Vec::new(), ..account }, before);
        }
    }
}
