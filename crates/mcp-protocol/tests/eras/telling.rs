//! What a client is told while its request is worked on: progress and log messages.

use mcp_protocol::{LogLevel, Output, ServerBuilder, ToolResult};
use serde_json::{Value, json};

use crate::client::{Legacy, Modern, now, request};
use crate::offer::{builder, tool};

/// The levels, least first.
const LEVELS: [(LogLevel, &str); 8] = [
    (LogLevel::Debug, "debug"),
    (LogLevel::Info, "info"),
    (LogLevel::Notice, "notice"),
    (LogLevel::Warning, "warning"),
    (LogLevel::Error, "error"),
    (LogLevel::Critical, "critical"),
    (LogLevel::Alert, "alert"),
    (LogLevel::Emergency, "emergency"),
];

/// A server whose tools tell a lot.
fn talkative() -> ServerBuilder<u32> {
    let logs = tool("logs", |call, _| {
        Box::pin(async move {
            for (level, name) in LEVELS {
                call.context.log(level, "tests", &json!({ "said": name })).await?;
            }
            Ok(ToolResult::default())
        })
    });
    let works = tool("works", |call, _| {
        Box::pin(async move {
            for done in [0.0, 0.5, 0.5, 0.25, f64::NAN, f64::INFINITY, -1.0, 1.0, 1.5, 1.0] {
                call.context.progress(done, Some(2.0), Some("working")).await?;
            }
            Ok(ToolResult::default())
        })
    });
    builder().tool(logs).tool(works)
}

fn progress_of(told: &[&Value]) -> Vec<f64> {
    told.iter().map(|params| params["progress"].as_f64().unwrap()).collect()
}

#[test]
fn progress_only_ever_grows() {
    let server = talkative().build();
    let token = json!("a token");
    let params = json!({ "name": "works", "_meta": { "progressToken": token } });
    let old = Legacy::new(&server).send("tools/call", &params);
    let client = Modern::new(&server).saying("progressToken", token.clone());
    let new = client.send("tools/call", &json!({ "name": "works" }));
    for outcome in [old, new] {
        let told = outcome.told_of("notifications/progress");
        assert_eq!(progress_of(&told), [0.0, 0.5, 1.0, 1.5]);
        for params in told {
            assert_eq!(params["progressToken"], token);
            assert_eq!(params["total"], 2.0);
            assert_eq!(params["message"], "working");
        }
    }
}

#[test]
fn progress_is_told_to_nobody_who_gave_no_token() {
    let server = talkative().build();
    let params = json!({ "name": "works" });
    assert!(Legacy::new(&server).send("tools/call", &params).told.is_empty());
    assert!(Modern::new(&server).send("tools/call", &params).told.is_empty());
    for no_token in [json!(null), json!(true), json!({}), json!(["a"])] {
        let params = json!({ "name": "works", "_meta": { "progressToken": no_token } });
        assert!(Legacy::new(&server).send("tools/call", &params).told.is_empty(), "{params}");
        let client = Modern::new(&server).saying("progressToken", no_token);
        assert!(client.send("tools/call", &json!({ "name": "works" })).told.is_empty());
    }
}

#[test]
fn a_token_that_is_a_number_comes_back_as_that_number() {
    let server = talkative().build();
    let params =
        json!({ "name": "works", "_meta": { "progressToken": 9_007_199_254_740_993_u64 } });
    let outcome = Legacy::new(&server).send("tools/call", &params);
    let told = outcome.told_of("notifications/progress");
    assert_eq!(told[0]["progressToken"], 9_007_199_254_740_993_u64);
}

/// The levels of the messages that were told.
fn levels(told: &[&Value]) -> Vec<String> {
    let level = |params: &&Value| params["level"].as_str().unwrap().to_owned();
    told.iter().map(level).collect()
}

#[test]
fn log_messages_below_the_level_that_a_client_asked_for_are_not_told() {
    let server = talkative().logs().build();
    let params = json!({ "name": "logs" });
    for (place, (_, name)) in LEVELS.into_iter().enumerate() {
        let expected: Vec<_> = LEVELS[place..].iter().map(|(_, name)| *name).collect();
        let client = Legacy::new(&server);
        client.send("logging/setLevel", &json!({ "level": name }));
        let old = client.send("tools/call", &params);
        assert_eq!(levels(&old.told_of("notifications/message")), expected);
        let client = Modern::new(&server).saying("io.modelcontextprotocol/logLevel", name);
        let new = client.send("tools/call", &params);
        assert_eq!(new.told, old.told);
    }
}

#[test]
fn a_client_that_asked_for_no_level_hears_what_its_era_says() {
    let server = talkative().logs().build();
    let params = json!({ "name": "logs" });
    let old = Legacy::new(&server).send("tools/call", &params);
    assert_eq!(levels(&old.told_of("notifications/message"))[0], "info");
    assert!(Modern::new(&server).send("tools/call", &params).told.is_empty());
    let client = Modern::new(&server).saying("io.modelcontextprotocol/logLevel", "loud");
    assert!(client.send("tools/call", &params).told.is_empty());
}

#[test]
fn a_level_that_does_not_exist_is_refused_and_changes_nothing() {
    let server = talkative().logs().build();
    let client = Legacy::new(&server);
    client.send("logging/setLevel", &json!({ "level": "alert" }));
    for level in [json!("loud"), json!("ALERT"), json!(3), json!(null)] {
        assert_eq!(client.send("logging/setLevel", &json!({ "level": level })).code(), -32602);
    }
    let outcome = client.send("tools/call", &json!({ "name": "logs" }));
    assert_eq!(levels(&outcome.told_of("notifications/message")), ["alert", "emergency"]);
}

#[test]
fn a_server_without_logs_tells_none_and_has_no_level_to_set() {
    let server = talkative().build();
    let client = Legacy::new(&server);
    assert_eq!(client.send("logging/setLevel", &json!({ "level": "debug" })).code(), -32601);
    let params = json!({ "name": "logs" });
    assert!(client.send("tools/call", &params).told.is_empty());
    let client = Modern::new(&server).saying("io.modelcontextprotocol/logLevel", "debug");
    assert!(client.send("tools/call", &params).told.is_empty());
}

#[test]
fn where_no_messages_reach_the_client_the_answer_is_the_same_without_them() {
    let server = talkative().logs().build();
    let client = Legacy::new(&server);
    let params = json!({ "name": "logs", "_meta": { "progressToken": 1 } });
    let call = request(1, "tools/call", &params);
    let reply = now(server.handle(client.exchange(&call), Output::held()));
    let held: Value = serde_json::from_slice(&reply.output.into_rest()).unwrap();
    assert_eq!(held, client.send("tools/call", &params).answer);
}
