//! What the server says, held against the published schema of the revision that it speaks.
//!
//! What it is asked stands in three tables, [`in_any_revision`] first: a new method is one more
//! row here, and works if `support::schema` knows its result.

use std::net::SocketAddr;

use serde_json::{Value, json};
use support::schema::{self, LEGACY, MODERN};
use support::{Installation, Request, Response};

const SHOP: &str = "CREATE TABLE customers (id int PRIMARY KEY, name text);
    INSERT INTO customers VALUES (1, 'Anna'), (2, NULL)";

/// What should come of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Result,
    /// A result that says that the tool failed.
    Failure,
    Error(i64),
}

use Outcome::{Error, Failure, Result};

fn call(name: &str, arguments: &Value) -> Value {
    json!({ "name": name, "arguments": arguments })
}

fn in_any_revision() -> Vec<(&'static str, Value, Outcome)> {
    let query = |query: &str| call("query_database", &json!({ "query": query }));
    let as_json = json!({ "query": "SELECT * FROM customers", "format": "json" });
    vec![
        ("tools/list", json!({}), Result),
        ("tools/call", query("SELECT * FROM customers"), Result),
        ("tools/call", call("query_database", &as_json), Result),
        ("tools/call", call("get_schema_info", &json!({})), Result),
        ("tools/call", call("execute_explain", &as_json), Result),
        ("tools/call", call("execute_explain", &json!({ "query": "TABLE customers" })), Result),
        ("tools/call", call("count_rows", &json!({ "table": "customers" })), Result),
        ("tools/call", call("list_databases", &json!({})), Result),
        ("tools/call", call("read_resource", &json!({ "uri": "pg://system_info" })), Result),
        ("tools/call", query("SELECT nonsense"), Failure),
        ("tools/call", query("SELECT 1 / (50 - n) FROM generate_series(1, 999) AS n"), Failure),
        ("tools/call", query("DROP TABLE customers"), Failure),
        ("tools/call", call("query_database", &json!({})), Failure),
        ("tools/call", call("query_database", &json!({ "query": 3 })), Failure),
        ("tools/call", call("nonsense", &json!({})), Error(-32602)),
        ("tools/call", json!({}), Error(-32602)),
        ("nonsense", json!({}), Error(-32601)),
    ]
    .into_iter()
    .chain(of_resources_and_prompts())
    .collect()
}

fn of_resources_and_prompts() -> Vec<(&'static str, Value, Outcome)> {
    let complete = |reference: Value, name: &str| json!({ "ref": reference, "argument": { "name": name, "value": "" } });
    let table = json!({ "type": "ref/resource", "uri": "pg://schema/{schema}/{table}" });
    let prompt = json!({ "type": "ref/prompt", "name": "explore-database" });
    let explore = json!({ "name": "explore-database", "arguments": { "schema": "public" } });
    vec![
        ("resources/list", json!({}), Result),
        ("resources/templates/list", json!({}), Result),
        ("resources/read", json!({ "uri": "pg://system_info" }), Result),
        ("resources/read", json!({ "uri": "pg://schema/public/customers" }), Result),
        ("prompts/list", json!({}), Result),
        ("prompts/get", explore, Result),
        ("prompts/get", json!({ "name": "diagnose-query-issue" }), Error(-32602)),
        ("prompts/get", json!({ "name": "nonsense" }), Error(-32602)),
        ("completion/complete", complete(table.clone(), "schema"), Result),
        ("completion/complete", complete(table, "nonsense"), Error(-32602)),
        ("completion/complete", complete(prompt, "database"), Result),
    ]
}

fn in_a_legacy_revision() -> Vec<(&'static str, Value, Outcome)> {
    let mut rows = in_any_revision();
    rows.push(("ping", json!({}), Result));
    rows.push(("resources/read", json!({ "uri": "pg://nonsense" }), Error(-32002)));
    rows.push(("server/discover", json!({}), Error(-32601)));
    rows
}

fn in_the_modern_revision() -> Vec<(&'static str, Value, Outcome)> {
    let mut rows = in_any_revision();
    rows.push(("server/discover", json!({}), Result));
    rows.push(("resources/read", json!({ "uri": "pg://nonsense" }), Error(-32602)));
    rows.push(("ping", json!({}), Error(-32601)));
    rows
}

