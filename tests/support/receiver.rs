//! The client's own system: a webhook receiver that records every delivery, answers as told, and checks signatures
//! the way the documentation and the Standard Webhooks libraries do.

use std::{future::Future, net::Ipv4Addr, ops::Deref, process::Stdio, sync::Arc, time::Duration};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::io::AsyncWriteExt;

use super::{
    meta_webhook,
    script::{Behaviour, Hold, Outcome, Script},
    server::{HangUp, Recorded, Reply, StandInServer},
    wait::Journal,
};

/// One delivery as it arrived. The request's own fields are reached directly: `delivery.json`, `delivery.path`.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub request: Recorded,
    /// The `event` of the body, else the header `X-SkyLight-Event`.
    pub event: String,
    /// What it was answered; none when the connection was cut. A held one has its answer still to come.
    pub answered: Option<u16>,
}

impl Deref for Delivery {
    type Target = Recorded;

    fn deref(&self) -> &Recorded {
        &self.request
    }
}

impl Delivery {
    /// `X-SkyLight-Delivery`.
    pub fn id(&self) -> &str {
        self.header("x-skylight-delivery")
    }

    /// `X-SkyLight-Attempt`, 0 when it is no number.
    pub fn attempt(&self) -> u32 {
        self.header("x-skylight-attempt").parse().unwrap_or_default()
    }
}

/// Serves until dropped. Answers 200 unless told otherwise.
#[derive(Debug)]
pub struct Receiver {
    shared: Arc<Shared>,
    server: StandInServer,
}

#[derive(Debug, Default)]
struct Shared {
    script: Script,
    deliveries: Journal<Delivery>,
}

impl Receiver {
    pub async fn start() -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST).await
    }

    /// On another of this machine's addresses.
    pub async fn start_at(ip: Ipv4Addr) -> Self {
        let shared = Arc::new(Shared::default());
        let state = shared.clone();
        let server = StandInServer::start_at(ip, move |request| answer(state.clone(), request)).await;
        Self { shared, server }
    }

    /// The address under which a path is received: `url("/hooks")`.
    pub fn url(&self, path: &str) -> String {
        format!("{}/{}", self.server.base(), path.trim_start_matches('/'))
    }

    /// Behaviours by path: `script().next("/hooks/a", …)`; `"*"` matches every path.
    pub fn script(&self) -> &Script {
        &self.shared.script
    }

    /// The next delivery that has no answer yet gets this status; calls line up.
    pub fn answer_next(&self, status: u16) {
        self.behave_next(Behaviour::status(status));
    }

    /// Every delivery that finds nothing in the line gets this status.
    pub fn answer_always(&self, status: u16) {
        self.shared.script.always("*", Behaviour::status(status));
    }

    /// For headers, bodies, cut connections: `behave_next(Behaviour::status(503).with_header("retry-after", 3))`.
    pub fn behave_next(&self, behaviour: Behaviour) {
        self.shared.script.next("*", behaviour);
    }

    /// The next delivery is answered with this status once the handle lets it go.
    pub fn hold_next(&self, status: u16) -> Hold {
        let (behaviour, hold) = Behaviour::status(status).held();
        self.behave_next(behaviour);
        hold
    }

    /// The next delivery's connection is cut without an answer.
    pub fn hang_up_next(&self) {
        self.behave_next(Behaviour::hang_up());
    }

    /// All deliveries in the order of arrival.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.deliveries.all()
    }

    /// How many deliveries `keep` wants: cheap, where there are very many.
    pub fn count(&self, keep: impl Fn(&Delivery) -> bool) -> usize {
        self.shared.deliveries.count(keep)
    }

    /// Deliveries of one event, in the order of arrival.
    pub fn of_event(&self, event: &str) -> Vec<Delivery> {
        self.shared.deliveries.filtered(|delivery| delivery.event == event)
    }

    /// Waits for `count` deliveries in all, and returns all.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> impl Future<Output = Vec<Delivery>> {
        self.shared.deliveries.wait_for("webhook delivery", count, |_| true)
    }

    /// Waits for `count` deliveries of this event in all, and returns those.
    #[track_caller]
    pub fn wait_for_event(&self, event: &str, count: usize) -> impl Future<Output = Vec<Delivery>> {
        let wanted = event.to_owned();
        self.wait_for_matching(format!("delivery of {event}"), count, move |delivery| delivery.event == wanted)
    }

    /// Waits for `count` deliveries that `keep` wants, and returns those.
    #[track_caller]
    pub fn wait_for_matching(
        &self,
        what: impl Into<String>,
        count: usize,
        keep: impl Fn(&Delivery) -> bool,
    ) -> impl Future<Output = Vec<Delivery>> {
        self.shared.deliveries.wait_for(what, count, keep)
    }

    /// Panics if more than `count` deliveries have come by the end of the window.
    #[track_caller]
    pub fn no_more_than(&self, count: usize, window: Duration) -> impl Future<Output = ()> {
        self.shared.deliveries.stays_at("webhook delivery", count, window, |_| true)
    }
}

async fn answer(shared: Arc<Shared>, request: Recorded) -> Result<Reply, HangUp> {
    let behaviour = shared.script.take(&request.path);
    let reply = match behaviour.outcome() {
        Outcome::Normal => Some(Reply::empty(200)),
        Outcome::Reply(reply) => Some(reply.clone()),
        Outcome::LoseAnswer | Outcome::HangUp => None,
    };
    let event = request.json["event"].as_str().unwrap_or_else(|| request.header("x-skylight-event")).to_owned();
    let answered = reply.as_ref().map(|reply| reply.status);
    shared.deliveries.push(Delivery { request, event, answered });
    behaviour.pass_gates().await;
    reply.ok_or(HangUp)
}

