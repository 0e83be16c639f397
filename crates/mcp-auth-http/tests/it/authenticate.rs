//! Who it is, and whether he may still be here.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Request, StatusCode};
use mcp_auth::OpenDoor;
use mcp_auth_http::{AuthLayer, RequireAuthLayer};
use mcp_identity::{CredentialFault, Denial, Principal, PrincipalId, SystemClock};
use tokio::sync::oneshot;
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt as _, service_fn};

use crate::support::{
    Answer, House, Reached, house_of_alice, reached, seen_by_client, show, through,
};

fn layer(house: &House) -> AuthLayer {
    AuthLayer::new(Arc::new(house.auth.clone()), Arc::new(SystemClock))
}

fn bearing(token: &str) -> Request<()> {
    saying(&format!("Bearer {token}"))
}

fn saying(authorization: &str) -> Request<()> {
    Request::post("/").header("authorization", authorization).body(()).unwrap()
}

fn principal(answer: &Answer) -> Option<&Arc<Principal>> {
    answer.extensions().get()
}

fn is_malformed(answer: &Answer) -> bool {
    let malformed = Denial::BadCredential(CredentialFault::Malformed);
    answer.status() == 401
        && answer.headers()[WWW_AUTHENTICATE] == r#"Bearer error="invalid_token""#
        && answer.extensions().get() == Some(&malformed)
        && !reached(answer)
}

#[tokio::test]
async fn a_good_token_becomes_a_principal_and_goes_no_further() {
    let house = House::with(&["good"]).await;
    let answer = through(&layer(&house), bearing("good")).await;
    assert_eq!(principal(&answer).unwrap().id.to_string(), "token:good");
    assert!(!answer.extensions().get::<Reached>().unwrap().authorization);
}

