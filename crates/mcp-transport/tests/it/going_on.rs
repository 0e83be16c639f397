//! What becomes of a request whose client went away.

use std::time::Duration;

use http::StatusCode;
use mcp_transport::BodyError;
use serde_json::json;

use crate::client::{Client, modern_headers, modern_play, written};
use crate::events::EventStream;
use crate::play::{PART, not_soon, soon};
use crate::service::{Endpoint, principal};

const MAX_DETACHED: usize = 16;
const LONGEST: Duration = Duration::from_mins(5);

/// Calls the tool and goes away once the stream has begun; the id of what was seen last.
async fn abandon(client: &Client, steps: &[&str]) -> String {
    let mut events = client.watch(steps).await;
    let last = events.next().await.id;
    last.expect("the stream can be taken up again")
}

async fn resumed(client: &Client, last: &str) -> EventStream {
    let response = client.get_after(last).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    EventStream::of(response)
}

#[tokio::test(start_paused = true)]
async fn in_a_session_the_work_goes_on_and_its_answer_is_there_for_who_comes_back() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let last = abandon(&client, &["log", "wait", "progress", "told"]).await;
    assert_eq!(last, "1-0");
    endpoint.stage.go_on();
    endpoint.stage.until(|calls| calls.finished == 1).await;
    for _ in 0..2 {
        let [log, progress, answer] =
            resumed(&client, &last).await.rest().await.try_into().unwrap();
        assert_eq!((log.id.as_deref(), &*log.method()), (Some("1-1"), "notifications/message"));
        assert_eq!(progress.method(), "notifications/progress");
        assert_eq!(written(&answer.message()), "told");
    }
    // Only what was not seen.
    let [answer] = resumed(&client, "1-2").await.rest().await.try_into().unwrap();
    assert_eq!(written(&answer.message()), "told");
    assert_eq!(resumed(&client, "1-3").await.rest().await, []);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_early_waits_for_the_answer() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let last = abandon(&client, &["log", "wait", "told"]).await;
    let mut events = resumed(&client, &last).await;
    assert_eq!(events.next().await.method(), "notifications/message");
    assert!(events.wait().await.unwrap().unwrap().is_comment);
    endpoint.stage.go_on();
    assert_eq!(written(&events.next().await.message()), "told");
    assert_eq!(events.rest().await, []);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_can_be_asked_and_can_answer() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let last = abandon(&client, &["log", "wait", "ask"]).await;
    endpoint.stage.go_on();
    let mut events = resumed(&client, &last).await;
    assert_eq!(events.next().await.method(), "notifications/message");
    let question = events.next().await.message();
    assert_eq!(question["method"], "elicitation/create");
    let result = json!({ "action": "decline" });
    let response = json!({ "jsonrpc": "2.0", "id": question["id"], "result": result });
    assert_eq!(client.post(&response).await.status(), StatusCode::ACCEPTED);
    assert_eq!(written(&events.next().await.message()), result.to_string());
}

#[tokio::test(start_paused = true)]
async fn in_a_session_the_work_goes_on_even_where_nobody_can_come_back_for_it() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-06-18").await;
    drop(client.watch(&["log", "wait", "log", "told"]).await);
    let plain = client.with("accept", "*/*");
    let mut begun = Box::pin(plain.play(&["wait", "told"]));
    not_soon(&mut begun).await;
    drop(begun);
    endpoint.stage.until(|calls| calls.waiting == 2).await;
    endpoint.stage.go_on();
    endpoint.stage.go_on();
    endpoint.stage.until(|calls| calls.finished == 2).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_session_the_work_ends_with_its_reader() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1");
    drop(EventStream::of(client.play(&["wait"]).await));
    assert_eq!(endpoint.stage.calls().dropped, 1);
    let plain = client.with("accept", "*/*");
    let mut begun = Box::pin(plain.play(&["wait"]));
    not_soon(&mut begun).await;
    drop(begun);
    assert_eq!(endpoint.stage.calls().dropped, 2);
    drop(plain.play(&["part", "wait"]).await);
    assert_eq!(endpoint.stage.calls().dropped, 3);
}

