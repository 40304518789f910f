//! Who may call what, printed from the route table into `docs/permissions.md`, and every cell of it tried.

use crate::cast::{Owner, unlimited};
use crate::on_both_engines;
use crate::person::{self, Person};
use crate::refusals::in_the_envelope;
use crate::routes::{call, hub_token, revoked_key};
use crate::world::{Actor, World};
use http::Method;
use serde_json::{Value, json};
use skylight::auth::Feature;
use skylight::cli::manage;
use skylight::http::route::Permission;
use skylight::http::{Route, Who};
use skylight_db::args;
use skylight_test_support::http::HttpResponse;
use skylight_test_support::meta_webhook::{self, SIGNATURE};
use skylight_test_support::telegram::SECRET_HEADER;
use std::fmt::Write;

/// A kind of caller: a column of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nobody,
    Unknown,
    TwoKeys,
    WrongHeader,
    Workspace,
    ForeignPage,
    WithoutApi,
    WithoutFeature,
    Suspended,
    OfSuspendedPartner,
    Partner,
    SuspendedPartner,
    HubKey,
    Token,
    Provider,
}

/// Kind, its head in the table, and what it is.
const KINDS: &[(Kind, &str, &str)] = &[
    (Kind::Nobody, "nobody", "no credential at all"),
    (Kind::Unknown, "unknown key", "a key that was never issued, is mistyped, or was revoked"),
    (Kind::TwoKeys, "two keys", "two different credentials on one request"),
    (Kind::WrongHeader, "wrong header", "a workspace key as `X-Partner-Key`"),
    (Kind::Workspace, "workspace", "a workspace key, in `Authorization: Bearer` or `X-Api-Key`"),
    (Kind::ForeignPage, "foreign page", "a workspace key, from a page on none of its allowed domains"),
    (Kind::WithoutApi, "no API", "a workspace key, of a plan without API access"),
    (Kind::WithoutFeature, "no feature", "a workspace key, of a plan with API access and without webhooks"),
    (Kind::Suspended, "suspended", "a workspace key, of a suspended client"),
    (Kind::OfSuspendedPartner, "partner suspended", "a workspace key, of a suspended partner's client"),
    (Kind::Partner, "partner", "a partner key, in `X-Partner-Key`"),
    (Kind::SuspendedPartner, "suspended partner", "a partner key, of a suspended partner"),
    (Kind::HubKey, "hub key", "a partner key, in `X-API-Key`"),
    (Kind::Token, "token", "the bearer token that one of a partner's people got"),
    (Kind::Provider, "provider", "a messaging provider, proved by its signature or secret; no key"),
];

