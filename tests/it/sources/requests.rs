//! "Using Tokens" and "Authentication Behavior" of the second document: what is asked over HTTP.

use serde_json::{Value, json};
use support::Installation;

use super::place::{PRINTED_TOKEN, Place, SERVE, answered};

pub(super) const TOOLS_LIST: &str = r#"curl -X POST http://localhost:8080/mcp/v1 \
  -H "Authorization: Bearer O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ=" \
  -H "Content-Type: application/json" \
  -d '{
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/list",
    "params": {}
  }'"#;

const INITIALIZE: &str = r#"curl -X POST https://localhost:8080/mcp/v1 \
  -H "Authorization: Bearer YOUR_TOKEN_HERE" \
  -H "Content-Type: application/json" \
  -d '{
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
      "protocolVersion": "2024-11-05",
      "capabilities": {},
      "clientInfo": {
        "name": "my-client",
        "version": "1.0.0"
      }
    }
  }'"#;

const QUERY: &str = r#"curl -X POST https://localhost:8080/mcp/v1 \
  -H "Authorization: Bearer YOUR_TOKEN_HERE" \
  -H "Content-Type: application/json" \
  -d '{
    "jsonrpc": "2.0",
    "id": 2,
    "method": "tools/call",
    "params": {
      "name": "query_database",
      "arguments": {
        "query": "Show me all active users"
      }
    }
  }'"#;

const PYTHON: &str = r#"import requests

token = "O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ="
url = "https://localhost:8080/mcp/v1"

headers = {
    "Authorization": f"Bearer {token}",
    "Content-Type": "application/json"
}

payload = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/list",
    "params": {}
}

response = requests.post(url, json=payload, headers=headers)
print(response.json())
"#;

const JAVASCRIPT: &str = r#"const token = "O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ=";
const url = "https://localhost:8080/mcp/v1";

const response = await fetch(url, {
  method: "POST",
  headers: {
    "Authorization": `Bearer ${token}`,
    "Content-Type": "application/json"
  },
  body: JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "tools/list",
    params: {}
  })
});

const data = await response.json();
console.log(data);
"#;

const HEALTH: &str = "curl http://localhost:8080/health";

pub(super) const WITHOUT_TOKEN: &str = r#"curl -X POST http://localhost:8080/mcp/v1 \
  -H "Content-Type: application/json" \
  -d '{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}'"#;

/// Printed for the missing, the invalid and the expired token alike, with the status 401.
const UNAUTHORIZED: &str = r#"{"error": "Unauthorized"}"#;

/// `requests` as far as the printed samples need it, on Python's own library: the samples are the
/// thing under test, not that package.
pub(super) const REQUESTS: &str = "\
import json as _json, sys as _sys, types as _types, urllib.request as _urllib

def _post(url, json=None, headers=None):
    headers = {'Content-Type': 'application/json', **(headers or {})}
    request = _urllib.Request(url, _json.dumps(json).encode(), headers)
    with _urllib.urlopen(request) as answer:
        body = answer.read()
    return _types.SimpleNamespace(json=lambda: _json.loads(body))

_sys.modules['requests'] = _types.SimpleNamespace(post=_post)
";

/// A token file with the printed token, which ends at that time.
fn token_file(expires_at: &str) -> String {
    // SHA-256 of the printed token, which is not the hash that is printed beside it.
    let hash = "b3f805357b2c1cb78d50a2a109198d184b7c763b68a61e2891ab36260ebac63f";
    format!(
        "tokens:\n  - id: token-1234567890\n    hash: {hash}\n    note: Production API\n    \
         created_at: \"2024-10-30T10:15:30Z\"\n    expires_at: \"{expires_at}\"\n"
    )
}

fn with_printed_token(installation: &Installation) -> Place {
    let place = Place::beside(installation);
    place.write("bin/mcp-server-tokens.yaml", &token_file("2125-10-30T10:15:30Z"));
    place
}

#[test]
fn each_request_with_a_token_is_answered() {
    let installation = Installation::new("");
    let place = with_printed_token(&installation);
    let server = place.serve(SERVE);
    let ask = |printed| {
        answered(&place.curl(printed, &[("YOUR_TOKEN_HERE", PRINTED_TOKEN)], server.address()))
    };

    let (status, list) = ask(TOOLS_LIST);
    assert_eq!((status, &list["jsonrpc"], &list["id"]), (200, &json!("2.0"), &json!(1)));
    let tools = list["result"]["tools"].as_array().unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, support::TOOLS);

    let (status, begun) = ask(INITIALIZE);
    assert_eq!((status, &begun["result"]["protocolVersion"]), (200, &json!("2024-11-05")));

    // Decision 20: the agent's model writes the SQL, and is told so.
    let (status, answer) = ask(QUERY);
    assert_eq!(
        (status, &answer["id"], &answer["result"]["isError"]),
        (200, &json!(2), &json!(true))
    );
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("not an SQL statement") && text.contains("get_schema_info"), "{text}");
}

#[test]
fn the_samples_in_python_and_javascript_list_the_tools() {
    let installation = Installation::new("");
    let place = with_printed_token(&installation);
    let server = place.serve(SERVE);
    let here = format!("http://{}", server.address());
    let put_in = |sample: &str| sample.replace("https://localhost:8080", &here);
    let said = place.sample("sample.py", &format!("{REQUESTS}{}", put_in(PYTHON)));
    assert!(said.starts_with("{'jsonrpc': '2.0', 'id': 1, 'result': {'tools': ["), "{said}");
    assert!(said.contains("query_database"), "{said}");
    let said = place.sample("sample.mjs", &put_in(JAVASCRIPT));
    // Node shows two levels, and breaks lines as it likes.
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let tools = ["[Object]"; support::TOOLS.len()].join(", ");
    assert_eq!(said, format!("{{ jsonrpc: '2.0', id: 1, result: {{ tools: [ {tools} ] }} }}"));
}

#[test]
fn health_is_open_and_every_other_request_without_a_good_token_is_the_printed_401() {
    let installation = Installation::new("");
    let place = with_printed_token(&installation);
    let server = place.serve(SERVE);
    let to = server.address();
    assert_eq!(answered(&place.curl(HEALTH, &[], to)), (200, json!({ "status": "ok" })));

    let refused: Value = serde_json::from_str(UNAUTHORIZED).unwrap();
    let missing = place.curl(WITHOUT_TOKEN, &[], to);
    assert_eq!(answered(&missing), (401, refused));
    let invalid = place.curl(QUERY, &[], to);
    // The operator's clock says that it is over.
    place.write("bin/mcp-server-tokens.yaml", &token_file("2025-10-30T10:15:30Z"));
    let expired = || place.curl(TOOLS_LIST, &[], to);
    assert!(support::eventually(|| expired().status == 401), "{}", server.log());
    for other in [invalid, expired()] {
        assert_eq!((other.status, other.text()), (401, missing.text()));
    }
}
