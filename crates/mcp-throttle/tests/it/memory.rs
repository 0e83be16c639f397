//! What is forgotten first, and how much is remembered at all.

use mcp_throttle::Admission;

use crate::{at, fail, guess, limiter, refusal, waits};

#[test]
fn sprayed_addresses_neither_grow_the_memory_nor_push_out_who_is_refused() {
    let limiter = limiter(10, 100);
    fail(&limiter, 0, 10, at(0));
    for address in 1..5000 {
        fail(&limiter, address, 1, at(1));
        assert!(limiter.keys() <= 100);
    }
    assert!(refusal(&limiter, 0, at(1)).is_some());
}

#[test]
fn the_oldest_that_nobody_is_refused_for_is_forgotten_first() {
    let limiter = limiter(2, 3);
    fail(&limiter, 1, 2, at(0));
    for (key, second) in [(2, 1), (3, 2), (4, 3)] {
        fail(&limiter, key, 1, at(second));
    }
    // 2 went for 4: it begins anew, and takes the place of 3.
    fail(&limiter, 2, 1, at(4));
    assert!(refusal(&limiter, 2, at(4)).is_none());
    fail(&limiter, 4, 1, at(5));
    assert!(refusal(&limiter, 4, at(5)).is_some());
    assert!(refusal(&limiter, 1, at(5)).is_some());
}

#[test]
fn of_those_that_are_refused_the_one_goes_first_that_would_be_free_first() {
    let limiter = limiter(1, 3);
    for (key, second) in [(1, 0), (2, 1), (3, 2), (4, 3)] {
        fail(&limiter, key, 1, at(second));
    }
    assert!(refusal(&limiter, 2, at(4)).is_some());
    assert!(refusal(&limiter, 3, at(4)).is_some());
    assert!(refusal(&limiter, 4, at(4)).is_some());
    assert!(refusal(&limiter, 1, at(4)).is_none());
}

#[test]
fn whoever_is_free_again_is_forgotten_before_others() {
    let limiter = limiter(2, 2);
    fail(&limiter, 1, 2, at(0));
    fail(&limiter, 2, 1, at(500));
    fail(&limiter, 3, 1, at(901));
    fail(&limiter, 2, 1, at(902));
    assert!(refusal(&limiter, 2, at(902)).is_some());
}

#[test]
fn who_holds_a_place_is_never_forgotten() {
    let limiter = limiter(1, 2);
    let held = [guess(&limiter, 1, at(0)), guess(&limiter, 2, at(0))];
    assert!(waits(&limiter, 3, at(0)));
    for guess in held {
        guess.was_wrong(at(1));
    }
    assert!(refusal(&limiter, 1, at(1)).is_some());
    assert!(matches!(limiter.reserve(3, at(1)), Admission::Reserved(_)));
}

#[test]
fn the_memory_empties_itself_as_attempts_come() {
    let limiter = limiter(10, 10_000);
    for address in 0..5000 {
        fail(&limiter, address, 1, at(0));
    }
    assert_eq!(limiter.keys(), 5000);
    for address in 5000..7500 {
        fail(&limiter, address, 1, at(1000));
    }
    assert_eq!(limiter.keys(), 2500);
}
