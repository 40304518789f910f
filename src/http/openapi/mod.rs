//! The OpenAPI 3.1 document, made from the route table so that a route cannot exist undocumented.

mod examples;
mod problems;

pub use examples::{of as example_of, overlay};
pub use problems::statuses;

use super::route::{JSON, NamedSchema, Parameter, Route, Shape, Who};
use crate::kernel::page::{FeedMeta, Meta};
use http::Method;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItem, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::tag::Tag;
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, OpenApiVersion, Ref, RefOr, Required, Response,
    ResponseBuilder, Schema, Server,
};

const HTML: &str = "text/html";
const BEARER: &str = "workspaceBearer";
const API_KEY: &str = "workspaceKey";
const PARTNER_KEY: &str = "partnerKey";
const HUB_KEY: &str = "hubKey";
const HUB_BEARER: &str = "hubBearer";

/// Events that receivers are told in one form.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    pub events: &'a [(&'a str, &'a str)],
    /// The name of the payload's schema.
    pub payload: &'a str,
    /// A payload of an event.
    pub sample: fn(&str) -> Option<Value>,
}

pub const WORKSPACE_PAYLOAD: &str = "WebhookPayload";
pub const PARTNER_PAYLOAD: &str = "PartnerWebhookPayload";
pub const HUB_PAYLOAD: &str = "HubEvent";

/// Writes the whole document.
pub fn document(routes: &[Route], told: &[Told<'_>]) -> OpenApi {
    let mut paths = PathsBuilder::new();
    let components = components(routes);
    let schemas = schemas_of(&components);
    for route in routes {
        let mut item = PathItem::default();
        item.merge_operations(PathItem::new(method(&route.method), operation(route, &schemas)));
        paths = paths.path(route.path, item);
    }
    let info =
        InfoBuilder::new().title("Messaging platform API").version("1.0.0").description(Some(DESCRIPTION)).build();
    OpenApiBuilder::new()
        .openapi(OpenApiVersion::Version31)
        .info(info)
        .servers(Some([Server::new("/")]))
        .paths(paths)
        .webhooks(Some(webhook_paths(told)))
        .tags(Some(TAGS.map(Tag::new)))
        .components(Some(components))
        .build()
}

/// The order of the reference page.
const TAGS: [&str; 18] = [
    "Partners",
    "Partner API v2",
    "Account",
    "Team",
    "Contacts",
    "Lists and segments",
    "Tags",
    "Messages",
    "Channels",
    "Tickets",
    "Partner tickets",
    "Webhooks",
    "Webhook events",
    "Events",
    "Provider hooks",
    "Pages",
    "Operations",
    "Reference",
];

const DESCRIPTION: &str = "Workspaces authenticate with `Authorization: Bearer <key>` or `X-Api-Key`, partners with \
`X-Partner-Key`. Every answer is JSON in one envelope; lists carry `meta`; errors carry `message`, a stable `code`, and \
`errors` by field. 120 requests per minute and key. Every write takes an `Idempotency-Key`: a repetition within 24 hours \
gets the stored answer.";

fn method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn operation(route: &Route, schemas: &Map<String, Value>) -> utoipa::openapi::path::Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(route.operation))
        .tag(route.tag)
        .summary(Some(route.summary))
        .description(Some(route.description).filter(|text| !text.is_empty()));
    for name in path_parameters(route.path) {
        operation = operation.parameter(path_parameter(name, route.who));
    }
    for parameter in &route.parameters {
        operation = operation.parameter(query_parameter(parameter));
    }
    if route.writes() && route.who.has_key() {
        operation = operation.parameter(idempotency_key());
    }
    if let Some(request) = &route.request {
        let name = (request.name)();
        // What needs no field needs no body: none at all reads as an empty object.
        let needs_one = schemas[&*name]["required"].as_array().is_some_and(|fields| !fields.is_empty());
        let required = if needs_one { Required::True } else { Required::False };
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(name)));
        let content = content.example(route.request_example.clone());
        let body = RequestBodyBuilder::new().content(route.takes, content.build()).required(Some(required));
        operation = operation.request_body(Some(body.build()));
    }
    for status in &route.pages {
        let response = ResponseBuilder::new().description("A page that says so.");
        operation = operation.response(status.to_string(), page(response, HTML, "<!doctype html>…"));
    }
    operation = problems::refer(route, operation.response(route.status.to_string(), success(route, schemas)));
    operation.securities(Some(securities(route.who))).build()
}

fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str, who: Who) -> utoipa::openapi::path::Parameter {
    // The second partner API names everything by words.
    let is_id = name.ends_with("id") && who != Who::Hub;
    let schema = if is_id { kind_of(Type::Integer).minimum(Some(1)) } else { kind_of(Type::String) };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(schema))
        .build()
}

