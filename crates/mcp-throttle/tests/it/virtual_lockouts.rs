//! Names that nobody has lock like those of accounts, and are forgotten.

use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

use mcp_throttle::{Failure, LockoutPolicy, Ticket, Verdict, VirtualLockouts};

use crate::{at, policy};

fn names(policy: LockoutPolicy, keys: usize) -> VirtualLockouts<u32> {
    VirtualLockouts::new(policy, NonZeroUsize::new(keys).unwrap())
}

fn ticket(names: &VirtualLockouts<u32>, key: u32, now: SystemTime) -> Option<Ticket> {
    match names.reserve(&key, now) {
        Verdict::Reserved(ticket) => Some(ticket),
        Verdict::Wait | Verdict::Locked(_) => None,
    }
}

fn fail(names: &VirtualLockouts<u32>, key: u32, now: SystemTime) -> Failure {
    names.failed(&key, ticket(names, key, now).unwrap(), now)
}

fn is_locked(names: &VirtualLockouts<u32>, key: u32, now: SystemTime) -> bool {
    matches!(names.reserve(&key, now), Verdict::Locked(_))
}

#[test]
fn a_name_that_nobody_has_locks_and_unlocks_as_an_account_does() {
    let names = names(policy(5, 15), 100);
    for failures in 1..5 {
        assert_eq!(fail(&names, 1, at(0)), Failure::Counted { failures });
    }
    assert!(matches!(fail(&names, 1, at(0)), Failure::Locks(_)));
    assert!(is_locked(&names, 1, at(899)));
    assert!(!is_locked(&names, 2, at(899)));
    assert_eq!(fail(&names, 1, at(900)), Failure::Counted { failures: 1 });
}

#[test]
fn sprayed_names_neither_grow_the_memory_nor_push_out_a_lock() {
    for minutes in [0, 15] {
        let names = names(policy(1, minutes), 100);
        assert!(matches!(fail(&names, 0, at(0)), Failure::Locks(_)));
        names.update(policy(2, minutes));
        for name in 1..2000 {
            let _ = fail(&names, name, at(1));
            assert!(names.keys() <= 100);
        }
        assert!(is_locked(&names, 0, at(1)));
    }
}

#[test]
fn a_place_that_was_withdrawn_leaves_nothing() {
    let names = names(policy(5, 15), 100);
    let withdrawn = ticket(&names, 1, at(0)).unwrap();
    assert_eq!(names.keys(), 1);
    names.withdrawn(&1, withdrawn);
    assert_eq!(names.keys(), 0);
}

#[test]
fn a_name_that_holds_a_place_is_forgotten_when_the_place_is_void() {
    let names = names(policy(5, 15), 2);
    let lost = [ticket(&names, 1, at(0)).unwrap(), ticket(&names, 2, at(0)).unwrap()];
    assert!(ticket(&names, 3, at(39)).is_none());
    assert!(ticket(&names, 3, at(40)).is_some());
    // Found out late, and there is no room left to remember it in.
    for (key, ticket) in [1, 2].into_iter().zip(lost) {
        let _ = names.failed(&key, ticket, at(41));
        assert!(names.keys() <= 2);
    }
}

#[test]
fn names_locked_before_the_clock_was_set_back_make_room_in_their_turn() {
    let names = names(policy(1, 15), 3);
    let century = Duration::from_hours(24 * 36_525);
    for name in 0..3 {
        let _ = fail(&names, name, at(0) + century);
    }
    assert!(is_locked(&names, 0, at(0)));
    for name in 10..13 {
        let _ = fail(&names, name, at(1));
    }
    for name in 10..13 {
        assert!(is_locked(&names, name, at(2)));
    }
}

#[test]
fn nothing_that_was_typed_shows_in_debug() {
    assert_eq!(format!("{:?}", names(policy(5, 15), 1)), "VirtualLockouts(…)");
}
