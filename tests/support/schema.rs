//! The published JSON schemas of the protocol, and whether a message satisfies them.
//!
//! A revision is named as on the wire (`"2025-06-18"`), a definition as in its `schema.json`
//! (`"CallToolResult"`); `third-party/mcp-schema/ORIGIN.md` tells where the files are from.
//! [`assert_message`] knows which definitions a whole message must satisfy. It knows it from the
//! three tables below: a method that the server learns is one more row.
//!
//! The schemas allow members that they do not name, nearly everywhere. What passes here can still
//! be wrong; what fails here is.

use std::collections::HashMap;
use std::sync::OnceLock;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};

/// The revisions that begin with a handshake, oldest first.
pub const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// The revision without one.
pub const MODERN: &str = "2026-07-28";

/// The first and the last revision that have something. They are dates, and sort as such.
type Span = (&'static str, &'static str);

const ALWAYS: Span = (LEGACY[0], MODERN);
const HANDSHAKE: Span = (LEGACY[0], LEGACY[3]);
const STATELESS: Span = (MODERN, MODERN);

/// What the member `result` of an answer must be, by the method that was asked.
const RESULTS: [(&str, &str, Span); 15] = [
    ("initialize", "InitializeResult", HANDSHAKE),
    ("ping", "EmptyResult", HANDSHAKE),
    ("server/discover", "DiscoverResult", STATELESS),
    ("tools/list", "ListToolsResult", ALWAYS),
    ("tools/call", "CallToolResult", ALWAYS),
    ("prompts/list", "ListPromptsResult", ALWAYS),
    ("prompts/get", "GetPromptResult", ALWAYS),
    ("resources/list", "ListResourcesResult", ALWAYS),
    ("resources/templates/list", "ListResourceTemplatesResult", ALWAYS),
    ("resources/read", "ReadResourceResult", ALWAYS),
    ("resources/subscribe", "EmptyResult", HANDSHAKE),
    ("resources/unsubscribe", "EmptyResult", HANDSHAKE),
    ("completion/complete", "CompleteResult", ALWAYS),
    ("logging/setLevel", "EmptyResult", HANDSHAKE),
    ("subscriptions/listen", "SubscriptionsListenResult", STATELESS),
];

/// The modern methods that may be answered with questions instead of a result.
const ASKING: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

/// What a message that the server began must be, by its method.
const BEGUN: [(&str, &str, Span); 13] = [
    ("notifications/cancelled", "CancelledNotification", ALWAYS),
    ("notifications/progress", "ProgressNotification", ALWAYS),
    ("notifications/message", "LoggingMessageNotification", ALWAYS),
    ("notifications/tools/list_changed", "ToolListChangedNotification", ALWAYS),
    ("notifications/prompts/list_changed", "PromptListChangedNotification", ALWAYS),
    ("notifications/resources/list_changed", "ResourceListChangedNotification", ALWAYS),
    ("notifications/resources/updated", "ResourceUpdatedNotification", ALWAYS),
    (
        "notifications/elicitation/complete",
        "ElicitationCompleteNotification",
        (LEGACY[3], LEGACY[3]),
    ),
    (
        "notifications/subscriptions/acknowledged",
        "SubscriptionsAcknowledgedNotification",
        STATELESS,
    ),
    ("ping", "PingRequest", HANDSHAKE),
    ("sampling/createMessage", "CreateMessageRequest", HANDSHAKE),
    ("roots/list", "ListRootsRequest", HANDSHAKE),
    ("elicitation/create", "ElicitRequest", (LEGACY[2], LEGACY[3])),
];

/// Errors that have a definition of their own, by their code, and what of the answer it defines.
const ERRORS: [(i64, &str, &str, Span); 9] = [
    (-32700, "ParseError", "/error", STATELESS),
    (-32600, "InvalidRequestError", "/error", STATELESS),
    (-32601, "MethodNotFoundError", "/error", STATELESS),
    (-32602, "InvalidParamsError", "/error", STATELESS),
    (-32603, "InternalError", "/error", STATELESS),
    (-32020, "HeaderMismatchError", "", STATELESS),
    (-32021, "MissingRequiredClientCapabilityError", "", STATELESS),
    (-32022, "UnsupportedProtocolVersionError", "", STATELESS),
    (-32042, "URLElicitationRequiredError", "", (LEGACY[3], LEGACY[3])),
];

