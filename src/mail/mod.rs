//! Mail to people: written down in the caller's transaction, sent by a worker, gone once it is sent or given up.
//!
//! A mail may hold a link that lets somebody in, so it is sealed with its workspace's key and kept no longer than it is
//! needed. The operator's SMTP server carries it; without one ([`is_configured`]) callers show the link themselves.
//! Tables: `mail`, `partner_mail`.

mod jobs;
mod reset;
mod store;
mod transport;

pub use jobs::{SendMail, SendPartnerMail};
pub use reset::{Reset, reset};
pub use transport::open;

use crate::app::{App, Unit};
use crate::auth::{PartnerScope, WorkspaceScope};
use crate::jobs::{LaneKey, NewJob};
use crate::kernel::seal::DataKey;
use crate::kernel::{Email, Error, Instant, Result, Secret};
use crate::workspaces;
use serde::{Deserialize, Serialize};

/// A mail to one person, as text and as a page that says the same.
#[derive(Clone)]
pub struct Mail {
    to: String,
    to_name: String,
    from_name: String,
    subject: String,
    text: Secret,
    html: Secret,
    until: Option<Instant>,
}

/// Who a mail goes to, and whose name it carries.
#[derive(Clone, Copy, Debug)]
pub struct Between<'a> {
    pub to: &'a Email,
    pub to_name: &'a str,
    pub from_name: &'a str,
}

impl Mail {
    /// Names and subjects stand in headers: what could end a line there is refused (rule O5).
    pub fn new(between: Between<'_>, subject: &str, text: Secret, html: Secret) -> Result<Self> {
        let Between { to, to_name, from_name } = between;
        if [to.as_str(), to_name, from_name, subject].iter().any(|part| part.contains(char::is_control)) {
            return Err(Error::internal("a mail's header must not hold control characters"));
        }
        let [to, to_name, from_name, subject] = [to.as_str(), to_name, from_name, subject].map(str::to_owned);
        Ok(Self { to, to_name, from_name, subject, text, html, until: None })
    }

    /// After this moment it says nothing true any more, and is not sent.
    pub fn worth_sending_until(self, until: Instant) -> Self {
        Self { until: Some(until), ..self }
    }
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mail([redacted])")
    }
}

/// What somebody called themselves, as it may stand in a header.
pub fn one_line(name: &str) -> String {
    let spaced: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Likewise, and cut where it becomes a text of its own.
pub fn short_line(name: &str, longest: usize) -> String {
    let line = one_line(name);
    match line.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Whether mails can be sent at all.
pub fn is_configured(app: &App) -> bool {
    app.config.smtp_url.is_some()
}

/// Sends a mail once the unit is committed. Locks the workspace's mail lane.
pub async fn send(unit: &mut Unit, scope: WorkspaceScope, mail: &Mail) -> Result<()> {
    let key = workspaces::data_key_within(unit, scope).await?;
    let lane = LaneKey { kind: SendMail::LANE, key: scope.id(), workspace: Some(scope) };
    queue(unit, Sender::Workspace(scope), &key, mail, lane).await
}

/// Likewise, to one of a partner's people. `key` is the partner's data key.
pub async fn send_of_partner(unit: &mut Unit, scope: PartnerScope, key: &DataKey, mail: &Mail) -> Result<()> {
    let lane = LaneKey { kind: SendPartnerMail::LANE, key: scope.id(), workspace: None };
    queue(unit, Sender::Partner(scope), key, mail, lane).await
}

async fn queue(unit: &mut Unit, sender: Sender, key: &DataKey, mail: &Mail, lane: LaneKey) -> Result<()> {
    let reference = unit.app().random.alphanumeric(32);
    let sealed = {
        let text = Secret::new(serde_json::to_string(&Written::of(mail)).map_err(Error::internal)?);
        key.seal(&sender.context(&reference), text.reveal(), &*unit.app().random)?
    };
    let now = unit.now();
    let id = store::insert(&mut unit.tx, sender, &reference, &sealed, now).await?;
    crate::jobs::enqueue(unit, lane, &[NewJob { subject: id, group: id }]).await
}

/// In whose name mails go.
#[derive(Clone, Copy, Debug)]
enum Sender {
    Workspace(WorkspaceScope),
    Partner(PartnerScope),
}

impl Sender {
    /// What a mail is sealed for.
    fn context(self, reference: &str) -> String {
        match self {
            Self::Workspace(scope) => format!("mail.body:{}:{reference}", scope.id()),
            Self::Partner(scope) => format!("partner_mail.body:{}:{reference}", scope.id()),
        }
    }
}

/// The form that is sealed.
#[derive(Serialize, Deserialize)]
struct Written {
    to: String,
    to_name: String,
    from_name: String,
    subject: String,
    text: String,
    html: String,
    /// In microseconds; none in mails of earlier releases.
    #[serde(default)]
    until: Option<i64>,
}

impl Written {
    fn of(mail: &Mail) -> Self {
        Self {
            to: mail.to.clone(),
            to_name: mail.to_name.clone(),
            from_name: mail.from_name.clone(),
            subject: mail.subject.clone(),
            text: mail.text.reveal().to_owned(),
            html: mail.html.reveal().to_owned(),
            until: mail.until.map(Instant::micros),
        }
    }

    fn read(opened: &Secret) -> Result<Mail> {
        let written: Self = serde_json::from_str(opened.reveal()).map_err(Error::internal)?;
        let Self { to, to_name, from_name, subject, text, html, until } = written;
        let [text, html] = [text, html].map(Secret::new);
        Ok(Mail { to, to_name, from_name, subject, text, html, until: until.map(Instant::from_micros) })
    }
}

/// A mail on its way.
struct Letter {
    id: i64,
    /// Unguessable, the same on every attempt: receivers drop a second copy by it.
    reference: String,
    mail: Mail,
    written_at: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_into_a_header_but_one_line() {
        let to = Email::parse("huda@nakheel.example").unwrap();
        let mail = |to_name: &str, from_name: &str, subject: &str| {
            Mail::new(Between { to: &to, to_name, from_name }, subject, Secret::new("t"), Secret::new("h"))
        };
        assert!(mail("Huda", "Desert Rose", "دعوة").is_ok());
        for bad in ["a\r\nBcc: x@y.example", "a\nb", "a\0", "a\u{85}b"] {
            assert!(mail(bad, "x", "x").is_err() && mail("x", bad, "x").is_err() && mail("x", "x", bad).is_err());
            assert!(mail(&one_line(bad), "x", "x").is_ok(), "{bad:?}");
        }
        assert_eq!(one_line(" Huda\r\n\tSaleh "), "Huda Saleh");
    }
}