#[tokio::test]
async fn a_session_token_opens_the_same_door() {
    let house = house_of_alice(Duration::from_hours(1)).await;
    let opened = house.session().await;
    let answer = through(&layer(&house), bearing(opened.token.expose())).await;
    let principal = principal(&answer).unwrap();
    assert_eq!(principal.id, PrincipalId::Session(opened.id));
    assert_eq!(principal.user, Some(opened.user));
    assert!(!answer.extensions().get::<Reached>().unwrap().authorization);
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case_and_with_any_number_of_spaces() {
    let house = House::with(&["good"]).await;
    for value in ["bearer good", "BEARER good", "bEaReR good", "Bearer   good"] {
        assert!(reached(&through(&layer(&house), saying(value)).await), "{value}");
    }
}

#[tokio::test]
async fn a_stranger_passes_without_a_principal() {
    let house = House::with(&["good"]).await;
    let answer = through(&layer(&house), Request::post("/").body(()).unwrap()).await;
    assert!(reached(&answer));
    assert!(principal(&answer).is_none());
}

#[tokio::test]
async fn of_two_authorization_headers_neither_wins() {
    let house = House::with(&["good"]).await;
    for pair in [["Bearer good", "Bearer bad"], ["Bearer bad", "Bearer good"], ["Bearer good"; 2]] {
        let request = pair
            .iter()
            .fold(Request::post("/"), |request, value| request.header("authorization", *value));
        let answer = through(&layer(&house), request.body(()).unwrap()).await;
        assert!(is_malformed(&answer), "{pair:?}");
    }
}

#[tokio::test]
async fn another_scheme_or_a_malformed_header_is_refused() {
    let house = House::with(&["good"]).await;
    let values = [
        "",
        "good",
        "Bearer",
        "Bearer ",
        "Bearer =",
        "Bearergood",
        "Bearer\tgood",
        "Bearer: good",
        "Bearer good, Bearer good",
        "Bearer good bad",
        "Bearer go=od",
        "Bearer \"good\"",
        "Basic Z29vZDpnb29k",
        "Token good",
        "Bearer g\u{f6}\u{f6}d",
    ];
    for value in values {
        assert!(is_malformed(&through(&layer(&house), saying(value)).await), "{value:?}");
    }
    let mut bytes = Request::post("/").body(()).unwrap();
    let opaque = HeaderValue::from_bytes(b"Bearer good\xff").unwrap();
    bytes.headers_mut().insert("authorization", opaque);
    assert!(is_malformed(&through(&layer(&house), bytes).await));
}

#[tokio::test]
async fn a_token_in_the_query_or_a_cookie_is_never_read() {
    let house = House::with(&["good"]).await;
    for target in ["/?access_token=good", "/?token=good&Authorization=Bearer%20good"] {
        let request = Request::post(target).header("cookie", "access_token=good");
        let answer = through(&layer(&house), request.body(()).unwrap()).await;
        assert!(principal(&answer).is_none(), "{target}");
    }
}

#[tokio::test]
async fn every_401_has_the_same_body_and_every_bad_token_the_same_headers() {
    let house = House::with(&["revoked"]).await;
    house.revoke("revoked").await;
    house.keep_expired("expired").await;
    let people = house_of_alice(Duration::from_hours(1)).await;
    let ended = people.ended_session().await;
    let hasty = house_of_alice(Duration::ZERO).await;
    let over = hasty.session().await;
    let answer = async |house: &House, request| {
        let door = ServiceBuilder::new().layer(layer(house)).layer(RequireAuthLayer::new());
        let Ok(answer) = door.service(service_fn(show)).oneshot(request).await;
        seen_by_client(answer).await
    };
    let (status, headers, body) = answer(&house, bearing("unknown")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(body, r#"{"error":"Unauthorized"}"#);
    for (house, request) in [
        (&house, bearing("expired")),
        (&house, bearing("revoked")),
        (&house, saying("Basic Z29vZA==")),
        (&people, bearing(ended.token.expose())),
        (&hasty, bearing(over.token.expose())),
    ] {
        assert_eq!(answer(house, request).await, (status, headers.clone(), body.clone()));
    }
    let (status, headers, nothing) = answer(&house, Request::post("/").body(()).unwrap()).await;
    assert_eq!((status, nothing), (StatusCode::UNAUTHORIZED, body));
    let told: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let expected = [
        "cache-control: no-store",
        "content-type: application/json",
        "www-authenticate: Bearer",
        "x-content-type-options: nosniff",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn the_reason_of_a_refusal_is_kept_for_the_audit_log() {
    let house = House::with(&[]).await;
    house.keep_expired("expired").await;
    for (token, fault) in
        [("unknown", CredentialFault::Unknown), ("expired", CredentialFault::Expired)]
    {
        let answer = through(&layer(&house), bearing(token)).await;
        assert_eq!(answer.extensions().get(), Some(&Denial::BadCredential(fault)));
    }
}

#[tokio::test]
async fn a_token_revoked_in_the_middle_of_its_request_cuts_it() {
    let house = House::with(&["good"]).await;
    let (working, mut work_dropped) = oneshot::channel::<()>();
    let working = Arc::new(std::sync::Mutex::new(Some(working)));
    let (started, has_started) = oneshot::channel();
    let started = Arc::new(std::sync::Mutex::new(Some(started)));
    let never_done = layer(&house).layer(service_fn(move |_: Request<()>| {
        let work = working.lock().unwrap().take();
        let started = started.lock().unwrap().take();
        async move {
            let _work = work;
            started.unwrap().send(()).unwrap();
            std::future::pending::<Result<Answer, Infallible>>().await
        }
    }));
    let request = tokio::spawn(never_done.oneshot(bearing("good")));
    has_started.await.unwrap();
    house.revoke("good").await;
    let Ok(answer) = request.await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let ended = Denial::BadCredential(CredentialFault::Ended);
    assert_eq!(answer.extensions().get(), Some(&ended));
    assert!(
        work_dropped.try_recv().is_err_and(|gone| gone == oneshot::error::TryRecvError::Closed)
    );
}

#[tokio::test]
async fn a_request_whose_lease_ended_before_it_began_does_no_work() {
    let house = House::with(&["good"]).await;
    let work = async |_: Request<()>| -> Result<Answer, _> { Err("work was done") };
    let mut service = layer(&house).layer(service_fn(work));
    let request = service.call(bearing("good"));
    house.revoke("good").await;
    let answer = request.await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_stopped_keeper_refuses_who_was_let_in_before() {
    let house = House::with(&["good"]).await;
    assert!(reached(&through(&layer(&house), bearing("good")).await));
    house.keeping.abort();
    assert!(house.keeping.await.unwrap_err().is_cancelled());
    let door = AuthLayer::new(Arc::new(house.auth.clone()), Arc::new(SystemClock));
    assert_eq!(through(&door, bearing("good")).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_open_door_makes_everybody_local() {
    let door = AuthLayer::new(Arc::new(OpenDoor::let_everybody_in()), Arc::new(SystemClock));
    for request in [Request::post("/").body(()).unwrap(), bearing("whatever")] {
        let answer = through(&door, request).await;
        assert_eq!(principal(&answer).unwrap().id, PrincipalId::Local);
    }
}

#[tokio::test]
async fn an_embedder_may_write_his_own_refusal() {
    let house = House::with(&[]).await;
    let own = |status: StatusCode| format!("{{\"detail\":{}}}", status.as_u16()).into();
    let strict = ServiceBuilder::new()
        .layer(layer(&house).render_with(own))
        .layer(RequireAuthLayer::new().render_with(own))
        .service(service_fn(show));
    for request in [bearing("bad"), Request::post("/").body(()).unwrap()] {
        let Ok(answer) = strict.clone().oneshot(request).await;
        let (_, _, body) = seen_by_client(answer).await;
        assert_eq!(body, r#"{"detail":401}"#);
    }
}

#[tokio::test]
async fn without_an_auth_layer_everybody_is_a_stranger() {
    let answer = through(&RequireAuthLayer::new(), bearing("good")).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(!reached(&answer));
}

#[tokio::test]
async fn a_layer_waits_for_the_service_below() {
    let house = House::with(&[]).await;
    let busy = layer(&house).layer(Busy);
    let mut busy = std::pin::pin!(busy.oneshot(bearing("good")));
    let polled = std::future::poll_fn(|cx| Poll::Ready(busy.as_mut().poll(cx).is_pending()));
    assert!(polled.await, "asked although it was not ready");
}

#[derive(Clone)]
struct Busy;

impl tower::Service<Request<()>> for Busy {
    type Response = Answer;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        show(request)
    }
}
