//! Every request has a name.

use std::collections::HashSet;
use std::sync::Arc;

use http::{Request, StatusCode};
use mcp_auth_http::RequestIdLayer;
use mcp_identity::{Entropy, EntropyError, RequestId, SystemEntropy};

use crate::support::{Answer, reached, through};

fn layer() -> RequestIdLayer {
    RequestIdLayer::new(Arc::new(SystemEntropy))
}

/// The name that the handler saw and the one that the client was told.
fn names(answer: &Answer) -> (String, String) {
    let seen = answer.extensions().get::<RequestId>().unwrap().to_string();
    (seen, answer.headers()["x-request-id"].to_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_client_may_name_its_request() {
    let request = Request::get("/").header("x-request-id", "req-1.2:3").body(()).unwrap();
    let (seen, told) = names(&through(&layer(), request).await);
    assert_eq!((seen.as_str(), told.as_str()), ("req-1.2:3", "req-1.2:3"));
}

#[tokio::test]
async fn a_request_without_a_name_gets_one_of_its_own() {
    let unnamed = || Request::get("/").body(()).unwrap();
    let (seen, told) = names(&through(&layer(), unnamed()).await);
    assert_eq!(seen, told);
    assert!(seen.len() == 32 && seen.bytes().all(|byte| byte.is_ascii_hexdigit()), "{seen}");
    assert_ne!(names(&through(&layer(), unnamed()).await).0, seen);
}

#[tokio::test]
async fn no_name_is_given_twice() {
    let (layer, mut given) = (layer(), HashSet::new());
    for _ in 0..100 {
        let (seen, _) = names(&through(&layer, Request::get("/").body(()).unwrap()).await);
        assert!(given.insert(seen));
    }
}

#[tokio::test]
async fn a_name_that_could_break_a_log_line_is_replaced() {
    for hostile in ["", "a b", "a\tb", "<script>", "\u{fc}", &"x".repeat(65)] {
        let request = Request::get("/").header("x-request-id", hostile).body(()).unwrap();
        let (seen, told) = names(&through(&layer(), request).await);
        assert_eq!(seen, told);
        assert_ne!(told, hostile);
    }
}

#[tokio::test]
async fn of_two_names_neither_is_taken() {
    let request = Request::get("/")
        .header("x-request-id", "first")
        .header("x-request-id", "second")
        .body(())
        .unwrap();
    let (seen, _) = names(&through(&layer(), request).await);
    assert!(seen != "first" && seen != "second");
}

#[tokio::test]
async fn without_randomness_nothing_is_served() {
    struct Dry;
    impl Entropy for Dry {
        fn fill(&self, _bytes: &mut [u8]) -> Result<(), EntropyError> {
            Err(EntropyError)
        }
    }
    let dry = RequestIdLayer::new(Arc::new(Dry));
    let answer = through(&dry, Request::get("/").body(()).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!reached(&answer));
}
