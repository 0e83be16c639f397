//! What proxies say about their clients: `X-Forwarded-For`, and `Forwarded` (RFC 7239).

use std::net::{IpAddr, Ipv6Addr, SocketAddrV4};

use http::{HeaderMap, HeaderName, header::FORWARDED};

/// The most hops that are looked at. No honest chain is longer.
const MAX_HOPS: usize = 32;

/// The last address on the way from the right that is not trusted. Where all are, the left-most;
/// where a hop is unreadable (`unknown`, `_hidden`, rubbish), the last readable one. `None`
/// without any.
///
/// `hops` come from the right; an unreadable one is `None`.
pub(super) fn last_untrusted(
    hops: impl Iterator<Item = Option<IpAddr>>,
    trusts: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let mut last = None;
    for hop in hops.take(MAX_HOPS) {
        let Some(address) = hop else { break };
        last = Some(address);
        if !trusts(address) {
            break;
        }
    }
    last
}

/// The hops of `X-Forwarded-For`, from the right.
pub(super) fn x_forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    elements(headers, X_FORWARDED_FOR).map(|element| parse_hop(element?))
}

/// The `for=` hops of `Forwarded`, from the right.
///
/// Cut at every comma, quoted or not. An address holds none; and a client that opens a quote and
/// does not close it must not swallow the element that the proxy appended.
pub(super) fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    elements(headers, FORWARDED).map(|element| {
        let mut nodes = element?.split(';').filter_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            name.eq_ignore_ascii_case("for").then_some(value)
        });
        match (nodes.next(), nodes.next()) {
            (Some(node), None) => parse_hop(unquoted(node)?),
            _ => None,
        }
    })
}

/// The elements of a list header, from the right; several lines are one list. What is not ASCII
/// is unreadable: `None`.
fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Option<&str>> {
    headers.get_all(name).into_iter().rev().flat_map(|line| {
        let text = line.to_str().ok();
        let unreadable = text.is_none().then_some(None);
        let parts = text.into_iter().flat_map(|text| text.rsplit(','));
        unreadable.into_iter().chain(parts.map(|part| Some(part.trim())))
    })
}

fn unquoted(value: &str) -> Option<&str> {
    match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"'),
        None => Some(value),
    }
}

/// An address in one of the forms that proxies write: `a`, `a:port`, `[v6]`, `[v6]:port`.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let address = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let bare = port.is_empty() || port.strip_prefix(':')?.parse::<u16>().is_ok();
        bare.then_some(IpAddr::V6(address.parse::<Ipv6Addr>().ok()?))?
    } else if let Ok(with_port) = text.parse::<SocketAddrV4>() {
        IpAddr::V4(*with_port.ip())
    } else {
        text.parse().ok()?
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_is_read_in_every_form_that_proxies_write() {
        let forms = [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ];
        for (text, address) in forms {
            assert_eq!(parse_hop(text), Some(address.parse().unwrap()), "{text}");
        }
        for rubbish in ["", "unknown", "_hidden", "[::1", "[192.0.2.1]", "[::1]x", "1.2.3.4:x"] {
            assert_eq!(parse_hop(rubbish), None, "{rubbish}");
        }
    }

    #[test]
    fn several_lines_are_one_list_read_from_the_right() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "192.0.2.1, 192.0.2.2".parse().unwrap());
        headers.append("x-forwarded-for", "192.0.2.3".parse().unwrap());
        let hops: Vec<_> = x_forwarded_for(&headers).map(|hop| hop.unwrap().to_string()).collect();
        assert_eq!(hops, ["192.0.2.3", "192.0.2.2", "192.0.2.1"]);
    }

    #[test]
    fn the_standard_header_is_read_with_its_quotes_and_parameters() {
        let mut headers = HeaderMap::new();
        let line = r#"for=192.0.2.1;proto=https, For="[2001:db8::1]:4711";by=10.0.0.1, by=x"#;
        headers.append(FORWARDED, line.parse().unwrap());
        let hops: Vec<_> = forwarded(&headers).collect();
        let (v6, v4) = ("2001:db8::1".parse().unwrap(), "192.0.2.1".parse().unwrap());
        assert_eq!(hops, [None, Some(v6), Some(v4)]);
    }

    #[test]
    fn an_endless_chain_is_not_followed() {
        let trusted = Some("10.0.0.1".parse().unwrap());
        let looked_at = std::cell::Cell::new(0);
        let endless = std::iter::repeat_with(|| {
            looked_at.set(looked_at.get() + 1);
            trusted
        });
        assert_eq!(last_untrusted(endless, |_| true), trusted);
        assert_eq!(looked_at.get(), MAX_HOPS);
    }
}
