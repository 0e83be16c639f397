//! Times as an operator reads and writes them. Everything is UTC.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The longest text that is read: a timestamp with an offset has some 30 characters.
const LONGEST: usize = 64;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// `2024-10-30 10:15`, as tables show it.
pub(crate) fn minute(time: SystemTime) -> String {
    formatted(time, "%Y-%m-%d %H:%M")
}

/// `2024-10-30 10:15:30`.
pub(crate) fn second(time: SystemTime) -> String {
    formatted(time, "%Y-%m-%d %H:%M:%S")
}

/// `2024-10-30`.
pub(crate) fn day(time: SystemTime) -> String {
    formatted(time, "%Y-%m-%d")
}

/// `2024-10-30T10:15:30Z` (RFC 3339), as documents hold it.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    formatted(time, "%Y-%m-%dT%H:%M:%SZ")
}

/// A time beyond the calendar came from no file of ours.
fn formatted(time: SystemTime, format: &str) -> String {
    match Timestamp::try_from(time) {
        Ok(time) => time.to_zoned(TimeZone::UTC).strftime(format).to_string(),
        Err(_) => "beyond the calendar".to_owned(),
    }
}

pub(crate) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What is left of something, in its largest unit and never zero: 45 seconds are `1m`, as the end
/// has not come yet.
pub(crate) fn left(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=5_400 => format!("{}m", seconds.div_ceil(MINUTE).max(1)),
        5_401..=172_800 => format!("{}h", seconds.div_ceil(HOUR)),
        _ => format!("{}d", seconds.div_ceil(DAY)),
    }
}

/// A time in the past: how long ago (`30m`, `1h`, `7d`, `2w`), or the time itself in RFC 3339.
/// Unlike the life of a token it may be told in minutes. `None` for anything else.
pub(crate) fn since(text: &str, now: SystemTime) -> Option<SystemTime> {
    if text.len() > LONGEST {
        return None;
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.into());
    }
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        'm' => MINUTE,
        'h' => HOUR,
        'd' => DAY,
        'w' => 7 * DAY,
        _ => return None,
    };
    let digits = &text[..text.len() - unit.len_utf8()];
    // `parse` alone would take a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let ago = Duration::from_secs(digits.parse::<u64>().ok()?.checked_mul(seconds)?);
    // Before the first day of Unix nothing was recorded.
    Some(now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH).max(SystemTime::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_rounded_up_and_never_nothing() {
        let said = |seconds| left(Duration::from_secs(seconds));
        assert_eq!(said(0), "1m");
        assert_eq!(said(61), "2m");
        assert_eq!(said(12 * 60), "12m");
        assert_eq!(said(5_401), "2h");
        assert_eq!(said(24 * 3_600), "24h");
        assert_eq!(said(172_801), "3d");
    }

    #[test]
    fn a_time_in_the_past_is_a_distance_or_a_timestamp() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10 * DAY);
        let before = |seconds| Some(now - Duration::from_secs(seconds));
        assert_eq!(since("30m", now), before(30 * MINUTE));
        assert_eq!(since("1h", now), before(HOUR));
        assert_eq!(since("2d", now), before(2 * DAY));
        assert_eq!(since("1w", now), before(7 * DAY));
        assert_eq!(since("1970-01-10T00:00:00Z", now), before(DAY));
        assert_eq!(since("9000w", now), Some(SystemTime::UNIX_EPOCH));
        for text in ["", "h", "-1h", "+1h", "1.5h", "1 h", "1", "yesterday", "٣h", "1é"] {
            assert_eq!(since(text, now), None, "{text}");
        }
        assert_eq!(since(&"9".repeat(100), now), None);
        assert_eq!(since("18446744073709551615w", now), None);
    }
}
