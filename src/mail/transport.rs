//! The operator's SMTP server. Its address comes from configuration alone, so calls to it pass no guard.

use super::Letter;
use crate::app::App;
use crate::config::Config;
use crate::kernel::{Email, Error, Result};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{self, PoolConfig};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;
use url::{Host, Url};

/// Mails that one node sends at a time: no workspace can take all of the server.
const AT_ONCE: usize = 8;
const STEP: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(25);

/// What came of an attempt. Reasons name no address and no text of the server, which may repeat one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Sent,
    /// It may go later.
    Deferred(String),
    /// It will never go.
    Refused(String),
}

/// The server, and whom its mails come from.
#[derive(Debug)]
pub struct Exchange {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Email,
    places: Semaphore,
}

#[derive(Default)]
struct Opened(OnceLock<Arc<Exchange>>);

/// Prepares the server's connection from configuration; done once, at start. Does not call it.
pub fn open(app: &App) -> Result<()> {
    if let Some(exchange) = Exchange::configured(&app.config)? {
        let _ = app.rooms.of::<Opened>().0.set(Arc::new(exchange));
    }
    Ok(())
}

impl Exchange {
    pub(super) fn of(app: &App) -> Option<Arc<Self>> {
        app.rooms.of::<Opened>().0.get().cloned()
    }

    fn configured(config: &Config) -> Result<Option<Self>> {
        let (Some(url), Some(from)) = (&config.smtp_url, &config.mail_from) else { return Ok(None) };
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.reveal()).map_err(Error::internal)?;
        let url = Url::parse(url.reveal()).map_err(Error::internal)?;
        let pool = PoolConfig::new().max_size(4).idle_timeout(Duration::from_secs(30));
        let builder = builder.tls(tls(config, &url)?).timeout(Some(STEP)).pool_config(pool);
        Ok(Some(Self { transport: builder.build(), from: from.clone(), places: Semaphore::new(AT_ONCE) }))
    }

    pub(super) async fn send(&self, app: &App, letter: &Letter) -> Outcome {
        let message = match self.message(letter) {
            Ok(message) => message,
            // The address has a form that mail does not carry.
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        // What has begun is finished even while the server stops: a mail cut off may have arrived.
        let _place = tokio::select! {
            place = self.places.acquire() => place,
            () = app.stopped() => return Outcome::Deferred("the server is stopping".to_owned()),
        };
        match tokio::time::timeout(WHOLE, self.transport.send(message)).await {
            Ok(Ok(_)) => Outcome::Sent,
            Ok(Err(error)) => classified(&error),
            Err(_) => Outcome::Deferred("the mail server took too long".to_owned()),
        }
    }

    fn message(&self, letter: &Letter) -> Result<Message> {
        let mail = &letter.mail;
        let named = |name: &str, address: &str| -> Result<Mailbox> {
            let address: Address = address.parse().map_err(Error::internal)?;
            Ok(Mailbox::new(Some(name.to_owned()).filter(|name| !name.is_empty()), address))
        };
        let domain = self.from.as_str().rsplit('@').next().unwrap_or("localhost");
        let date = Duration::from_micros(u64::try_from(letter.written_at.micros()).unwrap_or_default());
        Message::builder()
            .from(named(&mail.from_name, self.from.as_str())?)
            .to(named(&mail.to_name, &mail.to)?)
            .subject(&mail.subject)
            .message_id(Some(format!("<{}@{domain}>", letter.reference)))
            .date(SystemTime::UNIX_EPOCH + date)
            .multipart(MultiPart::alternative_plain_html(mail.text.reveal().to_owned(), mail.html.reveal().to_owned()))
            .map_err(Error::internal)
    }
}

/// `smtps` is TLS from the first byte. `smtp` turns to TLS when the server offers it, and must before a password is sent,
/// unless the server is on this machine.
fn tls(config: &Config, url: &Url) -> Result<Tls> {
    let is_local = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        // Of a scheme that is not HTTP's, the parser leaves addresses as names.
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        None => false,
    };
    let wrapped = url.scheme() == "smtps";
    if is_local && !wrapped {
        return Ok(Tls::None);
    }
    let mut parameters = TlsParameters::builder(url.host_str().unwrap_or_default().to_owned());
    if let Some(file) = &config.extra_ca_file {
        let pem = std::fs::read(file).map_err(|error| Error::internal(format!("{}: {error}", file.display())))?;
        parameters = parameters.add_root_certificate(Certificate::from_pem(&pem).map_err(Error::internal)?);
    }
    let parameters = parameters.build_rustls().map_err(Error::internal)?;
    Ok(match (wrapped, url.password()) {
        (true, _) => Tls::Wrapper(parameters),
        (false, Some(_)) => Tls::Required(parameters),
        (false, None) => Tls::Opportunistic(parameters),
    })
}

/// Only a refusal of this mail is final. What is wrong between us and the server (a password, a certificate, a
/// connection) is the operator's to mend.
fn classified(error: &smtp::Error) -> Outcome {
    const OURS: [u16; 6] = [500, 502, 503, 530, 534, 535];
    match error.status().map(u16::from) {
        Some(code) if error.is_permanent() && !OURS.contains(&code) => {
            Outcome::Refused(format!("the mail server refused it ({code})"))
        }
        Some(code) => Outcome::Deferred(format!("the mail server answered {code}")),
        None if error.is_tls() => Outcome::Deferred("no safe connection to the mail server".to_owned()),
        None if error.is_client() => Outcome::Deferred("the mail server cannot do what is needed".to_owned()),
        None => Outcome::Deferred("the mail server cannot be reached".to_owned()),
    }
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Letter({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_tls(url: &str) -> &'static str {
        let flags = [("smtp_url", url), ("mail_from", "no-reply@brand.example")];
        let flags = flags.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::load(None, [], flags).unwrap_or_else(|faults| panic!("{url}: {faults:?}"));
        assert!(Exchange::configured(&config).is_ok_and(|exchange| exchange.is_some()), "{url}");
        match tls(&config, &Url::parse(url).unwrap()).unwrap() {
            Tls::None => "none",
            Tls::Opportunistic(_) => "if offered",
            Tls::Required(_) => "required",
            Tls::Wrapper(_) => "from the first byte",
        }
    }

    #[tokio::test]
    async fn a_password_is_never_sent_in_the_clear_to_another_machine() {
        for (url, expected) in [
            ("smtps://mail.example", "from the first byte"),
            ("smtps://127.0.0.1", "from the first byte"),
            ("smtp://u:p@mail.example:587", "required"),
            ("smtp://u:p@10.0.0.1", "required"),
            ("smtp://mail.example", "if offered"),
            ("smtp://u:p@127.0.0.1:2525", "none"),
            ("smtp://localhost", "none"),
            ("smtp://localhost.mail.example", "if offered"),
        ] {
            assert_eq!(is_tls(url), expected, "{url}");
        }
    }
}
