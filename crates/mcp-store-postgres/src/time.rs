//! Times and lengths as PostgreSQL keeps them: in microseconds.

use std::time::{Duration, SystemTime};

/// What `infinity` reads as: further off than any time that is written.
const END_OF_TIME: Duration = Duration::from_micros(i64::MAX.unsigned_abs());

/// A thousand years: beyond this, for ever.
const LONGEST: Duration = Duration::from_hours(24 * 365 * 1_000);

/// So many microseconds.
pub(crate) fn micros(length: Duration) -> i64 {
    i64::try_from(length.min(LONGEST).as_micros()).unwrap_or(i64::MAX)
}

/// So many microseconds; `None`: it never ends in anybody's time.
pub(crate) fn lasting(length: Option<Duration>) -> Option<i64> {
    length.filter(|length| *length < LONGEST).map(micros)
}

/// Is this `infinity`?
pub(crate) fn is_infinite(time: SystemTime) -> bool {
    // Counted from the year 2000; a thousand years short of it is as far away.
    let far = SystemTime::UNIX_EPOCH.checked_add(END_OF_TIME.saturating_sub(LONGEST));
    far.is_some_and(|far| time >= far)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{is_infinite, lasting};

    #[test]
    fn infinity_is_told_from_every_time_that_is_written() {
        let new_era = SystemTime::UNIX_EPOCH + Duration::from_hours(262_968);
        assert!(is_infinite(new_era + Duration::from_micros(i64::MAX.unsigned_abs())));
        assert!(!is_infinite(new_era + Duration::from_hours(24 * 365 * 10_000)));
    }

    #[test]
    fn what_lasts_longer_than_anybody_lives_lasts_for_ever() {
        assert_eq!(lasting(Some(Duration::from_secs(1))), Some(1_000_000));
        assert_eq!(lasting(Some(Duration::MAX)), None);
        assert_eq!(lasting(None), None);
    }
}
