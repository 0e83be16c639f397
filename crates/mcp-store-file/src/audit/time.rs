//! The days and times of the audit log, all in UTC.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The UTC day of that time.
pub(super) fn day_of(at: SystemTime) -> Date {
    timestamp(at).to_zoned(TimeZone::UTC).date()
}

/// How long until the next UTC day, in whole seconds rounded up; at least one.
pub(super) fn until_next_day(at: SystemTime) -> Duration {
    const DAY: u64 = 24 * 60 * 60;
    let gone = timestamp(at).as_second().rem_euclid(DAY.cast_signed()).unsigned_abs();
    Duration::from_secs(DAY - gone)
}

/// A clock may say anything: a year beyond 9999 becomes the last time that can be written.
fn timestamp(at: SystemTime) -> Timestamp {
    let nearest = if at < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::try_from(at).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        text.parse::<Timestamp>().unwrap().into()
    }

    #[test]
    fn a_day_ends_at_midnight_in_utc() {
        assert_eq!(day_of(at("2026-11-21T23:59:59.999Z")).to_string(), "2026-11-21");
        assert_eq!(day_of(at("2026-11-22T00:00:00Z")).to_string(), "2026-11-22");
        assert_eq!(until_next_day(at("2026-11-21T23:59:58.5Z")), Duration::from_secs(2));
        assert_eq!(until_next_day(at("2026-11-21T00:00:00Z")), Duration::from_hours(24));
        assert_eq!(until_next_day(at("1969-12-31T23:00:00Z")), Duration::from_hours(1));
    }

    #[test]
    fn a_clock_gone_mad_is_still_a_time() {
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 60);
        assert_eq!(day_of(far).year(), 9999);
    }
}
