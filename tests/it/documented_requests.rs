//! The requests that the authentication guide prints for API tokens, run as printed: only the
//! host and the token are put in.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;
use support::Installation;

/// Runs a printed command line in a shell, with host and token replaced.
fn run(printed: &str, server: SocketAddr, token: &str) -> String {
    let line = printed
        .replace("https://localhost:8080", &format!("http://{server}"))
        .replace("http://localhost:8080", &format!("http://{server}"))
        .replace("O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ=", token)
        .replace("YOUR_TOKEN_HERE", token);
    let output = Command::new("bash").args(["-c", &format!("{line} -s")]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn answer(printed: &str, server: SocketAddr, token: &str) -> Value {
    serde_json::from_str(&run(printed, server, token)).unwrap()
}

const TOOLS_LIST: &str = r#"curl -X POST http://localhost:8080/mcp/v1 \
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

const HEALTH: &str = "curl http://localhost:8080/health";

const WITHOUT_TOKEN: &str = r#"curl -X POST http://localhost:8080/mcp/v1 \
  -H "Content-Type: application/json" \
  -d '{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}'"#;

#[test]
fn the_requests_of_the_guide_are_answered_as_it_says() {
    let installation = Installation::new("");
    let server = installation.start();
    let (to, token) = (server.address(), installation.token());

    let list = answer(TOOLS_LIST, to, token);
    let names: Vec<_> = list["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, support::TOOLS);

    let begun = answer(INITIALIZE, to, token);
    assert_eq!(begun["result"]["protocolVersion"], "2024-11-05");

    assert_eq!(run(HEALTH, to, token), r#"{"status":"ok"}"#);
    assert_eq!(run(WITHOUT_TOKEN, to, token), r#"{"error":"Unauthorized"}"#);
}

#[test]
fn a_sentence_instead_of_sql_is_told_what_to_send() {
    let installation = Installation::new("");
    let server = installation.start();
    let answer = answer(QUERY, server.address(), installation.token());
    assert_eq!(answer["result"]["isError"], true);
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("not an SQL statement") && text.contains("get_schema_info"), "{text}");
    // Two words are valid SHOW; PostgreSQL knows no such setting.
    let (text, failed) = installation.query(server.address(), "Show tables");
    assert!(failed && text.contains("not an SQL statement"), "{text}");
}

const PYTHON: &str = r#"
import requests

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

const JAVASCRIPT: &str = r#"
const token = "O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ=";
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

/// `requests` as far as the printed sample needs it, on Python's own library: the sample is the
/// thing under test, not that package.
const REQUESTS: &str = "
import json, sys, types, urllib.request
module = types.ModuleType('requests')
def post(url, json=None, headers=None):
    import json as j
    request = urllib.request.Request(url, j.dumps(json).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        body = answer.read()
    return types.SimpleNamespace(json=lambda: j.loads(body))
module.post = post
sys.modules['requests'] = module
";

#[test]
fn the_samples_in_python_and_javascript_list_the_tools() {
    let installation = Installation::new("");
    let server = installation.start();
    let put_in = |sample: &str| {
        sample
            .replace("https://localhost:8080", &format!("http://{}", server.address()))
            .replace("O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ=", installation.token())
    };
    let python = format!("{REQUESTS}{}", put_in(PYTHON));
    let javascript = put_in(JAVASCRIPT);
    for (program, arguments) in
        [("python3", vec!["-c", &python]), ("node", vec!["--input-type=module", "-e", &javascript])]
    {
        let output = Command::new(program).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains("query_database") || text.contains("tools: "),
            "{program}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
