//! What somebody may choose as a password, in one list of rules.

mod blocklist;
mod rule;

use std::fmt;
use std::str::FromStr;

use mcp_identity::Password;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::text::PasswordText;
pub use rule::Rule;

/// The rules for new passwords, from `passwords.policy` in the configuration. Server, console and
/// command line show and check the same list.
///
/// Passwords that exist already are not asked: a stricter policy locks nobody out.
///
/// ```
/// use mcp_identity::Password;
/// use mcp_password::{Algorithm, Owner, Policy, Preset, Rule};
///
/// let policy = Policy::new(Preset::Classic, Algorithm::BCRYPT);
/// let alice = Owner { user_name: "alice", email: None };
/// let good = Password::presented("SecurePass123".to_owned());
/// assert!(policy.check(&good, &alice).is_ok());
///
/// let bad = Password::presented("password1".to_owned());
/// let rejection = policy.check(&bad, &alice).unwrap_err();
/// assert_eq!(rejection.broken(), [Rule::Uppercase, Rule::NotCommon]);
/// assert_eq!(rejection.broken()[0].to_string(), "At least one uppercase letter");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<Rule>,
    product_names: Vec<String>,
}

/// A named choice of rules. All of them refuse common passwords, the user's own name and the
/// product's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// At least 8 characters with an uppercase letter, a lowercase letter and a digit.
    #[default]
    Classic,
    /// At least 15 characters of any kind (NIST SP 800-63B-4, section 3.1.1.2).
    Nist,
    /// At least 12 characters of three kinds, without runs, and none of the last 5 passwords.
    Strict,
}

/// Whose password it will be.
#[derive(Clone, Copy)]
pub struct Owner<'a> {
    /// The name that is typed to log in.
    pub user_name: &'a str,
    /// The address, if there is one.
    pub email: Option<&'a str>,
}

/// A password breaks some rules. A caller's mistake; the password is not repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordRejection {
    broken: Vec<Rule>,
}

impl Policy {
    /// The rules of a preset. How long a password may be depends on who hashes it.
    #[must_use]
    pub fn new(preset: Preset, algorithm: Algorithm) -> Self {
        let mut rules = match preset {
            Preset::Classic => {
                vec![Rule::MinLength(8), Rule::Uppercase, Rule::Lowercase, Rule::Digit]
            }
            Preset::Nist => vec![Rule::MinLength(15)],
            Preset::Strict => {
                vec![Rule::MinLength(12), Rule::Kinds(3), Rule::NoRuns, Rule::NotUsedBefore(5)]
            }
        };
        rules.extend([
            Rule::MaxBytes(algorithm.max_bytes()),
            Rule::NoNul,
            Rule::NotCommon,
            Rule::NotYourName,
            Rule::NotProductName,
        ]);
        Self { rules, product_names: vec!["mcp-server".to_owned(), "mcp-admin".to_owned()] }
    }

    /// Other names that a guesser would try first: the service's, the organisation's. They
    /// replace those of this product.
    #[must_use]
    pub fn with_product_names(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.product_names = names.into_iter().collect();
        self
    }

    /// Every rule, in the order in which to show them.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// How many of an account's last passwords a new one must not be. Zero: none are remembered.
    /// Whoever holds their hashes verifies the new password against each, and reports
    /// [`Rule::NotUsedBefore`] by [`PasswordRejection::used_before`].
    #[must_use]
    pub fn history(&self) -> usize {
        let history = self.rules.iter().find_map(|rule| match rule {
            Rule::NotUsedBefore(last) => Some(*last),
            _ => None,
        });
        history.unwrap_or(0)
    }

    /// How many of them are kept beside the one that an account has: all but that one.
    #[must_use]
    pub fn past(&self) -> usize {
        self.history().saturating_sub(1)
    }

    /// May this become the password of `owner`? Every rule but [`Rule::NotUsedBefore`] is checked.
    ///
    /// # Errors
    /// Every rule that it breaks, in their order. For a password that cannot be hashed at all,
    /// the rule that says so alone.
    pub fn check(&self, password: &Password, owner: &Owner<'_>) -> Result<(), PasswordRejection> {
        let broken = match PasswordText::of(password) {
            Ok(text) => {
                let candidate = Candidate::new(text, owner, &self.product_names);
                let breaks = |rule: &Rule| !rule.is_kept_by(&candidate);
                self.rules.iter().copied().filter(breaks).collect()
            }
            Err(rejection) => {
                let says_so = |rule: &Rule| rule.is_broken_by_text(rejection);
                self.rules.iter().copied().filter(says_so).collect::<Vec<_>>()
            }
        };
        if broken.is_empty() { Ok(()) } else { Err(PasswordRejection { broken }) }
    }
}

