//! https: trust, HTTP/2 and what a failed handshake is called.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Version;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use skylight_outbound::{BuildError, Client, Error, Limits};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::{Counts, Script, client, hasty, loopback, patient, post_to, serve, until_closed, url, write};

/// A certificate for `localhost` and 127.0.0.1 that signs itself, and the file that makes it trusted.
struct Identity {
    certificate: rcgen::CertifiedKey<rcgen::KeyPair>,
    file: PathBuf,
}

impl Identity {
    fn new() -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let file = scratch_file(&certificate.cert.pem());
        Self { certificate, file }
    }

    fn acceptor(&self, alpn: &[&[u8]]) -> TlsAcceptor {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.certificate.signing_key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.cert.der().clone()], key)
            .expect("a usable certificate");
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    fn trusting_client(&self) -> Client {
        trusting(&self.file).expect("a client")
    }

    /// Asks no name server, whatever the name.
    fn client_that_resolves_to(&self, addr: SocketAddr) -> Client {
        let builder = Client::builder(loopback()).system_roots(false).extra_ca(Some(self.file.clone()));
        builder.resolver(Script::new([vec![addr]])).build().expect("a client")
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.file));
    }
}

fn trusting(file: &Path) -> Result<Client, BuildError> {
    Client::builder(loopback()).system_roots(false).extra_ca(Some(file.to_owned())).build()
}

fn scratch_file(text: &str) -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ca-{}-{number}.pem", std::process::id()));
    std::fs::write(&path, text).expect("a writable target directory");
    path
}

/// Answers with the protocol's version; never answers under `/hang`.
async fn serve_tls(identity: &Identity, alpn: &[&[u8]]) -> (SocketAddr, Counts) {
    let acceptor = identity.acceptor(alpn);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("a bound socket has an address");
    let counts = Counts::default();
    let seen = counts.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            counts.connected();
            let (acceptor, counts) = (acceptor.clone(), counts.clone());
            tokio::spawn(async move {
                let Ok(tls) = acceptor.accept(tcp).await else {
                    return;
                };
                let service = service_fn(move |request| answer(request, counts.clone()));
                // How a connection ends is the client's business.
                drop(auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(tls), service).await);
            });
        }
    });
    (addr, seen)
}

async fn answer(request: http::Request<Incoming>, counts: Counts) -> Result<http::Response<Full<Bytes>>, Infallible> {
    counts.requested();
    if request.uri().path() == "/hang" {
        std::future::pending::<()>().await;
    }
    let version = if request.version() == Version::HTTP_2 { "h2" } else { "h1" };
    Ok(http::Response::new(Full::from(version)))
}

#[tokio::test]
async fn http2_and_http1_are_negotiated_and_connections_kept() {
    let identity = Identity::new();
    for (alpn, expected) in [(vec![&b"h2"[..], b"http/1.1"], "h2"), (vec![&b"http/1.1"[..]], "h1"), (vec![], "h1")] {
        let (addr, counts) = serve_tls(&identity, &alpn).await;
        let client = identity.trusting_client();
        for _ in 0..5 {
            let answer =
                client.send(post_to(url(format!("https://{addr}/")), "x"), patient()).await.expect("an answer");
            assert_eq!(answer.body, expected);
        }
        assert_eq!((counts.connections(), counts.requests()), (1, 5), "{expected}");
    }
}

#[tokio::test]
async fn names_are_verified_with_or_without_the_final_dot() {
    let identity = Identity::new();
    let (addr, _) = serve_tls(&identity, &[b"h2"]).await;
    let client = identity.client_that_resolves_to(addr);
    for host in ["localhost", "localhost."] {
        let target = url(format!("https://{host}:{}/", addr.port()));
        client.send(post_to(target, "x"), patient()).await.expect("a trusted name");
    }
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_refused() {
    let (served, trusted) = (Identity::new(), Identity::new());
    let (addr, counts) = serve_tls(&served, &[b"h2"]).await;
    let error = trusted.trusting_client().send(post_to(url(format!("https://{addr}/")), "x"), patient()).await;
    let error = error.expect_err("an unknown issuer");
    assert!(matches!(&error, Error::Tls(reason) if reason.contains("certificate")), "{error}");
    assert_eq!((error.sent(), counts.requests()), (false, 0));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let identity = Identity::new();
    let (addr, counts) = serve_tls(&identity, &[b"h2"]).await;
    let target = url(format!("https://other.example:{}/", addr.port()));
    let error = identity.client_that_resolves_to(addr).send(post_to(target, "x"), patient()).await;
    let error = error.expect_err("the wrong name");
    assert!(matches!(&error, Error::Tls(reason) if reason.contains("not valid for name")), "{error}");
    assert_eq!((counts.connections(), counts.requests()), (1, 0));
}

#[tokio::test]
async fn without_any_roots_http_works_and_https_says_what_is_missing() {
    let identity = Identity::new();
    let (addr, _) = serve_tls(&identity, &[b"h2"]).await;
    let error = client(loopback()).send(post_to(url(format!("https://{addr}/")), "x"), patient()).await;
    let error = error.expect_err("nobody is trusted");
    assert!(matches!(&error, Error::Tls(reason) if reason.contains("no trusted root certificates")), "{error}");
}

#[tokio::test]
async fn a_peer_that_speaks_no_tls_is_a_tls_error() {
    let (addr, _) = serve(|mut wire, _, _| async move {
        write(&mut wire, "HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("the client reads");
        until_closed(&mut wire).await;
    })
    .await;
    let identity = Identity::new();
    let error = identity.trusting_client().send(post_to(url(format!("https://{addr}/")), "x"), patient()).await;
    assert!(matches!(error, Err(Error::Tls(_))), "{error:?}");
}

#[tokio::test]
async fn a_handshake_that_hangs_ends_with_the_connect_limit_and_sent_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("a bound socket has an address");
    let identity = Identity::new();
    let limits = Limits { connect: hasty().total, ..patient() };
    let error = identity.trusting_client().send(post_to(url(format!("https://{addr}/")), "x"), limits).await;
    assert_eq!(error.expect_err("no handshake"), Error::Timeout { sent: false });
}

#[tokio::test]
async fn a_shared_connection_on_which_something_hung_is_left() {
    let identity = Identity::new();
    let (addr, counts) = serve_tls(&identity, &[b"h2"]).await;
    let client = identity.trusting_client();
    let to = |path: &str| post_to(url(format!("https://{addr}{path}")), "x");
    client.send(to("/"), patient()).await.expect("an answer");
    let error = client.send(to("/hang"), hasty()).await.expect_err("no answer");
    assert_eq!(error, Error::Timeout { sent: true });
    client.send(to("/"), patient()).await.expect("an answer");
    assert_eq!(counts.connections(), 2);
}

#[test]
fn a_ca_file_that_is_wrong_stops_the_start() {
    let missing = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-such-file.pem");
    let empty = scratch_file("no certificate in here\n");
    let broken = scratch_file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    for file in [&missing, &empty, &broken] {
        assert!(matches!(trusting(file), Err(BuildError::CaFile { path, .. }) if path == *file), "{}", file.display());
    }
    for file in [empty, broken] {
        std::fs::remove_file(file).expect("it was written");
    }
}
