//! The lockout of one account, one sentence at a time.

use std::time::{Duration, SystemTime};

use mcp_throttle::{Failure, Lock, Lockout, LockoutPolicy, Ticket, Verdict};

use crate::{MINUTE, WINDOW, at, policy};

fn ticket(account: &mut Lockout, policy: &LockoutPolicy, now: SystemTime) -> Ticket {
    match account.reserve(policy, now) {
        Verdict::Reserved(ticket) => ticket,
        other => panic!("not admitted: {other:?}"),
    }
}

fn fail(account: &mut Lockout, policy: &LockoutPolicy, now: SystemTime) -> Failure {
    let ticket = ticket(account, policy, now);
    account.failed(ticket, policy, now)
}

/// An account that a fifth failure locked at the beginning of time.
fn locked(policy: &LockoutPolicy) -> Lockout {
    let mut account = Lockout::default();
    for failures in 1..5 {
        assert_eq!(fail(&mut account, policy, at(0)), Failure::Counted { failures });
    }
    assert!(matches!(fail(&mut account, policy, at(0)), Failure::Locks(_)));
    account
}

#[test]
fn the_fifth_failure_in_a_row_locks_for_fifteen_minutes() {
    let mut account = locked(&policy(5, 15));
    let lock = Lock::Until(at(900));
    assert_eq!(account.lock_at(&policy(5, 15), at(899)), Some(lock));
    assert_eq!(account.reserve(&policy(5, 15), at(899)), Verdict::Locked(lock));
    assert_eq!(lock.left(at(600)), Some(Duration::from_mins(5)));
}

#[test]
fn a_lock_ends_by_itself_and_the_count_starts_anew() {
    let mut account = locked(&policy(5, 15));
    assert_eq!(account.lock_at(&policy(5, 15), at(900)), None);
    assert_eq!(fail(&mut account, &policy(5, 15), at(900)), Failure::Counted { failures: 1 });
}

#[test]
fn attempts_while_locked_neither_count_nor_prolong_the_lock() {
    let policy = policy(5, 15);
    let mut account = locked(&policy);
    let before = account.clone();
    for second in 1..900 {
        assert!(matches!(account.reserve(&policy, at(second)), Verdict::Locked(_)));
        let late = Ticket::taken_at(at(second));
        assert_eq!(account.failed(late, &policy, at(second)), Failure::Ignored);
        assert!(account.succeeded(Ticket::taken_at(at(second)), &policy, at(second)).is_err());
    }
    assert_eq!(account, before);
}

#[test]
fn a_success_starts_the_count_anew() {
    let policy = policy(5, 15);
    let mut account = Lockout::default();
    for _ in 0..4 {
        let _ = fail(&mut account, &policy, at(0));
    }
    let right = ticket(&mut account, &policy, at(1));
    assert_eq!(account.succeeded(right, &policy, at(1)), Ok(()));
    assert_eq!(account, Lockout::default());
}

#[test]
fn without_a_duration_only_an_admin_ends_a_lock() {
    let policy = policy(5, 0);
    let mut account = locked(&policy);
    let years = at(0) + Duration::from_hours(24 * 3650);
    assert_eq!(account.lock_at(&policy, years), Some(Lock::UntilUnlocked));
    assert_eq!(Lock::UntilUnlocked.left(years), None);
    account.unlock();
    assert_eq!(fail(&mut account, &policy, years), Failure::Counted { failures: 1 });
}

#[test]
fn the_last_admin_is_never_shut_out_for_good() {
    let mut account = locked(&policy(5, 0));
    let last = policy(5, 0).for_the_last_admin();
    assert!(matches!(account.reserve(&last, at(3600)), Verdict::Locked(_)));
    assert_eq!(account.lock_at(&last, at(3600)), Some(Lock::Until(at(3600 + 900))));
    assert!(matches!(account.reserve(&last, at(3600 + 900)), Verdict::Reserved(_)));
    // A duration that was configured stays as it is.
    assert_eq!(policy(5, 3).for_the_last_admin(), policy(5, 3));
}

#[test]
fn of_fifty_wrong_passwords_at_once_five_are_evaluated() {
    let policy = policy(5, 15);
    let mut account = Lockout::default();
    let verdicts: Vec<Verdict> = (0..50).map(|_| account.reserve(&policy, at(0))).collect();
    let tickets: Vec<Ticket> = verdicts
        .into_iter()
        .filter_map(|verdict| match verdict {
            Verdict::Reserved(ticket) => Some(ticket),
            Verdict::Wait => None,
            Verdict::Locked(_) => panic!("a reservation never locks"),
        })
        .collect();
    assert_eq!(tickets.len(), 5);
    let failures: Vec<Failure> =
        tickets.into_iter().map(|ticket| account.failed(ticket, &policy, at(1))).collect();
    assert_eq!(failures[4], Failure::Locks(Lock::Until(at(901))));
    assert!(matches!(account.reserve(&policy, at(1)), Verdict::Locked(_)));
}

