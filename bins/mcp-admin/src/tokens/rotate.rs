//! `tokens rotate`: a new secret, and an end for the old one.

use std::time::Duration;

use mcp_identity::{AuditAction, PlainToken, Subject, SystemEntropy, TokenHash, TokenId};
use mcp_store::{
    RotateRejection, Rotated, Rotation, StoreError, StoreErrorKind, TokenRecord, TokenSelector,
};

use super::{MOST_IN_A_SECOND, Tokens, ambiguous, not_found, repeated, selectors, too_many, undo};
use crate::cli::RotateTokenArgs;
use crate::expiry::{Expiry, ExpiryError};
use crate::output::Fault;
use crate::when;

/// How long both secrets are good, where nobody says otherwise: a working day to put the new one
/// in place.
const OVERLAP: Duration = Duration::from_hours(24);

impl Tokens<'_> {
    pub(super) fn rotate(&self, arguments: &RotateTokenArgs) -> Result<(), Fault> {
        let overlap = arguments.overlap.as_deref().map_or(Ok(OVERLAP), overlap)?;
        let old_ends = Expiry::After(overlap).end(self.desk.now).ok().flatten();
        let old_ends = old_ends.ok_or_else(beyond_the_calendar)?;
        let token = PlainToken::generate(&SystemEntropy).map_err(Fault::from_failure)?;
        let hash = TokenHash::of(&token);
        let rotation = Rotation { id: self.id(1)?, hash, at: self.desk.now, old_ends };
        let Rotated { old, new } = self.replace(&arguments.token, &rotation)?;
        // Nothing stands between a token that was made and its owner, the audit log neither.
        let revealed = self.reveal(&token, &new, Some(&old));
        let made = (AuditAction::AddToken, Subject::Token(new.id));
        self.desk.record_all([(AuditAction::RotateToken, Subject::Token(old.id)), made]);
        revealed
    }

    /// Rotates what is named, in whichever way it is meant.
    fn replace(&self, named: &str, rotation: &Rotation) -> Result<Rotated, Fault> {
        for selector in selectors(named) {
            if let Some(rotated) = self.replace_one(&selector, rotation.clone())? {
                return Ok(rotated);
            }
        }
        Err(not_found())
    }

    /// `None`: there is none of that name.
    fn replace_one(
        &self,
        selector: &TokenSelector,
        mut rotation: Rotation,
    ) -> Result<Option<Rotated>, Fault> {
        for attempt in 2..=MOST_IN_A_SECOND {
            match self.desk.wait(self.store.rotate(selector.clone(), rotation.clone())) {
                Ok(rotated) => return Ok(Some(rotated)),
                Err(RotateRejection::NotFound) => return Ok(None),
                Err(RotateRejection::Ambiguous(several)) => return Err(ambiguous(several)),
                Err(RotateRejection::Expired) => return Err(expired()),
                Err(RotateRejection::IdTaken) => rotation.id = self.id(attempt)?,
                Err(RotateRejection::HashTaken) => return Err(repeated()),
                Err(RotateRejection::Store(error)) => return Err(unkept(error, &rotation.id)),
            }
        }
        Err(too_many())
    }

    /// What becomes of the old token.
    pub(super) fn ending(&self, old: &TokenRecord) -> String {
        match old.expires_at {
            Some(end) if end > self.desk.now => format!("which ends {}", when::second(end)),
            Some(_) | None => "which has ended".to_owned(),
        }
    }
}

/// No token is shown that is not surely kept.
fn unkept(error: StoreError, id: &TokenId) -> Fault {
    let unsure = error.kind == StoreErrorKind::NotDurable;
    Fault::from(error).maybe_hint(unsure.then(|| undo(id, "the new token is not shown")))
}

/// How long the old secret stays good, as an operator writes it: as the life of a token, or 0.
fn overlap(text: &str) -> Result<Duration, Fault> {
    const HINT: &str = "use 24h, say, or 0 to end the old token at once";
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    match Expiry::parse(text) {
        Ok(Expiry::After(overlap)) => Ok(overlap),
        Err(ExpiryError::Zero) => Ok(Duration::ZERO),
        Ok(Expiry::Never) => {
            Err(Fault::refused("the overlap must end: rotating replaces the old token").hint(HINT))
        }
        Err(error @ ExpiryError::Months(_)) => {
            let fault = "the overlap has no unit m: months differ in length";
            Err(Fault::refused(fault).hint(error.hint()))
        }
        Err(ExpiryError::Shape) => {
            let fault = "the overlap is a whole number and a unit, as in 1h, 24h or 7d, or 0";
            Err(Fault::refused(fault).hint(HINT))
        }
        Err(ExpiryError::TooLong) => Err(beyond_the_calendar()),
    }
}

fn beyond_the_calendar() -> Fault {
    Fault::refused("the overlap lies beyond the calendar").hint("use 24h, say")
}

fn expired() -> Fault {
    Fault::refused("the token has expired: there is nothing to hand over")
        .hint("make a new one: mcp-admin tokens add")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_a_life_that_may_be_nothing() {
        let hours = |text| overlap(text).ok().map(|overlap| overlap.as_secs() / 3_600);
        assert_eq!(hours("24h"), Some(24));
        assert_eq!(hours("2w"), Some(14 * 24));
        for nothing in ["0", "0h", "0d"] {
            assert_eq!(hours(nothing), Some(0), "{nothing}");
        }
        for text in ["never", "6m", "24", "-1h", "", "1.5d", "9999999999999999y"] {
            assert_eq!(hours(text), None, "{text}");
        }
    }
}
