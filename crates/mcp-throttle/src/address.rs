//! An address as limits see it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The part of an address that one caller cannot choose freely: all of IPv4, the first 64 bits of
/// IPv6 (a single host is handed a whole /64, RFC 6177 and RFC 7934).
///
/// An IPv4 address mapped into IPv6 is the IPv4 address, so that a listener on `[::]` and one on
/// `0.0.0.0` count alike. The address is the client's, as decided by whoever knows which proxies
/// to believe.
///
/// ```
/// use std::net::IpAddr;
/// use mcp_throttle::AddressKey;
///
/// let key = |text: &str| text.parse::<IpAddr>().map(AddressKey::from);
/// assert_eq!(key("::ffff:192.0.2.7")?, key("192.0.2.7")?);
/// assert_eq!(key("2001:db8::1")?, key("2001:db8::ffff:2")?);
/// assert_eq!(key("2001:db8::1")?.to_string(), "2001:db8::/64");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressKey(Network);

/// Bytes, not words: nine of them and no padding, and there may be a hundred thousand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Network {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl From<IpAddr> for AddressKey {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => Network::V4(address.octets()),
            IpAddr::V6(address) => {
                let mut prefix = [0; 8];
                prefix.copy_from_slice(&address.octets()[..8]);
                Network::V6(prefix)
            }
        })
    }
}

/// `192.0.2.7`, or `2001:db8::/64`.
impl fmt::Display for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Network::V4(octets) => Ipv4Addr::from(octets).fmt(f),
            Network::V6(prefix) => {
                let address = Ipv6Addr::from_bits(u128::from(u64::from_be_bytes(prefix)) << 64);
                write!(f, "{address}/64")
            }
        }
    }
}