/// `sha256=` + hex HMAC-SHA256 of the bytes, keyed with the whole secret as text.
pub fn product_signature(secret: &str, body: &[u8]) -> String {
    meta_webhook::sign(secret, body)
}

/// Whether `X-SkyLight-Signature` is that of the raw body.
pub fn verify_product_signature(secret: &str, delivery: &Delivery) -> bool {
    verify_product_signature_over(secret, delivery, &delivery.body)
}

/// Whether `X-SkyLight-Signature` is that of these bytes (the receiver's own re-serialisation, say).
pub fn verify_product_signature_over(secret: &str, delivery: &Delivery, body: &[u8]) -> bool {
    delivery.header("x-skylight-signature") == product_signature(secret, body)
}

/// `v1,` + base64 HMAC-SHA256 of `id.timestamp.body`, keyed with what the part after `whsec_` decodes to.
#[track_caller]
pub fn standard_signature(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> String {
    let text = secret.strip_prefix("whsec_").unwrap_or_else(|| panic!("no whsec_ secret: {secret:?}"));
    let key = STANDARD_NO_PAD.decode(text).unwrap_or_else(|error| panic!("{secret:?} is not base64: {error}"));
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Whether one of the signatures in `webhook-signature` is that of id, timestamp and raw body.
#[track_caller]
pub fn verify_standard_signature(secret: &str, delivery: &Delivery) -> bool {
    let (id, timestamp) = (delivery.header("webhook-id"), delivery.header("webhook-timestamp"));
    if id.is_empty() || timestamp.parse::<i64>().is_err() {
        return false;
    }
    let expected = standard_signature(secret, id, timestamp, &delivery.body);
    delivery.header("webhook-signature").split(' ').any(|signature| signature == expected)
}

/// Panics unless both signatures hold, and the secret has the documented form (`whsec_` + 64 base64 characters).
#[track_caller]
pub fn assert_signed(secret: &str, delivery: &Delivery) {
    assert_eq!(secret.len(), "whsec_".len() + 64, "the form of {secret:?}");
    assert!(verify_product_signature(secret, delivery), "X-SkyLight-Signature: {:#?}\n{delivery:?}", delivery.headers);
    assert!(verify_standard_signature(secret, delivery), "webhook-signature: {:#?}\n{delivery:?}", delivery.headers);
}

/// `JSON.stringify(JSON.parse(body))` by Node itself.
pub async fn node_roundtrip(body: &[u8]) -> Vec<u8> {
    let program = "const chunks = []; process.stdin.on('data', c => chunks.push(c)); process.stdin.on('end', () => \
                   process.stdout.write(JSON.stringify(JSON.parse(Buffer.concat(chunks).toString('utf8')))));";
    run("node", &["-e", program], body).await
}

/// The `v1a` signatures of a delivery and what they are over, one a line in base64.
fn ed25519_input(public_key: &str, delivery: &Delivery) -> String {
    let (id, timestamp) = (delivery.header("webhook-id"), delivery.header("webhook-timestamp"));
    let message = [format!("{id}.{timestamp}.").as_bytes(), &delivery.body[..]].concat();
    let list = delivery.header("webhook-signature").split(' ').filter_map(|entry| entry.strip_prefix("v1a,"));
    let key = public_key.strip_prefix("whpk_").unwrap_or_default();
    [key, &STANDARD.encode(message)].into_iter().chain(list).collect::<Vec<_>>().join("\n")
}

/// Whether a public key verifies one of the `v1a` signatures: as RFC 8032 writes it down, in Python's integers.
pub async fn verify_ed25519_by_python(public_key: &str, delivery: &Delivery) -> bool {
    judged_by("python3", &["-c", include_str!("ed25519.py")], &ed25519_input(public_key, delivery)).await
}

/// Likewise by Node's own library.
pub async fn verify_ed25519_by_node(public_key: &str, delivery: &Delivery) -> bool {
    let program = "const {createPublicKey, verify} = require('crypto');\n\
        const [key, message, ...list] = require('fs').readFileSync(0, 'utf8').split('\\n');\n\
        const head = Buffer.from('302a300506032b6570032100', 'hex');\n\
        const spki = Buffer.concat([head, Buffer.from(key, 'base64')]);\n\
        const pub = createPublicKey({key: spki, format: 'der', type: 'spki'});\n\
        const good = s => verify(null, Buffer.from(message, 'base64'), pub, Buffer.from(s, 'base64'));\n\
        process.stdout.write(list.some(good) ? 'good' : 'bad');";
    judged_by("node", &["-e", program], &ed25519_input(public_key, delivery)).await
}

async fn judged_by(program: &str, arguments: &[&str], input: &str) -> bool {
    let answer = run(program, arguments, input.as_bytes()).await;
    match answer.as_slice() {
        b"good" => true,
        b"bad" => false,
        other => panic!("{program} said {}", String::from_utf8_lossy(other)),
    }
}

/// What a program of this machine says to an input.
async fn run(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("this test needs {program} on the PATH: {error}"));
    let mut stdin = child.stdin.take().expect("stdin was piped");
    let written = stdin.write_all(input).await;
    drop(stdin);
    let output = child.wait_with_output().await.expect("the output can be read");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && written.is_ok(), "{program}: {} {written:?}: {complaint}", output.status);
    output.stdout
}