/// Fails a test whose message does not satisfy a definition of a revision.
///
/// # Panics
/// With a list of what is wrong with it, and when there is no such revision or definition.
#[track_caller]
pub fn assert_valid(revision: &str, definition: &str, message: &Value) {
    if let Err(faults) = check(revision, definition, message) {
        panic!("{faults}\nin {message:#}");
    }
}

/// Fails a test whose message is not what a server of that revision sends: the answer to
/// `method`, good or bad, or a request or notification of that name.
///
/// # Panics
/// With a list of what is wrong with it, and when there is no such revision.
#[track_caller]
pub fn assert_message(revision: &str, method: &str, message: &Value) {
    if let Err(faults) = check_message(revision, method, message) {
        panic!("{faults}\nin {message:#}");
    }
}

/// Fails a test whose data is not what a tool's own schema promises.
///
/// # Panics
/// With what is wrong with it, and when the schema is none.
#[track_caller]
pub fn assert_satisfies(schema: &Value, data: &Value) {
    const URL: &str = "mcp://offered/schema.json";
    let mut compiler = Compiler::new();
    compiler.add_resource(URL, schema.clone()).expect("a good address");
    let mut schemas = Schemas::new();
    let index = compiler.compile(URL, &mut schemas).expect("a schema");
    if let Err(fault) = schemas.validate(data, index) {
        panic!("{fault}\nin {data:#}");
    }
}

/// What [`assert_valid`] asserts.
///
/// # Errors
/// What is wrong with the message, a line for each fault.
///
/// # Panics
/// When there is no such revision or definition.
pub fn check(revision: &str, definition: &str, message: &Value) -> Result<(), String> {
    published(revision).check(definition, message).map_err(|faults| format!("{revision} {faults}"))
}

/// What [`assert_message`] asserts.
///
/// # Errors
/// What is wrong with the message, a line for each fault.
///
/// # Panics
/// When there is no such revision.
pub fn check_message(revision: &str, method: &str, message: &Value) -> Result<(), String> {
    let faults = match Shape::of(method, message) {
        Some(shape) => shape.faults(revision, method, message),
        None => vec![format!("{revision} {method}: no result, no error and no method")],
    };
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// The four things that a JSON-RPC message from a server can be.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Result,
    Error,
    Notification,
    Request,
}

impl Shape {
    fn of(method: &str, message: &Value) -> Option<Self> {
        let has = |member| message.get(member).is_some();
        match () {
            () if has("error") => Some(Self::Error),
            () if has("result") => Some(Self::Result),
            () if has("method") && method.starts_with("notifications/") => Some(Self::Notification),
            () if has("method") => Some(Self::Request),
            () => None,
        }
    }

    /// The definition of what is around it.
    fn envelope(self, revision: &str) -> &'static str {
        match self {
            Self::Result if revision < LEGACY[3] => "JSONRPCResponse",
            Self::Result => "JSONRPCResultResponse",
            Self::Error if revision < LEGACY[3] => "JSONRPCError",
            Self::Error => "JSONRPCErrorResponse",
            Self::Notification => "JSONRPCNotification",
            Self::Request => "JSONRPCRequest",
        }
    }

    /// All that JSON-RPC 2.0 §4 and §5 let it have. The schemas do not say it: to them an answer
    /// with both a result and an error is a good result and a good error.
    fn members(self) -> &'static [&'static str] {
        match self {
            Self::Result => &["jsonrpc", "id", "result"],
            Self::Error => &["jsonrpc", "id", "error"],
            Self::Notification => &["jsonrpc", "method", "params"],
            Self::Request => &["jsonrpc", "id", "method", "params"],
        }
    }

    fn faults(self, revision: &str, method: &str, message: &Value) -> Vec<String> {
        let members = message.as_object().into_iter().flat_map(|object| object.keys());
        let foreign = members.filter(|member| !self.members().contains(&member.as_str()));
        let mut faults: Vec<String> =
            foreign.map(|member| format!("{revision} {method}: a member `{member}`")).collect();
        let enveloped = self.with_readable_id(message);
        faults.extend(check(revision, self.envelope(revision), &enveloped).err());
        let content = match self {
            Self::Result => check_result(revision, method, &message["result"]),
            Self::Error => check_error(revision, &enveloped),
            Self::Notification | Self::Request => check_begun(revision, method, message),
        };
        faults.extend(content.err());
        faults
    }

    /// The message, with a number in place of an error's `id` of null. No schema knows that null,
    /// and those before 2025-11-25 want an id; JSON-RPC 2.0 §5, which all of them build on, wants
    /// null where the id of the request could not be read.
    fn with_readable_id(self, message: &Value) -> Value {
        let mut message = message.clone();
        if self == Self::Error && message["id"].is_null() && message.get("id").is_some() {
            message["id"] = json!(0);
        }
        message
    }
}

