//! Ranges of addresses.

use std::net::IpAddr;

/// One address, or a network in CIDR notation: `10.0.0.0/8`, `fd00::/8`, `192.0.2.7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    network: IpAddr,
    prefix: u8,
}

impl AddressRange {
    /// Reads a range.
    ///
    /// # Errors
    /// No address; IPv4 mapped into IPv6; a prefix longer than the address; or bits set beyond the
    /// prefix, as in `10.1.2.3/8`: whoever wrote that meant something else, and may trust too many.
    pub fn parse(text: &str) -> Result<Self, AddressRangeError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().map_err(|_| AddressRangeError::Address)?;
        if network != network.to_canonical() {
            return Err(AddressRangeError::Mapped);
        }
        let longest = if network.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) => parse_prefix(digits, longest).ok_or(AddressRangeError::Prefix)?,
            None => longest,
        };
        let range = Self { network, prefix };
        if range.masked(network) != bits(network) {
            return Err(AddressRangeError::HostBits);
        }
        Ok(range)
    }

    /// Is the address in the range? Mapped IPv4 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4() && self.masked(address) == bits(self.network)
    }

    fn masked(&self, address: IpAddr) -> u128 {
        let width = if address.is_ipv4() { 32 } else { 128 };
        let host_bits = u32::from(width - self.prefix);
        // All of 128 bits shifted out are none left.
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        bits(address) & mask
    }
}

/// Why a text is no [`AddressRange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressRangeError {
    /// What stands before the slash is no IP address.
    #[error("expected an IP address, or a network like 10.0.0.0/8")]
    Address,
    /// An IPv4 address in IPv6's clothes: it would match nobody, since callers are undressed first.
    #[error("write an IPv4 address as such, without ::ffff:")]
    Mapped,
    /// What stands behind the slash is no length that such an address has.
    #[error("the prefix length must be 0 to 32 for IPv4 and 0 to 128 for IPv6")]
    Prefix,
    /// The address has bits behind the prefix.
    #[error("the address has bits beyond its prefix; write the network's own address")]
    HostBits,
}

fn parse_prefix(digits: &str, longest: u8) -> Option<u8> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let prefix = if plain { digits.parse().ok() } else { None };
    prefix.filter(|prefix| *prefix <= longest)
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(range: &str, address: &str) -> bool {
        AddressRange::parse(range).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_range_holds_what_its_prefix_says() {
        assert!(contains("10.0.0.0/8", "10.255.0.1"));
        assert!(!contains("10.0.0.0/8", "11.0.0.0"));
        assert!(contains("fd00::/8", "fdff::1"));
        assert!(!contains("fd00::/8", "fe00::1"));
        assert!(contains("192.0.2.7", "192.0.2.7"));
        assert!(!contains("192.0.2.7", "192.0.2.6"));
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(contains("::/0", "2001:db8::1"));
    }

    #[test]
    fn the_two_families_do_not_mix_but_mapped_ipv4_is_ipv4() {
        assert!(!contains("::/0", "203.0.113.9"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(!contains("::/0", "::ffff:10.1.2.3"));
    }

    #[test]
    fn a_range_that_says_two_things_is_refused() {
        assert_eq!(AddressRange::parse("10.1.2.3/8"), Err(AddressRangeError::HostBits));
        for text in ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8"] {
            assert_eq!(AddressRange::parse(text), Err(AddressRangeError::Prefix), "{text}");
        }
        assert_eq!(AddressRange::parse("::ffff:10.0.0.0/104"), Err(AddressRangeError::Mapped));
        for text in ["", "localhost", "10.0.0/8", "/8"] {
            assert_eq!(AddressRange::parse(text), Err(AddressRangeError::Address), "{text}");
        }
    }
}
