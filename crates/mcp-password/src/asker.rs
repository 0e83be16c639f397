//! Who wants something hashed.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// For which account, and from where. What the threads are shared out by: neither is believed or
/// checked, and an account that does not exist counts like any other.
#[derive(Clone, PartialEq, Eq)]
pub struct Asker {
    account: String,
    address: IpAddr,
}

impl Asker {
    /// `account` is the one canonical key of the account: two spellings of a name would be two
    /// accounts here. Of an IPv6 address the network of 64 bits counts, since one client has all
    /// of it; an IPv4 address written as IPv6 is the IPv4 address.
    #[must_use]
    pub fn new(account: impl Into<String>, address: IpAddr) -> Self {
        Self { account: account.into(), address: network(address) }
    }

    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }
}

/// Without the account: people type passwords where a name is asked for.
impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").field("address", &self.address).finish_non_exhaustive()
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_one_client_are_one() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn debug_does_not_show_what_was_typed_as_a_name() {
        let asker = Asker::new("hunter2", "192.0.2.1".parse().unwrap());
        assert_eq!(format!("{asker:?}"), "Asker { address: 192.0.2.1, .. }");
    }
}
