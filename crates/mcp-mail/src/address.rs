//! Where a letter goes.

use std::fmt;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use crate::text::{Line, acts};

/// The longest part before the `@`, in bytes (RFC 5321 §4.5.3.1.1).
const LONGEST_LOCAL: usize = 64;
/// The longest address, in bytes: what fits between the brackets of a command (RFC 5321
/// §4.5.3.1.3).
const LONGEST: usize = 254;

/// One mailbox, as `local@domain`.
///
/// The domain is kept as DNS and SMTP write it (`bücher.example` is `xn--bcher-kva.example`). The
/// local part has no quotes, spaces or characters that act, so an address is one word wherever
/// it stands: a command, a header, a log. Letters beyond ASCII in it need a server that takes
/// them (SMTPUTF8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    local: String,
    domain: String,
}

impl Address {
    /// Reads `local@domain`.
    ///
    /// # Errors
    /// It is not an address of that form. Comments, quoted local parts and addresses in brackets
    /// are refused, though a standard allows them: no mailbox of a person needs one, and much
    /// that handles mail reads them differently.
    pub fn parse(text: &str) -> Result<Self, AddressRejection> {
        let (local, domain) = text.rsplit_once('@').ok_or(AddressRejection::NoAt)?;
        check_local(local)?;
        let domain = to_ascii(domain)?;
        if local.len() + 1 + domain.len() > LONGEST {
            return Err(AddressRejection::TooLong);
        }
        Ok(Self { local: local.to_owned(), domain })
    }

    /// The part before the `@`.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The part after it, in ASCII and lower case.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Can every server be asked to take it?
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

/// A dot-atom (RFC 5322 §3.2.3), with letters of any script (RFC 6532 §3.2).
fn check_local(local: &str) -> Result<(), AddressRejection> {
    if local.len() > LONGEST_LOCAL {
        return Err(AddressRejection::TooLong);
    }
    if local.split('.').any(str::is_empty) {
        return Err(AddressRejection::Dots);
    }
    let is_atom = |c: char| {
        c == '.' || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || beyond(c)
    };
    match local.chars().find(|c| !is_atom(*c)) {
        Some(c) => Err(AddressRejection::Character(c)),
        None => Ok(()),
    }
}

/// A character beyond ASCII that is read and nothing else.
fn beyond(c: char) -> bool {
    !c.is_ascii() && !c.is_whitespace() && !acts(c)
}

/// The domain as DNS knows it, within the lengths of DNS.
fn to_ascii(domain: &str) -> Result<String, AddressRejection> {
    let ascii = Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            DnsLength::Verify,
        )
        .map_err(|_| AddressRejection::Domain)?;
    // An address of a machine is no domain, and nobody's mail goes to a bare number.
    let is_number =
        ascii.rsplit('.').next().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    if is_number { Err(AddressRejection::Domain) } else { Ok(ascii.into_owned()) }
}

/// An address with the name that readers show beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The name, if there is one.
    pub name: Option<Line>,
    /// The address.
    pub address: Address,
}

impl From<Address> for Mailbox {
    fn from(address: Address) -> Self {
        Self { name: None, address }
    }
}

/// Why a text is no address. Does not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressRejection {
    /// No `@`.
    #[error("an address has an @, as in ann@example.com")]
    NoAt,
    /// A part that is empty, or begins or ends with a dot, or has two in a row.
    #[error("the part before the @ is empty, or has a dot at its end or two in a row")]
    Dots,
    /// A character that no address has without quotes.
    #[error("the part before the @ holds the character {}", .0.escape_unicode())]
    Character(char),
    /// The part after the `@` is not the name of a domain.
    #[error("the part after the @ is not a domain")]
    Domain,
    /// Longer than SMTP takes.
    #[error("it is too long: 64 bytes before the @ and 254 in all")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_one_word_and_nothing_else() {
        for (text, rejection) in [
            ("ann", AddressRejection::NoAt),
            ("@example.com", AddressRejection::Dots),
            (".ann@example.com", AddressRejection::Dots),
            ("a..n@example.com", AddressRejection::Dots),
            ("ann\r\nRCPT TO:<eve@example.com>@example.com", AddressRejection::Character('\r')),
            ("ann\n@example.com", AddressRejection::Character('\n')),
            ("ann eve@example.com", AddressRejection::Character(' ')),
            ("ann,eve@example.com", AddressRejection::Character(',')),
            ("ann>@example.com", AddressRejection::Character('>')),
            ("\"ann\"@example.com", AddressRejection::Character('"')),
            ("ann@eve@example.com", AddressRejection::Character('@')),
            ("a\u{202e}nn@example.com", AddressRejection::Character('\u{202e}')),
            ("a\u{a0}nn@example.com", AddressRejection::Character('\u{a0}')),
            ("ann@", AddressRejection::Domain),
            ("ann@exa mple.com", AddressRejection::Domain),
            ("ann@example.com>\r\nDATA", AddressRejection::Domain),
            ("ann@example.com\n", AddressRejection::Domain),
            ("ann@[127.0.0.1]", AddressRejection::Domain),
            ("ann@127.0.0.1", AddressRejection::Domain),
            ("ann@-example.com", AddressRejection::Domain),
            ("ann@example..com", AddressRejection::Domain),
        ] {
            assert_eq!(Address::parse(text), Err(rejection), "{text:?}");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        assert_eq!(Address::parse(&long), Err(AddressRejection::TooLong));
        let labels = format!("{0}.{0}.{0}.example", "d".repeat(62));
        let long = format!("{}@{labels}", "a".repeat(64));
        assert_eq!(Address::parse(&long), Err(AddressRejection::TooLong));
    }

    #[test]
    fn a_domain_of_any_script_is_kept_as_dns_writes_it() {
        for (text, kept) in [
            ("ann@example.com", "ann@example.com"),
            ("Ann.Lee+mail@EXAMPLE.com", "Ann.Lee+mail@example.com"),
            ("ann@bücher.example", "ann@xn--bcher-kva.example"),
            ("ann@例え.テスト", "ann@xn--r8jz45g.xn--zckzah"),
            ("ann@localhost", "ann@localhost"),
            ("用户@例え.テスト", "用户@xn--r8jz45g.xn--zckzah"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), kept);
        }
        assert!(!Address::parse("用户@example.com").unwrap().is_ascii());
    }

    proptest! {
        #[test]
        fn what_is_taken_is_taken_by_the_composer_too(text in "[!-~é用]{1,20}@[a-z.ü-]{1,20}") {
            if let Ok(address) = Address::parse(&text) {
                prop_assert!(lettre::Address::new(address.local(), address.domain()).is_ok());
            }
        }

        #[test]
        fn an_address_never_holds_what_ends_a_command(text in any::<String>()) {
            if let Ok(address) = Address::parse(&text) {
                let whole = address.to_string();
                prop_assert!(!whole.contains(['\r', '\n', ' ', '<', '>', '\0']));
                prop_assert_eq!(Address::parse(&whole), Ok(address));
            }
        }
    }
}
