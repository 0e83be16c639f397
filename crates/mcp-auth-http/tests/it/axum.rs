//! The layers around a router of axum, and the principal as an argument of its handlers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::get;
use axum::{Router, response::Response};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use mcp_auth_http::{AuthLayer, Authenticated, ClientAddressLayer, RequestIdLayer, TrustedProxies};
use mcp_identity::{Caller, SystemClock, SystemEntropy};
use tower::ServiceExt as _;

use crate::support::House;

fn app(house: &House) -> Router {
    Router::new()
        .route("/who", get(async |who: Authenticated| who.id.to_string()))
        .route("/any", get(async |who: Option<Authenticated>| format!("{}", who.is_some())))
        .layer(AuthLayer::new(Arc::new(house.auth.clone()), Arc::new(SystemClock)))
}

async fn ask(app: Router, path: &str, token: Option<&str>) -> Response {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(answer: Response) -> String {
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_handler_takes_the_principal_as_an_argument() {
    let house = House::with(&["good"]).await;
    assert_eq!(text(ask(app(&house), "/who", Some("good")).await).await, "token:good");
    assert_eq!(text(ask(app(&house), "/any", Some("good")).await).await, "true");
}

#[tokio::test]
async fn a_stranger_reaches_only_a_handler_that_expects_one() {
    let house = House::with(&["good"]).await;
    assert_eq!(text(ask(app(&house), "/any", None).await).await, "false");
    let answer = ask(app(&house), "/who", None).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.headers()["www-authenticate"], "Bearer");
    assert_eq!(text(answer).await, r#"{"error":"Unauthorized"}"#);
}

#[tokio::test]
async fn a_bad_token_reaches_no_handler_not_even_one_for_strangers() {
    let house = House::with(&["good"]).await;
    for path in ["/who", "/any"] {
        let answer = ask(app(&house), path, Some("bad")).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn without_the_layer_everybody_is_a_stranger() {
    let open = Router::new().route("/who", get(async |who: Authenticated| who.id.to_string()));
    assert_eq!(ask(open, "/who", Some("good")).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_peer_is_whom_the_server_says_in_its_own_way() {
    let peer = |extensions: &http::Extensions| {
        extensions.get::<ConnectInfo<std::net::SocketAddr>>().map(|peer| peer.0.ip())
    };
    let app = Router::new()
        .route("/", get(async |request: Request<Body>| address(&request)))
        .layer(ClientAddressLayer::new(TrustedProxies::none()).peer_from(peer))
        .layer(RequestIdLayer::new(Arc::new(SystemEntropy)));
    let connected = ConnectInfo("192.0.2.7:4711".parse::<std::net::SocketAddr>().unwrap());
    let request = Request::get("/").extension(connected).body(Body::empty()).unwrap();
    assert_eq!(text(app.clone().oneshot(request).await.unwrap()).await, "192.0.2.7");
    let answer = ask(app, "/", None).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "no address is guessed");
}

fn address(request: &Request<Body>) -> String {
    request.extensions().get::<Caller>().unwrap().address.to_string()
}
