//! Connections are kept, and a kept one that is gone is replaced without a request being sent twice.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc as blocking;
use std::thread;

use skylight_outbound::{Client, Error, Response};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::{OK, client, loopback, patient, post, serve, serve_always, until_closed, write};

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let (addr, counts) = serve_always(OK).await;
    let client = client(loopback());
    for _ in 0..20 {
        client.clone().send(post(addr, "x"), patient()).await.expect("an answer");
    }
    assert_eq!((counts.connections(), counts.requests()), (1, 20));
}

#[tokio::test]
async fn where_as_many_connections_stand_as_may_none_is_kept() {
    let (addr, counts) = serve_always(OK).await;
    let client = Client::builder(loopback()).system_roots(false).max_standing(0).build().expect("a client");
    for _ in 0..3 {
        client.send(post(addr, "x"), patient()).await.expect("an answer");
    }
    assert_eq!((counts.connections(), counts.requests()), (3, 3));
}

#[tokio::test]
async fn a_connection_the_peer_closed_is_replaced() {
    let (noticed, mut notices) = mpsc::unbounded_channel();
    let (addr, counts) = serve(move |mut wire, _, counts| {
        let noticed = noticed.clone();
        async move {
            counts.read(&mut wire).await;
            write(&mut wire, OK).await.expect("the client reads");
            tokio::io::AsyncWriteExt::shutdown(wire.get_mut()).await.expect("an open socket");
            until_closed(&mut wire).await;
            noticed.send(()).expect("the test waits");
        }
    })
    .await;
    let client = client(loopback());
    for _ in 0..3 {
        assert_eq!(client.send(post(addr, "x"), patient()).await.expect("an answer").status, 200);
        notices.recv().await.expect("the client closes its side as well");
    }
    assert_eq!((counts.connections(), counts.requests()), (3, 3));
}

#[tokio::test]
async fn a_request_that_may_have_been_read_is_never_repeated() {
    let (addr, counts) = serve(|mut wire, _, counts| async move {
        counts.read(&mut wire).await;
        write(&mut wire, OK).await.expect("the client reads");
        // The second one is read, perhaps acted upon, and not answered.
        counts.read(&mut wire).await;
    })
    .await;
    let client = Client::builder(loopback()).system_roots(false).retry_unwritten(true).build().expect("a client");
    client.send(post(addr, "first"), patient()).await.expect("an answer");
    let error = client.send(post(addr, "second"), patient()).await.expect_err("no answer");
    assert_eq!(error, Error::Broken { sent: true });
    assert_eq!(counts.requests(), 2);
}

/// The narrow case: the peer closes a kept connection, and the request is handed to it before the client has seen that.
///
/// On a runtime of one thread, this can be arranged. While the test blocks the thread, the peer closes the connection
/// and then writes to a second one. The runtime learns of both at once and runs the test first, which hands its request
/// to a connection that will find itself closed before it looks at the request.
async fn send_into_a_closed_connection(client: &Client) -> (Result<Response, Error>, usize) {
    let peer = ClosingPeer::start();
    let mut bell = TcpStream::connect(peer.addr).await.expect("the peer accepts");
    client.send(post(peer.addr, "first"), patient()).await.expect("an answer");
    settle().await;

    peer.close.send(()).expect("the peer waits");
    peer.closed.recv().expect("the peer closes and rings");
    bell.read_u8().await.expect("the bell");
    let second = client.send(post(peer.addr, "second"), patient()).await;
    std::net::TcpStream::connect(peer.addr).and_then(|mut wire| wire.write_all(b"goodbye")).expect("the peer listens");
    (second, peer.thread.join().expect("the peer ends"))
}

/// Lets the connection's task go back to waiting and the pool take the connection in.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

struct ClosingPeer {
    addr: SocketAddr,
    close: blocking::Sender<()>,
    closed: blocking::Receiver<()>,
    /// Gives the number of connections that replaced the first.
    thread: thread::JoinHandle<usize>,
}

impl ClosingPeer {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("a bound socket has an address");
        let (close, told) = blocking::channel();
        let (tell, closed) = blocking::channel();
        let thread = thread::spawn(move || {
            let (mut bell, _) = listener.accept().expect("the bell");
            let (first, _) = listener.accept().expect("the first connection");
            answer(&first);
            told.recv().expect("the test says when");
            drop(first);
            bell.write_all(&[1]).expect("the test listens");
            tell.send(()).expect("the test waits");
            answer_replacements(&listener)
        });
        Self { addr, close, closed, thread }
    }
}

/// Answers whoever comes in place of the first connection, until the test says goodbye, and counts them.
fn answer_replacements(listener: &std::net::TcpListener) -> usize {
    let goodbye = |wire: &std::net::TcpStream| answer(wire).ends_with(b"goodbye");
    listener.incoming().map_while(Result::ok).take_while(|wire| !goodbye(wire)).count()
}

/// Reads one of the requests these tests make, and answers it.
fn answer(mut wire: &std::net::TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    let mut byte = [0];
    while ![&b"first"[..], b"second", b"goodbye"].iter().any(|end| request.ends_with(end)) {
        wire.read_exact(&mut byte).expect("a whole request");
        request.push(byte[0]);
    }
    wire.write_all(OK.as_bytes()).expect("the client reads");
    request
}

#[tokio::test(flavor = "current_thread")]
async fn a_request_that_was_not_written_goes_out_on_another_connection() {
    let client = client(loopback());
    let (second, replacements) = send_into_a_closed_connection(&client).await;
    assert_eq!(second.expect("replaced").status, 200);
    assert_eq!(replacements, 1);
}

#[tokio::test(flavor = "current_thread")]
async fn a_caller_who_counts_attempts_is_told_that_nothing_was_written() {
    let client = Client::builder(loopback()).system_roots(false).retry_unwritten(false).build().expect("a client");
    let (second, replacements) = send_into_a_closed_connection(&client).await;
    assert_eq!(second.expect_err("not replaced"), Error::Broken { sent: false });
    assert_eq!(replacements, 0);
}
