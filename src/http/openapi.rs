//! The OpenAPI 3.1 document, made from the route table so that a route cannot exist undocumented.

use super::route::{JSON, NamedSchema, Parameter, Route, Shape, Who};
use crate::kernel::Error;
use crate::kernel::page::{FeedMeta, Meta};
use http::Method;
use serde_json::json;
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

/// Writes the whole document.
pub fn document(routes: &[Route], webhooks: &[(&str, &str)]) -> OpenApi {
    let mut paths = PathsBuilder::new();
    for route in routes {
        let mut item = PathItem::default();
        item.merge_operations(PathItem::new(method(&route.method), operation(route)));
        paths = paths.path(route.path, item);
    }
    let info =
        InfoBuilder::new().title("Messaging platform API").version("1.0.0").description(Some(DESCRIPTION)).build();
    OpenApiBuilder::new()
        .openapi(OpenApiVersion::Version31)
        .info(info)
        .servers(Some([Server::new("/")]))
        .paths(paths)
        .webhooks(Some(webhook_paths(webhooks)))
        .tags(Some(TAGS.map(Tag::new)))
        .components(Some(components(routes)))
        .build()
}

/// The order of the reference page.
const TAGS: [&str; 17] = [
    "Partners",
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

fn operation(route: &Route) -> utoipa::openapi::path::Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(route.operation))
        .tag(route.tag)
        .summary(Some(route.summary))
        .description(Some(route.description).filter(|text| !text.is_empty()));
    for name in path_parameters(route.path) {
        operation = operation.parameter(path_parameter(name));
    }
    for parameter in &route.parameters {
        operation = operation.parameter(query_parameter(parameter));
    }
    if route.writes() && matches!(route.who, Who::Workspace | Who::Partner) {
        operation = operation.parameter(idempotency_key());
    }
    if let Some(request) = &route.request {
        let schema = Ref::from_schema_name((request.name)());
        let content = ContentBuilder::new().schema(Some(schema)).example(route.request_example.clone());
        let body = RequestBodyBuilder::new().content(route.takes, content.build()).required(Some(Required::True));
        operation = operation.request_body(Some(body.build()));
    }
    operation = operation.response(route.status.to_string(), success(route));
    for (status, response) in failures(route) {
        operation = operation.response(status.to_string(), response);
    }
    for status in &route.pages {
        let page = ResponseBuilder::new().description("A page that says so.");
        let content =
            ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(SchemaType::new(Type::String))));
        operation = operation.response(status.to_string(), page.content(HTML, content.build()).build());
    }
    operation.securities(Some(securities(route.who))).build()
}

fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> utoipa::openapi::path::Parameter {
    let kind = if name.ends_with("id") { Type::Integer } else { Type::String };
    let schema = ObjectBuilder::new().schema_type(SchemaType::new(kind));
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(schema))
        .build()
}

fn query_parameter(parameter: &Parameter) -> utoipa::openapi::path::Parameter {
    let kind = match parameter.kind {
        "integer" | "position" => Type::Integer,
        "boolean" => Type::Boolean,
        _ => Type::String,
    };
    let mut schema = ObjectBuilder::new().schema_type(SchemaType::new(kind));
    if parameter.kind.contains('|') {
        schema = schema.enum_values(Some(parameter.kind.split('|').map(str::trim)));
    }
    ParameterBuilder::new()
        .name(parameter.name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(parameter.description))
        .schema(Some(schema))
        .build()
}

fn idempotency_key() -> utoipa::openapi::path::Parameter {
    let schema = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).max_length(Some(255));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("A repetition with the same key and request gets the stored answer."))
        .schema(Some(schema))
        .build()
}

fn success(route: &Route) -> Response {
    let description = route.message.unwrap_or(if route.status == 204 { "Done; no body." } else { "Success" });
    let mut response = ResponseBuilder::new().description(description);
    if !route.pages.is_empty() {
        let content =
            ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(SchemaType::new(Type::String))));
        response = response.content(HTML, content.build());
    } else if let Some(schema) = success_schema(route) {
        response = response.content(JSON, ContentBuilder::new().schema(Some(schema)).build());
    }
    response.build()
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

fn truth() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(Type::Boolean)).examples([json!(true)])
}

