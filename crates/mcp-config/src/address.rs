//! Addresses: where to listen, and whom to believe.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// Where to listen: `HOST:PORT`, `[IPv6]:PORT`, or `:PORT` for every interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// A name or an address, IPv6 without its brackets. `None`: every interface.
    pub host: Option<String>,
    /// 0: any free port.
    pub port: u16,
}

impl ListenAddress {
    /// Reads an address as the configuration writes it. `None`: not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        // `parse` alone would take "+80".
        let port = port.bytes().all(|b| b.is_ascii_digit()).then(|| port.parse().ok())??;
        if host.is_empty() {
            return Some(Self { host: None, port });
        }
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().ok().map(|_| inner)?,
            None => Some(host).filter(|host| is_host_name(host))?,
        };
        Some(Self { host: Some(host.into()), port })
    }

    /// Can only this machine connect? A name other than `localhost` counts as reachable from
    /// elsewhere: what it resolves to may change.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host.as_deref().is_some_and(is_this_machine)
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.as_deref() {
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            host => write!(f, "{}:{}", host.unwrap_or_default(), self.port),
        }
    }
}

/// A network in CIDR form, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The address as written; bits beyond the prefix may be set.
    pub address: IpAddr,
    /// How many leading bits count: at most 32 for IPv4, 128 for IPv6.
    pub prefix: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8`, or an address alone. `None`: neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= widest)?,
            None => widest,
        };
        Some(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("not a network"))
    }
}

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// `example.com` or an IPv4 address. Names resolve or do not; only their shape is checked here.
pub(crate) fn is_host_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// A host that is connected to: a name, or an address of either family without brackets.
pub(crate) fn is_mail_host(text: &str) -> bool {
    is_host_name(text) || text.parse::<IpAddr>().is_ok()
}

/// `local@domain` in shape: one word without what sets addresses apart in a header.
pub(crate) fn is_mail_address(text: &str) -> bool {
    let is_word = |part: &str| {
        !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "<>,;:\"()@".contains(c))
    };
    text.len() <= 254
        && text.split_once('@').is_some_and(|(local, domain)| is_word(local) && is_word(domain))
}

/// Is the host this machine, whatever a resolver says?
pub(crate) fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A host as a `Host` header names it: with or without a port, IPv6 in brackets.
pub(crate) fn is_host(text: &str) -> bool {
    let bare_ipv6 = || {
        let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
    };
    is_host_name(text)
        || bare_ipv6()
        || ListenAddress::parse(text).is_some_and(|address| address.host.is_some())
}

/// `https://host[:port]` and nothing after it: what browsers send as `Origin`.
pub(crate) fn is_origin(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, host)| {
        let scheme_fits = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        scheme_fits && is_host(host)
    })
}

/// An address that links can start with: http or https, no user, query or fragment.
pub(crate) fn is_public_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b);
        is_host(host) && path.bytes().all(plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_host_means_every_interface() {
        let all = ListenAddress::parse(":8080").unwrap();
        assert_eq!((all.host.as_deref(), all.port), (None, 8080));
        assert!(!all.is_loopback());
    }

    #[test]
    fn only_what_no_other_machine_can_reach_is_loopback() {
        for (text, loopback) in [
            ("127.0.0.1:0", true),
            ("127.9.9.9:80", true),
            ("[::1]:80", true),
            ("LOCALHOST:80", true),
            ("0.0.0.0:80", false),
            ("[::]:80", false),
            ("localhost.example.com:80", false),
        ] {
            let address = ListenAddress::parse(text).unwrap();
            assert_eq!(address.is_loopback(), loopback, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in ["8080", "", "::1:80", "host:", "host:+80", "host:65536", "a b:80", "[x]:80"] {
            assert_eq!(ListenAddress::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_network_is_an_address_and_the_bits_that_count() {
        assert_eq!(Network::parse("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(Network::parse("::1").unwrap().to_string(), "::1/128");
        for bad in ["10.0.0.0/33", "10.0.0/8", "proxy.internal", "::/129", "10.0.0.0/"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_origin_has_nothing_after_its_host_and_a_public_url_no_query() {
        assert!(is_origin("https://console.example.com:8443"));
        assert!(!is_origin("https://console.example.com/"));
        assert!(!is_origin("*"));
        assert!(is_public_url("https://mcp.example.com/base"));
        assert!(!is_public_url("https://user@mcp.example.com"));
        assert!(!is_public_url("javascript://mcp.example.com"));
    }
}