fn check_result(revision: &str, method: &str, result: &Value) -> Result<(), String> {
    let asks = revision == MODERN && result["resultType"] == "input_required";
    if asks && ASKING.contains(&method) {
        return check(revision, "InputRequiredResult", result);
    }
    let definition = defined(&RESULTS, revision, method)?;
    check(revision, definition, result)
}

/// Most errors have nothing but their envelope to satisfy.
fn check_error(revision: &str, message: &Value) -> Result<(), String> {
    let code = message["error"]["code"].as_i64();
    let row = ERRORS.iter().find(|row| Some(row.0) == code && is_in(row.3, revision));
    let part = row.and_then(|(_, definition, part, _)| Some((definition, message.pointer(part)?)));
    part.map_or(Ok(()), |(definition, part)| check(revision, definition, part))
}

fn check_begun(revision: &str, method: &str, message: &Value) -> Result<(), String> {
    if message["method"] != method {
        return Err(format!("{revision} {method}: the method is {}", message["method"]));
    }
    let definition = defined(&BEGUN, revision, method)?;
    check(revision, definition, message)
}

fn defined(
    table: &[(&str, &'static str, Span)],
    revision: &str,
    method: &str,
) -> Result<&'static str, String> {
    let row = table.iter().find(|(name, _, span)| *name == method && is_in(*span, revision));
    row.map(|row| row.1).ok_or_else(|| format!("{revision} {method}: nothing that a server sends"))
}

fn is_in((first, last): Span, revision: &str) -> bool {
    (first..=last).contains(&revision)
}

/// The published files.
const FILES: [(&str, &str); 5] = [
    (LEGACY[0], include_str!("../../third-party/mcp-schema/2024-11-05.json")),
    (LEGACY[1], include_str!("../../third-party/mcp-schema/2025-03-26.json")),
    (LEGACY[2], include_str!("../../third-party/mcp-schema/2025-06-18.json")),
    (LEGACY[3], include_str!("../../third-party/mcp-schema/2025-11-25.json")),
    (MODERN, include_str!("../../third-party/mcp-schema/2026-07-28.json")),
];

/// A revision's schema, compiled.
struct Published {
    schemas: Schemas,
    definitions: HashMap<String, SchemaIndex>,
}

/// Compiled when it is first asked for, and once in a process.
fn published(revision: &str) -> &'static Published {
    static COMPILED: [OnceLock<Published>; FILES.len()] = [const { OnceLock::new() }; FILES.len()];
    let found = FILES.iter().zip(&COMPILED).find(|((name, _), _)| *name == revision);
    let ((_, text), compiled) = found.unwrap_or_else(|| panic!("no revision {revision}"));
    compiled.get_or_init(|| Published::compile(text))
}

impl Published {
    fn compile(text: &str) -> Self {
        /// It is never fetched: the document is handed over under it.
        const URL: &str = "mcp://published/schema.json";
        let document: Value = serde_json::from_str(text).expect("a published schema is JSON");
        // Draft-07 names the place one way, 2020-12 the other.
        let place = if document["$defs"].is_object() { "$defs" } else { "definitions" };
        let names =
            document[place].as_object().expect("a published schema has definitions").clone();
        let mut compiler = Compiler::new();
        // 2020-12 leaves it to the reader whether `"format": "uri"` is a rule; here it is.
        compiler.enable_format_assertions();
        compiler.add_resource(URL, document).expect("a good address");
        let mut schemas = Schemas::new();
        let mut compile = |name: String| {
            let index = compiler.compile(&format!("{URL}#/{place}/{name}"), &mut schemas);
            (name, index.expect("a published definition compiles"))
        };
        let definitions = names.into_iter().map(|(name, _)| compile(name)).collect();
        Self { schemas, definitions }
    }

