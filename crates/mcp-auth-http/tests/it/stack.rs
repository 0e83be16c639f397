//! The layers together, in the order that they ask for.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;

use http::Request;
use mcp_auth_http::{
    AuthLayer, ClientAddressLayer, HostOriginLayer, HostOriginSettings, PeerAddress,
    RequestIdLayer, RequireAuthLayer, TrustedProxies,
};
use mcp_identity::{SystemClock, SystemEntropy};
use tower::{Service, ServiceBuilder, ServiceExt as _, service_fn};

use crate::support::{Answer, House, reached, show};

/// What axum and hyper ask of a service and its future is asked here.
fn stack(
    house: &House,
) -> impl Service<Request<()>, Response = Answer, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ Sync
+ 'static {
    let auth = Arc::new(house.auth.clone());
    ServiceBuilder::new()
        .layer(RequestIdLayer::new(Arc::new(SystemEntropy)))
        .layer(ClientAddressLayer::new(TrustedProxies::none()))
        .layer(HostOriginLayer::new(HostOriginSettings::loopback()))
        .layer(AuthLayer::new(auth, Arc::new(SystemClock)))
        .layer(RequireAuthLayer::new())
        .service(service_fn(show))
}

fn request(headers: &[(&str, &str)]) -> Request<()> {
    let request = Request::post("/").extension(PeerAddress(Ipv4Addr::LOCALHOST.into()));
    let all = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    all.body(()).unwrap()
}

#[tokio::test]
async fn a_good_request_goes_all_the_way() {
    let house = House::with(&["good"]).await;
    let headers = [("host", "localhost:8080"), ("authorization", "Bearer good")];
    let Ok(answer) = stack(&house).oneshot(request(&headers)).await;
    assert!(reached(&answer));
}

#[tokio::test]
async fn every_refusal_carries_the_name_of_its_request() {
    let house = House::with(&["good"]).await;
    let refusals: [&[(&str, &str)]; 4] = [
        &[("authorization", "Bearer good")],
        &[("host", "evil.example"), ("authorization", "Bearer good")],
        &[("host", "localhost"), ("authorization", "Bearer bad")],
        &[("host", "localhost")],
    ];
    for (headers, status) in refusals.iter().zip([400, 403, 401, 401]) {
        let Ok(answer) = stack(&house).oneshot(request(headers)).await;
        assert_eq!(answer.status(), status, "{headers:?}");
        assert!(answer.headers().contains_key("x-request-id"), "{headers:?}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_does_not_learn_whether_a_token_is_good() {
    let house = House::with(&["good"]).await;
    let answer = async |token: &str| {
        let authorization = format!("Bearer {token}");
        let headers = [
            ("host", "localhost"),
            ("origin", "https://evil.example"),
            ("authorization", &authorization),
            ("x-request-id", "1"),
        ];
        let Ok(answer) = stack(&house).oneshot(request(&headers)).await;
        crate::support::seen_by_client(answer).await
    };
    assert_eq!(answer("good").await, answer("bad").await);
}
