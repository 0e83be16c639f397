//! How long a token lasts, as an operator writes it: `12h`, `30d`, `2w`, `1y`, `never`.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// The longest text that is read: twenty digits are past every calendar.
const LONGEST: usize = 20;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The life of a new token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    Never,
    /// At least an hour.
    After(Duration),
}

/// Why a text is no expiry. `Display` says what would be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExpiryError {
    #[error("the expiry is a whole number and a unit, as in 12h, 30d, 2w or 1y, or `never`")]
    Shape,
    /// `6m` could be minutes; the days that it would be if it were months, if they can be told.
    #[error("the expiry has no unit m: months differ in length")]
    Months(Option<u64>),
    #[error("the expiry must be more than zero")]
    Zero,
    #[error("the expiry lies beyond the calendar")]
    TooLong,
}

impl ExpiryError {
    /// The way out.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Months(Some(days)) => format!("use {days}d"),
            Self::Months(None) => "use days, as in 180d".to_owned(),
            Self::Shape | Self::Zero => "use 30d, say, or never".to_owned(),
            Self::TooLong => "use never".to_owned(),
        }
    }
}

impl Expiry {
    /// A year: what nobody asked otherwise gets.
    pub(crate) const DEFAULT: Self = Self::After(Duration::from_secs(365 * DAY));

    pub(crate) fn parse(text: &str) -> Result<Self, ExpiryError> {
        if text == "never" {
            return Ok(Self::Never);
        }
        let unit = text.chars().next_back().ok_or(ExpiryError::Shape)?;
        let digits = &text[..text.len() - unit.len_utf8()];
        // `parse` alone would take a sign.
        let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = match unit {
            'h' => HOUR,
            'd' => DAY,
            'w' => 7 * DAY,
            'y' => 365 * DAY,
            'm' if is_whole => {
                let months = digits.parse::<u64>().ok();
                return Err(ExpiryError::Months(months.and_then(|months| months.checked_mul(30))));
            }
            _ => return Err(ExpiryError::Shape),
        };
        if !is_whole {
            return Err(ExpiryError::Shape);
        }
        if text.len() > LONGEST {
            return Err(ExpiryError::TooLong);
        }
        let count: u64 = digits.parse().map_err(|_| ExpiryError::TooLong)?;
        match count.checked_mul(seconds) {
            Some(0) => Err(ExpiryError::Zero),
            Some(seconds) => Ok(Self::After(Duration::from_secs(seconds))),
            None => Err(ExpiryError::TooLong),
        }
    }

    /// The first instant at which a token made at `now` no longer holds; `None`: never.
    pub(crate) fn end(self, now: SystemTime) -> Result<Option<SystemTime>, ExpiryError> {
        let Self::After(life) = self else { return Ok(None) };
        let end = now.checked_add(life).ok_or(ExpiryError::TooLong)?;
        // What cannot be written into the file is no expiry.
        Timestamp::try_from(end).map_err(|_| ExpiryError::TooLong)?;
        Ok(Some(end))
    }
}

/// How far off an end is: `365 days from now`, `12 hours from now`.
pub(crate) fn distance(life: Duration) -> String {
    let (count, unit) = match life.as_secs() {
        seconds if seconds % DAY == 0 => (seconds / DAY, "day"),
        seconds if seconds < HOUR => (seconds.div_ceil(MINUTE), "minute"),
        seconds => (seconds / HOUR, "hour"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} from now")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_sources_is_read() {
        let days = |days| Ok(Expiry::After(Duration::from_secs(days * DAY)));
        assert_eq!(Expiry::parse("30d"), days(30));
        assert_eq!(Expiry::parse("2w"), days(14));
        assert_eq!(Expiry::parse("1y"), days(365));
        assert_eq!(Expiry::parse("12h"), Ok(Expiry::After(Duration::from_secs(12 * HOUR))));
        assert_eq!(Expiry::parse("never"), Ok(Expiry::Never));
    }

    #[test]
    fn months_are_refused_with_the_days_to_use() {
        let refused = Expiry::parse("6m").unwrap_err();
        assert_eq!(refused, ExpiryError::Months(Some(180)));
        assert_eq!(refused.hint(), "use 180d");
    }

    #[test]
    fn what_is_no_life_is_refused() {
        for text in ["", "d", "30", "1.5d", "-1d", "+1d", "1 d", "1d2h", "30D", "Never", "٣d", "1é"]
        {
            assert_eq!(Expiry::parse(text), Err(ExpiryError::Shape), "{text}");
        }
        assert_eq!(Expiry::parse("0d"), Err(ExpiryError::Zero));
        assert_eq!(Expiry::parse("18446744073709551615y"), Err(ExpiryError::TooLong));
        assert_eq!(Expiry::parse(&format!("{}d", "9".repeat(1000))), Err(ExpiryError::TooLong));
    }

    #[test]
    fn an_end_beyond_the_calendar_is_refused() {
        let now = SystemTime::UNIX_EPOCH;
        for text in ["10000y", "500000000000y"] {
            let end = Expiry::parse(text).and_then(|expiry| expiry.end(now));
            assert_eq!(end, Err(ExpiryError::TooLong), "{text}");
        }
    }

    #[test]
    fn a_life_is_said_in_its_largest_whole_unit() {
        let said = |hours| distance(Duration::from_hours(hours));
        assert_eq!(said(365 * 24), "365 days from now");
        assert_eq!(said(24), "1 day from now");
        assert_eq!(said(36), "36 hours from now");
        assert_eq!(distance(Duration::from_secs(90)), "2 minutes from now");
    }
}
