//! One request, one answer, within limits.

use std::io;
use std::time::{Duration, Instant};

use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method};
use skylight_outbound::{Addresses, ConnectFault, Error, Limits, Resolve, Response};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::sync::mpsc;

use crate::support::{
    OK, client, client_with, hasty, loopback, patient, post, post_to, serve, serve_always, until_closed, url, write,
};

/// What a client makes of this answer.
async fn answered(answer: &'static str, limits: Limits) -> Result<Response, Error> {
    let (addr, _) = serve_always(answer).await;
    client(loopback()).send(post(addr, "x"), limits).await
}

#[tokio::test]
async fn what_goes_out_is_what_was_asked_for() {
    let (heard, mut hear) = mpsc::unbounded_channel();
    let (addr, _) = serve(move |mut wire, _, counts| {
        let heard = heard.clone();
        async move {
            while let Some(request) = counts.read(&mut wire).await {
                heard.send(request).expect("the test listens");
                write(&mut wire, OK).await.expect("the client reads");
            }
        }
    })
    .await;
    let mut request = post(addr, "{\"a\":1}");
    request.url = url(format!("http://{addr}/hook/ü?q=a b#part"));
    request.headers.insert("x-own", HeaderValue::from_static("kept"));
    request.headers.insert(HOST, HeaderValue::from_static("elsewhere.example"));
    request.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("1"));
    request.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    request.headers.insert(HeaderName::from_static("connection"), HeaderValue::from_static("close"));

    let client = client(loopback());
    let answer = client.send(request, patient()).await.expect("an answer");
    assert_eq!((answer.status.as_u16(), &answer.body[..], answer.truncated), (200, &b"ok"[..], false));
    let expected = format!(
        "POST /hook/%C3%BC?q=a%20b HTTP/1.1\r\nx-own: kept\r\nhost: {addr}\r\ncontent-length: 7\r\n\r\n{{\"a\":1}}"
    );
    assert_eq!(hear.recv().await.as_deref(), Some(&expected[..]));

    let mut get = post(addr, "");
    get.method = Method::GET;
    client.send(get, patient()).await.expect("an answer");
    let expected = format!("GET /hook HTTP/1.1\r\nhost: {addr}\r\n\r\n");
    assert_eq!(hear.recv().await.as_deref(), Some(&expected[..]));
}

#[tokio::test]
async fn a_silent_peer_costs_the_total_time_and_leaves_the_outcome_unclear() {
    let (addr, counts) = serve(|mut wire, _, counts| async move {
        counts.read(&mut wire).await;
        until_closed(&mut wire).await;
    })
    .await;
    let error = client(loopback()).send(post(addr, "x"), hasty()).await.expect_err("no answer");
    assert_eq!(error, Error::Timeout { sent: true });
    assert!(error.sent());
    assert_eq!(counts.connections(), 1);
}

#[tokio::test]
async fn a_peer_that_accepts_and_never_reads_leaves_the_outcome_unclear_too() {
    // The kernel accepts on its behalf.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("a bound socket has an address");
    let error = client(loopback()).send(post(addr, "x"), hasty()).await.expect_err("no answer");
    assert_eq!(error, Error::Timeout { sent: true });
}