fn query_parameter(parameter: &Parameter) -> utoipa::openapi::path::Parameter {
    let kind = match parameter.kind {
        "integer" | "position" | "count" => Type::Integer,
        "boolean" => Type::Boolean,
        _ => Type::String,
    };
    let schema = match kind_of(kind) {
        // Pages and ids alike are counted from one.
        schema if parameter.kind == "integer" => schema.minimum(Some(1)),
        schema if parameter.kind == "count" => schema.minimum(Some(0)),
        schema if parameter.kind.contains('|') => schema.enum_values(Some(parameter.kind.split('|').map(str::trim))),
        schema => schema,
    };
    ParameterBuilder::new()
        .name(parameter.name)
        .parameter_in(ParameterIn::Query)
        .required(if parameter.is_required { Required::True } else { Required::False })
        .description(Some(parameter.description))
        .schema(Some(schema))
        .build()
}

fn idempotency_key() -> utoipa::openapi::path::Parameter {
    let schema = kind_of(Type::String).min_length(Some(1)).max_length(Some(255)).pattern(Some("^[ -~]+$"));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("A repetition with the same key and request gets the stored answer."))
        .schema(Some(schema))
        .build()
}

fn success(route: &Route, schemas: &Map<String, Value>) -> Response {
    let description = route.message.unwrap_or(if route.shape == Shape::Nothing { "Done; no body." } else { "Success" });
    let response = ResponseBuilder::new().description(description);
    if let Some((kind, example)) = route.text {
        return page(response, kind, example);
    }
    let Some(schema) = success_schema(route) else { return response.build() };
    let example = serde_json::to_value(&schema).ok().and_then(|schema| examples::of(&schema, schemas).ok());
    let example = example.map(|example| examples::showing(example, &route.shown));
    response.content(JSON, ContentBuilder::new().schema(Some(schema)).example(example).build()).build()
}

/// A text that is no JSON.
fn page(response: ResponseBuilder, kind: &str, example: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(kind_of(Type::String))).example(Some(example.into()));
    response.content(kind, content.build()).build()
}

fn success_schema(route: &Route) -> Option<RefOr<Schema>> {
    let data = route.response.map(|data| RefOr::<Schema>::from(Ref::from_schema_name((data.name)())));
    let envelope = ObjectBuilder::new().property("success", truth()).required("success");
    let envelope = match (route.shape, data) {
        (Shape::Nothing, _) | (Shape::Plain, None) => return None,
        (Shape::Plain, Some(schema)) => return Some(schema),
        (Shape::Message, _) | (_, None) => envelope,
        (Shape::One | Shape::PageInside, Some(item)) => envelope.property("data", item).required("data"),
        (Shape::All | Shape::Page | Shape::Feed, Some(item)) => {
            envelope.property("data", ArrayBuilder::new().items(item)).required("data")
        }
    };
    let envelope = match route.message {
        Some(message) => envelope.property("message", text(message)).required("message"),
        None => envelope,
    };
    let envelope = match route.shape {
        Shape::Page | Shape::PageInside => envelope.property("meta", Ref::from_schema_name("Meta")).required("meta"),
        Shape::Feed => envelope.property("meta", Ref::from_schema_name("FeedMeta")).required("meta"),
        _ => envelope,
    };
    Some(envelope.into())
}

fn kind_of(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(kind))
}

fn truth() -> ObjectBuilder {
    kind_of(Type::Boolean).enum_values(Some([true]))
}

fn text(example: &str) -> ObjectBuilder {
    kind_of(Type::String).examples([json!(example)])
}

fn securities(who: Who) -> Vec<SecurityRequirement> {
    let none: [&str; 0] = [];
    match who {
        Who::Workspace => vec![SecurityRequirement::new(BEARER, none), SecurityRequirement::new(API_KEY, none)],
        Who::Partner => vec![SecurityRequirement::new(PARTNER_KEY, none)],
        Who::Hub => vec![SecurityRequirement::new(HUB_KEY, none), SecurityRequirement::new(HUB_BEARER, none)],
        // Pages are no part of the API: they are not in the document.
        Who::Provider | Who::Public | Who::Session | Who::PartnerSession => vec![],
    }
}

/// Outgoing webhooks: what receivers must understand.
fn webhook_paths(told: &[Told<'_>]) -> utoipa::openapi::Paths {
    let mut paths = PathsBuilder::new();
    let events = told.iter().flat_map(|told| told.events.iter().map(move |event| (told, event)));
    for (Told { payload, sample, .. }, (event, description)) in events {
        let mut example = json!({
            "event": event, "delivery_id": "0c9d7f0e-1111-4222-8333-abcdefabcdef",
            "timestamp": "2026-03-04T12:00:00.000000Z", "data": {},
        });
        match *payload {
            PARTNER_PAYLOAD => example["partner_id"] = json!(7),
            HUB_PAYLOAD => example = json!({"id": "0c9d7f0e-1111-4222-8333-abcdefabcdef", "event": event, "data": {}}),
            _ => {}
        }
        let example = sample(event).unwrap_or(example);
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(*payload))).example(Some(example));
        let content = content.build();
        let operation = OperationBuilder::new()
            .operation_id(Some(format!("on_{}", event.replace('.', "_"))))
            .tag("Webhook events")
            .summary(Some(*event))
            .description(Some(*description))
            .request_body(Some(RequestBodyBuilder::new().content(JSON, content).build()))
            .response("200", ResponseBuilder::new().description("Any 2xx accepts the delivery."))
            .securities(Some([]))
            .build();
        paths = paths.path(*event, PathItem::new(HttpMethod::Post, operation));
    }
    paths.build()
}

