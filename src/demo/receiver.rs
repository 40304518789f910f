//! A webhook receiver inside the demo: it checks the signature of what arrives and prints it, so that a newcomer sees
//! deliveries without setting anything up.

use crate::config::Config;
use crate::kernel::{Result, Secret, secret};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use parking_lot::Mutex;
use serde_json::Value;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The demo's receiver.
#[derive(Debug)]
pub struct Receiver {
    pub url: String,
    secrets: Arc<Mutex<Vec<Secret>>>,
}

/// Lets webhooks reach this machine by http, for the demo alone.
pub fn allow(config: &mut Config) {
    config.webhook_allow_http = true;
    config.outbound_allow.push(IpNet::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST)));
}

impl Receiver {
    /// Listens beside the server, on the next port, so that a later demo on the same data is reached as well.
    pub async fn start(server_port: u16) -> Result<Option<Self>> {
        let port = server_port.saturating_add(1);
        let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await else {
            println!("Port {port} is taken, so the demo has no webhook receiver.");
            return Ok(None);
        };
        let secrets = Arc::<Mutex<Vec<Secret>>>::default();
        tokio::spawn(accept(listener, secrets.clone()));
        Ok(Some(Self { url: format!("http://127.0.0.1:{port}/"), secrets }))
    }

    /// Checks deliveries with this secret too.
    pub fn expect(&self, secret: Secret) {
        self.secrets.lock().push(secret);
    }
}

async fn accept(listener: TcpListener, secrets: Arc<Mutex<Vec<Secret>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let secrets = secrets.clone();
        let service = service_fn(move |request| receive(request, secrets.clone()));
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn receive(
    request: Request<Incoming>,
    secrets: Arc<Mutex<Vec<Secret>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, 1024 * 1024).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let signature = parts.headers.get("x-skylight-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signed =
        |key: &Secret| format!("sha256={}", secret::hex(&secret::hmac(key.reveal().as_bytes(), &body))) == signature;
    let verdict = if secrets.lock().iter().any(signed) { "signature holds" } else { "signature unknown" };
    let payload: Value = serde_json::from_slice(&body).unwrap_or_default();
    let word = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (event, who, what) = (word("/event"), word("/data/contact/name"), word("/data/message/content"));
    println!("  webhook  {event:<17} {verdict}  {who}  {what}");
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
