//! What a server offers, collected before it serves.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::json;

use super::answer::Tails;
use super::{
    Prompts, RegisteredPrompt, RegisteredTemplate, RegisteredTool, Resources, Server, Tools,
};
use crate::change::Announcer;
use crate::content::{Icon, add_icons};
use crate::headers::MirroredArgument;
use crate::page::Listing;
use crate::prompt::Prompt;
use crate::request_state::RequestStates;
use crate::resource::{Resource, ResourceTemplate};
use crate::tool::Tool;
use crate::uri_template::UriTemplate;

/// What this server calls itself.
#[derive(Clone, Debug)]
pub struct Implementation {
    /// For programs.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// The product's version.
    pub version: &'static str,
    /// Pictures beside its name.
    pub icons: Vec<Icon>,
}

/// Entries of one page of a list, unless said otherwise.
const PAGE_SIZE: usize = 100;

/// Collects what a [`Server`] offers. Lists keep the order in which things were added.
pub struct ServerBuilder<P> {
    implementation: Implementation,
    instructions: Cow<'static, str>,
    tools: Vec<Arc<dyn Tool<P>>>,
    prompts: Vec<Arc<dyn Prompt<P>>>,
    resources: Vec<Arc<dyn Resource<P>>>,
    templates: Vec<Arc<dyn ResourceTemplate<P>>>,
    permits: fn(&P, &str) -> bool,
    permits_prompt: Option<fn(&P, &str) -> bool>,
    permits_resource: Option<fn(&P, &str) -> bool>,
    page_size: usize,
    logs: bool,
    announcer: Option<Announcer>,
    request_states: Option<RequestStates<P>>,
}

impl<P: Sync> ServerBuilder<P> {
    pub(super) fn new(implementation: Implementation) -> Self {
        Self {
            implementation,
            instructions: Cow::Borrowed(""),
            tools: Vec::new(),
            prompts: Vec::new(),
            resources: Vec::new(),
            templates: Vec::new(),
            permits: |_, _| true,
            permits_prompt: None,
            permits_resource: None,
            page_size: PAGE_SIZE,
            logs: false,
            announcer: None,
            request_states: None,
        }
    }

    /// Guidance for the model that uses this server, in a sentence or two.
    #[must_use]
    pub fn instructions(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.instructions = text.into();
        self
    }

    /// Adds a tool.
    #[must_use]
    pub fn tool(mut self, tool: Arc<dyn Tool<P>>) -> Self {
        self.tools.push(tool);
        self
    }

    /// Adds a prompt.
    #[must_use]
    pub fn prompt(mut self, prompt: Arc<dyn Prompt<P>>) -> Self {
        self.prompts.push(prompt);
        self
    }

    /// Adds a resource.
    #[must_use]
    pub fn resource(mut self, resource: Arc<dyn Resource<P>>) -> Self {
        self.resources.push(resource);
        self
    }

    /// Adds a template of resources. An address that fits several is read by the first.
    #[must_use]
    pub fn template(mut self, template: Arc<dyn ResourceTemplate<P>>) -> Self {
        self.templates.push(template);
        self
    }

    /// Which tools a caller may see and call, by name. Without this: all.
    #[must_use]
    pub fn permits(mut self, permits: fn(&P, &str) -> bool) -> Self {
        self.permits = permits;
        self
    }

    /// Which prompts a caller may see and get, by name. Without this: all.
    #[must_use]
    pub fn permits_prompt(mut self, permits: fn(&P, &str) -> bool) -> Self {
        self.permits_prompt = Some(permits);
        self
    }

    /// Which resources a caller may see and read, by the address or the template that the
    /// descriptor has. Without this: all.
    #[must_use]
    pub fn permits_resource(mut self, permits: fn(&P, &str) -> bool) -> Self {
        self.permits_resource = Some(permits);
        self
    }

    /// Entries of one page of a list; at least one.
    #[must_use]
    pub fn page_size(mut self, entries: usize) -> Self {
        self.page_size = entries.max(1);
        self
    }

    /// Handlers send log messages; without this, none leave.
    #[must_use]
    pub fn logs(mut self) -> Self {
        self.logs = true;
        self
    }

    /// What is offered changes while the server runs, and `announcer` says so.
    #[must_use]
    pub fn announcer(mut self, announcer: Announcer) -> Self {
        self.announcer = Some(announcer);
        self
    }

    /// Handlers may ask clients of the modern era, too.
    #[must_use]
    pub fn request_states(mut self, states: RequestStates<P>) -> Self {
        self.request_states = Some(states);
        self
    }

    /// The server.
    #[must_use]
    pub fn build(self) -> Server<P> {
        let Implementation { name, title, version, icons } = self.implementation;
        let mut implementation = json!({ "name": name, "title": title, "version": version });
        add_icons(&mut implementation, &icons);
        Server {
            tails: Tails::new(&implementation),
            implementation,
            instructions: self.instructions,
            tools: register_tools(self.tools),
            prompts: register_prompts(self.prompts),
            resources: register_resources(self.resources, self.templates),
            permits: self.permits,
            permits_prompt: self.permits_prompt,
            permits_resource: self.permits_resource,
            page_size: self.page_size,
            logs: self.logs,
            announcer: self.announcer,
            request_states: self.request_states,
        }
    }
}

fn register_tools<P>(tools: Vec<Arc<dyn Tool<P>>>) -> Tools<P> {
    let mut registered = Tools { listing: Listing::new("tools"), all: Vec::new() };
    for tool in tools {
        let descriptor = tool.descriptor();
        let written = descriptor.to_json().to_string().into_bytes();
        registered.listing.push(descriptor.name, written);
        let mirrored = MirroredArgument::all(&descriptor.input_schema);
        registered.all.push(RegisteredTool { name: descriptor.name, mirrored, tool });
    }
    registered
}

fn register_prompts<P>(prompts: Vec<Arc<dyn Prompt<P>>>) -> Prompts<P> {
    let mut registered = Prompts { listing: Listing::new("prompts"), all: Vec::new() };
    for prompt in prompts {
        let descriptor = prompt.descriptor();
        let written = descriptor.to_json().to_string().into_bytes();
        registered.listing.push(descriptor.name, written);
        let (name, arguments) = (descriptor.name, descriptor.arguments);
        registered.all.push(RegisteredPrompt { name, arguments, prompt });
    }
    registered
}

fn register_resources<P>(
    resources: Vec<Arc<dyn Resource<P>>>,
    templates: Vec<Arc<dyn ResourceTemplate<P>>>,
) -> Resources<P> {
    let mut registered = Resources {
        listing: Listing::new("resources"),
        all: Vec::new(),
        template_listing: Listing::new("resourceTemplates"),
        templates: Vec::new(),
    };
    for resource in resources {
        let descriptor = resource.descriptor();
        let written = descriptor.to_json("uri").to_string().into_bytes();
        registered.listing.push(descriptor.uri, written);
        registered.all.push((descriptor.uri, resource));
    }
    for template in templates {
        let descriptor = template.descriptor();
        let written = descriptor.to_json("uriTemplate").to_string().into_bytes();
        registered.template_listing.push(descriptor.uri, written);
        let (uri, pattern) = (descriptor.uri, UriTemplate::new(descriptor.uri));
        registered.templates.push(RegisteredTemplate { uri, pattern, template });
    }
    registered
}
