//! Requests on clear text: well-formed, too large, and made to be misunderstood.

use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;

use mcp_listen::Settings;

use crate::support::{Running, patient, take};

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = Running::start(patient());
    let mut client = server.connect().await;
    for _ in 0..3 {
        assert!(client.get("/").await.ends_with("\r\n\r\nhello"));
    }
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_a_row() {
    let server = Running::start(patient());
    let mut client = server.connect().await;
    client
        .send(
            "GET / HTTP/1.1\r\nhost: a\r\n\r\n\
             POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\ntwo\
             GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        )
        .await;
    assert!(client.answer().await.ends_with("hello"));
    assert!(client.answer().await.ends_with("two"));
    assert!(client.answer().await.ends_with("hello"));
}

#[tokio::test]
async fn a_request_knows_its_peer() {
    let server = Running::start(patient());
    let mut client = server.connect().await;
    let address = client.0.local_addr().unwrap().to_string();
    assert!(client.get("/peer").await.ends_with(&address));
}

#[tokio::test]
async fn headers_of_up_to_16_kib_pass_and_more_is_refused_with_431() {
    let server = Running::start(patient());
    let request =
        |padding: usize| format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(padding));
    let frame = request(0).len();
    let mut client = server.connect().await;
    client.send(request(16 * 1024 - frame)).await;
    assert!(client.answer().await.starts_with("HTTP/1.1 200 "));

    let mut client = server.connect().await;
    client.send(request(16 * 1024 - frame + 1)).await;
    assert!(client.until_closed().await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_header_block_without_end_is_refused_with_431() {
    let server = Running::start(patient());
    let mut client = server.connect().await;
    client.send(format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(16 * 1024))).await;
    assert!(client.until_closed().await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn requests_of_two_meanings_never_reach_the_service() {
    let server = Running::start(patient());
    for shape in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: 5, 6\r\n",
        "content-length: +5\r\n",
        "transfer-encoding: identity\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding : chunked\r\n",
        "x: y\r\n z: folded\r\n",
    ] {
        let mut client = server.connect().await;
        client.send(format!("POST /echo HTTP/1.1\r\nhost: a\r\n{shape}\r\nhello")).await;
        let answer = client.until_closed().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{shape:?}: {answer:?}");
    }
    assert_eq!(server.inside.requests.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_length_beside_chunks_smuggles_no_second_request() {
    let server = Running::start(patient());
    let mut client = server.connect().await;
    client
        .send(
            "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 40\r\n\
             transfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n",
        )
        .await;
    // RFC 9112 §6.3: chunks count, and the connection is closed after the answer; or it is
    // RFC 9112 §6.1: the chunks count, and the connection is closed after the answer. What
    // follows on it is no request.
    client.until_closed().await;
    assert_eq!(server.inside.requests.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_panic_in_the_service_ends_its_connection_and_nothing_else() {
    let server = Running::start(patient());
    let mut steady = server.connect().await;
    assert!(steady.get("/").await.ends_with("hello"));
    let mut client = server.connect().await;
    client.send("GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.until_closed().await, "");
    assert!(steady.get("/").await.ends_with("hello"));
    assert!(server.connect().await.get("/").await.ends_with("hello"));
}

#[tokio::test]
async fn a_caller_who_hangs_up_ends_the_request() {
    let server = Running::start(patient());
    let mut client = server.connect().await;
    client.send("GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    take(&server.inside.waiting).await;
    drop(client);
    take(&server.inside.given_up).await;
}

#[tokio::test]
async fn beyond_the_cap_a_caller_waits_until_another_leaves() {
    let settings = Settings { max_connections: NonZeroUsize::MIN, ..patient() };
    let server = Running::start(settings);
    let mut first = server.connect().await;
    assert!(first.get("/").await.ends_with("hello"));
    let mut second = server.connect().await;
    second.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    for _ in 0..20 {
        first.get("/").await;
    }
    assert_eq!(server.inside.requests.load(Ordering::Relaxed), 21);
    drop(first);
    assert!(second.answer().await.ends_with("hello"));
}
