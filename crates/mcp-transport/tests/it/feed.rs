//! What a session hears between its requests.

use http::StatusCode;
use mcp_protocol::Change;
use mcp_transport::BodyError;
use serde_json::json;

use crate::client::{Client, request};
use crate::events::EventStream;
use crate::play::not_soon;
use crate::service::{BILL, Endpoint, Plan};

async fn listen(client: &Client) -> EventStream {
    let response = client.get().await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    EventStream::of(response)
}

async fn subscribe(client: &Client, method: &str) {
    let response = client.post(&request(method, &json!({ "uri": BILL }))).await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_session_hears_that_lists_changed_and_what_it_subscribed_to_and_nothing_else() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let mut feed = listen(&client).await;
    let updated = || endpoint.announcer.announce(Change::Resource(BILL.into()));
    for (change, method) in [
        (Change::Tools, "notifications/tools/list_changed"),
        (Change::Prompts, "notifications/prompts/list_changed"),
        (Change::Resources, "notifications/resources/list_changed"),
    ] {
        updated();
        endpoint.announcer.announce(change);
        assert_eq!(feed.next().await.method(), method);
    }
    subscribe(&client, "resources/subscribe").await;
    endpoint.announcer.announce(Change::Resource("theatre://other".into()));
    updated();
    let message = feed.next().await.message();
    assert_eq!(message["method"], "notifications/resources/updated");
    assert_eq!(message["params"], json!({ "uri": BILL }));
    subscribe(&client, "resources/unsubscribe").await;
    updated();
    not_soon(feed.wait()).await;
}

#[tokio::test(start_paused = true)]
async fn what_one_session_subscribed_to_no_other_hears() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let other = endpoint.client("token-2").in_session("2025-11-25").await;
    let (mut own, mut foreign) = (listen(&client).await, listen(&other).await);
    subscribe(&client, "resources/subscribe").await;
    endpoint.announcer.announce(Change::Resource(BILL.into()));
    assert_eq!(own.next().await.method(), "notifications/resources/updated");
    not_soon(foreign.wait()).await;
}

#[tokio::test(start_paused = true)]
async fn the_messages_of_requests_are_not_heard_between_them() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let mut feed = listen(&client).await;
    let events = client.watch(&["log", "progress", "told"]).await.rest().await;
    assert_eq!(events.len(), 4);
    not_soon(feed.wait()).await;
}

#[tokio::test(start_paused = true)]
async fn one_listener_is_enough_and_another_may_come_after_it() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let first = listen(&client).await;
    assert_eq!(client.get().await.status(), StatusCode::CONFLICT);
    // What was missed of a request is another stream.
    assert_eq!(client.get_after("1-0").await.status(), StatusCode::OK);
    drop(first);
    let mut second = listen(&client).await;
    endpoint.announcer.announce(Change::Tools);
    assert_eq!(second.next().await.method(), "notifications/tools/list_changed");
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_ever_announced_there_is_nothing_to_hear() {
    let endpoint = Endpoint::of(Plan { announces: false, ..Plan::default() });
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let response = client.get().await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(response.headers().contains_key("allow"));
    assert_eq!(client.get_after("1-0").await.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn who_takes_no_event_stream_cannot_listen() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    for accept in ["*/*", "application/json"] {
        let client = client.clone().with("accept", accept);
        assert_eq!(client.get().await.status(), StatusCode::NOT_ACCEPTABLE);
    }
    assert_eq!(client.without("accept").get().await.status(), StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test(start_paused = true)]
async fn a_silent_feed_says_that_it_lives() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let mut feed = listen(&client).await;
    let begun = tokio::time::Instant::now();
    for _ in 0..4 {
        assert!(feed.wait().await.unwrap().unwrap().is_comment);
    }
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_feed_ends_with_its_session() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let mut feed = listen(&client).await;
    assert_eq!(client.delete().await.status(), StatusCode::NO_CONTENT);
    assert_eq!(feed.rest().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_feed_ends_when_the_server_stops() {
    let mut endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let mut feed = listen(&client).await;
    endpoint.stop().await;
    assert_eq!(feed.rest().await, []);
    drop(feed);
    assert_eq!(listen(&client).await.rest().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_feed_is_cut_when_its_lease_ends() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let mut feed = listen(&client).await;
    client.holder.revoke();
    assert_eq!(feed.fault().await, BodyError::LeaseEnded);
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_is_too_slow_is_told_that_all_may_have_changed() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let mut feed = listen(&client).await;
    subscribe(&client, "resources/subscribe").await;
    for _ in 0..1_000 {
        endpoint.announcer.announce(Change::Tools);
    }
    let mut methods = Vec::new();
    for _ in 0..4 {
        methods.push(feed.next().await.method());
    }
    assert_eq!(methods[0], "notifications/tools/list_changed");
    assert_eq!(methods[1], "notifications/prompts/list_changed");
    assert_eq!(methods[2], "notifications/resources/list_changed");
    assert_eq!(methods[3], "notifications/resources/updated");
}
