//! Opened, found, ended: who is served in which session.

use std::time::Duration;

use http::{Method, StatusCode};
use mcp_transport::SessionSettings;
use serde_json::{Value, json};

use crate::client::{
    BOTH, answer, modern_headers, modern_play, play, request, session_of, text, written,
};
use crate::events::EventStream;
use crate::play::soon;
use crate::service::{Endpoint, NoEntropy, Plan, principal};

fn settings(change: impl FnOnce(&mut SessionSettings)) -> Plan {
    let mut settings = SessionSettings::default();
    change(&mut settings);
    Plan { settings, ..Plan::default() }
}

const IDLE: Duration = Duration::from_mins(30);

#[tokio::test(start_paused = true)]
async fn initialize_hands_out_ids_that_nobody_can_guess() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1");
    let mut ids = Vec::new();
    for _ in 0..50 {
        let response = client.initialize("2025-11-25", json!({})).await;
        assert_eq!(response.status(), StatusCode::OK);
        ids.push(session_of(&response).unwrap());
        assert_eq!(answer(response).await["result"]["protocolVersion"], "2025-11-25");
    }
    for id in &ids {
        assert_eq!(id.len(), 32);
        assert!(id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50);
}

#[tokio::test(start_paused = true)]
async fn only_initialize_opens_a_session_and_only_where_it_succeeds() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1");
    let refused = client.post(&request("initialize", &json!({}))).await;
    assert_eq!(session_of(&refused), None);
    let ping = client.post(&request("ping", &json!({}))).await;
    assert_eq!(session_of(&ping), None);
    let session = client.in_session("2025-11-25").await;
    let again = session.initialize("2025-06-18", json!({})).await;
    assert_eq!((again.status(), session_of(&again)), (StatusCode::OK, None));
}

#[tokio::test(start_paused = true)]
async fn what_initialize_agreed_on_holds_for_later_requests() {
    let endpoint = Endpoint::new();
    // Without a header that says so: the revision is the session's, and with it its batches.
    for (revision, status) in [("2025-03-26", 200), ("2025-06-18", 400), ("2024-11-05", 400)] {
        let client = endpoint.client("token-1").in_session(revision).await;
        let batch = json!([request("ping", &json!({}))]).to_string();
        let client = client.without("mcp-protocol-version");
        let response = client.send(Method::POST, batch).await;
        assert_eq!(response.status(), status, "{revision}");
    }
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let level = json!({ "level": "error" });
    assert_eq!(client.post(&request("logging/setLevel", &level)).await.status(), StatusCode::OK);
    let told = answer(client.play(&["log", "told"]).await).await;
    assert_eq!(written(&told), "told");
}

