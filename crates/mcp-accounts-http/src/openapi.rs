//! The table of endpoints as an OpenAPI 3.1 document.

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::recovery;
use crate::route::{Access, Described, Parameter, Route, SchemaOf, all, of};
use crate::view::{Detail, FieldProblem};

/// The document, for people and programs alike. The same for every server of this release.
#[must_use]
pub fn document() -> String {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut paths = Map::new();
    for route in all().map(Route::described).chain(recovery::DESCRIBED.iter().cloned()) {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation(&route, &mut generator);
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Accounts",
            "version": "1",
            "description": "Logging in, one's own account, lost passwords, and the accounts of others for admins. \
                            Everything under `/auth/email` is found under `/v1/auth/email`, too.",
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
        },
    });
    format!("{document:#}\n")
}

fn operation(route: &Described, generator: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.summary,
        "responses": responses(route, generator),
    });
    let parameters = parameters(route);
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(schema) = route.body {
        let content = json!({ "application/json": { "schema": schema() } });
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    if route.access != Access::Anyone {
        operation["security"] = json!([{ "bearer": [] }]);
    }
    operation
}

fn parameters(route: &Described) -> Vec<Value> {
    let named = route.path.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?.strip_suffix('}')?;
        let schema = json!({ "type": "string", "minLength": 1 });
        Some(json!({ "name": name, "in": "path", "required": true, "schema": schema }))
    });
    let asked = route.query.iter().map(|Parameter { name, schema, meaning }| {
        json!({ "name": name, "in": "query", "schema": schema(), "description": meaning })
    });
    named.chain(asked).collect()
}

/// Its own answers, and those that come of who may ask and of what is sent.
fn responses(route: &Described, generator: &mut SchemaGenerator) -> Map<String, Value> {
    let with_body: &[(u16, &str, SchemaOf)] = &[
        (413, "The body is larger than 16 KiB.", of::<Detail>),
        (415, "The body is not said to be JSON.", of::<Detail>),
        (422, "A field is missing or is not what it should be.", of::<FieldProblem>),
    ];
    let with_credential: &[(u16, &str, SchemaOf)] = &[
        (401, "No token, or one that does not hold.", of::<Detail>),
        (403, "The token does not reach this far.", of::<Detail>),
        (429, "Too many bad tokens, or wrong passwords, from this address.", of::<Detail>),
    ];
    let of_all: &[(u16, &str, SchemaOf)] = &[
        (400, "The request is malformed.", of::<Detail>),
        (503, "A part is down or busy; `Retry-After` says when to ask again.", of::<Detail>),
    ];
    let mut responses = Map::new();
    let mut add = |answers: &[(u16, &str, SchemaOf)]| {
        for (status, description, schema) in answers {
            let schema = schema(generator);
            let response = response(description, &schema);
            responses.entry(status.to_string()).or_insert(response);
        }
    };
    add(route.answers);
    if route.body.is_some() {
        add(with_body);
    }
    if route.access != Access::Anyone {
        add(with_credential);
    }
    add(of_all);
    responses
}

fn response(description: &str, schema: &Schema) -> Value {
    let content = json!({ "application/json": { "schema": schema } });
    json!({ "description": description, "content": content })
}
