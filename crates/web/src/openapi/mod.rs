//! `GET /api/v1/openapi.json`: the document of the JSON API, OpenAPI 3.1.
//!
//! It is made of three things that cannot go stale: the table of routes (who may, and what every route of a kind can answer),
//! the types that are sent and taken (by schemars), and one sentence for each route, in `table.rs`. Tests hold that each route of
//! the API is in it and nothing else, and that what the server answers is what it says. Why so: ADR-0024.

mod operation;
mod table;

use crate::answers::Failure;
use crate::app::App;
use crate::routes::{Kind, ROUTES, Route, Who, is_for_programs};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use operation::{Body, Content, Operation};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

/// `GET /api/v1/openapi.json`
pub(crate) async fn serve(State(app): State<App>) -> Response {
    Json(document(&app.version)).into_response()
}

/// The document.
#[must_use]
pub fn document(version: &str) -> Value {
    let mut shapes = Shapes::new();
    let mut paths = Map::new();
    let operations = table::operations();
    for route in ROUTES.iter().filter(|route| is_for_programs(route.path)) {
        let method = route.method.as_str().to_ascii_lowercase();
        let Some(told) = operations.iter().find(|told| told.method == method && told.path == route.path)
        else {
            continue;
        };
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(method, operation(route, told, &mut shapes));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "breakglass",
            "version": version,
            "description": "The same use cases as the pages' forms, for programs. What an answer does not promise, it does not mean: \
                            a 202 says that something began, never how it ended. Everything but a look is sent once.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": { "schemas": shapes.all(), "securitySchemes": ways_in() },
    })
}

/// The shapes of what is sent and of what is taken. A field with a default is always there in what is sent, and may be left
/// out of what is taken; so there are two generators.
struct Shapes {
    sent: SchemaGenerator,
    taken: SchemaGenerator,
}

impl Shapes {
    fn new() -> Self {
        let mut settings = SchemaSettings::draft2020_12();
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
        settings.transforms.push(Box::new(schemars::transform::RecursiveTransform(bound)));
        Self {
            sent: settings.clone().for_serialize().into_generator(),
            taken: settings.for_deserialize().into_generator(),
        }
    }

    fn all(mut self) -> Map<String, Value> {
        let mut all = self.taken.take_definitions(true);
        all.extend(self.sent.take_definitions(true));
        all
    }
}

/// A number of 64 bits has a greatest one, which matters to whoever makes numbers up.
fn bound(schema: &mut schemars::Schema) {
    let format = schema.get("format").and_then(Value::as_str);
    let greatest = match format {
        Some("uint64" | "uint") => Some(u64::MAX),
        Some("uint32") => Some(u64::from(u32::MAX)),
        _ => None,
    };
    if let Some(greatest) = greatest {
        schema.insert("maximum".to_owned(), greatest.into());
    }
}

fn operation(route: &Route, told: &Operation, shapes: &mut Shapes) -> Value {
    let mut all = Map::new();
    all.insert("operationId".to_owned(), told.id.into());
    all.insert("summary".to_owned(), told.summary.into());
    let needs = match (route.who, route.role) {
        (Who::Public, _) => String::new(),
        (Who::Person, role) => {
            format!("Only a person may, with the role {role}; never a program with a token.")
        }
        (Who::Agent, _) => "Only an outside agent may, with a token of its own.".to_owned(),
        (Who::Known | Who::Scraper, role) => format!("Needs the role {role}."),
    };
    let says =
        [told.says, needs.as_str()].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
    if !says.is_empty() {
        all.insert("description".to_owned(), says.into());
    }
    all.insert("security".to_owned(), security(route));
    let parameters = parameters(route, told);
    if !parameters.is_empty() {
        all.insert("parameters".to_owned(), parameters.into());
    }
    if let Some(Body { shape, required }) = told.body {
        let schema = shape(&mut shapes.taken);
        let body = json!({ "required": required, "content": { "application/json": { "schema": schema } } });
        all.insert("requestBody".to_owned(), body);
    }
    all.insert("responses".to_owned(), responses(route, told, &mut shapes.sent).into());
    all.into()
}