#[tokio::test(start_paused = true)]
async fn a_session_is_nobodys_but_its_owners() {
    let endpoint = Endpoint::new();
    let owner = endpoint.client("token-1").in_session("2025-11-25").await;
    let other = owner.clone().held_by(principal("token-2"));
    assert_eq!(other.ping().await, StatusCode::NOT_FOUND);
    assert_eq!(other.get().await.status(), StatusCode::NOT_FOUND);
    assert_eq!(other.delete().await.status(), StatusCode::NOT_FOUND);
    assert_eq!(owner.ping().await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_never_was_looks_like_one_of_another() {
    let endpoint = Endpoint::new();
    let owner = endpoint.client("token-1").in_session("2025-11-25").await;
    let other = owner.clone().held_by(principal("token-2"));
    let unknown = owner.clone().with("mcp-session-id", &"0".repeat(32));
    let [foreign, missing] = [other.get().await, unknown.get().await];
    assert_eq!(foreign.headers(), missing.headers());
    assert_eq!(text(foreign).await, text(missing).await);
    for id in ["", "x", "\u{e9}"] {
        let status = owner.clone().with("mcp-session-id", id).ping().await;
        assert!(matches!(status.as_u16(), 400 | 404), "{id}: {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_deleted_is_gone() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let response = client.delete().await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(text(response).await, "");
    assert_eq!(client.ping().await, StatusCode::NOT_FOUND);
    assert_eq!(client.get().await.status(), StatusCode::NOT_FOUND);
    assert_eq!(client.delete().await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn who_has_no_session_can_only_post() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1");
    for method in [Method::GET, Method::DELETE, Method::PUT, Method::OPTIONS] {
        let response = client.send(method.clone(), String::new()).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(response.headers()["allow"], "POST");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_named_twice_is_no_session() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let id = client.session().to_owned();
    let twice = client.with_another("mcp-session-id", &id);
    assert_eq!(twice.ping().await, StatusCode::BAD_REQUEST);
    assert_eq!(twice.get().await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(twice.delete().await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_uses_expires() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    for _ in 0..3 {
        tokio::time::advance(IDLE.saturating_sub(Duration::from_secs(1))).await;
        assert_eq!(client.ping().await, StatusCode::OK);
    }
    tokio::time::advance(IDLE + Duration::from_secs(1)).await;
    assert_eq!(client.ping().await, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_used_for_as_long_as_a_stream_of_it_is_open() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let feed = client.get().await;
    assert_eq!(feed.status(), StatusCode::OK);
    tokio::time::sleep(2 * IDLE).await;
    assert_eq!(client.ping().await, StatusCode::OK);
    tokio::time::sleep(2 * IDLE).await;
    drop(feed);
    // And from its end on the time counts anew.
    tokio::time::sleep(IDLE.saturating_sub(Duration::from_mins(1))).await;
    assert_eq!(client.ping().await, StatusCode::OK);
    tokio::time::sleep(IDLE + Duration::from_mins(1)).await;
    assert_eq!(client.ping().await, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_used_for_as_long_as_a_request_of_it_is_worked_on() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let mut events = client.watch(&["progress", "wait"]).await;
    tokio::time::sleep(2 * IDLE).await;
    endpoint.stage.go_on();
    while let Some(event) = soon(events.wait()).await.unwrap() {
        assert!(event.is_comment || event.id.is_some());
    }
    drop(events);
    assert_eq!(client.ping().await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_with_the_lease_of_its_principal() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let mut feed = EventStream::of(client.get().await);
    client.holder.revoke();
    feed.fault().await;
    // The same credential, read again: another lease, and no session of the old one.
    let again = client.held_by(principal("token-1"));
    assert_eq!(again.ping().await, StatusCode::NOT_FOUND);
    assert_eq!(again.get().await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn one_session_too_many_ends_the_one_of_the_same_principal_used_least_recently() {
    let endpoint = Endpoint::of(settings(|settings| settings.max_per_principal = 2));
    let other = endpoint.client("token-2").in_session("2025-11-25").await;
    let mut own = Vec::new();
    for _ in 0..2 {
        tokio::time::advance(Duration::from_secs(1)).await;
        own.push(endpoint.client("token-1").in_session("2025-11-25").await);
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(own[0].ping().await, StatusCode::OK);
    let mut feed = EventStream::of(own[1].get().await);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(own[0].ping().await, StatusCode::OK);
    let third = endpoint.client("token-1").in_session("2025-11-25").await;
    assert_eq!(feed.rest().await, []);
    assert_eq!(own[1].ping().await, StatusCode::NOT_FOUND);
    for client in [&own[0], &third, &other] {
        assert_eq!(client.ping().await, StatusCode::OK);
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_the_cap_of_all_sessions_clients_are_served_without_one() {
    let endpoint = Endpoint::of(settings(|settings| settings.max_sessions = 1));
    let first = endpoint.client("token-1").in_session("2025-11-25").await;
    let client = endpoint.client("token-2");
    let response = client.initialize("2025-11-25", json!({})).await;
    assert_eq!(session_of(&response), None);
    assert_eq!(answer(response).await["result"]["serverInfo"]["name"], "theatre");
    assert_eq!(client.ping().await, StatusCode::OK);
    assert_eq!(first.delete().await.status(), StatusCode::NO_CONTENT);
    client.in_session("2025-11-25").await;
}

#[tokio::test(start_paused = true)]
async fn without_entropy_there_is_no_session_but_an_answer() {
    let endpoint = Endpoint::of(Plan { entropy: Box::new(NoEntropy), ..Plan::default() });
    let response = endpoint.client("token-1").initialize("2025-11-25", json!({})).await;
    assert_eq!(session_of(&response), None);
    assert_eq!(answer(response).await["result"]["protocolVersion"], "2025-11-25");
}

#[tokio::test(start_paused = true)]
async fn the_modern_era_takes_no_notice_of_a_session() {
    let endpoint = Endpoint::new();
    for id in ["0", &"0".repeat(32)] {
        let client = modern_headers(endpoint.client("token-1")).with("mcp-session-id", id);
        let response = client.post(&modern_play(&["told"])).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(session_of(&response), None);
        assert_eq!(written(&answer(response).await), "told");
        assert_eq!(client.get().await.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(client.delete().await.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_without_batches_refuses_them_whatever_a_header_says() {
    let endpoint = Endpoint::new();
    let batch = json!([play(1, &["one"]), play(2, &["two"])]).to_string();
    for revision in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        let client = endpoint.client("token-1").in_session(revision).await;
        let response = client.send(Method::POST, batch.clone()).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(answer(response).await["error"]["code"], -32600);
    }
    let client = endpoint.client("token-1").in_session("2025-03-26").await;
    let answers = answer(client.send(Method::POST, batch).await).await;
    let ids: Vec<_> = answers.as_array().unwrap().iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&Value::from(1), &Value::from(2)]);
}

#[tokio::test(start_paused = true)]
async fn an_ended_session_leaves_nobody_waiting_for_an_answer_of_its_client() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await.with("accept", BOTH);
    let mut events = client.watch(&["ask"]).await;
    assert_eq!(events.next_message().await.method(), "elicitation/create");
    assert_eq!(client.delete().await.status(), StatusCode::NO_CONTENT);
    let told = events.next_message().await.message();
    assert_eq!(told["result"]["isError"], true);
    assert_eq!(events.rest().await, []);
}