fn components(routes: &[Route]) -> Components {
    let mut components = Components::new();
    let (mut taken, mut answered): (Vec<NamedSchema>, Vec<NamedSchema>) = Default::default();
    routes.iter().filter_map(|route| route.request).for_each(|of| (of.add_schemas)(&mut taken));
    routes.iter().filter_map(|route| route.response).for_each(|of| (of.add_schemas)(&mut answered));
    <Meta as ToSchema>::schemas(&mut answered);
    answered.push((Meta::name().into_owned(), <Meta as utoipa::PartialSchema>::schema()));
    answered.push((FeedMeta::name().into_owned(), <FeedMeta as utoipa::PartialSchema>::schema()));
    answered.iter_mut().for_each(|(_, schema)| require_all(schema));
    leave_out(routes, &mut answered);
    let ours = [
        ("Problem".into(), problems::schema()),
        ("HubProblem".into(), problems::hub_schema()),
        ("TokenProblem".into(), problems::token_schema()),
        (WORKSPACE_PAYLOAD.into(), payload_schema().into()),
        (PARTNER_PAYLOAD.into(), partner_payload_schema()),
        (HUB_PAYLOAD.into(), hub_payload_schema()),
    ];
    // What is both taken and answered is described as it is taken.
    for (name, schema) in answered.into_iter().chain(taken).chain(ours) {
        components.schemas.insert(name, schema);
    }
    components.responses = problems::shared(routes);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A workspace key.")).build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    let token =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("What `POST /api/v2/token` answered."));
    components.add_security_scheme(HUB_BEARER, SecurityScheme::Http(token.build()));
    for (name, header) in [(API_KEY, "X-Api-Key"), (PARTNER_KEY, "X-Partner-Key"), (HUB_KEY, "X-API-Key")] {
        components.add_security_scheme(name, SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(header))));
    }
    components
}

/// No answer leaves out a key: what is not there is null.
fn require_all(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            object.required = object.properties.keys().cloned().collect();
            object.properties.values_mut().for_each(require_all);
        }
        RefOr::T(Schema::AllOf(all)) => all.items.iter_mut().for_each(require_all),
        RefOr::T(Schema::OneOf(one)) => one.items.iter_mut().for_each(require_all),
        _ => {}
    }
}

/// But for those that a row of the table names.
fn leave_out(routes: &[Route], answered: &mut [NamedSchema]) {
    let named = routes.iter().filter_map(|route| Some(((route.response?.name)(), &route.sometimes)));
    let named: Vec<_> = named.filter(|(_, sometimes)| !sometimes.is_empty()).collect();
    for (name, schema) in answered {
        for (_, keys) in named.iter().filter(|(of, _)| of == name) {
            let is_there = |key: &String| !keys.contains(&key.as_str());
            match schema {
                RefOr::T(Schema::Object(object)) => object.required.retain(is_there),
                RefOr::T(Schema::AllOf(all)) => all.items.iter_mut().for_each(|item| {
                    if let RefOr::T(Schema::Object(object)) = item {
                        object.required.retain(is_there);
                    }
                }),
                _ => {}
            }
        }
    }
}

/// The schemas as they are printed.
fn schemas_of(components: &Components) -> Map<String, Value> {
    let printed = components.schemas.iter().map(|(name, schema)| {
        // A schema that cannot be printed has no example, which a test tells.
        (name.clone(), serde_json::to_value(schema).unwrap_or_default())
    });
    printed.collect()
}

fn payload_schema() -> ObjectBuilder {
    ObjectBuilder::new()
        .property("event", text("contact.created"))
        .property("delivery_id", text("0c9d7f0e-1111-4222-8333-abcdefabcdef"))
        .property("timestamp", Ref::from_schema_name("Instant"))
        .property("data", ObjectBuilder::new())
        .required("event")
        .required("delivery_id")
        .required("timestamp")
        .required("data")
}

fn partner_payload_schema() -> RefOr<Schema> {
    let partner = ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer)).examples([json!(7)]);
    payload_schema()
        .property("event", text("partner.client.created"))
        .property("partner_id", partner)
        .required("partner_id")
        .into()
}

fn hub_payload_schema() -> RefOr<Schema> {
    ObjectBuilder::new()
        .property("id", text("0c9d7f0e-1111-4222-8333-abcdefabcdef"))
        .property("event", text("client_created"))
        .property("data", ObjectBuilder::new())
        .required("id")
        .required("event")
        .required("data")
        .into()
}
