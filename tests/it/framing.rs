//! What stands around requests: slow and silent peers, broken and oversized frames, and what every answer carries.

use crate::on_both_engines;
use crate::stored;
use crate::world::{Actor, World};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use skylight_test_support::http::{HttpResponse, RawConnection, clip, raw};
use std::collections::HashSet;
use std::time::{Duration, Instant};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SECOND: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\nGET /health/live HTTP/1.1\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

on_both_engines! {
    async fn whoever_sends_no_request_is_closed_after_ten_seconds(world: World) {
        let after_preface = |frame: &[u8]| [PREFACE, SETTINGS, frame].concat();
        // The head of a HEADERS frame on stream 1 that promises 100 bytes and more frames to come.
        let open_headers = after_preface(&[0, 0, 100, 1, 0, 0, 0, 0, 1]);
        let ping = after_preface(&[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        let cases: [(&str, &[u8]); 9] = [
            ("silence", b""),
            ("one byte", b"G"),
            ("a request line", b"GET /health/live HTTP/1.1\r\n"),
            ("a head without its end", b"GET /health/live HTTP/1.1\r\nHost: x\r\n"),
            ("half a preface", &PREFACE[..9]),
            ("a preface", PREFACE),
            ("a preface and settings", &after_preface(&[])),
            ("a preface and a ping", &ping),
            ("a preface and half a HEADERS frame", &open_headers),
        ];
        let silent = futures_util::future::join_all(cases.map(|(name, bytes)| silent(&world, name, bytes)));
        let trickling = futures_util::future::join_all([
            trickling(&world, "a head that trickles", b"", b"X-Slow: and slower\r\n"),
            trickling(&world, "a request line that trickles", b"GET /", b"x"),
            trickling(&world, "a second head that trickles", SECOND, b"X-Slow: a\r\n"),
        ]);
        tokio::join!(silent, trickling);
    }

    async fn what_is_too_large_is_refused_in_the_envelope(world: World) {
        let (kib, refused) = (1024, async |bytes: String| envelope(&raw(addr(&world), bytes.as_bytes()).await));
        let head = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n");
        for (name, bytes) in [
            ("one large header", head("/health/live", &format!("X-Large: {}\r\n", "a".repeat(17 * kib)))),
            ("many headers", head("/health/live", &(0..80).map(|n| format!("X-{n}: {}\r\n", "a".repeat(220))).collect::<String>())),
            ("a large name", head("/health/live", &format!("{}: x\r\n", "a".repeat(17 * kib)))),
            ("a long URL", head(&format!("/health/live?{}", "a".repeat(9 * kib)), "")),
            ("a long path", head(&format!("/api/v1/contacts/{}", "1".repeat(9 * kib)), "")),
            ("a large cookie at a route with a key", head("/api/v1/contacts", &format!("Cookie: {}\r\n", "a".repeat(40 * kib)))),
        ] {
            let (status, problem) = refused(bytes).await;
            assert_eq!((status, problem["code"].as_str()), (431, Some("headers_too_large")), "{name}: {problem}");
        }
        // Close below, everything passes.
        let fits = head(&format!("/health/live?{}", "a".repeat(8 * kib - 20)), &format!("X-Large: {}\r\n", "a".repeat(15 * kib)));
        assert_eq!(refused(fits).await, (200, json!({"status": "ok"})));
        // So large that nobody reads it to its end: closed with the bare status.
        for bytes in [head("/", &format!("X-Large: {}\r\n", "a".repeat(200 * kib))), head(&format!("/{}", "a".repeat(200 * kib)), "")] {
            let mut connection = RawConnection::open(addr(&world)).await;
            connection.write(bytes.as_bytes()).await;
            let (answer, closed) = connection.read_for(Duration::from_secs(5)).await;
            assert!(closed, "{}", clip(&answer));
            assert!(answer.is_empty() || [431, 414].contains(&status(&answer)), "{}", clip(&answer));
        }
    }

    async fn a_frame_that_can_be_read_in_two_ways_is_refused(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let body = json!({"name": "Sarah", "phone": "+14155551234", "type": "whatsapp"}).to_string();
        let length = body.len();
        let chunked = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
        // Chunks beside a length: the chunks count (RFC 9112, 6.1), and what follows them on this connection is not read.
        for (number, (first, second)) in [("Content-Length: 4", "Transfer-Encoding: chunked"), ("Transfer-Encoding: chunked", "Content-Length: 4")].iter().enumerate() {
            let body = chunked.replace("1234", &format!("987{number}"));
            let both = post(&nakheel, &format!("{first}\r\n{second}\r\n"), &body).replace("Connection: close\r\n", "");
            let next = format!("DELETE /api/v1/contacts/1 HTTP/1.1\r\nHost: x\r\nX-Api-Key: {}\r\n\r\n", nakheel.key());
            let answer = raw(addr(&world), format!("{both}{next}").as_bytes()).await;
            let answers = String::from_utf8_lossy(&answer).matches("HTTP/1.1 ").count();
            assert_eq!((status(&answer), answers), (201, 1), "{}", clip(&answer));
        }
        let before = stored::rows(&world).await;
        for (name, framing, body) in [
            ("two lengths", format!("Content-Length: {length}\r\nContent-Length: {}\r\n", length + 1), &body),
            ("two lengths in one", format!("Content-Length: {length}, {}\r\n", length + 1), &body),
            ("a negative length", "Content-Length: -1\r\n".into(), &body),
            ("a signed length", format!("Content-Length: +{length}\r\n"), &body),
            ("a length in words", "Content-Length: many\r\n".into(), &body),
            ("an endless length", "Content-Length: 99999999999999999999999\r\n".into(), &body),
            ("chunks inside chunks", "Transfer-Encoding: chunked, identity\r\n".into(), &chunked),
            ("an unknown coding", "Transfer-Encoding: xchunked\r\n".into(), &chunked),
            ("a chunk without a size", "Transfer-Encoding: chunked\r\n".into(), &"zz\r\n".to_owned()),
            ("a chunk that ends too late", "Transfer-Encoding: chunked\r\n".into(), &format!("2\r\n{body}\r\n0\r\n\r\n")),
            ("a space in a name", "Bad Name: x\r\n".into(), &String::new()),
            ("a space before the colon", format!("Content-Length : {length}\r\n"), &body),
            ("a control character", "X-Bad: a\x01b\r\n".into(), &String::new()),
            ("a NUL", "X-Bad: a\0b\r\n".into(), &String::new()),
            ("a folded header", "X-Bad: a\r\n b\r\n".into(), &String::new()),
        ] {
            let answer = raw(addr(&world), post(&nakheel, &framing, body).as_bytes()).await;
            assert_eq!(status(&answer), 400, "{name}: {}", clip(&answer));
        }
        for (name, bytes) in [
            ("no request", &b"hello\r\n\r\n"[..]),
            ("no path", b"GET\r\n\r\n"),
            ("no version", b"GET /health/live\r\n\r\n"),
            ("another version", b"GET /health/live HTTP/3.0\r\n\r\n"),
            ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
            ("a space in the path", b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"),
        ] {
            let answer = raw(addr(&world), bytes).await;
            assert!(answer.is_empty() || status(&answer) == 400, "{name}: {}", clip(&answer));
        }
        stored::assert_same(&before, &stored::rows(&world).await);
    }

    async fn a_body_that_breaks_off_is_not_carried_out(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let body = json!({"name": "Sarah", "phone": "+14155551234", "type": "whatsapp"}).to_string();
        let before = stored::rows(&world).await;
        let lengths = [format!("Content-Length: {}\r\n", body.len() + 1), "Transfer-Encoding: chunked\r\n".to_owned()];
        for (framing, sent) in lengths.iter().zip([body.clone(), format!("{:x}\r\n{body}\r\n", body.len())]) {
            let mut connection = RawConnection::open(addr(&world)).await;
            connection.write(post(&nakheel, framing, &sent).as_bytes()).await;
            connection.finish_writing().await;
            let (answer, closed) = connection.read_for(Duration::from_secs(5)).await;
            assert!(closed && (answer.is_empty() || status(&answer) == 400), "{}", clip(&answer));
        }
        stored::assert_same(&before, &stored::rows(&world).await);
    }

    async fn old_and_hurried_clients_are_served(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let old = raw(addr(&world), b"GET /health/live HTTP/1.0\r\n\r\n").await;
        assert_eq!(envelope(&old), (200, json!({"status": "ok"})));
        let absolute = raw(addr(&world), b"GET http://elsewhere.example/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert_eq!(status(&absolute), 200);

        // Three requests in one write are three answers, in their order.
        let body = json!({"name": "Sarah", "phone": "+14155551234", "type": "whatsapp"}).to_string();
        let create = post(&nakheel, &format!("Content-Length: {}\r\n", body.len()), &body).replace("Connection: close\r\n", "");
        let list = format!("GET /api/v1/contacts HTTP/1.1\r\nHost: x\r\nX-Api-Key: {}\r\n\r\n", nakheel.key());
        let last = "GET /api/v1/contacts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let answers = raw(addr(&world), format!("{create}{list}{last}").as_bytes()).await;
        let text = String::from_utf8(answers).unwrap();
        let answers: Vec<_> = text.split("HTTP/1.1 ").skip(1).collect();
        let statuses: Vec<_> = answers.iter().map(|answer| &answer[..3]).collect();
        assert_eq!(statuses, ["201", "200", "401"], "{text}");
        assert!(answers[1].contains("\"total\":1"), "the second saw what the first did: {text}");

        // Who asks before sending a body is told to go on, or not to.
        let ask = |length: usize| post(&nakheel, &format!("Content-Length: {length}\r\nExpect: 100-continue\r\n"), "");
        let body = body.replace("1234", "1235");
        let mut connection = RawConnection::open(addr(&world)).await;
        connection.write(ask(body.len()).as_bytes()).await;
        connection.read_until(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        connection.write(body.as_bytes()).await;
        assert_eq!(status(&connection.read_for(Duration::from_secs(5)).await.0), 201);
        let mut connection = RawConnection::open(addr(&world)).await;
        connection.write(ask(2_000_000).as_bytes()).await;
        assert_eq!(status(&connection.read_until(b"\r\n\r\n").await), 413);
    }

    async fn both_protocols_speak_alike(world: World) {
        let nakheel = world.workspace("nakheel").await;
        nakheel.contact("Sarah", "+14155551234").await;
        let stream = tokio::net::TcpStream::connect(addr(&world)).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        for (path, key, status) in [
            ("/api/v1/contacts", nakheel.key(), 200), ("/api/v1/contacts", "letmein", 401), ("/api/v1/contacts/999", nakheel.key(), 404),
            ("/health/live", "", 200), ("/nothing", "", 404),
        ] {
            let request = http::Request::get(format!("{}{path}", world.base)).header("x-api-key", key);
            let answer = sender.send_request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
            let (head, body) = answer.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let answer = HttpResponse { status: head.status.as_u16(), headers: head.headers, body };
            assert_eq!(answer.status, status, "{path}: {answer:?}");
            carries(&answer);
            let over_http1 = nakheel.with_key("x-api-key", key).get(path).await;
            let plain = |answer: &HttpResponse| {
                let mut json = answer.json();
                json["request_id"].take();
                json
            };
            assert_eq!(plain(&answer), plain(&over_http1), "{path}");
        }
        drop(sender);
        connection.await.unwrap().unwrap();
    }

    async fn every_answer_says_which_request_it_answers_and_what_it_is(world: World) {
        let nakheel = world.workspace("nakheel").await;
        let contact = nakheel.contact("Sarah", "+14155551234").await["id"].clone();
        let (one, visitor) = (format!("/api/v1/contacts/{contact}"), world.visitor());
        let answers = [
            (200, nakheel.get("/api/v1/contacts").await),
            (201, nakheel.post("/api/v1/contacts", json!({"name": "Omar", "phone": "+14155551235", "type": "whatsapp"})).await),
            (422, nakheel.post("/api/v1/contacts", json!({"name": 5})).await),
            (404, nakheel.get("/api/v1/contacts/999").await),
            (405, nakheel.patch("/api/v1/contacts", json!({})).await),
            (401, visitor.get("/api/v1/contacts").await),
            (403, nakheel.get("/api/v1/partner/profile").await),
            (404, visitor.get("/nothing").await),
            (200, visitor.get("/health/live").await),
            (200, visitor.get("/health/ready").await),
            (200, visitor.get("/api/openapi.json").await),
            (404, visitor.post("/hooks/whatsapp/nobody", json!({})).await),
        ];
        let mut ids = HashSet::new();
        for (status, answer) in &answers {
            assert_eq!(answer.status, *status, "{answer:?}");
            ids.insert(carries(answer));
        }
        assert_eq!(ids.len(), answers.len(), "every request has an id of its own");
        let gone = nakheel.delete(&one).await;
        assert_eq!((gone.status, gone.body.len(), gone.header("content-type")), (204, 0, None));
        let page = visitor.get("/docs").await;
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        for bare in [gone, page] {
            assert!(bare.header("x-request-id").is_some_and(|id| id.len() == 32));
            assert_eq!(bare.header("x-content-type-options"), Some("nosniff"));
        }
        // The id is ours, whatever the client calls itself.
        let named = world.http.get(format!("{}/nothing", world.base)).header("X-Request-Id", "mine\"><script>").send().await;
        assert_ne!(carries(&named), "mine\"><script>");
        // Nobody's browser may read the answers of the API.
        let cross = world.http.get(format!("{}/api/v1/contacts", world.base)).bearer(nakheel.key()).header("Origin", "https://evil.example");
        assert!(cross.send().await.header("access-control-allow-origin").is_none());
        let head = nakheel.call("HEAD", "/api/v1/contacts", None).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert!(head.header("content-length").is_some_and(|length| length != "0"));
    }
}

fn addr(world: &World) -> &str {
    world.base.strip_prefix("http://").unwrap()
}

/// A creation of a contact by raw bytes.
fn post(workspace: &Actor, framing: &str, body: &str) -> String {
    format!(
        "POST /api/v1/contacts HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Api-Key: {}\r\n\
         Content-Type: application/json\r\n{framing}\r\n{body}",
        workspace.key()
    )
}

fn status(answer: &[u8]) -> u16 {
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    String::from_utf8_lossy(line).split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

/// Status and JSON of a raw answer that carries what every answer carries.
#[track_caller]
fn envelope(answer: &[u8]) -> (u16, Value) {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let head = head.to_lowercase();
    for header in ["x-request-id: ", "x-content-type-options: nosniff", "content-type: application/json"] {
        assert!(head.contains(header), "{header} is missing: {text}");
    }
    (status(answer), serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}")))
}

/// Answers the request's id; panics if the answer lacks what every answer has.
#[track_caller]
fn carries(answer: &HttpResponse) -> String {
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
    let id = answer.header("x-request-id").unwrap().to_owned();
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    if answer.status >= 400 {
        assert_eq!(answer.json()["request_id"], id);
    }
    id
}

/// Writes some bytes, and nothing more; the server must hang up in time, and without a word that is no frame.
async fn silent(world: &World, name: &str, bytes: &[u8]) {
    let began = Instant::now();
    let mut connection = RawConnection::open(addr(world)).await;
    connection.write(bytes).await;
    let (answer, closed) = connection.read_for(Duration::from_secs(14)).await;
    in_time(name, began, closed, &answer);
}

/// Writes a beginning, and then a little at a time: that keeps nobody alive.
async fn trickling(world: &World, name: &str, first: &[u8], then: &[u8]) {
    let began = Instant::now();
    let mut connection = RawConnection::open(addr(world)).await;
    connection.write(first).await;
    if first.is_empty() {
        connection.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n").await;
    }
    let (mut answer, mut closed) = (Vec::new(), false);
    while !closed && began.elapsed() < Duration::from_secs(14) {
        connection.write(then).await;
        let (more, end) = connection.read_for(Duration::from_millis(400)).await;
        answer.extend(more);
        closed = end;
    }
    in_time(name, began, closed, &answer);
}

#[track_caller]
fn in_time(name: &str, began: Instant, closed: bool, answer: &[u8]) {
    let took = began.elapsed();
    assert!(closed, "{name} still holds its connection after {took:?}: {}", clip(answer));
    assert!((9..13).contains(&took.as_secs()), "{name} was closed after {took:?}: {}", clip(answer));
}
