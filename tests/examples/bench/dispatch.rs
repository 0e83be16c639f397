//! What the dispatch itself costs, in process: one request after the other, no socket.

use std::error::Error;
use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use mcp_protocol::{
    Annotations, BoxFuture, Exchange, Found, Implementation, Output, ParameterHeaders,
    RoutingHeaders, Server, Tool, ToolCall, ToolDescriptor, ToolFailure, ToolOutput, ToolResult,
};
use serde_json::{Value, json};

use crate::micros;

const ROUNDS: usize = 9;
const REQUESTS: u32 = 20_000;

/// The time that one request takes, by what it is.
struct Costs {
    legacy_list: Duration,
    modern_call: Duration,
    /// The same with headers that repeat it, one of them an argument.
    modern_call_with_headers: Duration,
}

/// Does nothing, and asks clients to repeat its argument in a header.
struct Idle;

impl Tool<()> for Idle {
    fn descriptor(&self) -> ToolDescriptor {
        ToolDescriptor {
            name: "idle",
            title: "Idle",
            description: "Does nothing".into(),
            input_schema: json!({
                "type": "object",
                "properties": { "region": { "type": "string", "x-mcp-header": "Region" } },
            }),
            output_schema: None,
            annotations: Annotations::READS,
            icons: Vec::new(),
        }
    }

    fn call<'a>(
        &'a self,
        _: ToolCall<'a, ()>,
        _: &'a mut ToolOutput,
    ) -> BoxFuture<'a, Result<ToolResult, ToolFailure>> {
        Box::pin(async { Ok(ToolResult::default()) })
    }
}

#[derive(Debug)]
struct Region;

impl ParameterHeaders for Region {
    fn find(&self, _: &str) -> Found<'_> {
        Found::Once("=?base64?ZXUtd2VzdA==?=")
    }
}

pub(crate) fn report(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let costs = measure();
    let headers = costs.modern_call_with_headers.saturating_sub(costs.modern_call);
    writeln!(out, "| one message | time |\n|---|---:|")?;
    writeln!(out, "| `tools/list`, legacy | {:.2} µs |", micros(costs.legacy_list))?;
    writeln!(out, "| `tools/call`, modern | {:.2} µs |", micros(costs.modern_call))?;
    writeln!(out, "| validation of its four headers | {:.2} µs |", micros(headers))?;
    Ok(())
}

/// Measures all, in turn; the median round of each.
fn measure() -> Costs {
    let implementation =
        Implementation { name: "idle", title: "Idle", version: "1", icons: Vec::new() };
    let server = Server::builder(implementation).tool(Arc::new(Idle)).build();
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    let call = modern_call().to_string();
    let headers = RoutingHeaders {
        version: Some("2026-07-28"),
        method: Some("tools/call"),
        name: Some("=?base64?aWRsZQ==?="),
        unusable: None,
        parameters: Some(&Region),
    };
    let mut rounds = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        rounds[0].push(round(&server, &list, None));
        rounds[1].push(round(&server, &call, None));
        rounds[2].push(round(&server, &call, Some(headers)));
    }
    let [legacy_list, modern_call, modern_call_with_headers] = rounds.map(median);
    Costs { legacy_list, modern_call, modern_call_with_headers }
}

fn modern_call() -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "name": "idle", "arguments": { "region": "eu-west" }, "_meta": meta });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
}

/// The time of one request, over many.
fn round(server: &Server<()>, message: &str, headers: Option<RoutingHeaders<'_>>) -> Duration {
    let begin = Instant::now();
    for _ in 0..REQUESTS {
        let message = std::hint::black_box(message).as_bytes();
        let exchange = Exchange { principal: &(), message, headers, conversation: None };
        let mut reply = pin!(server.handle(exchange, Output::held()));
        let polled = reply.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(reply) = polled else { continue };
        assert!(std::hint::black_box(reply.output.into_rest()).len() > 32, "an answer");
    }
    begin.elapsed() / REQUESTS
}

fn median(mut rounds: Vec<Duration>) -> Duration {
    rounds.sort_unstable();
    rounds.get(rounds.len() / 2).copied().unwrap_or_default()
}
