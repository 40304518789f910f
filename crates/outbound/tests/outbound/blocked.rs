//! Nothing refused is ever connected to.

use std::net::{IpAddr, SocketAddr, TcpListener};

use skylight_outbound::{ConnectFault, Error, Guard};

use crate::support::{
    OK, Script, client, client_with, hasty, loopback, net, patient, post, post_to, serve, serve_always, serve_on,
    untouched, url, write,
};

const CLOSING: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

fn strangers() -> Guard {
    Guard::strangers(vec![], vec![])
}

fn listen(address: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(address).expect("a free port");
    let addr = listener.local_addr().expect("a bound socket has an address");
    (listener, addr)
}

#[tokio::test]
async fn a_literal_address_passes_the_same_check_as_a_name() {
    let (listener, addr) = listen("127.0.0.1:0");
    let client = client(strangers());
    for host in ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0.0.0.0", "[::ffff:127.0.0.1]", "[::1]", "localhost"] {
        let target = url(format!("http://{host}:{}/", addr.port()));
        let error = client.send(post_to(target, ""), patient()).await.expect_err("refused");
        assert_eq!(error, Error::Blocked, "{host}");
        assert_eq!(error.to_string(), "blocked address");
        assert!(!error.sent());
    }
    assert!(untouched(&listener));
}

#[tokio::test]
async fn a_resolver_that_changes_its_answer_gains_nothing() {
    let (forbidden, bad) = listen("127.0.0.1:0");
    let good = SocketAddr::new("127.0.0.2".parse().expect("an address"), bad.port());
    let listener = tokio::net::TcpListener::bind(good).await.expect("the same port beside it");
    let (_, counts) = serve_on(listener, |mut wire, _, counts| async move {
        counts.read(&mut wire).await;
        write(&mut wire, CLOSING).await.expect("the client reads");
    });

    let resolver = Script::new([vec![good], vec![bad]]);
    let client = client_with(Guard::strangers(vec![net("127.0.0.2/32")], vec![]), resolver.clone());
    let target = url(format!("http://rebinding.example:{}/", bad.port()));

    let first = client.send(post_to(target.clone(), ""), patient()).await.expect("the first answer is allowed");
    assert_eq!(first.status, 200);
    assert_eq!(resolver.asked(), 1, "what was checked was connected to, without asking again");
    for _ in 0..3 {
        assert_eq!(client.send(post_to(target.clone(), ""), patient()).await.expect_err("rebound"), Error::Blocked);
    }
    assert_eq!(resolver.asked(), 4, "once per connection");
    assert_eq!(counts.connections(), 1);
    assert!(untouched(&forbidden));
}

#[tokio::test]
async fn of_a_mixed_answer_only_the_allowed_part_is_used() {
    let (forbidden, bad) = listen("127.0.0.1:0");
    let good = SocketAddr::new("127.0.0.2".parse().expect("an address"), bad.port());
    let listener = tokio::net::TcpListener::bind(good).await.expect("the same port beside it");
    let (_, counts) = serve_on(listener, |mut wire, _, counts| async move {
        counts.read(&mut wire).await;
        write(&mut wire, CLOSING).await.expect("the client reads");
    });
    let client = client_with(Guard::strangers(vec![net("127.0.0.2/32")], vec![]), Script::new([vec![bad, good, bad]]));
    let answer = client.send(post_to(url(format!("http://mixed.example:{}/", bad.port())), ""), patient()).await;
    assert_eq!(answer.expect("one address is allowed").status, 200);
    assert_eq!(counts.connections(), 1);
    assert!(untouched(&forbidden));
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_refuses() {
    let (addr, counts) = serve_always(OK).await;
    let dead = SocketAddr::new("127.0.0.3".parse().expect("an address"), addr.port());
    let client = client_with(loopback(), Script::new([vec![dead, addr]]));
    let answer = client.send(post_to(url(format!("http://two.example:{}/", addr.port())), ""), patient()).await;
    assert_eq!(answer.expect("the second one answers").status, 200);
    assert_eq!(counts.connections(), 1);
}

#[tokio::test]
async fn the_port_is_the_urls_and_not_the_resolvers() {
    let (other, elsewhere) = listen("127.0.0.1:0");
    let (addr, counts) = serve_always(OK).await;
    let client = client_with(loopback(), Script::new([vec![elsewhere]]));
    let answer = client.send(post_to(url(format!("http://port.example:{}/", addr.port())), ""), patient()).await;
    assert_eq!(answer.expect("connected to the URL's port").status, 200);
    assert_eq!(counts.connections(), 1);
    assert!(untouched(&other));
}

#[tokio::test]
async fn our_own_listen_address_is_refused_inside_an_allowed_range() {
    let (own, addr) = listen("127.0.0.1:0");
    let (neighbour, _) = serve_always(OK).await;
    let everywhere = SocketAddr::new("0.0.0.0".parse().expect("an address"), addr.port());
    for listed in [addr, everywhere] {
        let client = client(Guard::strangers(vec![net("127.0.0.0/8")], vec![listed]));
        assert_eq!(client.send(post(addr, ""), patient()).await.expect_err("it is us"), Error::Blocked);
        assert_eq!(client.send(post(neighbour, ""), patient()).await.expect("it is not us").status, 200);
    }
    assert!(untouched(&own));
}

/// An address of this machine that is not loopback, if it has one. Connecting a datagram socket sends nothing.
fn outward_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|addr| addr.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

#[tokio::test]
async fn a_listener_on_every_address_is_found_on_each_of_them() {
    let Some(ip) = outward_address() else {
        return;
    };
    let (_own, addr) = listen(&SocketAddr::new(ip, 0).to_string());
    let everywhere = SocketAddr::new("0.0.0.0".parse().expect("an address"), addr.port());
    let client = client(Guard::strangers(vec![ip.into()], vec![everywhere]));
    assert_eq!(client.send(post(addr, ""), hasty()).await.expect_err("it is us"), Error::Blocked);
}

#[tokio::test]
async fn a_name_without_addresses_is_no_blocked_address() {
    let client = client_with(strangers(), Script::new([vec![]]));
    let error = client.send(post_to(url("http://nowhere.example/"), ""), patient()).await.expect_err("no address");
    assert_eq!(error, Error::Connect(ConnectFault::Dns));
}

#[tokio::test]
async fn ports_of_other_protocols_are_refused_at_connect_too() {
    let client = client(loopback());
    let error = client.send(post_to(url("http://127.0.0.1:25/"), ""), patient()).await.expect_err("a mail port");
    assert_eq!(error, Error::Blocked);
}

#[tokio::test]
async fn an_operators_client_goes_where_it_is_told() {
    let (addr, _) = serve_always(OK).await;
    assert_eq!(client(Guard::operator()).send(post(addr, ""), patient()).await.expect("no guard").status, 200);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (elsewhere, target) = listen("127.0.0.1:0");
    let (addr, counts) = serve(move |mut wire, _, counts| async move {
        counts.read(&mut wire).await;
        let answer =
            format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{target}/\r\ncontent-length: 0\r\n\r\n");
        write(&mut wire, &answer).await.expect("the client reads");
        counts.read(&mut wire).await;
    })
    .await;
    let answer = client(loopback()).send(post(addr, "x"), hasty()).await.expect("an answer");
    assert_eq!(answer.status, 307);
    assert_eq!(answer.headers["location"], format!("http://{target}/").as_str());
    assert_eq!(counts.requests(), 1);
    assert!(untouched(&elsewhere));
}