#[tokio::test(start_paused = true)]
async fn in_the_modern_era_the_work_ends_with_its_reader() {
    let endpoint = Endpoint::new();
    let session = endpoint.client("token-1").in_session("2025-11-25").await;
    let client = modern_headers(session);
    let mut events = EventStream::of(client.post(&modern_play(&["progress", "wait"])).await);
    assert_eq!(events.next().await.method(), "notifications/progress");
    drop(events);
    assert_eq!(endpoint.stage.calls().dropped, 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_let_go_comes_back_for_the_rest() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    for steps in [&["let go", "wait", "log", "told"][..], &["log", "let go", "wait", "told"]] {
        let events = client.watch(steps).await.rest().await;
        let last = events.last().unwrap().id.clone().unwrap();
        assert_eq!(events[0].retry.as_deref(), Some("1000"));
        endpoint.stage.until(|calls| calls.waiting == 1).await;
        let mut rest = resumed(&client, &last).await;
        not_soon(rest.wait()).await;
        endpoint.stage.go_on();
        assert_eq!(written(&rest.rest().await.last().unwrap().message()), "told", "{steps:?}");
    }
    assert_eq!(endpoint.stage.calls().dropped, 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_could_not_come_back_is_not_let_go() {
    let endpoint = Endpoint::new();
    let older = endpoint.client("token-1").in_session("2025-06-18").await;
    for client in [older, endpoint.client("token-1")] {
        let events = client.watch(&["let go", "progress", "told"]).await.rest().await;
        let last = events.last().unwrap();
        assert_eq!(written(&last.message()), "told");
    }
    let modern = modern_headers(endpoint.client("token-1"));
    let response = modern.post(&modern_play(&["let go", "progress", "told"])).await;
    let events = EventStream::of(response).rest().await;
    assert_eq!(written(&events.last().unwrap().message()), "told");
}

#[tokio::test(start_paused = true)]
async fn nothing_of_one_session_is_seen_in_another() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let last = abandon(&client, &["log", "told"]).await;
    endpoint.stage.until(|calls| calls.finished == 1).await;
    let again = endpoint.client("token-1").held_by(client.holder.clone());
    let other = again.in_session("2025-11-25").await;
    assert_eq!(resumed(&other, &last).await.rest().await, []);
    let stranger = client.clone().held_by(principal("token-2"));
    assert_eq!(stranger.get_after(&last).await.status(), StatusCode::NOT_FOUND);
    for unknown in ["0-0", "2-0", "18446744073709551615-0"] {
        assert_eq!(resumed(&client, unknown).await.rest().await, [], "{unknown}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_id_is_refused() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    for wrong in ["", "x", "1", "1-", "-1", "1-x", "1-1-1", "1-99999999999999999999"] {
        assert_eq!(client.get_after(wrong).await.status(), StatusCode::BAD_REQUEST, "{wrong}");
    }
    let twice = client.with_another("last-event-id", "1-0").with_another("last-event-id", "1-0");
    assert_eq!(twice.get().await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn at_most_sixteen_requests_of_a_session_go_on_without_their_client() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    for _ in 0..MAX_DETACHED {
        abandon(&client, &["log", "wait", "told"]).await;
    }
    let last = abandon(&client, &["log", "wait", "told"]).await;
    assert_eq!(endpoint.stage.calls().dropped, 1);
    // What is known of it can be had, and nobody waits for more.
    assert_eq!(resumed(&client, &last).await.rest().await.len(), 1);
    // A client that cannot be let go stays.
    let mut events = client.watch(&["log", "let go", "wait", "told"]).await;
    assert_eq!(events.next_message().await.method(), "notifications/message");
    not_soon(events.wait()).await;
    // One that ended has left its place to another.
    endpoint.stage.go_on();
    endpoint.stage.until(|calls| calls.finished == 1).await;
    drop(events);
    assert_eq!(endpoint.stage.calls().dropped, 1);
    let other = endpoint.client("token-2").in_session("2025-11-25").await;
    abandon(&other, &["log", "wait"]).await;
    endpoint.stage.until(|calls| calls.waiting == MAX_DETACHED + 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_alone_ends_after_five_minutes() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let last = abandon(&client, &["log", "wait", "told"]).await;
    let mut events = resumed(&client, &last).await;
    assert_eq!(events.next().await.method(), "notifications/message");
    tokio::time::sleep(LONGEST.saturating_sub(Duration::from_secs(1))).await;
    assert_eq!(endpoint.stage.calls().waiting, 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(endpoint.stage.calls().dropped, 1);
    // Who waits for its answer learns that none will come.
    assert!(events.rest().await.iter().all(|event| event.is_comment));
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_alone_ends_with_the_lease() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let last = abandon(&client, &["log", "wait", "told"]).await;
    let mut events = resumed(&client, &last).await;
    endpoint.stage.until(|calls| calls.waiting == 1).await;
    client.holder.revoke();
    assert_eq!(events.fault().await, BodyError::LeaseEnded);
    endpoint.stage.until(|calls| calls.dropped == 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_alone_ends_with_its_session() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let last = abandon(&client, &["log", "wait", "told"]).await;
    let mut events = resumed(&client, &last).await;
    assert_eq!(events.next().await.method(), "notifications/message");
    assert_eq!(client.delete().await.status(), StatusCode::NO_CONTENT);
    assert_eq!(events.rest().await, []);
    endpoint.stage.until(|calls| calls.dropped == 1).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_on_alone_once_its_keeper_has_stopped() {
    let mut endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let last = abandon(&client, &["log", "wait", "told"]).await;
    let mut events = resumed(&client, &last).await;
    assert_eq!(events.next().await.method(), "notifications/message");
    let attached = client.watch(&["log", "wait"]).await;
    endpoint.stage.until(|calls| calls.waiting == 2).await;
    endpoint.stop().await;
    assert_eq!(endpoint.stage.calls().dropped, 1);
    assert_eq!(events.rest().await, []);
    // Later ones are not taken in.
    drop(attached);
    assert_eq!(endpoint.stage.calls().dropped, 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_more_than_a_mebibyte_is_not_kept() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let kept = abandon(&client, &["log", "wait", "part", "part"]).await;
    let mut steps = vec!["log", "wait"];
    steps.extend(std::iter::repeat_n("part", 1024 * 1024 / PART + 1));
    let large = abandon(&client, &steps).await;
    endpoint.stage.go_on();
    endpoint.stage.go_on();
    endpoint.stage.until(|calls| calls.running == 0).await;
    let [_, answer] = resumed(&client, &kept).await.rest().await.try_into().unwrap();
    assert_eq!(written(&answer.message()).len(), 2 * PART);
    let [log] = resumed(&client, &large).await.rest().await.try_into().unwrap();
    assert_eq!(log.method(), "notifications/message");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_half_way_is_not_waited_for() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let mut events = client.watch(&["log", "part", "wait"]).await;
    let last = events.next().await.id.unwrap();
    let mut read = 0;
    while read < PART {
        read += soon(events.frame()).await.unwrap().unwrap().len();
    }
    drop(events);
    assert_eq!(endpoint.stage.calls().dropped, 1);
    assert_eq!(resumed(&client, &last).await.rest().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_one_that_goes_on_alone_ends_nothing_else() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let last = abandon(&client, &["log", "wait", "panic"]).await;
    endpoint.stage.go_on();
    endpoint.stage.until(|calls| calls.dropped == 1).await;
    assert_eq!(resumed(&client, &last).await.rest().await.len(), 1);
    assert!(endpoint.is_kept());
    abandon(&client, &["log", "wait", "told"]).await;
    endpoint.stage.go_on();
    endpoint.stage.until(|calls| calls.finished == 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_panicked_does_not_go_on() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let mut events = client.watch(&["log", "wait", "panic"]).await;
    assert_eq!(events.next_message().await.method(), "notifications/message");
    let reader = tokio::spawn(async move {
        let read = std::panic::AssertUnwindSafe(events.wait());
        let panicked = futures_util::FutureExt::catch_unwind(read).await.is_err();
        drop(events);
        panicked
    });
    endpoint.stage.go_on();
    assert!(soon(reader).await.unwrap());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(endpoint.is_kept());
}
