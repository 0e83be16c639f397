//! Too many bad tokens.

use std::sync::Arc;

use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Request, StatusCode};
use mcp_auth_http::AuthLayer;
use mcp_identity::{Caller, RequestId, SystemClock};

use crate::support::{Answer, House, reached, seen_by_client, through};

/// A hundred in a minute, unless the builder of `Auth` is told otherwise.
const QUOTA: usize = 100;

async fn ask(house: &House, from: u8, authorization: &str) -> Answer {
    let request_id = RequestId::from_bytes([0; 16]);
    let caller = Caller { address: [192, 0, 2, from].into(), agent: None, request_id };
    let request = Request::post("/").header("authorization", authorization).extension(caller);
    let layer = AuthLayer::new(Arc::new(house.auth.clone()), Arc::new(SystemClock));
    through(&layer, request.body(()).unwrap()).await
}

async fn exhaust(house: &House, authorization: &str) {
    for n in 0..QUOTA {
        let answer = ask(house, 1, authorization).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{n}");
    }
}

#[tokio::test]
async fn too_many_bad_tokens_are_told_when_to_come_back() {
    let house = House::with(&["good"]).await;
    exhaust(&house, "Bearer bad").await;
    let answer = ask(&house, 1, "Bearer bad").await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(!answer.headers().contains_key(WWW_AUTHENTICATE));
    let wait: u64 = answer.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(!reached(&answer));
    let (_, _, body) = seen_by_client(answer).await;
    assert_eq!(body, r#"{"error":"Too Many Requests"}"#);
    assert_eq!(ask(&house, 2, "Bearer bad").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_good_token_passes_from_an_address_that_is_limited() {
    let house = House::with(&["good"]).await;
    exhaust(&house, "Bearer bad").await;
    assert_eq!(ask(&house, 1, "Bearer bad").await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(reached(&ask(&house, 1, "Bearer good").await));
}

#[tokio::test]
async fn what_is_no_token_at_all_counts_like_a_bad_one() {
    let house = House::with(&["good"]).await;
    exhaust(&house, "Basic Z29vZDpnb29k").await;
    for authorization in ["Basic Z29vZDpnb29k", "Bearer bad"] {
        let answer = ask(&house, 1, authorization).await;
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "{authorization}");
    }
}

#[tokio::test]
async fn whoever_is_limited_does_not_learn_what_was_wrong() {
    let house = House::with(&["revoked"]).await;
    house.revoke("revoked").await;
    house.keep_expired("expired").await;
    exhaust(&house, "Bearer bad").await;
    let mut seen = Vec::new();
    for authorization in ["Bearer bad", "Bearer revoked", "Bearer expired", "Basic Z29vZA=="] {
        let (status, mut headers, body) = seen_by_client(ask(&house, 1, authorization).await).await;
        // The seconds go by.
        headers.retain(|(name, _)| name != RETRY_AFTER.as_str());
        seen.push((status, headers, body));
    }
    seen.dedup();
    assert_eq!(seen.len(), 1);
}
