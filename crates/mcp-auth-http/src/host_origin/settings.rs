//! Which hosts and origins are ours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::HeaderName;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};

use super::authority::{Authority, Host, Origin};
use crate::request_id::X_REQUEST_ID;

/// What [`HostOriginLayer`](super::HostOriginLayer) lets through.
#[derive(Clone, Debug)]
pub struct HostOriginSettings {
    /// The names under which this server is called. Any other is a name that somebody else
    /// pointed here (DNS rebinding).
    pub allowed_hosts: Vec<AllowedHost>,
    /// The pages that may call it from a browser. Programs send no origin and are not asked.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// The request headers that such a page may send.
    pub request_headers: Vec<HeaderName>,
    /// The response headers that such a page may read.
    pub response_headers: Vec<HeaderName>,
}

impl HostOriginSettings {
    /// This machine alone, as `localhost`, `127.0.0.1` and `[::1]`: every port, http and https.
    /// With the headers that MCP clients send and read.
    #[must_use]
    pub fn loopback() -> Self {
        let hosts = || {
            [
                HostPattern::Name("localhost".into()),
                HostPattern::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                HostPattern::Address(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            ]
        };
        let origins = |scheme: &'static str| {
            hosts().map(|host| AllowedOrigin { scheme: scheme.into(), host, port: Port::Any })
        };
        let own = HeaderName::from_static;
        Self {
            allowed_hosts: hosts().map(|host| AllowedHost { host, port: None }).into(),
            allowed_origins: [origins("http"), origins("https")].concat(),
            request_headers: vec![
                ACCEPT,
                AUTHORIZATION,
                CONTENT_TYPE,
                own("last-event-id"),
                own("mcp-method"),
                own("mcp-name"),
                own("mcp-protocol-version"),
                own("mcp-session-id"),
                X_REQUEST_ID,
            ],
            response_headers: vec![own("mcp-session-id"), WWW_AUTHENTICATE, X_REQUEST_ID],
        }
    }
}

/// A name under which this server is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    host: HostPattern,
    /// `None`: every port, said or not.
    port: Option<u16>,
}

impl AllowedHost {
    /// Reads `host` (on every port) or `host:port`; an IPv6 address in brackets.
    ///
    /// # Errors
    /// Anything else. There are no wildcards.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let authority = Authority::parse(text).ok_or(PatternError::Host)?;
        Ok(Self { host: HostPattern::from(authority.host), port: authority.port })
    }

    pub(super) fn allows(&self, presented: &Authority<'_>) -> bool {
        let port_fits = match (self.port, presented.port) {
            (None, _) => true,
            (Some(allowed), Some(port)) => allowed == port,
            // Clients leave the scheme's own port out.
            (Some(allowed), None) => matches!(allowed, 80 | 443),
        };
        port_fits && self.host.is(&presented.host)
    }
}

/// Where a page may come from that calls this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin {
    scheme: Box<str>,
    host: HostPattern,
    port: Port,
}

impl AllowedOrigin {
    /// Reads `scheme://host`, `scheme://host:port`, or `scheme://host:*` for every port. Without
    /// a port it is the scheme's own.
    ///
    /// # Errors
    /// Anything else: `null` and `*` above all, and a path, even `/`.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let (origin, any_port) = match text.strip_suffix(":*") {
            Some(origin) => (origin, true),
            None => (text, false),
        };
        let parsed = Origin::parse(origin).ok_or(PatternError::Origin)?;
        let port = if any_port { Port::Any } else { Port::Exactly(parsed.port) };
        let scheme = parsed.scheme.to_ascii_lowercase().into();
        Ok(Self { scheme, host: HostPattern::from(parsed.host), port })
    }

    pub(super) fn allows(&self, presented: &Origin<'_>) -> bool {
        let port_fits = match self.port {
            Port::Any => true,
            Port::Exactly(port) => port == presented.port,
        };
        port_fits
            && self.scheme.eq_ignore_ascii_case(presented.scheme)
            && self.host.is(&presented.host)
    }
}

/// Why a text allows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// No host.
    #[error("expected a host like example.com, example.com:8080 or [::1]")]
    Host,
    /// No origin.
    #[error("expected an origin like https://example.com or http://localhost:*")]
    Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    Any,
    /// `None`: a scheme without ports.
    Exactly(Option<u16>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    Name(Box<str>),
    Address(IpAddr),
}

impl HostPattern {
    fn is(&self, presented: &Host<'_>) -> bool {
        let host = match self {
            Self::Name(name) => Host::Name(name),
            Self::Address(address) => Host::Address(*address),
        };
        host == *presented
    }
}

impl From<Host<'_>> for HostPattern {
    fn from(host: Host<'_>) -> Self {
        match host {
            Host::Name(name) => Self::Name(name.to_ascii_lowercase().into()),
            Host::Address(address) => Self::Address(address),
        }
    }
}
