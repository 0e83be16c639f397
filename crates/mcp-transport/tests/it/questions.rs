//! What the server asks while a request waits, and whose answer it takes.

use http::StatusCode;
use serde_json::{Value, json};

use crate::client::{BOTH, Client, answer, session_of, written};
use crate::events::EventStream;
use crate::play::{not_soon, soon};
use crate::service::{Endpoint, principal};

/// A response to the question `id`.
fn response(id: &Value, name: &str) -> Value {
    let result = json!({ "action": "accept", "content": { "name": name } });
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

/// Asks, and reads the question; its id comes with the stream.
async fn asked(client: &Client) -> (EventStream, Value) {
    let mut events = client.watch(&["ask"]).await;
    let question = events.next_message().await.message();
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"]["message"], "Who?");
    (events, question["id"].clone())
}

/// The name that the tool was told.
fn name(answer: &Value) -> String {
    let told: Value = serde_json::from_str(written(answer)).unwrap();
    told["content"]["name"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_question_goes_out_on_the_stream_and_its_answer_reaches_the_tool() {
    let endpoint = Endpoint::new();
    for revision in ["2025-06-18", "2025-11-25"] {
        let client = endpoint.client("token-1").in_session(revision).await;
        let (mut events, id) = asked(&client).await;
        let taken = client.post(&response(&id, "Ada")).await;
        assert_eq!(taken.status(), StatusCode::ACCEPTED);
        assert_eq!(name(&events.next().await.message()), "Ada");
        assert_eq!(events.rest().await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn questions_that_are_open_at_once_have_ids_of_their_own() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let (mut one, first) = asked(&client).await;
    let (mut two, second) = asked(&client).await;
    assert_ne!(first, second);
    client.post(&response(&second, "Bea")).await;
    client.post(&response(&first, "Ada")).await;
    assert_eq!(name(&one.next().await.message()), "Ada");
    assert_eq!(name(&two.next().await.message()), "Bea");
}

#[tokio::test(start_paused = true)]
async fn nobody_answers_for_another() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let (mut events, id) = asked(&client).await;
    let forged = response(&id, "Mallory");

    let same_holder = endpoint.client("token-1").held_by(client.holder.clone());
    let other_session = same_holder.clone().in_session("2025-11-25").await;
    assert_eq!(other_session.post(&forged).await.status(), StatusCode::ACCEPTED);
    assert_eq!(same_holder.post(&forged).await.status(), StatusCode::ACCEPTED);
    let stranger = client.clone().held_by(principal("token-2"));
    assert_eq!(stranger.post(&forged).await.status(), StatusCode::NOT_FOUND);
    not_soon(events.wait()).await;

    client.post(&response(&id, "Ada")).await;
    assert_eq!(name(&events.next().await.message()), "Ada");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_cannot_be_asked_is_told_so() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1");
    let opened = client.initialize("2025-11-25", json!({})).await;
    let without = client.clone().with("mcp-session-id", &session_of(&opened).unwrap());
    let told = answer(without.play(&["ask"]).await).await;
    assert_eq!(told["result"]["isError"], true);
    assert!(written(&told).contains("elicitation"), "{told}");

    // It could be asked, but not on this way.
    let plain = client.in_session("2025-11-25").await.with("accept", "application/json");
    let told = answer(plain.play(&["ask"]).await).await;
    assert_eq!(told["result"]["isError"], true);
    assert!(written(&told).contains("event stream"), "{told}");
    let none = endpoint.client("token-2").with("accept", BOTH);
    assert_eq!(answer(none.play(&["ask"]).await).await["result"]["isError"], true);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_comes_after_the_beginning_of_the_answer_is_not_waited_for() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    for steps in [&["part", "ask"][..], &["log", "part", "ask"]] {
        let response = soon(client.play(steps)).await;
        let events = EventStream::of(response);
        let all = soon(events.text()).await;
        assert!(all.contains(r#""isError":true"#), "{steps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_answer_fails_its_question_and_only_it() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let (mut other, other_id) = asked(&client).await;
    for wrong in [
        json!({ "error": { "code": -1, "message": "no" } }),
        json!({ "result": {} }),
        json!({ "result": { "action": "perhaps" } }),
        json!({ "result": { "action": "accept", "content": [] } }),
        json!({ "result": [] }),
        json!({ "result": "accept" }),
    ] {
        let (mut events, id) = asked(&client).await;
        let mut wrong = wrong;
        wrong["jsonrpc"] = json!("2.0");
        wrong["id"] = id;
        assert_eq!(client.post(&wrong).await.status(), StatusCode::ACCEPTED, "{wrong}");
        let told = events.next().await.message();
        assert_eq!(told["result"]["isError"], true, "{wrong}");
        assert_eq!(written(&told), "Error: the client did not answer");
    }
    not_soon(other.wait()).await;
    client.post(&response(&other_id, "Ada")).await;
    assert_eq!(name(&other.next().await.message()), "Ada");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_response_at_all_is_refused_and_the_question_stays_open() {
    let endpoint = Endpoint::new();
    let client = endpoint.client("token-1").in_session("2025-11-25").await;
    let (mut events, id) = asked(&client).await;
    for wrong in [
        json!({ "jsonrpc": "2.0", "id": id }),
        json!({ "jsonrpc": "2.0", "id": id, "result": null }),
        json!({ "jsonrpc": "2.0", "id": null, "result": {} }),
        json!({ "jsonrpc": "2.0", "id": id, "result": {}, "error": {} }),
    ] {
        assert_eq!(client.post(&wrong).await.status(), StatusCode::BAD_REQUEST, "{wrong}");
    }
    for unknown in [json!(999), json!("1"), json!(-1), json!(1.5)] {
        assert_eq!(client.post(&response(&unknown, "?")).await.status(), StatusCode::ACCEPTED);
    }
    not_soon(events.wait()).await;
    client.post(&response(&id, "Ada")).await;
    assert_eq!(name(&events.next().await.message()), "Ada");
    // Once is enough.
    assert_eq!(client.post(&response(&id, "Eve")).await.status(), StatusCode::ACCEPTED);
    assert_eq!(events.rest().await, []);
}
