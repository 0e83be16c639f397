//! "User Authentication Flow" of the second document, and the check of the expiry that both
//! documents print for clients.

use std::time::{Duration, SystemTime};

use mcp_identity::{Clock as _, PlainToken, SessionId, SystemClock, TokenHash, UserName};
use mcp_store::{AccountStore as _, LoginSession, Opening, SessionScope};
use mcp_store_file::{FileAccounts, FileAccountsSettings};
use mcp_throttle::{LockoutPolicy, Verdict};
use serde_json::{Value, json};
use support::Installation;

use super::place::{Place, SERVE, answered};
use super::requests::REQUESTS;
use super::users::ADD;

pub(super) const AUTHENTICATE: &str = r#"curl -X POST http://localhost:8080/mcp/v1 \
  -H "Content-Type: application/json" \
  -d '{
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
      "name": "authenticate_user",
      "arguments": {
        "username": "alice",
        "password": "SecurePassword123!"
      }
    }
  }'"#;

const AUTHENTICATED: &str = r#"{
  "jsonrpc": "2.0",
  "id": 1,
  "result": {
    "content": [
      {
        "type": "text",
        "text": "{\"success\": true, \"session_token\": \"AQz9XfK...\", \"expires_at\": \"2024-11-15T09:30:00Z\", \"message\": \"Authentication successful\"}"
      }
    ]
  }
}"#;

const QUERY: &str = r#"curl -X POST http://localhost:8080/mcp/v1 \
  -H "Authorization: Bearer AQz9XfK..." \
  -H "Content-Type: application/json" \
  -d '{
    "jsonrpc": "2.0",
    "id": 2,
    "method": "tools/call",
    "params": {
      "name": "query_database",
      "arguments": {
        "query": "Show me all users"
      }
    }
  }'"#;

const PYTHON_CLIENT: &str = r#"import requests
import json

class MCPUserClient:
    def __init__(self, base_url):
        self.base_url = base_url
        self.session_token = None
        self.token_expiry = None

    def authenticate(self, username, password):
        """Authenticate and get session token"""
        response = requests.post(
            f"{self.base_url}/mcp/v1",
            json={
                "jsonrpc": "2.0",
                "id": 1,
                "method": "tools/call",
                "params": {
                    "name": "authenticate_user",
                    "arguments": {
                        "username": username,
                        "password": password
                    }
                }
            }
        )

        result = response.json()
        if "result" in result:
            auth_data = json.loads(result["result"]["content"][0]["text"])
            self.session_token = auth_data["session_token"]
            self.token_expiry = auth_data["expires_at"]
            return True
        return False

    def call_tool(self, tool_name, arguments):
        """Call a tool using the session token"""
        if not self.session_token:
            raise Exception("Not authenticated")

        response = requests.post(
            f"{self.base_url}/mcp/v1",
            headers={
                "Authorization": f"Bearer {self.session_token}",
                "Content-Type": "application/json"
            },
            json={
                "jsonrpc": "2.0",
                "id": 2,
                "method": "tools/call",
                "params": {
                    "name": tool_name,
                    "arguments": arguments
                }
            }
        )
        return response.json()

# Usage
client = MCPUserClient("http://localhost:8080")
if client.authenticate("alice", "SecurePassword123!"):
    result = client.call_tool("query_database", {"query": "Show tables"})
    print(result)
"#;

/// Printed in both documents. `{...}` stands for the arguments of a call.
const CHECK_EXPIRY: &str = r#"# Good: Check token expiration before use
from datetime import datetime, timezone

def is_token_expired(expiry_str):
    expiry = datetime.fromisoformat(expiry_str.replace('Z', '+00:00'))
    return datetime.now(timezone.utc) >= expiry

if not client.session_token or is_token_expired(client.token_expiry):
    client.authenticate(username, password)

# Now use the token
result = client.call_tool("query_database", {...})
"#;

const INVALID_CREDENTIALS: &str = r#"{
  "jsonrpc": "2.0",
  "id": 1,
  "error": {
    "code": -32603,
    "message": "Tool execution error",
    "data": "authentication failed: invalid username or password"
  }
}"#;