impl Preset {
    /// The word of `passwords.policy`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Nist => "nist",
            Self::Strict => "strict",
        }
    }
}

impl FromStr for Preset {
    type Err = PresetError;

    fn from_str(name: &str) -> Result<Self, PresetError> {
        let all = [Self::Classic, Self::Nist, Self::Strict];
        all.into_iter().find(|preset| preset.name() == name).ok_or(PresetError)
    }
}

/// Not the name of a preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a password policy is one of classic, nist, strict")]
pub struct PresetError;

impl PasswordRejection {
    /// The rejection of a password that is one of the account's last.
    #[must_use]
    pub fn used_before(policy: &Policy) -> Self {
        Self { broken: vec![Rule::NotUsedBefore(policy.history())] }
    }

    /// What is broken, at least one rule, in the order of the policy. Each shows itself as a
    /// demand, to be told to whoever chose the password.
    #[must_use]
    pub fn broken(&self) -> &[Rule] {
        &self.broken
    }
}

impl fmt::Display for PasswordRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the password breaks the policy: ")?;
        for (n, rule) in self.broken.iter().enumerate() {
            let before = if n == 0 { "" } else { "; " };
            write!(f, "{before}{rule}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PasswordRejection {}

/// A password and the names that it is held against, in the forms in which they are compared.
struct Candidate {
    text: PasswordText,
    /// Case makes no difference.
    folded: Zeroizing<String>,
    /// Letters and digits alone: what stands between them makes no difference either.
    letters: Zeroizing<String>,
    own_names: Vec<String>,
    product_names: Vec<String>,
}

impl Candidate {
    fn new(text: PasswordText, owner: &Owner<'_>, product_names: &[String]) -> Self {
        let folded = Zeroizing::new(fold(text.as_str()));
        let letters = Zeroizing::new(letters_of(&folded));
        let in_email =
            owner.email.into_iter().flat_map(|email| [Some(email), email.split('@').next()]);
        let own = [Some(owner.user_name)].into_iter().chain(in_email).flatten();
        let comparable = |name: &str| letters_of(&fold(name));
        Self {
            text,
            folded,
            letters,
            own_names: own.map(comparable).collect(),
            product_names: product_names.iter().map(|name| comparable(name)).collect(),
        }
    }
}

/// One form for every way of typing, in whatever case.
fn fold(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

fn letters_of(folded: &str) -> String {
    folded.chars().filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Owner<'static> =
        Owner { user_name: "alice", email: Some("al.liddell@example.com") };

    fn broken(preset: Preset, typed: &str) -> Vec<Rule> {
        let policy = Policy::new(preset, Algorithm::ARGON2ID);
        let checked = policy.check(&Password::presented(typed.to_owned()), &ALICE);
        checked.err().map(|it| it.broken().to_vec()).unwrap_or_default()
    }

    #[test]
    fn every_password_that_earlier_manuals_give_to_a_user_is_allowed() {
        for typed in [
            "SecurePassword123!",
            "NewPassword456!",
            "NewSecurePassword456!",
            "SecurePass123",
            "NewSecurePass456",
            "NewUserPassword123!",
            "NewSecurePassword123!",
        ] {
            assert_eq!(broken(Preset::Classic, typed), [], "{typed}");
        }
    }

    #[test]
    fn the_passwords_that_systems_are_delivered_with_are_not() {
        for typed in ["admin123", "Admin123", "operator123", "Operator123", "Viewer123"] {
            assert!(broken(Preset::Classic, typed).contains(&Rule::NotCommon), "{typed}");
        }
    }

    #[test]
    fn classic_tells_its_demands_in_the_words_that_users_know() {
        let told: Vec<String> =
            broken(Preset::Classic, "!").iter().map(ToString::to_string).collect();
        let expected = [
            "Minimum 8 characters",
            "At least one uppercase letter",
            "At least one lowercase letter",
            "At least one digit",
        ];
        assert_eq!(told, expected);
        assert_eq!(broken(Preset::Classic, "Zw4hvqt!"), []);
    }

    #[test]
    fn nist_wants_length_and_nothing_else() {
        assert_eq!(broken(Preset::Nist, "fourteen chars"), [Rule::MinLength(15)]);
        assert_eq!(broken(Preset::Nist, "fifteen of them"), []);
        assert_eq!(broken(Preset::Nist, "ひらがなひらがなひらがなひらがな"), []);
    }

    #[test]
    fn strict_wants_three_kinds_and_no_runs_and_remembers_five() {
        assert_eq!(broken(Preset::Strict, "plumtreegate"), [Rule::Kinds(3)]);
        assert_eq!(broken(Preset::Strict, "Plum tree gate"), []);
        for run in ["Plum tree 1234", "Plum tree dCbA", "Plum treee gate"] {
            assert_eq!(broken(Preset::Strict, run), [Rule::NoRuns], "{run}");
        }
        assert_eq!(broken(Preset::Strict, "Plum tree 123"), []);
        let policy = Policy::new(Preset::Strict, Algorithm::ARGON2ID);
        assert_eq!((policy.history(), policy.past()), (5, 4));
        let told = PasswordRejection::used_before(&policy).to_string();
        assert_eq!(told, "the password breaks the policy: None of your last 5 passwords");
        let classic = Policy::new(Preset::Classic, Algorithm::ARGON2ID);
        assert_eq!((classic.history(), classic.past()), (0, 0));
    }

    #[test]
    fn length_is_counted_in_code_points_after_nfkc() {
        // Eight letters, of which one is typed as two code points, in eleven bytes.
        assert_eq!(broken(Preset::Classic, "Cafe\u{301}fé1x"), []);
        assert_eq!(broken(Preset::Classic, "Cafe\u{301}fé1"), [Rule::MinLength(8)]);
    }

    #[test]
    fn a_common_password_is_refused_in_any_case_and_however_it_is_typed() {
        for typed in ["Password1", "PASSWORD1", "Ｐａｓｓｗｏｒｄ１"] {
            assert!(broken(Preset::Classic, typed).contains(&Rule::NotCommon), "{typed}");
        }
    }

    #[test]
    fn a_name_with_little_more_is_refused() {
        for typed in
            ["Alice2025!", "2025-ALICe", "aLiCeAlice1", "Al.Liddell1", "alliddell@Example.com1"]
        {
            assert_eq!(broken(Preset::Classic, typed), [Rule::NotYourName], "{typed}");
        }
        for typed in ["Mcp-Server1", "mcpSERVER.99", "Mcp_Admin7"] {
            assert_eq!(broken(Preset::Classic, typed), [Rule::NotProductName], "{typed}");
        }
        assert_eq!(broken(Preset::Classic, "Malice4thought"), []);
        let policy = Policy::new(Preset::Classic, Algorithm::BCRYPT)
            .with_product_names(["Wonderland".to_owned()]);
        let mine = Password::presented("Wonderland1".to_owned());
        assert_eq!(policy.check(&mine, &ALICE).unwrap_err().broken(), [Rule::NotProductName]);
    }

    #[test]
    fn a_name_that_is_too_short_to_mean_anything_forbids_nothing() {
        for user_name in ["", "a", "--", "日本"] {
            let owner = Owner { user_name, email: None };
            let typed = Password::presented("Aa1-zw4hvq".to_owned());
            let policy = Policy::new(Preset::Classic, Algorithm::BCRYPT);
            assert_eq!(policy.check(&typed, &owner), Ok(()), "{user_name}");
        }
    }

    #[test]
    fn what_cannot_be_hashed_is_refused_with_that_reason_alone() {
        let bcrypt = Policy::new(Preset::Nist, Algorithm::BCRYPT);
        let check = |typed: String| {
            let checked = bcrypt.check(&Password::presented(typed), &ALICE);
            checked.err().map(|it| it.broken().to_vec()).unwrap_or_default()
        };
        assert_eq!(check("é".repeat(36)), []);
        assert_eq!(check("é".repeat(37)), [Rule::MaxBytes(72)]);
        assert_eq!(check("x".repeat(2000)), [Rule::MaxBytes(72)]);
        assert_eq!(check("fifteen of them\0".to_owned()), [Rule::NoNul]);
        assert!(Rule::MaxBytes(72).to_string().contains("`passwords.algorithm: argon2id`"));
        assert_eq!(broken(Preset::Nist, &"é".repeat(37)), []);
        assert_eq!(broken(Preset::Nist, &"x".repeat(1025)), [Rule::MaxBytes(1024)]);
    }

    #[test]
    fn a_rejection_does_not_repeat_the_password() {
        let policy = Policy::new(Preset::Strict, Algorithm::BCRYPT);
        let rejection = policy.check(&Password::presented("hunter2".into()), &ALICE).unwrap_err();
        assert!(!format!("{rejection} {rejection:?}").contains("hunter2"));
    }

    #[test]
    fn a_preset_is_found_by_its_name() {
        for preset in [Preset::Classic, Preset::Nist, Preset::Strict] {
            assert_eq!(preset.name().parse(), Ok(preset));
        }
        assert_eq!("classical".parse::<Preset>(), Err(PresetError));
    }
}
