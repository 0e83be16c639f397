//! The HTTP layers, in the order in which a request meets them: the product's own.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use mcp_auth::Authenticate;
use mcp_auth_http::{
    AuthLayer, ClientAddressLayer, HostOriginLayer, HostOriginSettings, PeerAddress,
    RequestIdLayer, TrustedProxies,
};
use mcp_identity::{SystemClock, SystemEntropy};
use mcp_listen::{Peer, RequestBody};
use mcp_transport::{McpService, ResponseBody};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};
use tower_http::catch_panic::CatchPanicLayer;
use tower_layer::Layer as _;
use tower_service::Service;

/// The path of the endpoint.
pub(crate) const PATH: &str = "/mcp";

/// The whole service behind the listener.
pub(crate) fn stack(
    mcp: McpService,
    judge: Arc<dyn Authenticate>,
) -> impl Service<
    Request<RequestBody>,
    Response = Response<
        impl Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    >,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static {
    let endpoint = AuthLayer::new(judge, Arc::new(SystemClock)).layer(mcp);
    let router = service_fn(move |request: Request<RequestBody>| {
        let endpoint = endpoint.clone();
        async move {
            if request.uri().path() == PATH {
                endpoint.oneshot(request).await
            } else {
                Ok(empty(StatusCode::NOT_FOUND))
            }
        }
    });
    ServiceBuilder::new()
        .map_request(with_peer_address)
        // Outermost: a panic below must still end in a response.
        .layer(CatchPanicLayer::custom(|_| empty(StatusCode::INTERNAL_SERVER_ERROR)))
        .layer(RequestIdLayer::new(Arc::new(SystemEntropy)))
        .layer(ClientAddressLayer::new(TrustedProxies::none()))
        // Before authentication: a page of another site must not even learn whether a token is
        // good.
        .layer(HostOriginLayer::new(HostOriginSettings::loopback()))
        .service(router)
}

fn with_peer_address(mut request: Request<RequestBody>) -> Request<RequestBody> {
    if let Some(Peer(address)) = request.extensions().get().copied() {
        request.extensions_mut().insert(PeerAddress(address.ip()));
    }
    request
}

fn empty(status: StatusCode) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = status;
    response
}
