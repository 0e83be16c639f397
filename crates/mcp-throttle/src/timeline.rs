//! The wall clock made to run one way, for what lives in one process.

use std::time::{Duration, SystemTime};

/// By how much a caller may be late with its `now` before the clock itself is held to be set back.
///
/// Two threads that read the clock and reach a lock in the other order are microseconds apart. If
/// each of these were taken for a jump, time here would run faster than outside, and a window
/// would be shorter than promised.
pub(crate) const SKEW: Duration = Duration::from_mins(1);

/// The longest step forward that is believed: about a year, in nanoseconds. A clock thrown to the
/// far end of time and back, again and again, must not use up the numbers.
const LEAP: u64 = 366 * 24 * 60 * 60 * 1_000_000_000;

/// A point that time does not reach: 292 years after the first call, in nanoseconds.
pub(crate) const NEVER: u64 = 1 << 63;

/// Nanoseconds since the first call. They never go back, and stand still while the wall clock
/// returns from being set back by less than [`SKEW`]; set back further, they go on from there.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    latest: Option<SystemTime>,
    elapsed: u64,
}

impl Timeline {
    /// The time here when it is `now` outside.
    pub(crate) fn advance(&mut self, now: SystemTime) -> u64 {
        let latest = *self.latest.get_or_insert(now);
        match now.duration_since(latest) {
            Ok(step) => {
                self.elapsed = (self.elapsed + nanoseconds(step).min(LEAP)).min(NEVER - 1);
                self.latest = Some(now);
            }
            Err(back) if back.duration() > SKEW => self.latest = Some(now),
            Err(_) => {}
        }
        self.elapsed
    }

    /// The time here as of the last call of [`Timeline::advance`].
    pub(crate) fn elapsed(&self) -> u64 {
        self.elapsed
    }
}

/// As many as there are, but never more than [`NEVER`].
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER).min(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: SystemTime = SystemTime::UNIX_EPOCH;
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_late_reader_of_the_clock_does_not_make_time_run_faster() {
        let mut timeline = Timeline::default();
        timeline.advance(START);
        for _ in 0..100 {
            timeline.advance(START + 30 * SECOND);
            timeline.advance(START + 29 * SECOND);
        }
        assert_eq!(timeline.elapsed(), nanoseconds(30 * SECOND));
    }

    #[test]
    fn time_goes_on_from_where_the_clock_was_set_back_to() {
        let mut timeline = Timeline::default();
        timeline.advance(START + 7200 * SECOND);
        timeline.advance(START);
        assert_eq!(timeline.advance(START + 5 * SECOND), nanoseconds(5 * SECOND));
    }

    #[test]
    fn the_numbers_last_however_often_the_clock_is_thrown_about() {
        let mut timeline = Timeline::default();
        let end = START + Duration::from_secs(u64::MAX / 4);
        for _ in 0..10_000 {
            timeline.advance(START);
            timeline.advance(end);
        }
        assert!(timeline.elapsed() < NEVER);
    }
}