/// What somebody is answered: the status, and the code of a refusal.
type Answer = (u16, Option<&'static str>);

/// As it follows from a row of the route table.
fn answer(route: &Route, kind: Kind) -> Answer {
    let refused = |status, code| (status, Some(code));
    let wrong = refused(403, "wrong_credential");
    match (route.who, kind) {
        (Who::Public, _) | (Who::Provider, Kind::Provider) => (route.status, None),
        (Who::Provider, _) if route.method == Method::GET => refused(403, "verification_failed"),
        (Who::Provider, _) => refused(401, "bad_signature"),
        (Who::Partner, Kind::Nobody | Kind::Unknown | Kind::TwoKeys | Kind::Provider) => {
            refused(401, "partner_unauthenticated")
        }
        (Who::Workspace, Kind::Nobody | Kind::Unknown | Kind::TwoKeys | Kind::Provider) => {
            refused(401, "unauthenticated")
        }
        (Who::Hub, Kind::Nobody | Kind::Unknown | Kind::TwoKeys | Kind::Provider) => {
            refused(401, "hub_unauthenticated")
        }
        (Who::Hub, Kind::HubKey | Kind::Token) => (route.status, None),
        (Who::Hub, _) => wrong,
        (Who::Partner, Kind::Partner) => (route.status, None),
        (Who::Partner, Kind::SuspendedPartner) => refused(403, "partner_suspended"),
        (Who::Partner, _) => wrong,
        (Who::Workspace, Kind::Workspace) => (route.status, None),
        (Who::Workspace, Kind::WithoutFeature) if route.feature != Some(Feature::Webhooks) => (route.status, None),
        (Who::Workspace, Kind::WithoutApi | Kind::WithoutFeature) => refused(403, "feature_not_in_plan"),
        (Who::Workspace, Kind::ForeignPage) => refused(403, "origin_not_allowed"),
        (Who::Workspace, Kind::Suspended | Kind::OfSuspendedPartner) => refused(403, "account_suspended"),
        (Who::Workspace, _) => wrong,
        (Who::Session | Who::PartnerSession, _) => unreachable!("keys open no pages"),
    }
}

on_both_engines! {
    async fn everybody_is_answered_as_the_document_says(world: World) {
        let cast = Cast::gather(&world).await;
        let mut cells = 0;
        for route in skylight::routes::all() {
            // Whoever is refused changes nothing, so one path is enough for all of them.
            let there = (cast.owner.path(&route).await, cast.owner.body(&route).await);
            for (kind, name, _) in KINDS {
                let (status, code) = answer(&route, *kind);
                let given = cast.ask(&route, *kind, code.is_some().then_some(&there)).await;
                let what = format!("{} by {name}: {given:?}", route.operation);
                assert_eq!(given.status, status, "{what}");
                if let Some(code) = code {
                    assert_eq!(in_the_envelope(status, given.json()).1["code"], code, "{what}");
                }
                cells += 1;
            }
        }
        assert!(cells > 1_000, "{cells} cells");
    }

    async fn pages_open_to_whom_the_document_says(world: World) {
        let owner = Owner::new(&world, "nakheel").await;
        let (_, agent) = person::signed_in(&world, &owner.workspace, "Huda", "agent").await;
        let (_, admin) = person::signed_in(&world, &owner.workspace, "Omar", "admin").await;
        let visit = person::visitor(&world, &owner.partner, owner.workspace.id).await;
        let partner = person::partner_person(&world, &owner.partner).await;
        let nobody = Person::new(&world);
        let keys = format!("/api/v1/partner/clients/{}/api-keys", owner.workspace.id);
        let key = owner.partner.get(&keys).await.expect(200)["data"][0]["id"].clone();
        for route in skylight::routes::pages().iter().filter(|route| is_behind_a_login(route)) {
            let path = route.path.replace("{id}", &key.to_string());
            for (guest, name, _) in GUESTS {
                let somebody = match guest {
                    Guest::Nobody | Guest::Key => &nobody,
                    Guest::Agent => &agent,
                    Guest::Admin => &admin,
                    Guest::Visit => &visit,
                    Guest::Partner => &partner,
                };
                let mut request = somebody.request(route.method.as_str(), &path);
                if *guest == Guest::Key {
                    request = request.header("X-Api-Key", owner.workspace.key());
                }
                // A form without the page's token does nothing, but is only looked at where somebody may send it.
                let given = request.send().await;
                let what = format!("{} by {name}: {given:?}", route.operation);
                let old_form = given.text().contains("This form was not accepted");
                match page_answer(route, *guest) {
                    PageAnswer::Opens if route.method == Method::GET => assert_eq!(given.status, 200, "{what}"),
                    PageAnswer::Opens => assert_eq!((given.status, old_form), (403, true), "{what}"),
                    PageAnswer::Login => assert_eq!(given.status, 303, "{what}"),
                    PageAnswer::Refused => assert_eq!((given.status, old_form), (403, false), "{what}"),
                    PageAnswer::NoLogin => assert_eq!(given.status, 401, "{what}"),
                }
            }
        }
    }
}

/// Who comes to a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guest {
    Nobody,
    Key,
    Agent,
    Admin,
    Visit,
    Partner,
}

const GUESTS: &[(Guest, &str, &str)] = &[
    (Guest::Nobody, "nobody", "not signed in"),
    (Guest::Key, "a key", "a key is no login"),
    (Guest::Agent, "agent", "signed in to a workspace, as an agent"),
    (Guest::Admin, "admin", "signed in to a workspace, as an admin"),
    (Guest::Visit, "visit", "its partner, by a login link"),
    (Guest::Partner, "partner's person", "signed in as a partner"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PageAnswer {
    Opens,
    /// Sent to sign in.
    Login,
    Refused,
    NoLogin,
}

fn is_behind_a_login(route: &Route) -> bool {
    matches!(route.who, Who::Session | Who::PartnerSession)
}

fn page_answer(route: &Route, guest: Guest) -> PageAnswer {
    match (route.who, route.permission, guest) {
        (_, _, Guest::Key) => PageAnswer::NoLogin,
        (Who::PartnerSession, _, Guest::Partner) => PageAnswer::Opens,
        (Who::PartnerSession, ..) | (_, _, Guest::Nobody | Guest::Partner) => PageAnswer::Login,
        (_, Permission::Anybody, _)
        | (_, Permission::Admins, Guest::Admin | Guest::Visit)
        | (_, Permission::AdminsInPerson, Guest::Admin) => PageAnswer::Opens,
        (_, Permission::Admins | Permission::AdminsInPerson, _) => PageAnswer::Refused,
    }
}

/// The pages' part of the document.
fn pages(text: &mut String) {
    text.push_str("\n## Pages behind a login\n\n| who | is |\n|---|---|\n");
    GUESTS.iter().for_each(|(_, name, is)| writeln!(text, "| {name} | {is} |").unwrap());
    let heads: String = GUESTS.iter().map(|(_, name, _)| format!(" {name} |")).collect();
    writeln!(text, "\n| page |{heads}\n|---|{}", "---|".repeat(GUESTS.len())).unwrap();
    for route in skylight::routes::pages().iter().filter(|route| is_behind_a_login(route)) {
        let word = |guest| match page_answer(route, guest) {
            PageAnswer::Opens => "**opens**",
            PageAnswer::Login => "303 to sign in",
            PageAnswer::Refused => "403 `not_permitted`",
            PageAnswer::NoLogin => "401",
        };
        let cells: String = GUESTS.iter().map(|(guest, ..)| format!(" {} |", word(*guest))).collect();
        writeln!(text, "| `{} {}` |{cells}", route.method, route.path).unwrap();
    }
}

#[test]
fn the_document_is_of_this_route_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/permissions.md");
    let text = document();
    if std::env::var_os("RENEW").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == text, "docs/permissions.md is stale: RENEW=1 cargo test --test it permissions writes it");
}