const DISABLED: &str = r#"{
  "jsonrpc": "2.0",
  "id": 1,
  "error": {
    "code": -32603,
    "message": "Tool execution error",
    "data": "authentication failed: user account is disabled"
  }
}"#;

fn with_alice(installation: &Installation) -> Place {
    let place = Place::beside(installation);
    assert!(place.said(ADD).ends_with("exit 0"));
    place
}

fn parsed(printed: &str) -> Value {
    serde_json::from_str(printed).unwrap()
}

#[test]
fn a_name_and_a_password_give_the_printed_answer_whose_session_token_opens_the_rest() {
    let installation = Installation::new("");
    let place = with_alice(&installation);
    let server = place.serve(SERVE);
    let to = server.address();
    let begin = SystemClock.now();
    let (status, mut answer) = answered(&place.curl(AUTHENTICATE, &[], to));
    let text = answer["result"]["content"][0]["text"].take();
    let mut text = parsed(text.as_str().unwrap());
    let (token, expires_at) = (text["session_token"].take(), text["expires_at"].take());

    let mut printed = parsed(AUTHENTICATED);
    let printed_text = printed["result"]["content"][0]["text"].take();
    let mut printed_text = parsed(printed_text.as_str().unwrap());
    let example = printed_text["session_token"].take();
    let printed_time = printed_text["expires_at"].take();
    // Said of every result, which the documents do not print; clients take it as unsaid.
    printed["result"]["isError"] = json!(false);
    assert_eq!((status, answer, text), (200, printed, printed_text));

    // "Base64-encoded random 32-byte token", "24 hours from authentication".
    let token = token.as_str().unwrap();
    assert!(token.len() == 44 && token.ends_with('='));
    let expires_at = expires_at.as_str().unwrap();
    assert_eq!(expires_at.len(), printed_time.as_str().unwrap().len());
    let life = unix_time(&place, expires_at).duration_since(begin).unwrap();
    assert!(life.abs_diff(Duration::from_hours(24)) < Duration::from_mins(1), "{life:?}");

    // Decision 20: a sentence is no SQL; who asks so is told.
    let answer = place.curl(QUERY, &[(example.as_str().unwrap(), token)], to);
    let (status, answer) = answered(&answer);
    assert_eq!(
        (status, &answer["id"], &answer["result"]["isError"]),
        (200, &json!(2), &json!(true))
    );
    assert_eq!(place.curl(QUERY, &[], to).status, 401, "the printed token is an example");
}

