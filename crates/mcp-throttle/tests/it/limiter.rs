//! The rate limiter, one sentence at a time.

use std::net::IpAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use mcp_throttle::{AddressKey, Admission};

use crate::{MINUTE, WINDOW, at, fail, guess, limiter, quota, refusal, waits};

#[test]
fn ten_failures_in_fifteen_minutes_refuse_the_eleventh_attempt() {
    let limiter = limiter(10, 100);
    fail(&limiter, 1, 10, at(0));
    assert!(refusal(&limiter, 1, at(0)).is_some());
    assert!(refusal(&limiter, 2, at(0)).is_none());
}

#[test]
fn what_succeeds_costs_nothing_and_leaves_nothing() {
    let limiter = limiter(10, 100);
    for _ in 0..1000 {
        guess(&limiter, 1, at(0)).was_right();
    }
    assert_eq!(limiter.keys(), 0);
}

#[test]
fn a_success_does_not_forgive_earlier_failures() {
    let limiter = limiter(2, 100);
    fail(&limiter, 1, 1, at(0));
    guess(&limiter, 1, at(0)).was_right();
    fail(&limiter, 1, 1, at(0));
    assert!(refusal(&limiter, 1, at(0)).is_some());
}

#[test]
fn the_window_slides_with_each_failure() {
    let limiter = limiter(2, 100);
    fail(&limiter, 1, 1, at(0));
    fail(&limiter, 1, 1, at(100));
    assert!(refusal(&limiter, 1, at(899)).is_some());
    fail(&limiter, 1, 1, at(900));
    assert!(refusal(&limiter, 1, at(999)).is_some());
    assert!(refusal(&limiter, 1, at(1000)).is_none());
}

#[test]
fn retry_after_is_in_whole_seconds_rounded_up_and_never_zero() {
    let limiter = limiter(1, 100);
    fail(&limiter, 1, 1, at(0));
    let after = |millis| {
        let now = at(0) + Duration::from_millis(millis);
        refusal(&limiter, 1, now).unwrap().retry_after
    };
    assert_eq!(after(0), WINDOW);
    assert_eq!(after(500), WINDOW);
    assert_eq!(after(1000), Duration::from_secs(899));
    assert_eq!(after(899_999), Duration::from_secs(1));
    assert!(refusal(&limiter, 1, at(900)).is_none());
}

#[test]
fn a_refused_attempt_counts_for_nothing() {
    let limiter = limiter(3, 100);
    fail(&limiter, 1, 3, at(0));
    for second in 1..900 {
        assert!(refusal(&limiter, 1, at(second)).is_some());
    }
    assert!(refusal(&limiter, 1, at(900)).is_none());
}

#[test]
fn fifty_right_passwords_at_once_from_one_address_are_all_served() {
    let limiter = limiter(10, 100);
    let (mut waiting, mut served) = (50, 0);
    let mut in_flight = Vec::new();
    while served < 50 {
        match limiter.reserve(1, at(0)) {
            Admission::Reserved(place) if waiting > 0 => {
                waiting -= 1;
                in_flight.push(place.begin());
                assert!(in_flight.len() <= 10);
            }
            Admission::Refused(refusal) => panic!("{refusal}"),
            Admission::Reserved(_) | Admission::Wait => {
                in_flight.swap_remove(in_flight.len() / 2).was_right();
                served += 1;
            }
        }
    }
}

#[test]
fn of_fifty_wrong_passwords_at_once_ten_are_evaluated() {
    let limiter = limiter(10, 100);
    let (evaluated, start) = (AtomicU32::new(0), Barrier::new(50));
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                start.wait();
                loop {
                    match limiter.reserve(1, at(0)) {
                        Admission::Refused(_) => return,
                        Admission::Wait => thread::yield_now(),
                        Admission::Reserved(place) => {
                            let guess = place.begin();
                            evaluated.fetch_add(1, Ordering::Relaxed);
                            thread::yield_now();
                            guess.was_wrong(at(1));
                        }
                    }
                }
            });
        }
    });
    assert_eq!(evaluated.into_inner(), 10);
}

#[test]
fn attempts_in_flight_make_others_wait_and_refuse_nobody() {
    let limiter = limiter(10, 100);
    fail(&limiter, 1, 9, at(0));
    let last = guess(&limiter, 1, at(0));
    assert!(waits(&limiter, 1, at(0)));
    last.was_right();
    let last = guess(&limiter, 1, at(0));
    last.was_wrong(at(3));
    assert!(refusal(&limiter, 1, at(3)).is_some());
}

