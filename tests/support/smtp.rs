//! A mail server: enough ESMTP for a client that submits mail, able to refuse, and everything it was told recorded.

use std::{collections::VecDeque, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use mail_parser::{Address, MessageParser};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use super::wait::Journal;

pub const USER: &str = "mailer";
pub const PASSWORD: &str = "p@ss/word";

/// A mail that was offered to the end, and what it was answered.
#[derive(Clone, Debug)]
pub struct Offered {
    pub from: String,
    pub to: Vec<String>,
    /// As it came, headers first.
    pub data: String,
    pub answered: u16,
}

/// A mail as a reader sees it.
#[derive(Clone, Debug)]
pub struct Letter {
    pub from: (String, String),
    pub to: (String, String),
    pub subject: String,
    pub message_id: String,
    pub text: String,
    pub html: String,
}

impl Offered {
    pub fn was_taken(&self) -> bool {
        self.answered == 250
    }

    /// Read the way mail programs do.
    #[track_caller]
    pub fn letter(&self) -> Letter {
        let parsed = MessageParser::default().parse(self.data.as_bytes()).expect("this is a mail");
        let one = |address: Option<&Address<'_>>| {
            let first = address.and_then(Address::first).expect("an address");
            (first.name().unwrap_or_default().to_owned(), first.address().unwrap_or_default().to_owned())
        };
        Letter {
            from: one(parsed.from()),
            to: one(parsed.to()),
            subject: parsed.subject().unwrap_or_default().to_owned(),
            message_id: parsed.message_id().unwrap_or_default().to_owned(),
            text: parsed.body_text(0).expect("a text").into_owned(),
            html: parsed.body_html(0).expect("a page").into_owned(),
        }
    }
}

/// Where in the conversation a refusal falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Login,
    Recipient,
    Data,
}

/// Serves until dropped. Takes every mail unless told otherwise.
#[derive(Debug)]
pub struct SmtpStandIn {
    shared: Arc<Shared>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    offered: Journal<Offered>,
    /// Refusals by stage: data that was refused is offered, anything before is only counted.
    refusals: Mutex<VecDeque<(At, u16)>>,
    refused: Journal<(At, u16)>,
}

impl SmtpStandIn {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let state = shared.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let state = state.clone();
                connections.spawn(async move { drop(converse(stream, &state).await) });
            }
        });
        Self { shared, address, task }
    }

    /// With its user and password, as a setting.
    pub fn url(&self) -> String {
        format!("smtp://{USER}:p%40ss%2Fword@{}", self.address)
    }

    /// The next command of this kind is refused with this code; calls line up.
    pub fn refuse_next(&self, at: At, code: u16) {
        self.shared.refusals.lock().push_back((at, code));
    }

    pub fn offered(&self) -> Vec<Offered> {
        self.shared.offered.all()
    }

    /// Waits for `count` mails that were taken, and returns all that were.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> impl Future<Output = Vec<Offered>> {
        self.shared.offered.wait_for("mail", count, Offered::was_taken)
    }

    /// Waits for `count` refusals in all.
    #[track_caller]
    pub fn wait_for_refusals(&self, count: usize) -> impl Future<Output = Vec<(At, u16)>> {
        self.shared.refused.wait_for("refusal", count, |_| true)
    }

    /// Panics if more than `count` mails were taken by the end of the window.
    #[track_caller]
    pub fn no_more_than(&self, count: usize, window: Duration) -> impl Future<Output = ()> {
        self.shared.offered.stays_at("mail", count, window, Offered::was_taken)
    }
}

impl Drop for SmtpStandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// The code for a command: the refusal that is its turn, else what is normal.
    fn code(&self, at: At, normal: u16) -> u16 {
        let mut refusals = self.refusals.lock();
        let Some(place) = refusals.iter().position(|(of, _)| *of == at) else { return normal };
        let Some((at, code)) = refusals.remove(place) else { return normal };
        self.refused.push((at, code));
        code
    }
}

async fn converse(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream);
    say(&mut lines, "220 mail.test ESMTP").await?;
    let (mut is_known, mut from, mut to) = (false, String::new(), Vec::new());
    while let Some(line) = line(&mut lines).await? {
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match verb.to_ascii_uppercase().as_str() {
            "EHLO" => "250-mail.test\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN".to_owned(),
            "HELO" | "NOOP" => "250 mail.test".to_owned(),
            "AUTH" => {
                is_known = rest == format!("PLAIN {}", STANDARD.encode(format!("\0{USER}\0{PASSWORD}")));
                let code = shared.code(At::Login, if is_known { 235 } else { 535 });
                is_known = code == 235;
                format!("{code} that is you")
            }
            _ if !is_known && verb != "QUIT" => "530 who are you?".to_owned(),
            "MAIL" => {
                (from, to) = (path(rest), Vec::new());
                "250 from them".to_owned()
            }
            "RCPT" => {
                let code = shared.code(At::Recipient, 250);
                if code == 250 {
                    to.push(path(rest));
                }
                format!("{code} for {}", path(rest))
            }
            "DATA" if to.is_empty() => "503 for nobody?".to_owned(),
            "DATA" => {
                say(&mut lines, "354 go on").await?;
                let data = data(&mut lines).await?;
                let answered = shared.code(At::Data, 250);
                shared.offered.push(Offered { from: from.clone(), to: std::mem::take(&mut to), data, answered });
                format!("{answered} that was it")
            }
            "RSET" => {
                to.clear();
                "250 forgotten".to_owned()
            }
            "QUIT" => return say(&mut lines, "221 goodbye").await,
            _ => "500 what?".to_owned(),
        };
        say(&mut lines, &answer).await?;
    }
    Ok(())
}

async fn say(lines: &mut BufReader<TcpStream>, text: &str) -> std::io::Result<()> {
    lines.get_mut().write_all(format!("{text}\r\n").as_bytes()).await
}

async fn line(lines: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    let read = lines.read_line(&mut line).await?;
    Ok((read > 0).then(|| line.trim_end().to_owned()))
}

/// Up to the lone dot; doubled dots are undone.
async fn data(lines: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut data = String::new();
    while let Some(line) = line(lines).await? {
        if line == "." {
            break;
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
        data.push_str("\r\n");
    }
    Ok(data)
}

/// What stands between the angle brackets.
fn path(rest: &str) -> String {
    rest.split(['<', '>']).nth(1).unwrap_or_default().to_owned()
}