fn text(example: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).examples([json!(example)])
}

/// What a route can refuse with, as it follows from its row of the table.
pub fn statuses(route: &Route) -> Vec<u16> {
    let mut statuses = match route.who {
        Who::Workspace | Who::Partner => vec![401, 403, 429, 431, 500, 503],
        Who::Provider => vec![401, 404, 413, 431, 500, 503],
        Who::Public | Who::Session | Who::PartnerSession => vec![431, 500, 503],
    };
    if route.guessable {
        statuses.push(429);
    }
    if matches!(route.who, Who::Workspace | Who::Partner) {
        if route.has_id() {
            statuses.push(404);
        }
        if !route.parameters.is_empty() {
            statuses.push(422);
        }
        if route.writes() {
            statuses.extend([400, 409, 413, 422]);
        }
        if route.request.is_some() {
            statuses.push(415);
        }
    }
    statuses.extend(&route.problems);
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

fn failures(route: &Route) -> impl Iterator<Item = (u16, Response)> {
    statuses(route).into_iter().map(|status| {
        let words = Error::CODES.iter().filter(|(_, of, _)| *of == status).map(|(code, _, _)| format!("`{code}`"));
        let description = words.collect::<Vec<_>>().join(", ");
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        (status, ResponseBuilder::new().description(description).content(JSON, content).build())
    })
}

fn securities(who: Who) -> Vec<SecurityRequirement> {
    let none: [&str; 0] = [];
    match who {
        Who::Workspace => vec![SecurityRequirement::new(BEARER, none), SecurityRequirement::new(API_KEY, none)],
        Who::Partner => vec![SecurityRequirement::new(PARTNER_KEY, none)],
        // Pages are no part of the API: they are not in the document.
        Who::Provider | Who::Public | Who::Session | Who::PartnerSession => vec![],
    }
}

/// Outgoing webhooks: what receivers must understand.
fn webhook_paths(events: &[(&str, &str)]) -> utoipa::openapi::Paths {
    let mut paths = PathsBuilder::new();
    for (event, description) in events {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("WebhookPayload"))).build();
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
    let mut schemas: Vec<NamedSchema> = Vec::new();
    let described = routes.iter().flat_map(|route| [route.request, route.response]).flatten();
    described.for_each(|described| (described.add_schemas)(&mut schemas));
    <Meta as ToSchema>::schemas(&mut schemas);
    schemas.push((Meta::name().into_owned(), <Meta as utoipa::PartialSchema>::schema()));
    schemas.push((FeedMeta::name().into_owned(), <FeedMeta as utoipa::PartialSchema>::schema()));
    schemas.push(("Problem".into(), problem_schema()));
    schemas.push(("WebhookPayload".into(), payload_schema()));
    for (name, schema) in schemas {
        components.schemas.insert(name, schema);
    }
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A workspace key.")).build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    for (name, header) in [(API_KEY, "X-Api-Key"), (PARTNER_KEY, "X-Partner-Key")] {
        components.add_security_scheme(name, SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(header))));
    }
    components
}

fn problem_schema() -> RefOr<Schema> {
    let messages = ArrayBuilder::new().items(ObjectBuilder::new().schema_type(SchemaType::new(Type::String)));
    ObjectBuilder::new()
        .property("success", ObjectBuilder::new().schema_type(SchemaType::new(Type::Boolean)).examples([json!(false)]))
        .property("message", text("The given data was invalid."))
        .property("code", text("invalid"))
        .property("request_id", text("3f0c1d2e4b5a69788796a5b4c3d2e1f0"))
        .property("errors", ObjectBuilder::new().additional_properties(Some(Schema::from(messages.build()))))
        .property("retry_after", ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer)))
        .required("success")
        .required("message")
        .required("code")
        .required("request_id")
        .into()
}

fn payload_schema() -> RefOr<Schema> {
    ObjectBuilder::new()
        .property("event", text("contact.created"))
        .property("delivery_id", text("0c9d7f0e-1111-4222-8333-abcdefabcdef"))
        .property("timestamp", Ref::from_schema_name("Instant"))
        .property("data", ObjectBuilder::new())
        .required("event")
        .required("delivery_id")
        .required("timestamp")
        .required("data")
        .into()
}