    fn check(&self, definition: &str, message: &Value) -> Result<(), String> {
        let index = self.definitions.get(definition);
        let index = *index.unwrap_or_else(|| panic!("no definition {definition}"));
        self.schemas.validate(message, index).map_err(|fault| {
            // Its first line is the address of the schema.
            let text = fault.to_string();
            let lines = text.lines().skip(1).collect::<Vec<_>>();
            format!("{definition}:\n{}", lines.join("\n"))
        })
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn revisions_from(since: &str) -> impl Iterator<Item = &'static str> {
        LEGACY.into_iter().chain([MODERN]).filter(move |revision| *revision >= since)
    }

    /// A message about `method` that every revision takes which knows the method.
    fn good(method: &str) -> Value {
        let answer = |result: Value| json!({ "jsonrpc": "2.0", "id": 1, "result": result });
        match method {
            "tools/list" => answer(json!({
                "tools": [{ "name": "a", "inputSchema": { "type": "object" } }],
                "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
            })),
            "tools/call" => answer(json!({
                "content": [{ "type": "text", "text": "a" }], "resultType": "complete",
            })),
            "resources/list" => answer(json!({
                "resources": [{ "uri": "table:a", "name": "a" }],
                "resultType": "complete", "ttlMs": 0, "cacheScope": "public",
            })),
            "notifications/progress" => json!({
                "jsonrpc": "2.0", "method": method, "params": { "progressToken": 1, "progress": 0.5 },
            }),
            "roots/list" => json!({ "jsonrpc": "2.0", "id": "a", "method": method }),
            "nonsense" => json!({
                "jsonrpc": "2.0", "id": 1, "error": { "code": -32601, "message": "a" },
            }),
            _ => panic!("no message about {method}"),
        }
    }

    /// Another value at `pointer`, or none there.
    fn broken(mut message: Value, pointer: &str, bad: Option<Value>) -> Value {
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        let parent = message.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match bad {
            Some(bad) => parent.insert(member.into(), bad),
            None => parent.remove(member),
        };
        message
    }

    #[test]
    fn a_good_message_passes() {
        for method in
            ["tools/list", "tools/call", "resources/list", "notifications/progress", "nonsense"]
        {
            revisions_from("").for_each(|revision| assert_message(revision, method, &good(method)));
        }
        for revision in LEGACY {
            assert_message(revision, "roots/list", &good("roots/list"));
        }
    }

    #[test]
    fn a_missing_member_fails_and_is_named() {
        for (since, method, pointer) in [
            ("", "tools/list", "/jsonrpc"),
            ("", "tools/list", "/id"),
            ("", "tools/list", "/result"),
            ("", "tools/list", "/result/tools"),
            ("", "tools/list", "/result/tools/0/name"),
            ("", "tools/list", "/result/tools/0/inputSchema"),
            ("", "tools/call", "/result/content"),
            ("", "tools/call", "/result/content/0/text"),
            ("", "resources/list", "/result/resources/0/uri"),
            ("", "notifications/progress", "/params/progress"),
            ("", "nonsense", "/error/message"),
            ("", "nonsense", "/error/code"),
            (MODERN, "tools/list", "/result/resultType"),
            (MODERN, "tools/list", "/result/ttlMs"),
            (MODERN, "tools/list", "/result/cacheScope"),
        ] {
            let message = broken(good(method), pointer, None);
            for revision in revisions_from(since) {
                let fault = check_message(revision, method, &message).expect_err(pointer);
                let member = pointer.rsplit('/').next().unwrap();
                assert!(fault.contains(member), "{revision} {pointer}: {fault}");
            }
        }
    }

