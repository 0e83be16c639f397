//! What one request sends back: an answer alone, or messages and then an answer.

use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use mcp_transport::BodyError;
use serde_json::{Value, json};

use crate::client::{
    answer, cancelled, modern, modern_headers, modern_play, play, request, text, written,
};
use crate::events::{Event, EventStream};
use crate::play::{PART, soon};
use crate::service::Endpoint;

const SILENCE: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[tokio::test(start_paused = true)]
async fn messages_come_before_the_answer_in_the_order_in_which_they_were_sent() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-06-18").await;
    for steps in [&["progress", "log", "progress", "told"][..], &["told", "progress", "log"]] {
        let response = client.play(steps).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let events = EventStream::of(response).rest().await;
        let (last, messages) = events.split_last().unwrap();
        let methods: Vec<_> = messages.iter().map(Event::method).collect();
        let all = ["notifications/progress", "notifications/message", "notifications/progress"];
        assert_eq!(methods, all[..steps.len() - 1]);
        assert_eq!(written(&last.message()), "told");
        assert_eq!(last.message()["id"], 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_right_before_the_answer_still_goes_before_it() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let [priming, message, last] =
        client.watch(&["progress"]).await.rest().await.try_into().unwrap();
    assert_eq!(priming.data.as_deref(), Some(""));
    assert_eq!(message.method(), "notifications/progress");
    assert_eq!(last.message()["result"]["isError"], false);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_name_event_streams_gets_plain_json_and_no_messages() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    for accept in [None, Some("*/*"), Some("application/json"), Some("text/event-stream;q=0")] {
        let client = client.clone().without("accept");
        let client = match accept {
            Some(accept) => client.with("accept", accept),
            None => client,
        };
        let told = answer(client.play(&["progress", "log", "let go", "told"]).await).await;
        assert_eq!(written(&told), "told", "{accept:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_no_messages_gets_plain_json_although_he_takes_event_streams() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1");
    assert_eq!(written(&answer(client.play(&["told"]).await).await), "told");
    let mut silent = play(1, &["progress", "told"]);
    silent["params"].as_object_mut().unwrap().remove("_meta");
    assert_eq!(written(&answer(client.post(&silent).await).await), "told");
}

#[tokio::test(start_paused = true)]
async fn a_stream_can_be_taken_up_again_only_by_who_knows_how_to() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let events = client.watch(&["progress", "log", "told"]).await.rest().await;
    assert_eq!(events[0].retry.as_deref(), Some("1000"));
    assert_eq!(events[0].data.as_deref(), Some(""));
    let ids: Vec<_> = events.iter().map(|event| event.id.as_deref().unwrap()).collect();
    assert_eq!(ids, ["1-0", "1-1", "1-2", "1-3"]);

    for revision in ["2024-11-05", "2025-03-26", "2025-06-18"] {
        let client = endpoint.client("token-1").in_session(revision).await;
        let events = client.watch(&["progress", "told"]).await.rest().await;
        assert!(events.iter().all(|event| event.id.is_none() && event.retry.is_none()));
        assert_eq!(events[0].method(), "notifications/progress");
    }
    let without = endpoint.client("token-1").with("mcp-protocol-version", "2025-11-25");
    assert!(without.watch(&["progress"]).await.rest().await.iter().all(|it| it.id.is_none()));
    let modern = modern_headers(endpoint.client("token-1"));
    let events = EventStream::of(modern.post(&modern_play(&["progress"])).await).rest().await;
    assert!(events.iter().all(|event| event.id.is_none()));
    assert_eq!(events[0].method(), "notifications/progress");
}

#[tokio::test(start_paused = true)]
async fn a_large_answer_on_an_event_stream_is_one_line_that_arrives_in_parts() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let mut events = client.watch(&["progress", "part", "part", "wait", "part"]).await;
    let (mut all, mut frames) = (String::new(), 0);
    while all.len() < 2 * PART {
        let frame = soon(events.frame()).await.unwrap().unwrap();
        all.push_str(str::from_utf8(&frame).unwrap());
        frames += 1;
    }
    assert!(frames > 3, "{frames}");
    // Inside an event there is no room for a comment, however long it takes.
    let silence = tokio::time::timeout(10 * KEEP_ALIVE, events.frame()).await;
    assert!(silence.is_err(), "{silence:?}");
    endpoint.stage.go_on();
    while let Some(frame) = soon(events.frame()).await {
        all.push_str(str::from_utf8(&frame.unwrap()).unwrap());
    }
    let last = all.strip_suffix("\n\n").unwrap().rsplit("\n\n").next().unwrap();
    let data = last.strip_prefix("id: 1-2\ndata: ").unwrap();
    let answer: Value = serde_json::from_str(data).unwrap();
    assert_eq!(written(&answer).len(), 3 * PART);
}

