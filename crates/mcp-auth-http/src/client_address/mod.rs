//! Where a request comes from.

mod forwarded;
mod network;

use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{Extensions, HeaderMap, Request, Response, StatusCode};
use mcp_identity::{Caller, RequestId};
use tower_layer::Layer;
use tower_service::Service;

pub use network::{AddressRange, AddressRangeError};

use crate::answer::MaybeAnswered;
use crate::denial;

/// The other end of the TCP connection. The server puts it into the extensions of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

/// The proxies whose word about their clients is believed. Of everybody else, the headers are
/// not even read: anybody can send them.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[AddressRange]>);

impl TrustedProxies {
    /// No proxy: the peer is the client.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Believes whoever connects from one of these.
    #[must_use]
    pub fn new(ranges: impl IntoIterator<Item = AddressRange>) -> Self {
        Self(ranges.into_iter().collect())
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(address))
    }

    /// The client's address, in its shortest form: mapped IPv4 is IPv4.
    ///
    /// The proxies append on the right, so the right-most hop that is no proxy of ours is the
    /// last one that somebody we trust has seen. Everything left of it is hearsay.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let trusts = |address| self.trusts(address);
        let listed = forwarded::last_untrusted(forwarded::x_forwarded_for(headers), trusts);
        let named = forwarded::last_untrusted(forwarded::forwarded(headers), trusts);
        match (listed, named) {
            // A proxy writes one of the two, and the client may have sent the other. Where they
            // differ nobody knows which is which: only the proxy itself is certain.
            (Some(listed), Some(named)) if listed != named => peer,
            (Some(address), _) | (None, Some(address)) => address,
            (None, None) => peer,
        }
    }
}

/// Says who called: a [`Caller`] with address, agent and request id goes into the extensions.
///
/// Stands below [`RequestIdLayer`](crate::RequestIdLayer), whose id it needs, and above
/// everything that counts or records by address: refusals of the layers below included.
#[derive(Clone, Debug)]
pub struct ClientAddressLayer {
    proxies: TrustedProxies,
    peer: fn(&Extensions) -> Option<IpAddr>,
}

impl ClientAddressLayer {
    /// Believes `proxies` about their clients, and the server about the [`PeerAddress`].
    #[must_use]
    pub fn new(proxies: TrustedProxies) -> Self {
        let peer = |extensions: &Extensions| extensions.get::<PeerAddress>().map(|peer| peer.0);
        Self { proxies, peer }
    }

    /// For a server that says in another way who is at the other end, such as axum's
    /// `ConnectInfo`.
    #[must_use]
    pub fn peer_from(self, peer: fn(&Extensions) -> Option<IpAddr>) -> Self {
        Self { peer, ..self }
    }
}

impl<S> Layer<S> for ClientAddressLayer {
    type Service = ClientAddressService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ClientAddressService { inner, layer: self.clone() }
    }
}

/// The service of [`ClientAddressLayer`].
#[derive(Clone, Debug)]
pub struct ClientAddressService<S> {
    inner: S,
    layer: ClientAddressLayer,
}

impl<S, B, R> Service<Request<B>> for ClientAddressService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = MaybeAnswered<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let extensions = request.extensions();
        let (peer, id) = ((self.layer.peer)(extensions), extensions.get::<RequestId>());
        let (Some(peer), Some(request_id)) = (peer, id) else {
            // The stack was put together wrongly. To guess an address would be to give all
            // callers the same one.
            tracing::error!("A request came without its peer's address or without a RequestId");
            let response = denial::refuse(StatusCode::INTERNAL_SERVER_ERROR, denial::body);
            return MaybeAnswered::answered(response);
        };
        let caller = Caller {
            address: self.layer.proxies.client(peer, request.headers()),
            agent: agent(request.headers()),
            request_id: request_id.clone(),
        };
        request.extensions_mut().insert(caller);
        MaybeAnswered::waiting(self.inner.call(request))
    }
}

/// The longest agent that is kept, in bytes. It is stored with sessions and audit lines.
const MAX_AGENT_BYTES: usize = 512;

fn agent(headers: &HeaderMap) -> Option<Arc<str>> {
    let sent = headers.get(USER_AGENT)?.as_bytes();
    let kept = &sent[..sent.len().min(MAX_AGENT_BYTES)];
    Some(String::from_utf8_lossy(kept).into())
}