    #[test]
    fn a_member_of_the_wrong_type_fails_and_its_place_is_named() {
        for (since, method, pointer, bad) in [
            ("", "tools/list", "/jsonrpc", json!("1.0")),
            ("", "tools/list", "/id", json!(null)),
            ("", "tools/list", "/id", json!(1.5)),
            ("", "tools/list", "/result", json!([])),
            ("", "tools/list", "/result/tools", json!({})),
            ("", "tools/list", "/result/nextCursor", json!(3)),
            ("", "tools/list", "/result/tools/0/inputSchema/type", json!("array")),
            ("", "tools/call", "/result/isError", json!("true")),
            ("", "tools/call", "/result/content/0/type", json!("table")),
            ("", "tools/call", "/result/_meta", json!(1)),
            ("", "resources/list", "/result/resources/0/uri", json!("no uri")),
            ("", "notifications/progress", "/params/progress", json!("half")),
            ("", "nonsense", "/error/code", json!("-32601")),
            ("2025-03-26", "tools/list", "/result/tools/0/annotations", json!({ "title": 3 })),
            ("2025-06-18", "tools/list", "/result/tools/0/title", json!(3)),
            (MODERN, "tools/list", "/result/ttlMs", json!(-1)),
            (MODERN, "tools/list", "/result/cacheScope", json!("mine")),
        ] {
            let message = broken(good(method), pointer, Some(bad));
            for revision in revisions_from(since) {
                let fault = check_message(revision, method, &message).expect_err(pointer);
                let place = pointer.trim_start_matches("/result");
                assert!(fault.contains(place), "{revision} {pointer}: {fault}");
            }
        }
    }

    #[test]
    fn what_the_schemas_let_pass_and_json_rpc_does_not_fails_too() {
        for (method, pointer, bad) in [
            ("tools/list", "/error", json!({ "code": 1, "message": "a" })),
            ("tools/list", "/method", json!("tools/list")),
            ("notifications/progress", "/id", json!(1)),
            ("notifications/progress", "/method", json!("notifications/message")),
        ] {
            let message = broken(good(method), pointer, Some(bad));
            for revision in revisions_from("") {
                assert!(check_message(revision, method, &message).is_err(), "{revision} {pointer}");
            }
        }
        assert!(check_message(MODERN, "ping", &json!({ "jsonrpc": "2.0", "id": 1 })).is_err());
    }

    #[test]
    fn a_revision_has_only_the_methods_that_it_knows() {
        let empty = json!({ "jsonrpc": "2.0", "id": 1, "result": { "resultType": "complete" } });
        assert_message(LEGACY[0], "ping", &empty);
        assert!(
            check_message(MODERN, "ping", &empty).unwrap_err().contains("nothing that a server")
        );
        assert!(check_message(MODERN, "roots/list", &good("roots/list")).is_err());
        assert!(check_message(LEGACY[3], "server/discover", &empty).is_err());
    }

    #[test]
    fn only_where_questions_are_allowed_may_they_stand_for_a_result() {
        let mut asking = good("tools/list");
        asking["result"] = json!({ "resultType": "input_required", "requestState": "a" });
        assert_message(MODERN, "tools/call", &asking);
        assert!(check_message(MODERN, "tools/list", &asking).is_err());
        assert!(check_message(LEGACY[3], "tools/call", &asking).is_err());
    }

    #[test]
    fn an_error_with_a_definition_of_its_own_must_satisfy_it() {
        let mut refused = good("nonsense");
        refused["error"]["code"] = json!(-32022);
        let fault = check_message(MODERN, "nonsense", &refused).unwrap_err();
        assert!(fault.contains("UnsupportedProtocolVersionError"), "{fault}");
        refused["error"]["data"] = json!({ "supported": [MODERN], "requested": "2099-01-01" });
        assert_message(MODERN, "nonsense", &refused);
    }

    #[test]
    fn each_row_names_a_definition_of_every_revision_it_spans() {
        let errors = ERRORS.map(|(_, definition, _, span)| (definition, span));
        let rows = RESULTS.iter().chain(&BEGUN).map(|row| (row.1, row.2)).chain(errors);
        for (definition, span) in rows {
            for revision in revisions_from("").filter(|revision| is_in(span, revision)) {
                let known = published(revision).definitions.contains_key(definition);
                assert!(known, "{revision} has no {definition}");
            }
        }
    }

    #[test]
    fn the_files_are_those_that_their_origin_names() {
        let origin = include_str!("../../third-party/mcp-schema/ORIGIN.md");
        for (revision, text) in FILES {
            let hex = |text: String, byte: &u8| text + &format!("{byte:02x}");
            let digest = Sha256::digest(text).iter().fold(String::new(), hex);
            let name = format!("| `{revision}.json`");
            let row = origin.lines().find(|line| line.starts_with(&name)).unwrap();
            assert!(row.contains(&format!("`{digest}`")), "{revision}.json is {digest}");
        }
    }
}
