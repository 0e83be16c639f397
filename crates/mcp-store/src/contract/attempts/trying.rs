//! How attempts are made, and what they say.

use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::{Duration, SystemTime};

use mcp_identity::UserName;
use mcp_throttle::{AddressKey, LockoutPolicy, Quota, Refusal, Ticket};

use crate::attempt_ledger::{
    About, AddressPlace, Admitted, AttemptLedger, AttemptLimits, Beginning, Begun, Held, Sought,
};
use crate::contract::accounts::people::{policy, user};
use crate::contract::must;

/// How long failures of an address count.
pub(super) const WINDOW: Duration = Duration::from_mins(15);

/// So many failures of an address, and three of a name.
pub(super) fn limits(attempts: u32) -> AttemptLimits {
    let attempts = must(NonZeroU32::new(attempts));
    let quota = Quota { attempts, window: WINDOW };
    AttemptLimits { quota, lockout: locks(), keys: must(NonZeroUsize::new(1_000)) }
}

/// Places are held for longer than any check takes.
pub(super) fn locks() -> LockoutPolicy {
    LockoutPolicy { hold: Duration::from_mins(20), ..policy(3, 15) }
}

pub(super) fn address(n: u8) -> AddressKey {
    AddressKey::from(IpAddr::from(Ipv4Addr::new(192, 0, 2, n)))
}

/// Whom somebody says he is.
#[derive(Clone, Debug)]
pub(super) enum Who {
    User(UserName),
    /// The same, by an address that the account has.
    Addressed(UserName, &'static str),
    /// Has no account, and may have one.
    Stranger(UserName),
    /// An address that no account has, and one may have.
    Foreign(&'static str),
    /// What no account can have.
    Nobody(u8),
}

impl Who {
    pub(super) fn user(n: u64) -> Self {
        Self::User(user(n))
    }

    fn name(&self) -> Option<&UserName> {
        match self {
            Self::User(name) | Self::Addressed(name, _) | Self::Stranger(name) => Some(name),
            Self::Foreign(_) | Self::Nobody(_) => None,
        }
    }

    fn sought(&self) -> Sought<'_> {
        match self {
            Self::User(name) | Self::Stranger(name) => Sought::Name(name),
            Self::Addressed(_, email) | Self::Foreign(email) => Sought::Email(email),
            Self::Nobody(_) => Sought::Nobody,
        }
    }

    fn digest(&self) -> [u8; 32] {
        match self {
            Self::User(_) | Self::Addressed(..) => [0; 32],
            Self::Stranger(_) => [1; 32],
            Self::Foreign(_) => [2; 32],
            Self::Nobody(n) => [*n; 32],
        }
    }
}

/// An attempt that was admitted.
#[derive(Debug)]
pub(super) struct Trying {
    pub(super) place: AddressPlace,
    who: Who,
    made: Option<SystemTime>,
    pub(super) ticket: Option<Ticket>,
}

impl Trying {
    /// Once: the ticket goes with it.
    pub(super) fn held(&mut self) -> Held<'_> {
        let AddressPlace { address, number } = self.place;
        let about = match (self.who.name(), self.made) {
            (Some(name), Some(made)) => About::Account(name, made),
            _ => About::Nobody(self.who.digest()),
        };
        Held { place: AddressPlace { address, number }, about, ticket: self.ticket.take() }
    }
}

/// What was said of an attempt, without what names its places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Open,
    Locked,
    Wait,
    Refused(Refusal),
}

pub(super) fn said(begun: &Result<Trying, Said>) -> Said {
    match begun {
        Ok(Trying { ticket: Some(_), .. }) => Said::Open,
        Ok(Trying { ticket: None, .. }) => Said::Locked,
        Err(said) => *said,
    }
}

/// Begins an attempt. Whoever it is about is found, or is not.
pub(super) async fn begin(
    ledger: &dyn AttemptLedger,
    from: AddressKey,
    who: &Who,
    now: SystemTime,
) -> Result<Trying, Said> {
    let (sought, digest) = (who.sought(), who.digest());
    let beginning = Beginning { address: from, sought, digest, policy: locks(), now };
    match ledger.begin(beginning).await {
        Ok(Begun::Admitted(admitted)) => {
            let Admitted { place, account, ticket } = *admitted;
            let found = account.as_ref().map(|account| &account.record.name);
            let promised = match who {
                Who::User(name) | Who::Addressed(name, _) => Some(name),
                Who::Stranger(_) | Who::Foreign(_) | Who::Nobody(_) => None,
            };
            assert_eq!(found, promised, "contract broken: an attempt finds its account");
            assert_eq!(place.address, from, "contract broken: a place is of its address");
            let made = account.map(|account| account.record.created_at);
            Ok(Trying { place, who: who.clone(), made, ticket })
        }
        Ok(Begun::Wait) => Err(Said::Wait),
        Ok(Begun::Refused(refusal)) => Err(Said::Refused(refusal)),
        Err(error) => panic!("contract broken: an attempt can be begun: {error}"),
    }
}

/// Begins an attempt that nothing stands against.
pub(super) async fn admitted(
    ledger: &dyn AttemptLedger,
    from: AddressKey,
    who: &Who,
    now: SystemTime,
) -> Trying {
    match begin(ledger, from, who, now).await {
        Ok(trying) => trying,
        Err(said) => panic!("contract broken: nothing stands against an attempt: {said:?}"),
    }
}