#[tokio::test]
async fn the_total_time_covers_the_body() {
    let (addr, _) = serve(|mut wire, _, counts| async move {
        counts.read(&mut wire).await;
        write(&mut wire, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.expect("the client reads");
        until_closed(&mut wire).await;
    })
    .await;
    let error = client(loopback()).send(post(addr, "x"), hasty()).await.expect_err("half an answer");
    assert_eq!(error, Error::Timeout { sent: true });
}

#[tokio::test]
async fn a_refused_connection_sent_nothing() {
    // Bound and not listening: the port is taken, and nobody answers on it.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let addr = socket.local_addr().expect("a bound socket has an address");
    let error = client(loopback()).send(post(addr, "x"), patient()).await.expect_err("nobody listens");
    assert_eq!(error, Error::Connect(ConnectFault::Refused));
    assert_eq!((error.sent(), error.kind()), (false, "connect"));
}

#[derive(Debug)]
struct Silent;

impl Resolve for Silent {
    fn resolve(&self, _: &str, _: u16) -> Addresses {
        Box::pin(std::future::pending())
    }
}

#[derive(Debug)]
struct Failing;

impl Resolve for Failing {
    fn resolve(&self, _: &str, _: u16) -> Addresses {
        Box::pin(std::future::ready(Err(io::Error::other("no such name"))))
    }
}

#[tokio::test]
async fn the_connect_limit_covers_resolving_and_nothing_was_sent() {
    let short = Duration::from_millis(50);
    for limits in [Limits { connect: short, ..patient() }, Limits { total: short, ..patient() }] {
        let request = post_to(url("http://slow.example/"), "x");
        let begun = Instant::now();
        let error = client_with(loopback(), Silent).send(request, limits).await.expect_err("no address");
        assert_eq!(error, Error::Timeout { sent: false });
        assert!(begun.elapsed() < patient().connect, "the shorter limit counts");
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_a_connect_error() {
    let request = post_to(url("http://missing.example/"), "x");
    let error = client_with(loopback(), Failing).send(request, patient()).await.expect_err("no address");
    assert_eq!(error, Error::Connect(ConnectFault::Dns));
    assert_eq!(error.kind(), "dns");
}

#[tokio::test]
async fn the_systems_resolver_is_asked_for_names() {
    let (addr, _) = serve_always(OK).await;
    let target = url(format!("http://localhost:{}/", addr.port()));
    assert_eq!(client(loopback()).send(post_to(target, "x"), patient()).await.expect("an answer").status, 200);
}

#[tokio::test]
async fn a_body_is_cut_off_at_the_limit() {
    let four = Limits { read: 4, ..patient() };
    for (answer, body, truncated) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour", "four", false),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfifth", "fift", true),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nfo\r\n2\r\nur\r\n0\r\n\r\n", "four", false),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nfi\r\n3\r\nfth\r\n0\r\n\r\n", "fift", true),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nf\r\n1\r\ni\r\n1\r\nf\r\n1\r\nt\r\n1\r\nh\r\n",
            "fift",
            true,
        ),
    ] {
        let got = answered(answer, four).await.unwrap_or_else(|error| panic!("{error}: {answer}"));
        assert_eq!((&got.body[..], got.truncated), (body.as_bytes(), truncated), "{answer}");
    }
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let (addr, _) = serve(|mut wire, _, counts| async move {
        counts.read(&mut wire).await;
        write(&mut wire, "HTTP/1.1 200 OK\r\n\r\n").await.expect("the client reads");
        while wire.get_mut().write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let answer = client(loopback()).send(post(addr, "x"), patient()).await.expect("the beginning");
    assert_eq!((answer.body.len(), answer.truncated), (64 * 1024, true));
}

#[tokio::test]
async fn a_strict_caller_gets_all_or_nothing() {
    let strict = Limits { read: 4, strict: true, ..patient() };
    let four = answered("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour", strict).await;
    assert_eq!(four.expect("it fits").body, "four");
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfifth\r\n",
    ] {
        let error = answered(answer, strict).await.expect_err("too large");
        assert_eq!((&error, error.sent()), (&Error::TooLarge, true), "{answer}");
    }
}

#[tokio::test]
async fn nothing_is_decompressed_and_no_cookie_kept() {
    let (heard, mut hear) = mpsc::unbounded_channel();
    let (addr, _) = serve(move |mut wire, _, counts| {
        let heard = heard.clone();
        async move {
            while let Some(request) = counts.read(&mut wire).await {
                heard.send(request).expect("the test listens");
                let answer =
                    "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nset-cookie: a=b\r\ncontent-length: 4\r\n\r\nraw!";
                write(&mut wire, answer).await.expect("the client reads");
            }
        }
    })
    .await;
    let client = client(loopback());
    for _ in 0..2 {
        let answer = client.send(post(addr, "x"), patient()).await.expect("an answer");
        assert_eq!(
            (&answer.body[..], &answer.headers["content-encoding"]),
            (&b"raw!"[..], &HeaderValue::from_static("gzip"))
        );
        let request = hear.recv().await.expect("it was heard").to_lowercase();
        assert!(!request.contains("cookie") && !request.contains("accept-encoding"), "{request}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_leaves_the_outcome_unclear() {
    for answer in ["", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"] {
        let (addr, counts) = serve(move |mut wire, _, counts| async move {
            counts.read(&mut wire).await;
            write(&mut wire, answer).await.expect("the client reads");
        })
        .await;
        let error = client(loopback()).send(post(addr, "x"), patient()).await.expect_err("no whole answer");
        assert_eq!(error, Error::Broken { sent: true }, "{answer}");
        assert_eq!(counts.connections(), 1, "it is not tried again");
    }
}

#[tokio::test]
async fn an_oversized_head_is_refused() {
    // hyper looks at the limit of 64 KiB between reads, so a head may pass it by what came last.
    for (lines, fits) in [(15, true), (40, false)] {
        let (addr, _) = serve(move |mut wire, _, counts| async move {
            counts.read(&mut wire).await;
            let filler = format!("x-filler: {}\r\n", "x".repeat(4096)).repeat(lines);
            // The client may hang up before the end.
            drop(write(&mut wire, &format!("HTTP/1.1 200 OK\r\n{filler}content-length: 0\r\n\r\n")).await);
            until_closed(&mut wire).await;
        })
        .await;
        let outcome = client(loopback()).send(post(addr, "x"), patient()).await.map(|answer| answer.status.as_u16());
        assert_eq!(outcome, if fits { Ok(200) } else { Err(Error::Broken { sent: true }) }, "{lines} lines");
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_says_so() {
    let client = client(loopback());
    for (method, target) in [
        (Method::CONNECT, "http://127.0.0.1:9/"),
        (Method::POST, "ftp://127.0.0.1/"),
        (Method::POST, "data:text/plain,x"),
        (Method::POST, "http://user@127.0.0.1:9/"),
        (Method::POST, "http://:secret@127.0.0.1:9/"),
    ] {
        let mut request = post_to(url(target), "x");
        request.method = method;
        request.headers = HeaderMap::new();
        let error = client.send(request, patient()).await.expect_err("a mistake");
        assert!(matches!(error, Error::Invalid(_)) && !error.sent(), "{target}: {error}");
    }
}
