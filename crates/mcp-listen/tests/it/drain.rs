//! The end of a server.

use mcp_listen::{DrainOutcome, Settings};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Client, PATIENCE, Running, SOON, any_port, patient, take};

#[tokio::test]
async fn a_running_request_finishes_while_new_callers_are_refused() {
    let server = Running::start(patient());
    let address = server.address;
    let mut client = server.connect().await;
    client.send("GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    take(&server.inside.waiting).await;
    let mut idle = server.connect().await;
    idle.get("/").await;

    let inside = server.inside.clone();
    let ending = server.stop();
    // The idle connection is closed once draining has begun: the listener is gone by then.
    idle.until_closed().await;
    TcpStream::connect(address).await.unwrap_err();
    inside.gate.add_permits(1);
    let answer = client.answer().await;
    assert!(answer.contains("\r\nconnection: close\r\n") && answer.ends_with("waited"));
    assert_eq!(client.until_closed().await, "");
    let outcome = timeout(PATIENCE, ending).await.unwrap().unwrap();
    assert_eq!(outcome, DrainOutcome::Finished);
}

#[tokio::test]
async fn a_request_that_does_not_finish_in_time_is_cut() {
    let server = Running::start(Settings { drain_timeout: SOON, ..patient() });
    let mut client = server.connect().await;
    client.send("GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await;
    take(&server.inside.waiting).await;
    let inside = server.inside.clone();
    let outcome = timeout(PATIENCE, server.stop()).await.unwrap().unwrap();
    assert_eq!(outcome, DrainOutcome::Cut { connections: 1 });
    // Cancelled, not left behind.
    take(&inside.given_up).await;
    assert_eq!(client.until_closed().await, "");
}

#[tokio::test]
async fn callers_who_have_said_nothing_do_not_hold_up_the_end() {
    let server = Running::start(patient());
    let mut silent = server.connect().await;
    // Once this one is answered, the silent one before it has been accepted.
    server.connect().await.get("/").await;
    let outcome = timeout(PATIENCE, server.stop()).await.unwrap().unwrap();
    assert_eq!(outcome, DrainOutcome::Finished);
    silent.until_closed().await;
}

#[tokio::test]
async fn a_request_that_waits_in_the_queue_of_the_kernel_is_answered() {
    let listener = any_port();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let mut client = Client(stream);
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let ending = Running::stopped(listener);
    let answer = client.until_closed().await;
    assert!(answer.contains("\r\nconnection: close\r\n") && answer.ends_with("hello"), "{answer}");
    assert_eq!(timeout(PATIENCE, ending).await.unwrap().unwrap(), DrainOutcome::Finished);
}

#[tokio::test]
async fn a_request_that_is_on_its_way_over_a_connection_at_rest_is_the_last_one_answered() {
    let server = Running::start(patient());
    let mut client = server.connect().await;
    assert!(!client.get("/").await.contains("connection:"));
    let ending = server.stop();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let answer = client.until_closed().await;
    assert!(answer.contains("\r\nconnection: close\r\n") && answer.ends_with("hello"), "{answer}");
    assert_eq!(timeout(PATIENCE, ending).await.unwrap().unwrap(), DrainOutcome::Finished);
}

#[tokio::test]
async fn a_request_that_has_come_in_part_may_come_whole() {
    let server = Running::start(patient());
    let (mut client, mut other) = (server.connect().await, server.connect().await);
    for begun in [&mut client, &mut other] {
        begun.get("/").await;
        begun.send("GET /echo HTTP/1.1\r\n").await;
    }
    let mut at_rest = server.connect().await;
    at_rest.get("/").await;
    let ending = server.stop();
    // Once this one is closed, nothing more is waited for that has not begun.
    at_rest.until_closed().await;
    client.send("host: a\r\n\r\n").await;
    assert!(client.until_closed().await.contains("\r\nconnection: close\r\n"));
    drop(other);
    assert_eq!(timeout(PATIENCE, ending).await.unwrap().unwrap(), DrainOutcome::Finished);
}