fn document() -> String {
    let mut text = String::from(
        "# Who may call what\n\nMade from the route table by a test that calls every operation as every kind of caller, on both \
         databases. `RENEW=1 cargo test --test it permissions` writes it anew.\n\n| caller | is |\n|---|---|\n",
    );
    KINDS.iter().for_each(|(_, name, is)| writeln!(text, "| {name} | {is} |").unwrap());
    text.push_str(
        "\nWhat passes says its status in bold. Refusals, with the `code` of their body:\n\n| | code |\n|---|---|\n",
    );
    let routes = skylight::routes::all();
    let mut refusals: Vec<(u16, &str)> = Vec::new();
    for (route, (kind, ..)) in routes.iter().flat_map(|route| KINDS.iter().map(move |kind| (route, kind))) {
        if let (status, Some(code)) = answer(route, *kind) {
            refusals.push((status, code));
        }
    }
    refusals.sort_unstable();
    refusals.dedup();
    let letter = |refusal: (u16, &str)| {
        let same: Vec<_> = refusals.iter().filter(|(status, _)| *status == refusal.0).collect();
        let place = same.iter().position(|other| **other == refusal).unwrap();
        format!("{}{}", refusal.0, char::from(b'a' + u8::try_from(place).unwrap()))
    };
    refusals.iter().for_each(|refusal| writeln!(text, "| {} | `{}` |", letter(*refusal), refusal.1).unwrap());
    let mut tags: Vec<&str> = Vec::new();
    routes.iter().for_each(|route| {
        if !tags.contains(&route.tag) {
            tags.push(route.tag)
        }
    });
    for tag in tags {
        let heads: String = KINDS.iter().map(|(_, name, _)| format!(" {name} |")).collect();
        writeln!(text, "\n## {tag}\n\n| operation |{heads}\n|---|{}", "---|".repeat(KINDS.len())).unwrap();
        for route in routes.iter().filter(|route| route.tag == tag) {
            let cells: String = KINDS
                .iter()
                .map(|(kind, ..)| match answer(route, *kind) {
                    (status, None) => format!(" **{status}** |"),
                    (status, Some(code)) => format!(" {} |", letter((status, code))),
                })
                .collect();
            writeln!(text, "| `{} {}` |{cells}", route.method, route.path).unwrap();
        }
    }
    pages(&mut text);
    text
}

