//! What a column holds: times as whole numbers, names and ids as text.

use std::error::Error;
use std::time::{Duration, SystemTime};

use rusqlite::types::Type;

/// Nanoseconds since 1970: every time up to the year 2262 as it is. A later one is the last of them.
pub(super) fn nanoseconds(time: SystemTime) -> i64 {
    whole(time, |duration| duration.as_nanos())
}

/// Milliseconds since 1970: what tells one account from another of the same name.
pub(super) fn milliseconds(time: SystemTime) -> i64 {
    whole(time, |duration| duration.as_millis())
}

/// The time of so many nanoseconds since 1970.
pub(super) fn time(nanoseconds: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanoseconds.unsigned_abs());
    let found = if nanoseconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    found.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// What was read from a column of text; an error names the column and not what it held.
pub(super) fn parsed<T>(column: usize, value: Option<T>) -> rusqlite::Result<T> {
    let fault = || Box::<dyn Error + Send + Sync>::from("not what was written there");
    value.ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, fault()))
}

fn whole(time: SystemTime, unit: fn(Duration) -> u128) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(unit(after)).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(unit(before.duration())).map_or(i64::MIN, |whole| -whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_was_written() {
        let (epoch, some) = (SystemTime::UNIX_EPOCH, Duration::new(1_700_000_000, 123_456_789));
        for written in [epoch, epoch + some, epoch - some, epoch - Duration::from_nanos(1)] {
            assert_eq!(time(nanoseconds(written)), written);
        }
        assert_eq!(milliseconds(epoch + some), 1_700_000_000_123);
    }

    #[test]
    fn a_time_that_does_not_fit_is_the_last_one_that_does() {
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(i64::MAX.unsigned_abs());
        assert_eq!(nanoseconds(end), i64::MAX);
        assert!(time(i64::MAX) < end);
    }
}
