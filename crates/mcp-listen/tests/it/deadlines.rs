//! Callers who keep us waiting. Each test sees one deadline pass; all others are an hour away.

use mcp_listen::Settings;

use crate::support::{Running, SOON, patient, take};

#[tokio::test]
async fn a_silent_caller_is_closed_at_the_first_byte_deadline() {
    let server = Running::start(Settings { first_byte_timeout: SOON, ..patient() });
    assert_eq!(server.connect().await.until_closed().await, "");
}

#[tokio::test]
async fn headers_that_do_not_end_are_closed_at_the_header_deadline() {
    let server = Running::start(Settings { header_timeout: SOON, ..patient() });
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\n").await;
    client.until_closed().await;
}

#[tokio::test]
async fn the_headers_of_a_second_request_have_a_deadline_of_their_own() {
    let server = Running::start(Settings { header_timeout: SOON, ..patient() });
    let mut client = server.connect().await;
    client.get("/").await;
    client.send("GET / HT").await;
    client.until_closed().await;
}

#[tokio::test]
async fn a_body_that_stops_coming_ends_in_an_error_for_the_service() {
    let server = Running::start(Settings { body_timeout: SOON, ..patient() });
    let mut client = server.connect().await;
    client.send("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf").await;
    let answer = client.until_closed().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    assert!(answer.ends_with("the request body took too long"), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_trickles_cannot_outrun_its_deadline() {
    let server = Running::start(Settings { body_timeout: SOON, ..patient() });
    let mut client = server.connect().await;
    client.send("POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
    // A full pipe of small chunks: there is always one more to read.
    let (mut reading, mut writing) = client.0.into_split();
    let trickle = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        while writing.write_all(b"1\r\nx\r\n").await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    let mut status = [0; 13];
    tokio::io::AsyncReadExt::read_exact(&mut reading, &mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 408 ");
    trickle.abort();
}

#[tokio::test]
async fn an_idle_connection_is_closed_at_the_idle_deadline() {
    let server = Running::start(Settings { idle_timeout: SOON, ..patient() });
    let mut client = server.connect().await;
    client.get("/").await;
    assert_eq!(client.until_closed().await, "");
}

#[tokio::test]
async fn an_idle_connection_outlives_the_header_deadline() {
    let settings = Settings { header_timeout: SOON / 4, first_byte_timeout: SOON, ..patient() };
    let server = Running::start(settings);
    let mut client = server.connect().await;
    client.get("/").await;
    // A silent caller serves as the clock: once he is closed, four header deadlines have passed.
    server.connect().await.until_closed().await;
    assert!(client.get("/").await.ends_with("hello"));
}

#[tokio::test]
async fn a_request_that_takes_its_time_has_no_deadline() {
    let settings = Settings {
        first_byte_timeout: SOON,
        header_timeout: SOON / 4,
        idle_timeout: SOON / 4,
        ..patient()
    };
    let server = Running::start(settings);
    let mut client = server.connect().await;
    client.send("GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    take(&server.inside.waiting).await;
    // The clock again.
    server.connect().await.until_closed().await;
    server.inside.gate.add_permits(1);
    assert!(client.answer().await.ends_with("waited"));
}

#[tokio::test]
async fn a_caller_who_does_not_take_his_answer_is_cut_off() {
    let server = Running::start(Settings { idle_timeout: SOON, ..patient() });
    let mut client = server.connect().await;
    client.send("GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").await;
    take(&server.inside.given_up).await;
}
