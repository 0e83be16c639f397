//! Refusing to try: the rate limiter and the account lockout.
//!
//! Both are told the time. They never sleep, log, spawn or wait: whoever owns one decides what a
//! refusal looks like, and who is woken when a place is free again.
//!
//! - [`RateLimiter`] allows so many *failures* to each key (an [`AddressKey`], an address of mail)
//!   in any window of time. It lives in the memory of one process and is bounded there.
//! - [`Lockout`] is plain data, kept with the account by whatever store keeps accounts, and shared
//!   by all processes. It is the oracle for a store that says the same rule in SQL.
//! - [`VirtualLockouts`] does the same, in memory, for names that nobody has.
//!
//! # One rule for both
//!
//! Checking a password takes long, so that any number of attempts can stand between the look at
//! the counter and the counting. Hence an attempt **takes its place first**, and the place comes
//! back when the password was right. A place taken and a failure counted weigh the same, so at
//! most `limit` guesses are evaluated however many arrive at once; but only failures *refuse*.
//! Where the limit is filled by attempts in flight the answer is *wait*: fifty people behind one
//! address who all know their passwords are served one after the other, and nobody is turned away.
//!
//! Attempts that are certain to end alike (one account, the same password) are one guess: whoever
//! lets them share one verification takes one place for it.
//!
//! Who needs a place in two books takes them one after the other, always in the same order
//! (address, then account), and gives the first back before waiting for the second.
//!
//! # Time
//!
//! `now` is the wall clock, the one clock that the whole of a process is handed, that a test can
//! set, and that processes share through a store. It jumps; what that does is decided here:
//! a clock set back makes nothing last longer than its window or its duration from then on, a
//! clock set forward forgives early, and neither panics.
//!
//! ```
//! use std::net::IpAddr;
//! use std::num::NonZeroU32;
//! use std::time::{Duration, SystemTime};
//! use mcp_throttle::{Admission, AddressKey, DEFAULT_KEYS, Quota, RateLimiter};
//!
//! let attempts = NonZeroU32::new(2).unwrap();
//! let window = Duration::from_secs(15 * 60);
//! let logins = RateLimiter::new(Quota { attempts, window }, DEFAULT_KEYS);
//! let caller = AddressKey::from("192.0.2.7".parse::<IpAddr>()?);
//! let now = SystemTime::UNIX_EPOCH;
//!
//! for password in ["wrong", "right", "wrong"] {
//!     let Admission::Reserved(place) = logins.reserve(caller, now) else { panic!("refused") };
//!     let guess = place.begin();
//!     if password == "right" { guess.was_right() } else { guess.was_wrong(now) }
//! }
//! // Two failures, whatever lay between them: the next attempt is not looked at.
//! let Admission::Refused(refusal) = logins.reserve(caller, now) else { panic!("admitted") };
//! assert_eq!(refusal.retry_after, window);
//! assert!(matches!(logins.reserve(caller, now + window), Admission::Reserved(_)));
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

#![warn(missing_docs)]

mod address;
mod failures;
mod limiter;
mod lockout;
mod reservation;
mod table;
mod timeline;
mod virtual_lockouts;

pub use address::AddressKey;
pub use failures::{Quota, Refusal};
pub use limiter::{Admission, DEFAULT_KEYS, RateLimiter};
pub use lockout::{Failure, Lock, Lockout, LockoutPolicy, Ticket, Verdict};
pub use reservation::{Guess, Reservation};
pub use virtual_lockouts::VirtualLockouts;
