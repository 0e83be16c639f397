//! Who was let in by another server: the request waits until that is known, and nothing else does.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use http::{Request, StatusCode};
use mcp_auth::Auth;
use mcp_auth_http::AuthLayer;
use mcp_identity::{
    Clock as _, CredentialFault, Denial, PlainToken, Principal, SystemClock, SystemEntropy,
};
use tower::{Layer as _, Service as _, service_fn};

use crate::support::{
    Answer, Reached, caller, reached, seen_by_client, show, through, two_houses_of_alice,
};

fn layer(auth: &Auth) -> AuthLayer {
    AuthLayer::new(Arc::new(auth.clone()), Arc::new(SystemClock))
}

fn bearing(token: &PlainToken) -> Request<()> {
    let request = Request::post("/").header("authorization", format!("Bearer {}", token.expose()));
    request.extension(caller()).body(()).unwrap()
}

/// Whether it is answered yet, asked once.
async fn waits<F: Future>(answer: &mut Pin<Box<F>>) -> bool {
    poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx).is_pending())).await
}

#[tokio::test]
async fn a_request_of_another_servers_session_waits_for_it_and_goes_on_as_every_other() {
    let (there, here, keeper) = two_houses_of_alice().await;
    let opened = there.session().await;
    let door = layer(&here);
    let mut answer = Box::pin(through(&door, bearing(&opened.token)));
    assert!(waits(&mut answer).await, "its keeper does not run yet");
    let _keeping = tokio::spawn(keeper.run(std::future::pending()));
    let answer = answer.await;
    let principal = answer.extensions().get::<Arc<Principal>>().unwrap();
    assert_eq!(principal.user, Some(opened.user));
    assert!(!answer.extensions().get::<Reached>().unwrap().authorization);
}

#[tokio::test]
async fn while_one_request_waits_the_next_is_answered() {
    let (there, here, keeper) = two_houses_of_alice().await;
    let opened = there.session().await;
    let mut service = layer(&here).layer(service_fn(show));
    let mut waiting = Box::pin(service.call(bearing(&opened.token)));
    assert!(waits(&mut waiting).await);
    let stranger = service.call(Request::post("/").body(()).unwrap()).await.unwrap();
    assert!(reached(&stranger));
    let _keeping = tokio::spawn(keeper.run(std::future::pending()));
    assert!(reached(&waiting.await.unwrap()));
}

#[tokio::test]
async fn what_was_asked_for_in_vain_is_refused_with_the_same_bytes() {
    let (there, here, _keeper) = two_houses_of_alice().await;
    let ended = there.ended_session().await;
    let refused = through(&layer(&there.auth), bearing(&ended.token)).await;
    let expected = seen_by_client(refused).await;
    assert_eq!(expected.0, StatusCode::UNAUTHORIZED);
    for token in [ended.token, PlainToken::generate(&SystemEntropy).unwrap()] {
        let answer = through(&layer(&here), bearing(&token)).await;
        let unknown = Denial::BadCredential(CredentialFault::Unknown);
        assert_eq!(answer.extensions().get(), Some(&unknown));
        assert_eq!(seen_by_client(answer).await, expected);
    }
}

#[tokio::test]
async fn a_session_that_was_asked_for_and_then_ends_cuts_its_request() {
    let (there, here, keeper) = two_houses_of_alice().await;
    let opened = there.session().await;
    let _keeping = tokio::spawn(keeper.run(std::future::pending()));
    let endless = service_fn(async |_: Request<()>| {
        std::future::pending::<Result<Answer, Infallible>>().await
    });
    let mut answer = Box::pin(layer(&here).layer(endless).call(bearing(&opened.token)));
    while here.bearer(opened.token.expose().as_bytes(), SystemClock.now()).is_err() {
        assert!(waits(&mut answer).await);
        tokio::task::yield_now().await;
    }
    assert!(waits(&mut answer).await, "it was let in, and works");
    let token = opened.token.expose().as_bytes();
    let principal = there.auth.bearer(token, SystemClock.now()).unwrap();
    assert!(there.auth.log_out(&principal, &caller()).await.unwrap());
    assert_eq!(answer.await.unwrap().status(), StatusCode::UNAUTHORIZED);
}
