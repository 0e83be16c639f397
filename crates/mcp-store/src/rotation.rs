//! A new secret for a token, and the end of the old one.

use std::time::{Duration, SystemTime};

use mcp_identity::{TokenHash, TokenId};

use crate::record::TokenRecord;
use crate::token_store::{RemoveRejection, StoreError};

/// From 1970 to the last hour that every store can write down: 22:00 on 9999-12-30, as far as
/// calendars go in every time zone.
const LAST: Duration = Duration::from_hours(70_389_502);

/// What a token's successor is to be, and when the token itself ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The id of the new record. The old secret keeps the old one, in every log.
    pub id: TokenId,
    /// The hash of the new secret.
    pub hash: TokenHash,
    /// When this happens: the new record was made then.
    pub at: SystemTime,
    /// The first instant at which the old one no longer holds, unless it ends before. At or
    /// before [`at`](Self::at): at once.
    pub old_ends: SystemTime,
}

/// The two records of a rotation, as they are kept after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The one that was there, with its new end.
    pub old: TokenRecord,
    /// The one that takes over.
    pub new: TokenRecord,
}

/// Why no secret was replaced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotateRejection {
    /// No record has this id or prefix.
    #[error("token not found")]
    NotFound,
    /// Several records share this prefix.
    #[error("{0} tokens begin like this")]
    Ambiguous(usize),
    /// Its time is over: who holds it must not be let in again by way of a successor.
    #[error("the token has expired")]
    Expired,
    /// Another record has the new id.
    #[error("the id is taken")]
    IdTaken,
    /// Another record has the new hash.
    #[error("the hash is taken")]
    HashTaken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who is not there cannot be rotated either.
impl From<RemoveRejection> for RotateRejection {
    fn from(rejection: RemoveRejection) -> Self {
        match rejection {
            RemoveRejection::NotFound => Self::NotFound,
            RemoveRejection::Ambiguous(several) => Self::Ambiguous(several),
            RemoveRejection::Store(error) => Self::Store(error),
        }
    }
}

impl Rotation {
    /// What becomes of `old`. The new record opens the same doors, and is made to last as long
    /// as the old one was.
    ///
    /// # Errors
    /// [`RotateRejection::Expired`] and no other.
    pub fn apply(&self, old: &TokenRecord) -> Result<Rotated, RotateRejection> {
        if old.is_expired(self.at) {
            return Err(RotateRejection::Expired);
        }
        let end = old.expires_at.map_or(self.old_ends, |end| end.min(self.old_ends));
        Ok(Rotated {
            old: TokenRecord { expires_at: Some(end), ..old.clone() },
            new: TokenRecord {
                id: self.id.clone(),
                hash: self.hash,
                created_at: self.at,
                expires_at: old.expires_at.map(|end| self.renewed(old.created_at, end)),
                ..old.clone()
            },
        })
    }

    /// Never before the end that it replaces, whatever the clock said when that was decided.
    fn renewed(&self, made: SystemTime, end: SystemTime) -> SystemTime {
        let life = end.duration_since(made).unwrap_or_default();
        let renewed = self.at.checked_add(life);
        let kept = renewed.filter(|renewed| *renewed <= SystemTime::UNIX_EPOCH + LAST);
        kept.map_or(end, |renewed| renewed.max(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(n)
    }

    fn made(at: u64, end: Option<u64>) -> TokenRecord {
        let (id, hash) = (TokenId::parse("old").unwrap(), TokenHash::of_presented(b"old"));
        TokenRecord {
            expires_at: end.map(second),
            read_only: true,
            ..TokenRecord::new(id, hash, second(at))
        }
    }

    fn rotation(at: u64, old_ends: u64) -> Rotation {
        Rotation {
            id: TokenId::parse("new").unwrap(),
            hash: TokenHash::of_presented(b"new"),
            at: second(at),
            old_ends: second(old_ends),
        }
    }

    fn ends(old: &TokenRecord, rotation: &Rotation) -> (Option<SystemTime>, Option<SystemTime>) {
        let rotated = rotation.apply(old).unwrap();
        (rotated.old.expires_at, rotated.new.expires_at)
    }

    #[test]
    fn a_successor_opens_the_same_doors() {
        let (old, rotation) = (made(0, None), rotation(50, 60));
        let Rotated { old: ending, new } = rotation.apply(&old).unwrap();
        assert_eq!(ending, TokenRecord { expires_at: Some(second(60)), ..old.clone() });
        let (id, hash, created_at) = (rotation.id, rotation.hash, second(50));
        assert_eq!(new, TokenRecord { id, hash, created_at, ..old });
    }

    #[test]
    fn a_successor_lasts_as_long_as_the_old_one_was_made_to() {
        assert_eq!(
            ends(&made(0, Some(100)), &rotation(90, 95)),
            (Some(second(95)), Some(second(190)))
        );
        assert_eq!(ends(&made(0, None), &rotation(90, 95)), (Some(second(95)), None));
    }

    #[test]
    fn an_overlap_does_not_lengthen_a_life() {
        assert_eq!(ends(&made(0, Some(100)), &rotation(90, 200)).0, Some(second(100)));
    }

    #[test]
    fn a_token_whose_time_is_over_has_no_successor() {
        let refused = rotation(100, 200).apply(&made(0, Some(100)));
        assert_eq!(refused, Err(RotateRejection::Expired));
    }

    #[test]
    fn a_clock_that_went_back_shortens_no_life() {
        assert_eq!(ends(&made(80, Some(100)), &rotation(10, 20)).1, Some(second(100)));
        assert_eq!(ends(&made(200, Some(100)), &rotation(10, 20)).1, Some(second(100)));
    }

    #[test]
    fn a_life_up_to_the_end_of_the_calendar_stays_within_it() {
        let last = LAST.as_secs();
        assert_eq!(ends(&made(0, Some(last)), &rotation(10, 20)).1, Some(second(last)));
    }
}