/// Texts that are no request, with the code of their answer.
const NO_REQUESTS: [(&str, i64); 5] = [
    ("{", -32700),
    (r#"{"jsonrpc":"2.0","id":1,"id":1,"method":"tools/list"}"#, -32700),
    (r#"{"id":1,"method":"tools/list"}"#, -32600),
    (r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#, -32600),
    (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
];

/// A client that speaks one revision, as a good client of that revision does.
struct Client<'a> {
    revision: &'static str,
    server: SocketAddr,
    token: &'a str,
    session: Option<String>,
}

impl<'a> Client<'a> {
    /// Shakes hands where the revision wants it.
    fn new(installation: &'a Installation, server: SocketAddr, revision: &'static str) -> Self {
        let mut client = Self { revision, server, token: installation.token(), session: None };
        if revision != MODERN {
            client.initialize();
        }
        client
    }

    fn initialize(&mut self) {
        let params = json!({
            "protocolVersion": self.revision,
            "capabilities": {},
            "clientInfo": { "name": "wire", "version": "1" },
        });
        let message =
            json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let response = Request::mcp(&message).bearer(self.token).send(self.server);
        self.session = response.header("mcp-session-id").map(str::to_owned);
        let answer = response.json();
        schema::assert_message(self.revision, "initialize", &answer);
        assert_eq!(answer["result"]["protocolVersion"], self.revision);
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(self.send(Request::mcp(&initialized)).status, 202);
    }

    /// Sends it with what every request of the revision has in its head.
    fn send(&self, request: Request) -> Response {
        let mut request = request.bearer(self.token).header("MCP-Protocol-Version", self.revision);
        if let Some(session) = &self.session {
            request = request.header("Mcp-Session-Id", session);
        }
        request.send(self.server)
    }

    fn ask(&self, method: &str, mut params: Value) -> Value {
        if self.revision == MODERN {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let mut request = Request::mcp(&message);
        if self.revision == MODERN {
            request = request.header("Mcp-Method", method);
            // A tool and a prompt are named, a resource has its URI.
            if let Some(name) = params["name"].as_str().or(params["uri"].as_str()) {
                request = request.header("Mcp-Name", name);
            }
        }
        self.send(request).json()
    }

    /// Everything that is wrong with the answers to these requests.
    fn faults(&self, rows: Vec<(&'static str, Value, Outcome)>) -> String {
        let fault = |(method, params, expected): (&str, Value, Outcome)| {
            let asked = format!("{} {method} {params}", self.revision);
            let answer = self.ask(method, params);
            let checked = schema::check_message(self.revision, method, &answer);
            let outcome = outcome(&answer);
            let fault = checked.err().or_else(|| {
                let other = outcome != expected || answer["id"] != 7;
                other.then(|| format!("{expected:?} was to come, not {outcome:?}"))
            });
            fault.map(|fault| format!("{asked}\n{fault}\nin {answer}\n\n"))
        };
        rows.into_iter().filter_map(fault).collect()
    }
}

fn outcome(answer: &Value) -> Outcome {
    match answer["error"]["code"].as_i64() {
        Some(code) => Error(code),
        None if answer["result"]["isError"] == true => Failure,
        None => Result,
    }
}

#[test]
fn what_a_legacy_client_is_answered_is_what_its_revision_describes() {
    let installation = Installation::new(SHOP);
    let server = installation.start();
    let faults = LEGACY.map(|revision| {
        Client::new(&installation, server.address(), revision).faults(in_a_legacy_revision())
    });
    assert!(faults.concat().is_empty(), "{}", faults.concat());
}

#[test]
fn what_a_modern_client_is_answered_is_what_its_revision_describes() {
    let installation = Installation::new(SHOP);
    let server = installation.start();
    let client = Client::new(&installation, server.address(), MODERN);
    let faults = client.faults(in_the_modern_revision());
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn what_is_no_request_is_answered_with_an_error_that_each_revision_describes() {
    let installation = Installation::new("");
    let server = installation.start();
    let mut faults = Vec::new();
    for revision in LEGACY.into_iter().chain([MODERN]) {
        let client = Client::new(&installation, server.address(), revision);
        for (text, code) in NO_REQUESTS {
            let answer = client.send(Request::raw_mcp(text)).json();
            let checked = schema::check_message(revision, "tools/list", &answer);
            let other = (outcome(&answer) != Error(code)).then(|| format!("{code} was to come"));
            if let Some(fault) = checked.err().or(other) {
                faults.push(format!("{revision} {text}\n{fault}\nin {answer}\n"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_batch_is_answered_as_the_one_revision_that_has_batches_describes() {
    let installation = Installation::new("");
    let server = installation.start();
    let client = Client::new(&installation, server.address(), "2025-03-26");
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "tools/list" },
        { "jsonrpc": "2.0", "id": "two", "method": "nonsense" },
        { "jsonrpc": "2.0", "method": "notifications/initialized" },
    ]);
    let answers = client.send(Request::mcp(&batch)).json();
    schema::assert_valid("2025-03-26", "JSONRPCBatchResponse", &answers);
    let of = |id: Value| {
        let mut answers = answers.as_array().unwrap().iter();
        answers.find(|answer| answer["id"] == id).unwrap_or_else(|| panic!("no {id}")).clone()
    };
    schema::assert_message("2025-03-26", "tools/list", &of(json!(1)));
    schema::assert_message("2025-03-26", "nonsense", &of(json!("two")));
}

#[test]
fn the_errors_of_the_modern_revision_carry_what_it_describes() {
    let installation = Installation::new("");
    let server = installation.start();
    let ask = |version: &str, told: &str, meta: Value| {
        let params = json!({ "_meta": meta });
        let message =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params });
        let request = Request::mcp(&message).bearer(installation.token());
        let request = request.header("MCP-Protocol-Version", version).header("Mcp-Method", told);
        let answer = request.send(server.address()).json();
        schema::assert_message(MODERN, "tools/list", &answer);
        answer["error"]["code"].as_i64()
    };
    let meta = |version: &str| {
        json!({
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientCapabilities": {},
        })
    };
    assert_eq!(ask("2099-01-01", "tools/list", meta("2099-01-01")), Some(-32022));
    assert_eq!(ask(MODERN, "tools/call", meta(MODERN)), Some(-32020));
    let without_capabilities = json!({ "io.modelcontextprotocol/protocolVersion": MODERN });
    assert_eq!(ask(MODERN, "tools/list", without_capabilities), Some(-32602));
}
