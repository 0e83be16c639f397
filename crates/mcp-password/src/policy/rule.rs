//! One rule of a policy.

use std::fmt;

use super::{Candidate, blocklist};
use crate::text::{MAX_BYTES, PasswordTextRejection};

/// What a new password must be. Shows itself as a demand, for whoever chooses the password; the
/// first four in the words of the systems that the product replaces.
///
/// Matched exhaustively on purpose: a new rule must stop the build of those who show rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// So many characters at least, counted as code points after NFKC.
    MinLength(usize),
    /// An uppercase letter, of any script that has them.
    Uppercase,
    /// A lowercase letter.
    Lowercase,
    /// A digit, of any script.
    Digit,
    /// So many of four kinds: uppercase, lowercase, digits, everything else.
    Kinds(usize),
    /// Not three times the same character in a row, nor four that follow each other, up or down.
    NoRuns,
    /// So many bytes at most, after NFKC: what the configured algorithm takes.
    MaxBytes(usize),
    /// No NUL.
    NoNul,
    /// Not on the list of common passwords, in whatever case.
    NotCommon,
    /// Not the user name or the email address, with five letters or digits more at most.
    NotYourName,
    /// Not a product name, with five letters or digits more at most.
    NotProductName,
    /// None of the last so many passwords of the account.
    NotUsedBefore(usize),
}

/// Letters and digits that make more of a name than the name.
const ENOUGH_MORE: usize = 6;

/// A name shorter than this is in too many words to mean anything.
const SHORTEST_NAME: usize = 3;

impl Rule {
    /// A word that never changes, for clients.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::MinLength(_) => "min_length",
            Self::Uppercase => "uppercase",
            Self::Lowercase => "lowercase",
            Self::Digit => "digit",
            Self::Kinds(_) => "kinds",
            Self::NoRuns => "no_runs",
            Self::MaxBytes(_) => "max_bytes",
            Self::NoNul => "no_nul",
            Self::NotCommon => "not_common",
            Self::NotYourName => "not_your_name",
            Self::NotProductName => "not_product_name",
            Self::NotUsedBefore(_) => "not_used_before",
        }
    }

    pub(super) fn is_kept_by(self, candidate: &Candidate) -> bool {
        let text = candidate.text.as_str();
        match self {
            Self::MinLength(least) => text.chars().count() >= least,
            Self::Uppercase => text.chars().any(char::is_uppercase),
            Self::Lowercase => text.chars().any(char::is_lowercase),
            Self::Digit => text.chars().any(char::is_numeric),
            Self::Kinds(least) => kinds(text) >= least,
            Self::NoRuns => !has_run(&candidate.folded),
            Self::MaxBytes(most) => text.len() <= most,
            Self::NotCommon => !blocklist::contains(&candidate.folded),
            Self::NotYourName => is_more_than(&candidate.own_names, &candidate.letters),
            Self::NotProductName => is_more_than(&candidate.product_names, &candidate.letters),
            // A text has no NUL, and what an account had before is not known here.
            Self::NoNul | Self::NotUsedBefore(_) => true,
        }
    }

    /// Is this the rule that forbids what cannot be hashed?
    pub(super) fn is_broken_by_text(self, rejection: PasswordTextRejection) -> bool {
        match rejection {
            PasswordTextRejection::TooLong | PasswordTextRejection::TooLongForBcrypt { .. } => {
                matches!(self, Self::MaxBytes(_))
            }
            PasswordTextRejection::Nul => self == Self::NoNul,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinLength(least) => write!(f, "Minimum {least} characters"),
            Self::Uppercase => f.write_str("At least one uppercase letter"),
            Self::Lowercase => f.write_str("At least one lowercase letter"),
            Self::Digit => f.write_str("At least one digit"),
            Self::Kinds(least) => write!(
                f,
                "At least {least} of uppercase letters, lowercase letters, digits and other \
                 characters"
            ),
            Self::NoRuns => f.write_str("No run of characters such as aaa, abcd or 4321"),
            Self::MaxBytes(MAX_BYTES) => write!(f, "Maximum {MAX_BYTES} bytes"),
            Self::MaxBytes(most) => write!(
                f,
                "Maximum {most} bytes, because bcrypt takes no more \
                 (`passwords.algorithm: argon2id` takes {MAX_BYTES})"
            ),
            Self::NoNul => f.write_str("No NUL character"),
            Self::NotCommon => {
                f.write_str("Not one of the common passwords, which are guessed first")
            }
            Self::NotYourName => {
                f.write_str("Not your user name or email address with little more")
            }
            Self::NotProductName => f.write_str("Not the name of this product with little more"),
            Self::NotUsedBefore(last) => write!(f, "None of your last {last} passwords"),
        }
    }
}

fn kinds(text: &str) -> usize {
    let other = |c: char| !(c.is_uppercase() || c.is_lowercase() || c.is_numeric());
    [
        text.chars().any(char::is_uppercase),
        text.chars().any(char::is_lowercase),
        text.chars().any(char::is_numeric),
        text.chars().any(other),
    ]
    .into_iter()
    .filter(|has| *has)
    .count()
}

fn has_run(folded: &str) -> bool {
    let points: Vec<i64> = folded.chars().map(|c| i64::from(u32::from(c))).collect();
    let goes_by =
        |step: i64| move |window: &[i64]| window.windows(2).all(|it| it[1] - it[0] == step);
    points.windows(3).any(goes_by(0))
        || points.windows(4).any(goes_by(1))
        || points.windows(4).any(goes_by(-1))
}

/// Is enough left of the password when each of the names is taken out of it?
fn is_more_than(names: &[String], password: &str) -> bool {
    names.iter().all(|name| {
        if name.chars().count() < SHORTEST_NAME {
            return name != password || name.is_empty();
        }
        let rest: usize = password.split(name.as_str()).map(|part| part.chars().count()).sum();
        !password.contains(name.as_str()) || rest >= ENOUGH_MORE
    })
}