/// Somebody of every kind.
struct Cast<'a> {
    world: &'a World,
    owner: Owner<'a>,
    /// On a plan without webhooks.
    modest: Owner<'a>,
    headers: Vec<(Kind, Vec<(&'static str, String)>)>,
}

const APP_SECRET: &str = "meta-app-secret";

impl<'a> Cast<'a> {
    async fn gather(world: &'a World) -> Self {
        unlimited(world).await;
        let mut tx = world.app.db.begin().await.unwrap();
        tx.exec("UPDATE plan SET webhooks = FALSE WHERE slug = 'pro'", args![]).await.unwrap();
        tx.commit().await.unwrap();
        let (owner, modest) = (Owner::new(world, "nakheel").await, Owner::on(world, "modest", "pro").await);
        let revoked = revoked_key(&owner).await;
        let keys = format!("/api/v1/partner/clients/{}/api-keys", owner.workspace.id);
        let bound = owner.partner.post(&keys, json!({"allowed_domains": ["app.nakheel.example"]})).await.expect(201);
        let bound = bound["data"]["key"].as_str().unwrap().to_owned();
        let (_, starter) = owner.partner.client("Starter", "starter").await;
        let (client, suspended) = owner.partner.client("Suspended", "business").await;
        let suspend = format!("/api/v1/partner/clients/{}/suspend", client["id"]);
        owner.partner.post(&suspend, json!({})).await.expect(200);
        let fallen = world.partner("fallen").await;
        let (_, orphan) = fallen.client("Orphan", "business").await;
        manage::set_partner_active(&world.app, fallen.id, false).await.unwrap();
        let token = hub_token(world, &owner).await;
        let of = |header: &'static str, who: &Actor| (header, who.key().to_owned());
        let headers = vec![
            (Kind::Nobody, vec![]),
            (Kind::Provider, vec![]),
            (Kind::WrongHeader, vec![of("X-Partner-Key", &owner.workspace)]),
            (Kind::Unknown, vec![("X-Api-Key", revoked)]),
            (Kind::TwoKeys, vec![of("X-Api-Key", &owner.workspace), of("X-Partner-Key", &owner.partner)]),
            (Kind::Workspace, vec![of("X-Api-Key", &owner.workspace)]),
            (Kind::ForeignPage, vec![("X-Api-Key", bound), ("Origin", "https://elsewhere.example".to_owned())]),
            (Kind::WithoutApi, vec![of("X-Api-Key", &starter)]),
            (Kind::WithoutFeature, vec![of("X-Api-Key", &modest.workspace)]),
            (Kind::Suspended, vec![of("X-Api-Key", &suspended)]),
            (Kind::OfSuspendedPartner, vec![of("X-Api-Key", &orphan)]),
            (Kind::Partner, vec![of("X-Partner-Key", &owner.partner)]),
            (Kind::SuspendedPartner, vec![of("X-Partner-Key", &fallen)]),
            (Kind::HubKey, vec![("X-API-Key", owner.partner.key().to_owned())]),
            (Kind::Token, vec![("Authorization", format!("Bearer {token}"))]),
        ];
        Self { world, owner, modest, headers }
    }

    fn headers(&self, kind: Kind) -> Vec<(&'static str, String)> {
        self.headers.iter().find(|(of, _)| *of == kind).unwrap().1.clone()
    }

    /// Calls a route about what is `there`, or about things made for the one who may.
    async fn ask(&self, route: &Route, kind: Kind, there: Option<&(String, Option<Value>)>) -> HttpResponse {
        if (route.who, kind) == (Who::Provider, Kind::Provider) {
            return self.proved(route).await;
        }
        let headers = self.headers(kind);
        if let Some((path, body)) = there {
            return call(self.world, route, path, &headers, body.as_ref()).await;
        }
        let owner = if kind == Kind::WithoutFeature { &self.modest } else { &self.owner };
        let (path, body) = (owner.path(route).await, owner.body(route).await);
        call(self.world, route, &path, &headers, body.as_ref()).await
    }

    /// A provider's own request, with its proof.
    async fn proved(&self, route: &Route) -> HttpResponse {
        let connected = |body: Value| async {
            self.owner.workspace.post("/api/v1/channels", body).await.expect(201)["data"].clone()
        };
        if route.operation == "telegram_hook" {
            let body = self.owner.telegram();
            let token = body["credentials"]["bot_token"].as_str().unwrap().to_owned();
            connected(body).await;
            let hook = self.world.telegram.hook(&token).unwrap();
            let update = self.world.telegram.text_update(42, "Layla", "hello");
            let request = self.world.http.post(self.world.local(&hook.url)).json(&update);
            return request.header(SECRET_HEADER, hook.secret_token.unwrap()).send().await;
        }
        let body = self.owner.whatsapp();
        let number = body["credentials"]["phone_number_id"].as_str().unwrap().to_owned();
        let channel = connected(body).await;
        let url = self.world.local(channel["webhook_url"].as_str().unwrap());
        match route.operation {
            "verify_whatsapp_hook" => {
                let token = channel["verify_token"].as_str().unwrap();
                meta_webhook::challenge(&self.world.http, &url, token, "1158201444").await.unwrap()
            }
            "whatsapp_hook" => {
                let bytes = self.world.meta.webhook(&number).text("966501112233", "ليلى", "hello").bytes();
                let signature = meta_webhook::sign(APP_SECRET, &bytes);
                self.world.http.post(&url).header(SIGNATURE, signature).bytes(bytes).send().await
            }
            other => panic!("how is {other} proved? Teach it to `Cast::proved`"),
        }
    }
}
