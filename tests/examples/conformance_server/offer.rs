//! Everything that the server offers, in one place.

use std::sync::Arc;

use mcp_identity::Principal;
use mcp_protocol::{
    Announcer, Change, Icon, Implementation, RequestStates, Server, ServerBuilder, Tool,
};

use crate::conduct::Announces;
use crate::media::ICON;
use crate::{asking, conduct, contents, prompts, resources};

/// The server, with handlers that may ask clients of the modern era by `states`.
pub(crate) fn server(states: RequestStates<Principal>) -> Server<Principal> {
    let implementation = Implementation {
        name: "mcp-conformance-test-server",
        title: "Conformance fixture",
        version: env!("CARGO_PKG_VERSION"),
        icons: vec![Icon { src: ICON.into(), mime_type: "image/svg+xml", sizes: &["any"] }],
    };
    let announcer = Announcer::new();
    let builder = Server::builder(implementation)
        .instructions("Offers every feature of the protocol, so that clients can try them.")
        .logs()
        .announcer(announcer.clone())
        .request_states(states);
    let builder = tools(&announcer).into_iter().fold(builder, ServerBuilder::tool);
    let builder = prompts::all().into_iter().fold(builder, ServerBuilder::prompt);
    let builder = resources::all().into_iter().fold(builder, ServerBuilder::resource);
    resources::templates().into_iter().fold(builder, ServerBuilder::template).build()
}

fn tools(announcer: &Announcer) -> Vec<Arc<dyn Tool<Principal>>> {
    let mut tools: Vec<Arc<dyn Tool<Principal>>> = Vec::new();
    for tool in contents::tools().into_iter().chain(conduct::tools()).chain(asking::tools()) {
        tools.push(Arc::new(tool));
    }
    for (name, title, change) in [
        ("test_trigger_tool_change", "Tools changed", Change::Tools),
        ("test_trigger_prompt_change", "Prompts changed", Change::Prompts),
        (
            "test_trigger_resource_change",
            "Resource changed",
            Change::Resource(resources::WATCHED.into()),
        ),
    ] {
        tools.push(Arc::new(Announces { name, title, change, announcer: announcer.clone() }));
    }
    tools
}
