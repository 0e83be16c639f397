//! Who is let in, and what everybody else sees.

use serde_json::json;
use support::{Installation, Request, Response};

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#;

/// What a client can see of a refusal, but for the challenge and the request's own id.
fn seen(response: &Response) -> (u16, String, Vec<(String, String)>) {
    let own = ["date", "x-request-id", "www-authenticate"];
    let headers = response.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    (response.status, response.text().to_owned(), headers.cloned().collect())
}

#[test]
fn missing_unknown_expired_and_revoked_tokens_get_the_same_401() {
    let installation = Installation::new("");
    let expired = installation.add_token(&["--expiry", "1h"]);
    let revoked = installation.add_token(&[]);
    let file = std::fs::read_to_string(installation.token_file()).unwrap();
    // One hour after now becomes the past; the revoked one disappears.
    let past = with_soonest_expiry(&file, "2001-01-01T00:00:00Z");
    std::fs::write(installation.token_file(), past).unwrap();
    let prefix = hash_prefix(&revoked);
    assert!(installation.admin(&["tokens", "remove", &prefix]).status.success());
    let server = installation.start();
    let to = server.address();

    let missing = Request::raw_mcp(LIST).send(to);
    assert_eq!(missing.header("www-authenticate"), Some("Bearer"));
    assert_eq!(missing.text(), r#"{"error":"Unauthorized"}"#);
    for token in ["never-made", &expired, &revoked, "", "a b"] {
        let refused = Request::raw_mcp(LIST).bearer(token).send(to);
        assert_eq!(seen(&refused), seen(&missing), "{token}");
        assert_eq!(refused.header("www-authenticate"), Some(r#"Bearer error="invalid_token""#));
    }
    let good = Request::raw_mcp(LIST).bearer(installation.token()).send(to);
    assert_eq!(good.status, 200);
}

#[test]
fn a_credential_that_can_be_read_in_two_ways_is_read_in_none() {
    let installation = Installation::new("");
    let server = installation.start();
    let to = server.address();
    let token = installation.token();
    let good = format!("Bearer {token}");
    let twice =
        Request::raw_mcp(LIST).header("Authorization", &good).header("Authorization", &good);
    let basic = Request::raw_mcp(LIST).header("Authorization", &format!("Basic {token}"));
    let bare = Request::raw_mcp(LIST).header("Authorization", token);
    for refused in [twice, basic, bare] {
        assert_eq!(refused.send(to).status, 401, "{refused:?}");
    }
    let query = Request::new("POST", &format!("/mcp/v1?access_token={token}"))
        .header("Content-Type", "application/json")
        .body(LIST);
    assert_eq!(query.send(to).status, 401);
    let lower = Request::raw_mcp(LIST).header("authorization", &format!("bearer {token}"));
    assert_eq!(lower.send(to).status, 200, "the scheme is compared without case");
}

#[test]
fn health_is_open_to_everybody_and_says_one_word() {
    let installation = Installation::new("");
    let server = installation.start();
    let to = server.address();
    for path in ["/health", "/ready"] {
        let response =
            Request::new("GET", path).header("Authorization", "Bearer nonsense").send(to);
        assert_eq!(response.status, 200);
        assert_eq!(response.json().as_object().map(serde_json::Map::len), Some(1));
    }
    assert_eq!(Request::new("GET", "/health").send(to).text(), r#"{"status":"ok"}"#);
    let head = Request::new("HEAD", "/health").send(to);
    assert_eq!((head.status, head.text()), (200, ""));
}

#[test]
fn a_page_of_another_site_and_a_rebound_name_are_refused_on_every_route() {
    let installation = Installation::new("");
    let server = installation.start();
    let to = server.address();
    for path in ["/mcp/v1", "/mcp", "/health", "/nonsense"] {
        let foreign = Request::new("GET", path).header("Origin", "https://evil.example").send(to);
        assert_eq!(foreign.status, 403, "{path}");
        let rebound = Request::new("GET", path).header("Host", "evil.example").send(to);
        assert_eq!(rebound.status, 403, "{path}");
    }
    let own = Request::new("GET", "/health").header("Origin", "http://localhost:3000").send(to);
    assert_eq!(own.status, 200);
}

#[test]
fn a_token_bound_to_a_database_reaches_no_other() {
    let installation = Installation::new("CREATE TABLE t (a int)");
    let socket = installation.postgres().socket_dir();
    let port = installation.postgres().port();
    installation.write_config(&format!(
        "  - {{ name: other, host: {}, port: {port}, database: postgres, user: agent }}\n",
        socket.display()
    ));
    let bound = installation.add_token(&["--database", "other"]);
    let server = installation.start();
    let to = server.address();
    let ask = |token: &str, database: Option<&str>| {
        let mut arguments = json!({ "query": "SELECT current_database() AS it" });
        if let Some(database) = database {
            arguments["database"] = database.into();
        }
        let params = json!({ "name": "query_database", "arguments": arguments });
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let answer = Request::mcp(&call).bearer(token).send(to).json();
        answer["result"]["content"][0]["text"].as_str().unwrap().to_owned()
    };
    assert!(ask(installation.token(), None).contains("shop"));
    assert!(ask(&bound, None).contains("postgres"));
    assert!(ask(&bound, Some("other")).contains("postgres"));
    let foreign = ask(&bound, Some("shop"));
    assert!(foreign.contains("unknown database"), "{foreign}");
    assert_eq!(foreign, ask(&bound, Some("nonsense")));
    assert_eq!(foreign, ask(installation.token(), Some("other")), "unbound: the first, no other");
}

/// Replaces the expiry that lies nearest: the one of `--expiry 1h`, the only one of this year's
/// entries that is not a year away.
fn with_soonest_expiry(file: &str, with: &str) -> String {
    let mut soonest: Vec<&str> = file
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expires_at: "))
        .map(|value| value.trim_matches('"'))
        .collect();
    soonest.sort_unstable();
    file.replace(soonest[0], with)
}

/// The first 12 hex digits of a token's digest.
fn hash_prefix(token: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let hex: Vec<_> = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
    hex.concat()[..12].to_owned()
}