fn unix_time(place: &Place, rfc3339: &str) -> SystemTime {
    let seconds = place.shell(&format!("date -d {rfc3339} +%s")).stdout;
    let seconds = String::from_utf8(seconds).unwrap().trim().parse().unwrap();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn the_tool_for_logging_in_is_advertised_to_nobody() {
    let installation = Installation::new("");
    let place = with_alice(&installation);
    let server = place.serve(&format!("{SERVE} -no-auth"));
    let list = QUERY.replace("tools/call", "tools/list");
    let listed = place.curl(&list, &[], server.address());
    assert!(listed.text().contains("query_database"), "{}", listed.text());
    assert!(!listed.text().contains("authenticate_user"), "{}", listed.text());
}

#[test]
fn the_python_client_logs_in_and_looks_at_the_expiry_before_it_calls() {
    let installation = Installation::new("CREATE TABLE t (id int); INSERT INTO t VALUES (7)");
    let place = with_alice(&installation);
    let server = place.serve(SERVE);
    let here = format!("http://{}", server.address());
    let client = PYTHON_CLIENT.replace("http://localhost:8080", &here);
    let said = place.sample("client.py", &format!("{REQUESTS}{client}"));
    assert!(
        said.starts_with("{'jsonrpc': '2.0', 'id': 2, 'result': {'content': [{'type': 'text', ")
    );
    // Decision 20. Two words are valid SHOW; PostgreSQL knows no such setting.
    assert!(said.contains("not an SQL statement"), "{said}");

    let check = CHECK_EXPIRY.replace("{...}", "{'query': 'SELECT id FROM t'}");
    let around = |before: &str| {
        let login = "username, password = 'alice', 'SecurePassword123!'\n";
        let shown =
            "print(result['result']['content'][0]['text'], client.session_token != first)\n";
        format!("{REQUESTS}{client}{login}first = client.session_token\n{before}{check}{shown}")
    };
    let good = place.sample("good.py", &around(""));
    assert!(good.contains("id\n7\n"), "{good}");
    assert!(good.ends_with(" False\n"), "the session goes on: {good}");
    let over = place.sample("over.py", &around("client.token_expiry = '2024-11-15T09:30:00Z'\n"));
    assert!(over.contains("id\n7\n") && over.ends_with(" True\n"), "a new session: {over}");
}

#[test]
fn each_printed_failure_is_answered_as_printed() {
    let installation = Installation::new("");
    let place = with_alice(&installation);
    let server = place.serve(SERVE);
    let ask = |put_in: &[(&str, &str)]| place.curl(AUTHENTICATE, put_in, server.address()).json();
    let wrong = [("SecurePassword123!", "Wrong1Password")];
    assert_eq!(ask(&wrong), parsed(INVALID_CREDENTIALS));
    assert_eq!(ask(&[("alice", "nobody")]), parsed(INVALID_CREDENTIALS));
    let disable = "./bin/pgedge-mcp-server -disable-user -username alice";
    assert_eq!(place.said(disable), "User disabled: alice\nexit 0");
    assert!(support::eventually(|| ask(&[]) == parsed(DISABLED)), "{}", ask(&[]));
    // Decision 14: told to whoever knows the password, and to nobody else.
    assert_eq!(ask(&wrong), parsed(INVALID_CREDENTIALS));
    let enable = "./bin/pgedge-mcp-server -enable-user -username alice";
    assert_eq!(place.said(enable), "User enabled: alice\nexit 0");
    assert!(support::eventually(|| ask(&[])["result"].is_object()), "{}", ask(&[]));
}

/// Keeps a session of alice that ended an hour ago. What would have opened the door.
fn expired_session(place: &Place) -> PlainToken {
    let settings =
        FileAccountsSettings::new(place.path("bin/mcp-server-users.yaml"), place.path("bin"));
    let opened_at = SystemClock.now() - Duration::from_hours(25);
    let store = FileAccounts::open(settings, opened_at).unwrap();
    let token = PlainToken::generate(&mcp_identity::SystemEntropy).unwrap();
    let user = UserName::parse("alice").unwrap();
    let policy = LockoutPolicy { limit: None, duration: None, hold: Duration::from_mins(1) };
    let work = async {
        let login = store.find_login(&user, policy, opened_at).await.unwrap().unwrap();
        let Verdict::Reserved(ticket) = login.verdict else { panic!("alice is locked") };
        let session = LoginSession {
            id: SessionId::from_bytes([7; 8]),
            hash: TokenHash::of(&token),
            user: user.clone(),
            created_at: opened_at,
            expires_at: opened_at + Duration::from_hours(24),
            last_used: opened_at,
            address: None,
            agent: None,
            scope: SessionScope::Full,
        };
        let opening = Opening {
            session,
            ticket,
            policy,
            account_made: login.account.record.created_at,
            checked: login.account.record.password,
            stronger: None,
            limit: 0,
            now: opened_at,
        };
        store.open_session(opening).await.unwrap();
    };
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work);
    token
}

#[test]
fn after_24_hours_a_session_token_is_refused_as_any_other_and_another_login_helps() {
    let installation = Installation::new("");
    let place = with_alice(&installation);
    let token = expired_session(&place);
    let server = place.serve(SERVE);
    let to = server.address();
    let refused = place.curl(QUERY, &[("AQz9XfK...", token.expose())], to);
    assert_eq!(answered(&refused), (401, json!({ "error": "Unauthorized" })));
    let again = place.curl(AUTHENTICATE, &[], to).json();
    let text = parsed(again["result"]["content"][0]["text"].as_str().unwrap());
    let token = text["session_token"].as_str().unwrap();
    assert_eq!(place.curl(QUERY, &[("AQz9XfK...", token)], to).status, 200);
}