#[tokio::test(start_paused = true)]
async fn nothing_can_go_before_an_answer_that_has_begun() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let told = answer(client.play(&["part", "progress", "let go", "log"]).await).await;
    assert_eq!(written(&told).len(), PART);
    let events = client.watch(&["log", "part", "progress", "log", "part"]).await.rest().await;
    let [_, message, last] = events.try_into().unwrap();
    assert_eq!(message.method(), "notifications/message");
    assert_eq!(written(&last.message()).len(), 2 * PART);
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_says_every_fifteen_seconds_that_it_lives() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let mut events = client.watch(&["log", "wait", "log", "wait"]).await;
    assert_eq!(events.next_message().await.method(), "notifications/message");
    for _ in 0..3 {
        let begun = tokio::time::Instant::now();
        assert!(events.wait().await.unwrap().unwrap().is_comment);
        assert_eq!(begun.elapsed(), KEEP_ALIVE);
    }
    tokio::time::advance(KEEP_ALIVE.saturating_sub(Duration::from_millis(1))).await;
    endpoint.stage.go_on();
    assert!(events.next().await.data.is_some());
    // Counted from what was said last, whatever it was.
    let begun = tokio::time::Instant::now();
    assert!(events.wait().await.unwrap().unwrap().is_comment);
    assert_eq!(begun.elapsed(), KEEP_ALIVE);
    endpoint.stage.go_on();
    assert!(events.next().await.message()["result"].is_object());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_silent_for_five_seconds_becomes_an_event_stream() {
    let endpoint = Endpoint::new();
    let (begun, client) = (tokio::time::Instant::now(), endpoint.client("token-1"));
    let mut events = EventStream::of(client.play(&["wait", "told"]).await);
    assert_eq!(begun.elapsed(), SILENCE);
    assert!(events.next().await.is_comment);
    endpoint.stage.go_on();
    assert_eq!(written(&events.next().await.message()), "told");
    assert_eq!(events.rest().await, []);

    let client = client.in_session("2025-11-25").await;
    let mut events = EventStream::of(client.play(&["wait"]).await);
    assert_eq!(events.next().await.id.as_deref(), Some("1-0"));
    assert!(events.next().await.is_comment);
    endpoint.stage.go_on();
    assert_eq!(events.next().await.id.as_deref(), Some("1-1"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_request_stays_silent_if_its_client_takes_nothing_else() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").with("accept", "*/*");
    let task = tokio::spawn(async move { client.play(&["wait", "told"]).await });
    endpoint.stage.until(|calls| calls.waiting == 1).await;
    tokio::time::sleep(20 * SILENCE).await;
    assert!(!task.is_finished());
    endpoint.stage.go_on();
    assert_eq!(written(&answer(soon(task).await.unwrap()).await), "told");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_lease_cuts_a_stream() {
    let endpoint = Endpoint::new();
    for steps in [&["log", "wait"][..], &["log", "part", "wait"], &["part", "wait"]] {
        let before = endpoint.stage.calls().dropped;
        let client = endpoint.client("token-1").in_session("2025-11-25").await;
        let mut events = EventStream::of(client.play(steps).await);
        soon(events.frame()).await.unwrap().unwrap();
        client.holder.revoke();
        assert_eq!(events.fault().await, BodyError::LeaseEnded);
        drop(events);
        // Nobody goes on with it either.
        endpoint.stage.until(|calls| calls.dropped == before + 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_lease_before_the_answer_is_a_refusal() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").with("accept", "*/*");
    let holder = client.holder.clone();
    let task = tokio::spawn(async move { client.play(&["wait"]).await });
    endpoint.stage.until(|calls| calls.waiting == 1).await;
    holder.revoke();
    assert_eq!(soon(task).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    endpoint.stage.until(|calls| calls.dropped == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_stream_ends_without_an_answer() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let mut events = client.watch(&["log", "wait"]).await;
    assert_eq!(events.next_message().await.method(), "notifications/message");
    let response = client.post(&cancelled(1)).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(events.rest().await, []);
    endpoint.stage.until(|calls| calls.dropped == 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_cancelled_before_it_began_to_answer_has_no_content() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let asking = client.clone();
    let task = tokio::spawn(async move { asking.play(&["wait"]).await });
    endpoint.stage.until(|calls| calls.waiting == 1).await;
    client.post(&cancelled(1)).await;
    let response = soon(task).await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(text(response).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_meets_the_cancellation_leaves_no_empty_event() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-06-18").await;
    let asking = client.clone();
    let task = tokio::spawn(async move { asking.play(&["wait", "log", "wait"]).await });
    endpoint.stage.until(|calls| calls.waiting == 1).await;
    // Both before the request has its next turn.
    endpoint.stage.go_on();
    client.post(&cancelled(1)).await;
    let response = soon(task).await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_cancelled_half_way_never_looks_whole() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    for steps in [&["part", "wait"][..], &["log", "part", "wait"]] {
        let mut events = EventStream::of(client.play(steps).await);
        let mut read = 0;
        while read < PART {
            read += soon(events.frame()).await.unwrap().unwrap().len();
        }
        client.post(&cancelled(1)).await;
        assert_eq!(events.fault().await, BodyError::BrokenOff, "{steps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn several_who_speak_at_once_are_all_heard() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-06-18").await;
    let events = client.watch(&["crowd", "told"]).await.rest().await;
    assert_eq!(events.len(), 4);
    assert_eq!(written(&events[3].message()), "told");
}

#[tokio::test(start_paused = true)]
async fn the_messages_of_a_batch_come_before_its_answers() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-03-26").await;
    let batch = json!([play(1, &["log", "one"]), play(2, &["progress", "two"])]).to_string();
    let events = EventStream::of(client.send(Method::POST, batch).await).rest().await;
    let [log, progress, answers] = events.try_into().unwrap();
    assert_eq!(log.method(), "notifications/message");
    assert_eq!(progress.method(), "notifications/progress");
    let answers = answers.message();
    assert_eq!([written(&answers[0]), written(&answers[1])], ["one", "two"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_waits_until_the_one_before_it_was_read() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-06-18").await;
    let events = client.watch(&["log", "log", "log", "log", "told"]).await;
    tokio::time::sleep(KEEP_ALIVE).await;
    assert_eq!(endpoint.stage.calls().running, 1);
    drop(events);
    endpoint.stage.until(|calls| calls.finished == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_of_the_modern_era_is_told_changes_until_the_server_stops() {
    let mut endpoint = Endpoint::new();
    let client = endpoint
        .client("token-1")
        .with("mcp-protocol-version", "2026-07-28")
        .with("mcp-method", "subscriptions/listen");
    let wanted = json!({ "notifications": { "toolsListChanged": true } });
    let listen = modern(7, "subscriptions/listen", wanted);
    let mut events = EventStream::of(client.post(&listen).await);
    let first = events.next().await;
    assert_eq!((first.id.as_deref(), first.retry.as_deref()), (None, None));
    assert_eq!(first.method(), "notifications/subscriptions/acknowledged");
    endpoint.announcer.announce(mcp_protocol::Change::Resources);
    endpoint.announcer.announce(mcp_protocol::Change::Tools);
    assert_eq!(events.next().await.method(), "notifications/tools/list_changed");
    endpoint.stop().await;
    assert_eq!(events.next().await.message()["id"], 7);
    assert_eq!(events.rest().await, []);

    let plain = client.with("accept", "application/json").post(&listen).await;
    assert_eq!(plain.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn an_answer_says_its_length_when_it_is_whole_and_ends_where_it_says() {
    let endpoint = Endpoint::new();
    let response = endpoint.client("token-1").post(&request("ping", &json!({}))).await;
    let length = http_body::Body::size_hint(response.body()).exact().unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body.len() as u64, length);
}