fn responses(route: &Route, told: &Operation, sent: &mut SchemaGenerator) -> Map<String, Value> {
    let mut all = Map::new();
    for (status, says) in every(route, told) {
        let schema = sent.subschema_for::<Failure>();
        let answer = json!({ "description": says, "content": { "application/json": { "schema": schema } } });
        all.insert(status.to_string(), answer);
    }
    for (status, says, contents) in &told.answers {
        let mut media = Map::new();
        for content in contents {
            let (name, described) = match content {
                Content::Json(shape) => ("application/json", json!({ "schema": shape(sent) })),
                // OpenAPI 3.1 has no word for the items of a stream; they stand beside it, as 3.2's began.
                Content::Lines(name, shape) => (*name, json!({ "x-itemSchema": shape(sent) })),
                Content::Text(name) => (*name, json!({ "schema": { "type": "string" } })),
            };
            media.insert(name.to_owned(), described);
        }
        all.insert(status.to_string(), json!({ "description": says, "content": media }));
    }
    all
}

/// The answers that any route of its kind can give: they come from the gate and from taking the request apart.
fn every(route: &Route, told: &Operation) -> Vec<(u16, &'static str)> {
    let mut all = Vec::new();
    if route.who != Who::Public {
        all.push((401, "Nobody is known by what the request brought. Nothing was done."));
        all.push((403, "Whoever asks may not, or did not mean it. Nothing was done."));
    }
    if told.body.is_some() || told.resumes || names(route.path).next().is_some() {
        all.push((400, "The request does not fit. Nothing was done."));
    }
    if route.method == "POST" {
        all.push((408, "The request did not arrive whole in time. Nothing was done."));
        all.push((413, "The request is too large. Nothing was done."));
    }
    if let Some(body) = told.body {
        all.push((422, "The body is JSON of another shape. Nothing was done."));
        if body.required {
            all.push((415, "The body is not called JSON. Nothing was done."));
        }
    }
    if route.kind != Kind::Stream {
        all.push((504, "No answer came in time. What was started goes on."));
    }
    all
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|word| word.strip_prefix('{')?.strip_suffix('}'))
}

fn is_number(path: &str, name: &str) -> bool {
    matches!(name, "command" | "call") || name == "id" && path.contains("/incidents/")
}

fn parameters(route: &Route, told: &Operation) -> Vec<Value> {
    let mut all = Vec::new();
    for name in names(route.path) {
        let number = json!({ "type": "integer", "format": "uint64", "minimum": 0, "maximum": u64::MAX });
        let (says, schema) = match name {
            _ if is_number(route.path, name) => ("Its number.", number),
            "verb" => (
                "The verb.",
                json!({ "type": "string", "enum": breakglass_protocol::Verb::ALL.map(breakglass_protocol::Verb::as_str) }),
            ),
            "format" => ("The form.", json!({ "type": "string", "enum": ["markdown", "json"] })),
            "id" => ("Its public name.", json!({ "type": "string", "minLength": 1 })),
            _ => ("Its name.", json!({ "type": "string", "minLength": 1 })),
        };
        all.push(
            json!({ "name": name, "in": "path", "required": true, "description": says, "schema": schema }),
        );
    }
    if told.resumes {
        let number = json!({ "type": "integer", "format": "uint64", "minimum": 0, "maximum": u64::MAX });
        all.push(json!({ "name": "after", "in": "query", "required": false, "schema": number,
            "description": "The number of the last event that the client has; 0 for all." }));
        all.push(json!({ "name": "Last-Event-ID", "in": "header", "required": false, "schema": { "type": "string" },
            "description": "The same, as browsers send it when they come back; it goes before `after`." }));
    }
    all
}

fn security(route: &Route) -> Value {
    let session = if route.method == "POST" {
        json!({ "session": [], "intent": [] })
    } else {
        json!({ "session": [] })
    };
    match route.who {
        Who::Public => json!([]),
        Who::Known => json!([{ "token": [] }, session]),
        Who::Scraper => json!([{ "metrics": [] }, { "token": [] }, session]),
        Who::Person => json!([session]),
        Who::Agent => json!([{ "agent": [] }]),
    }
}

fn ways_in() -> Value {
    let bearer = |says: &str| json!({ "type": "http", "scheme": "bearer", "description": says });
    json!({
        "token": bearer("A token of `breakglass token NAME`, with the role of its name."),
        "agent": bearer("A token of `breakglass token NAME --agent`."),
        "metrics": bearer("A token of `breakglass token NAME --metrics`."),
        "session": {
            "type": "apiKey", "in": "cookie", "name": "__Host-breakglass",
            "description": "The cookie of a log-in on the page; `breakglass` where cookies are not for TLS only. A listed proxy's \
                            header does the same.",
        },
        "intent": {
            "type": "apiKey", "in": "header", "name": "x-csrf-token",
            "description": "Proof of intent: what the pages' forms carry in their field `csrf`. Asked of sessions, not of tokens.",
        },
    })
}

#[cfg(test)]
mod tests;
