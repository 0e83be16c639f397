//! `host[:port]` and `scheme://host[:port]`, read exactly or not at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who a request is addressed to. Borrowed from its header: reading one allocates nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authority<'a> {
    pub(super) host: Host<'a>,
    pub(super) port: Option<u16>,
}

/// A host, by name or address.
#[derive(Clone, Copy, Debug)]
pub(super) enum Host<'a> {
    Name(&'a str),
    Address(IpAddr),
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(one), Self::Name(other)) => one.eq_ignore_ascii_case(other),
            (Self::Address(one), Self::Address(other)) => one == other,
            (Self::Name(_), Self::Address(_)) | (Self::Address(_), Self::Name(_)) => false,
        }
    }
}

impl<'a> Authority<'a> {
    /// Reads a name, an IPv4 address or a bracketed IPv6 address, with or without a port.
    /// `None` for everything else: user info, a path, an empty port, a zone, an escape.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('[') {
            let (address, rest) = rest.split_once(']')?;
            let host = Host::Address(IpAddr::V6(address.parse::<Ipv6Addr>().ok()?));
            let port = match rest {
                "" => None,
                _ => Some(parse_port(rest.strip_prefix(':')?)?),
            };
            return Some(Self { host, port });
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(parse_port(port)?)),
            None => (text, None),
        };
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if !(1..=253).contains(&name.len()) || !name.bytes().all(safe) {
            return None;
        }
        let host = match name.parse::<Ipv4Addr>() {
            Ok(address) => Host::Address(IpAddr::V4(address)),
            Err(_) => Host::Name(name),
        };
        Some(Self { host, port })
    }
}

/// Where a page comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    pub(super) scheme: &'a str,
    pub(super) host: Host<'a>,
    /// As written, or as the scheme implies.
    pub(super) port: Option<u16>,
}

impl<'a> Origin<'a> {
    /// Reads `scheme://host[:port]` and nothing behind it. `null` is no origin.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let begins = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if !begins || !scheme.bytes().all(safe) {
            return None;
        }
        let Authority { host, port } = Authority::parse(rest)?;
        Some(Self { scheme, host, port: port.or_else(|| default_port(scheme)) })
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    if scheme.eq_ignore_ascii_case("http") {
        Some(80)
    } else if scheme.eq_ignore_ascii_case("https") {
        Some(443)
    } else {
        None
    }
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}