#[test]
fn a_failure_counts_from_when_it_was_known() {
    let limiter = limiter(1, 100);
    guess(&limiter, 1, at(0)).was_wrong(at(10));
    assert!(refusal(&limiter, 1, at(900)).is_some());
    assert!(refusal(&limiter, 1, at(910)).is_none());
}

#[test]
fn an_attempt_that_never_began_gives_its_place_back() {
    let limiter = limiter(1, 100);
    for _ in 0..3 {
        assert!(matches!(limiter.reserve(1, at(0)), Admission::Reserved(_)));
    }
}

#[test]
fn an_attempt_that_is_cut_off_is_a_failure() {
    let limiter = limiter(1, 100);
    drop(guess(&limiter, 1, at(0)));
    assert!(refusal(&limiter, 1, at(0)).is_some());
}

#[test]
fn an_attempt_that_fell_through_is_none() {
    let limiter = limiter(1, 100);
    guess(&limiter, 1, at(0)).fell_through();
    assert!(refusal(&limiter, 1, at(0)).is_none());
}

#[test]
fn what_is_known_to_count_is_counted_at_once() {
    let limiter = limiter(2, 100);
    assert!(limiter.count(1, at(0)).is_ok());
    assert!(limiter.count(1, at(5)).is_ok());
    assert_eq!(limiter.count(1, at(10)).unwrap_err().retry_after, Duration::from_secs(890));
    assert!(limiter.count(1, at(900)).is_ok());
}

#[test]
fn counting_leaves_the_places_that_others_hold() {
    let limiter = limiter(2, 100);
    let held = guess(&limiter, 1, at(0));
    assert!(limiter.count(1, at(0)).is_ok());
    assert_eq!(limiter.count(1, at(0)).unwrap_err().retry_after, Duration::from_secs(1));
    held.was_wrong(at(0));
    assert_eq!(limiter.count(1, at(0)).unwrap_err().retry_after, WINDOW);
}

#[test]
fn a_clock_set_back_prolongs_no_refusal() {
    let limiter = limiter(1, 100);
    let century = Duration::from_hours(24 * 36_525);
    fail(&limiter, 1, 1, at(0) + century);
    assert_eq!(refusal(&limiter, 1, at(0)).unwrap().retry_after, WINDOW);
    assert!(refusal(&limiter, 1, at(899)).is_some());
    assert!(refusal(&limiter, 1, at(900)).is_none());
}

#[test]
fn the_ends_of_time_are_survived() {
    let limiter = limiter(1, 100);
    let far = Duration::from_secs(u64::MAX / 4);
    let ends = [at(0) + far, SystemTime::UNIX_EPOCH - far, at(0)];
    for now in ends.into_iter().cycle().take(30) {
        let _ = limiter.count(1, now);
    }
    assert!(refusal(&limiter, 1, at(900)).is_none());
}

#[test]
fn a_changed_quota_judges_what_is_remembered() {
    let limiter = limiter(10, 100);
    fail(&limiter, 1, 5, at(0));
    limiter.update(quota(5));
    assert!(refusal(&limiter, 1, at(0)).is_some());
    limiter.update(quota(6));
    assert!(refusal(&limiter, 1, at(0)).is_none());
    limiter.update(mcp_throttle::Quota { window: MINUTE, ..quota(5) });
    assert_eq!(refusal(&limiter, 1, at(0)).unwrap().retry_after, MINUTE);
}

#[test]
fn an_address_counts_however_it_is_written() {
    let key = |text: &str| AddressKey::from(text.parse::<IpAddr>().unwrap());
    assert_eq!(key("::ffff:192.0.2.7"), key("192.0.2.7"));
    assert_ne!(key("192.0.2.7"), key("192.0.2.8"));
    assert_eq!(key("2001:db8:0:1::1"), key("2001:db8:0:1:ffff:ffff:ffff:ffff"));
    assert_ne!(key("2001:db8:0:1::1"), key("2001:db8:0:2::1"));
    assert_eq!(key("2001:db8:0:1::1").to_string(), "2001:db8:0:1::/64");
    assert_eq!(key("::ffff:192.0.2.7").to_string(), "192.0.2.7");
}

#[test]
fn nothing_that_is_remembered_shows_in_debug() {
    let limiter = limiter(1, 100);
    assert_eq!(format!("{limiter:?}"), "RateLimiter(…)");
    assert_eq!(format!("{:?}", guess(&limiter, 1, at(0))), "Guess(Place(…))");
}