#[test]
fn fifty_right_passwords_at_once_all_succeed() {
    let policy = policy(5, 15);
    let mut account = Lockout::default();
    let (mut in_flight, mut succeeded) = (Vec::new(), 0);
    while succeeded < 50 {
        match account.reserve(&policy, at(0)) {
            Verdict::Reserved(ticket) => in_flight.push(ticket),
            Verdict::Wait => {
                let ticket = in_flight.swap_remove(in_flight.len() / 2);
                assert_eq!(account.succeeded(ticket, &policy, at(0)), Ok(()));
                succeeded += 1;
            }
            Verdict::Locked(_) => panic!("nobody failed"),
        }
    }
}

#[test]
fn a_place_whose_process_died_is_void_after_its_time() {
    let policy = policy(1, 15);
    let mut account = Lockout::default();
    let _lost = ticket(&mut account, &policy, at(0));
    assert_eq!(account.reserve(&policy, at(39)), Verdict::Wait);
    assert!(matches!(account.reserve(&policy, at(40)), Verdict::Reserved(_)));
}

#[test]
fn a_guess_that_was_evaluated_counts_even_if_its_place_is_void() {
    let policy = policy(5, 15);
    let mut account = Lockout::default();
    let slow = ticket(&mut account, &policy, at(0));
    assert_eq!(account.failed(slow, &policy, at(60)), Failure::Counted { failures: 1 });
}

#[test]
fn an_attempt_that_was_not_evaluated_counts_for_nothing() {
    let policy = policy(1, 15);
    let mut account = Lockout::default();
    let withdrawn = ticket(&mut account, &policy, at(0));
    account.withdrawn(withdrawn);
    assert_eq!(account, Lockout::default());
}

#[test]
fn a_right_password_does_not_open_an_account_that_was_locked_meanwhile() {
    let policy = policy(1, 15);
    let mut account = Lockout::default();
    let slow = ticket(&mut account, &policy, at(0));
    // The slow one is void by now, so another is evaluated beside it.
    let _ = fail(&mut account, &policy, at(50));
    assert_eq!(account.succeeded(slow, &policy, at(51)), Err(Lock::Until(at(950))));
}

#[test]
fn a_lowered_limit_locks_with_the_next_failure_and_not_before() {
    let mut account = Lockout { failures: 7, ..Lockout::default() };
    let policy = policy(5, 15);
    let only = ticket(&mut account, &policy, at(0));
    assert_eq!(account.reserve(&policy, at(0)), Verdict::Wait);
    assert!(matches!(account.failed(only, &policy, at(0)), Failure::Locks(_)));
}

#[test]
fn a_lockout_that_is_off_counts_nothing_and_lifts_nothing() {
    let off = policy(0, 15);
    let mut account = Lockout::default();
    for _ in 0..100 {
        assert_eq!(fail(&mut account, &off, at(0)), Failure::Ignored);
    }
    assert_eq!(account, Lockout::default());
    let mut account = locked(&policy(5, 15));
    assert!(matches!(account.reserve(&off, at(899)), Verdict::Locked(_)));
    assert!(matches!(account.reserve(&off, at(900)), Verdict::Reserved(_)));
}

#[test]
fn a_clock_set_back_makes_no_lock_last_longer_than_its_duration() {
    let policy = policy(5, 15);
    let mut account = locked(&policy);
    let before = SystemTime::UNIX_EPOCH;
    assert_eq!(account.reserve(&policy, before), Verdict::Locked(Lock::Until(before + WINDOW)));
    assert!(matches!(account.reserve(&policy, before + WINDOW), Verdict::Reserved(_)));
}

#[test]
fn a_clock_set_back_frees_the_places_of_the_future() {
    let policy = policy(1, 15);
    let mut account = Lockout::default();
    let _lost = ticket(&mut account, &policy, at(3600));
    assert!(matches!(account.reserve(&policy, at(0)), Verdict::Reserved(_)));
}

#[test]
fn a_duration_beyond_the_end_of_time_is_until_an_admin() {
    let policy = LockoutPolicy { duration: Some(Duration::MAX), ..policy(1, 1) };
    let mut account = Lockout::default();
    assert_eq!(fail(&mut account, &policy, at(0)), Failure::Locks(Lock::UntilUnlocked));
    assert_eq!(account.lock_at(&policy, at(0) + MINUTE), Some(Lock::UntilUnlocked));
}
