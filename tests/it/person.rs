//! Somebody with a browser, at the level of HTTP: cookies that are kept, forms that are filled in and sent.

use crate::world::{Actor, PUBLIC_URL, World};
use serde_json::{Value, json};
use skylight::cli::manage;
use skylight_test_support::http::{HttpClient, HttpResponse, RequestBuilder};
use std::collections::BTreeMap;

pub const PASSWORD: &str = "three wells, one palm";

#[derive(Clone)]
pub struct Person {
    http: HttpClient,
    base: String,
    pub cookies: BTreeMap<String, String>,
    /// The page they look at.
    pub page: String,
}

impl Person {
    pub fn new(world: &World) -> Self {
        Self::at(&world.http, &world.base)
    }

    pub fn at(http: &HttpClient, base: &str) -> Self {
        Self { http: http.clone(), base: base.to_owned(), cookies: BTreeMap::new(), page: String::new() }
    }

    /// A request with their cookies, as their browser sends it from one of our pages.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if !self.cookies.is_empty() {
            let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", pairs.join("; "));
        }
        request
    }

    /// Keeps the cookies of an answer, and looks at it.
    pub fn look(&mut self, answer: &HttpResponse) {
        for cookie in answer.headers.get_all("set-cookie") {
            let text = cookie.to_str().unwrap();
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            // Browsers keep such names only with all of this.
            assert!(name.starts_with("__Host-"), "{text}");
            for part in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
                assert!(text.contains(part), "{text}");
            }
            assert!(!text.contains("Domain"), "{text}");
            if text.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        if answer.status != 303 {
            self.page = answer.text();
        }
    }

    pub async fn get(&mut self, path: &str) -> HttpResponse {
        let answer = self.request("GET", path).send().await;
        self.look(&answer);
        answer
    }

    /// The token of the page's forms.
    pub fn form(&self) -> String {
        hidden(&self.page, "form")
    }

    /// Sends a form of the page they look at.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> HttpResponse {
        let token = self.form();
        let mut all = vec![("form", token.as_str())];
        all.extend_from_slice(fields);
        let request = self.request("POST", path).header("origin", PUBLIC_URL).header("sec-fetch-site", "same-origin");
        let answer = request.form(&all).send().await;
        self.look(&answer);
        answer
    }

    /// Fills in a sign-in page; answers what came of it.
    pub async fn try_signing_in(&mut self, door: &str, email: &str, password: &str) -> HttpResponse {
        self.get(door).await;
        self.submit(door, &[("email", email), ("password", password)]).await
    }

    pub async fn sign_in(&mut self, email: &str, password: &str) {
        let answer = self.try_signing_in("/login", email, password).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/dashboard")), "{answer:?}");
    }

    /// The session they have, as the cookie says it.
    pub fn session(&self) -> &str {
        self.cookies.get("__Host-session").map_or("", String::as_str)
    }

    /// Whether their browser still opens a workspace.
    pub async fn is_in(&mut self) -> bool {
        let answer = self.get("/dashboard").await;
        if answer.status == 303 {
            assert_eq!(answer.header("location"), Some("/login?next=%2Fdashboard"), "{answer:?}");
        }
        answer.status == 200
    }
}

/// The value of a hidden field.
pub fn hidden(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let rest = page.split(&mark).nth(1).unwrap_or_else(|| panic!("no {name} in {page}"));
    rest.split('"').next().unwrap().to_owned()
}

/// A member of a workspace, with a password; answers the member.
pub async fn member(workspace: &Actor, name: &str, role: &str) -> Value {
    let body = json!({"name": name, "email": email(name), "role": role, "password": PASSWORD});
    workspace.post("/api/v1/team", body).await.expect(201)["data"].clone()
}

pub fn email(name: &str) -> String {
    format!("{}@team.example", name.to_lowercase().replace(' ', "-"))
}

/// A member who is signed in.
pub async fn signed_in(world: &World, workspace: &Actor, name: &str, role: &str) -> (Value, Person) {
    let member = member(workspace, name, role).await;
    let mut person = Person::new(world);
    person.sign_in(&email(name), PASSWORD).await;
    assert!(person.is_in().await);
    (member, person)
}

/// The token of an invitation of one of a partner's people.
pub async fn invitation(world: &World, partner: &Actor, address: &str) -> String {
    let invitation = manage::invite_person(&world.app, partner.id, address).await.unwrap();
    invitation.url.reveal().split_once("token=").unwrap().1.to_owned()
}

/// One of a partner's people, signed in.
pub async fn partner_person(world: &World, partner: &Actor) -> Person {
    let address = format!("ops-{}@partner.example", partner.id);
    let token = invitation(world, partner, &address).await;
    let mut person = Person::new(world);
    let fields = [("token", token.as_str()), ("password", PASSWORD), ("again", PASSWORD)];
    person.get(&format!("/partner/invite?token={token}")).await;
    let chosen = person.request("POST", "/partner/invite").form(&fields).send().await;
    assert_eq!(chosen.status, 200, "{chosen:?}");
    let entered = person.try_signing_in("/partner/login", &address, PASSWORD).await;
    assert_eq!((entered.status, entered.header("location")), (303, Some("/partner")), "{entered:?}");
    person
}

/// A link into a client's workspace; answers its token.
pub async fn link(partner: &Actor, client: i64) -> String {
    let issued = partner.post(&format!("/api/v1/partner/clients/{client}/impersonate"), json!({})).await.expect(200);
    issued["data"]["login_url"].as_str().unwrap().split_once("token=").unwrap().1.to_owned()
}

/// A partner on a visit in a client's workspace.
pub async fn visitor(world: &World, partner: &Actor, client: i64) -> Person {
    let token = link(partner, client).await;
    let mut person = Person::new(world);
    person.get(&format!("/partner-login?token={token}")).await;
    let entered = person.submit("/partner-login", &[("token", &token)]).await;
    assert_eq!((entered.status, entered.header("location")), (303, Some("/dashboard")), "{entered:?}");
    person
}
