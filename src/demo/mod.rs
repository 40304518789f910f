//! `serve --demo`: fills an empty database with a small world and prints how to walk through it. Everything is made by
//! the verbs that the API calls; what customers "write" goes through the sandbox provider.

mod receiver;

pub use receiver::{Receiver, allow};

use crate::app::{App, Origin};
use crate::auth::WorkspaceScope;
use crate::channels::{self, NewChannel, Simulated};
use crate::cli::manage;
use crate::contacts::{self, NewContact};
use crate::conversations;
use crate::kernel::fields::{self, Source};
use crate::kernel::{Country, Email, Error, Result, Secret, Timezone};
use crate::partners::{self, PartnerPlan};
use crate::team::{self, NewAdmin};
use crate::tickets;
use crate::webhooks::{self, HookUrl, NewWebhook, Wishes};
use crate::workspaces::{self, NewClient};
use serde_json::{Value, json};
use std::time::Duration;

/// A made-up client.
struct Story {
    company: &'static str,
    plan: &'static str,
    admin: (&'static str, &'static str, &'static str),
    zone: &'static str,
    contacts: &'static [(&'static str, &'static str, &'static [&'static str])],
    /// Who wrote what.
    messages: &'static [(&'static str, &'static str, &'static str)],
    reply: &'static str,
    /// What the client asks its partner: subject and first message.
    question: (&'static str, &'static str),
}

const STORIES: [Story; 2] = [
    Story {
        company: "نخيل للتجارة",
        plan: "business",
        admin: ("أحمد", "العلي", "ahmad@nakheel.example"),
        zone: "Asia/Riyadh",
        contacts: &[
            ("سارة الحسن", "+966501112233", &["عميل مميز", "الرياض"]),
            ("محمد القحطاني", "+966502223344", &["جملة"]),
            ("ليلى الشمري", "+966503334455", &[]),
            ("خالد ناصر", "+966504445566", &["عميل مميز"]),
        ],
        messages: &[
            ("+966501112233", "سارة الحسن", "السلام عليكم، هل وصل التمر الجديد؟"),
            ("+966505556677", "نورة", "مرحبا، متى تفتحون يوم الجمعة؟"),
        ],
        reply: "وعليكم السلام، نعم وصل اليوم 🌴",
        question: ("فاتورة مارس", "لم تصلنا فاتورة شهر مارس، هل يمكن إرسالها مرة أخرى؟"),
    },
    Story {
        company: "Harbour Tea Co",
        plan: "pro",
        admin: ("Ines", "Duarte", "ines@harbourtea.example"),
        zone: "Europe/London",
        contacts: &[
            ("Sarah Johnson", "+14155551234", &["vip", "newsletter"]),
            ("Tom Becker", "+4915112345678", &["wholesale"]),
            ("Aisha Khan", "+447700900555", &[]),
        ],
        messages: &[("+14155551234", "Sarah Johnson", "Is the blue one back in stock?")],
        reply: "It is! Shall we put one aside for you?",
        question: ("A second key", "Could we have another key for our shop's website?"),
    },
];

/// A client of the demo, and its key.
struct Made {
    id: i64,
    company: &'static str,
    key: Secret,
    first_contact: i64,
    channel: i64,
    /// Where its admin chooses a password.
    invitation: Option<String>,
}

/// Fills an empty database and prints a tour. A database that holds a partner already is left as it is.
pub async fn fill(app: &App, receiver: Option<&Receiver>) -> Result<()> {
    if partners::any(&app.db).await? {
        println!("The database is not empty; nothing was added. Reference page: {}", app.config.public("/docs"));
        return Ok(());
    }
    let email = Email::parse("ops@desert-rose.example").ok_or_else(|| Error::internal("a demo e-mail is wrong"))?;
    let (partner, partner_key) = manage::new_partner(app, "Desert Rose Agency", &email, PartnerPlan::Agency).await?;
    let mut made = Vec::new();
    for story in &STORIES {
        let (scope, key) = manage::new_workspace(app, partner.scope, &new_client(story)?).await?;
        made.push(tell(app, scope, story, key, receiver).await?);
    }
    let ops = manage::invite_person(app, partner.scope.id(), email.as_str()).await?;
    print_tour(app, &partner_key, &made, receiver);
    println!(
        "\nThe dashboard is at {}. These links open once, where somebody chooses a password:\n",
        app.config.public("/")
    );
    println!("  partner               {}", ops.url.reveal());
    for client in &made {
        println!("  admin of client {:<5} {}", client.id, client.invitation.as_deref().unwrap_or("(mailed)"));
    }
    println!();
    Ok(())
}

fn new_client(story: &Story) -> Result<NewClient> {
    let (first, last, email) = story.admin;
    let email = Email::parse(email).ok_or_else(|| Error::internal("a demo e-mail is wrong"))?;
    let admin = NewAdmin { first_name: first.into(), last_name: last.into(), email, phone: None };
    let timezone = Timezone::parse(story.zone).unwrap_or_else(Timezone::utc);
    Ok(NewClient {
        company_name: story.company.into(),
        plan: story.plan.into(),
        admin,
        timezone,
        country: Country::find(194),
        skip_invite: true,
    })
}

async fn tell(
    app: &App,
    scope: WorkspaceScope,
    story: &Story,
    key: Secret,
    receiver: Option<&Receiver>,
) -> Result<Made> {
    if let Some(receiver) = receiver {
        let secret = subscribe(app, scope, &receiver.url).await?;
        receiver.expect(secret);
    }
    let new: NewChannel = read(json!({"type": "whatsapp", "provider": "sandbox", "name": story.company}))?;
    let (unit, connected) = channels::connect(app, Origin::operator(), scope, new).await?;
    unit.commit().await?;
    let mut first_contact = 0;
    for (name, phone, tags) in story.contacts {
        let new: NewContact = read(json!({"name": name, "phone": phone, "type": "whatsapp", "tags": tags}))?;
        let mut unit = app.begin_by(Origin::operator()).await?;
        let contact = contacts::create(&mut unit, scope, new).await?;
        unit.commit().await?;
        first_contact = if first_contact == 0 { contact.id } else { first_contact };
    }
    write_in(app, scope, story, connected.id).await?;
    reply(app, scope, first_contact, story.reply).await?;
    ask(app, scope, story.question).await?;
    let invitation = invite(app, scope).await?;
    Ok(Made { id: scope.id(), company: story.company, key, first_contact, channel: connected.id, invitation })
}

fn read<T: fields::Input>(value: Value) -> Result<T> {
    fields::read(&value, Source::Body)
}

async fn subscribe(app: &App, scope: WorkspaceScope, url: &str) -> Result<Secret> {
    let url = HookUrl::parse(app, url).map_err(Error::internal)?;
    let new = NewWebhook {
        name: "Demo receiver".into(),
        url,
        events: vec!["*".into()],
        is_active: None,
        wishes: Wishes::default(),
    };
    let key = workspaces::data_key(app, scope).await?;
    let mut unit = app.begin_by(Origin::operator()).await?;
    let created = webhooks::create(&mut unit, scope, &key, new).await?;
    unit.commit().await?;
    Ok(created.secret)
}

async fn write_in(app: &App, scope: WorkspaceScope, story: &Story, channel: i64) -> Result<()> {
    let account = channels::by_id(app, scope, channel).await?.ok_or_else(|| Error::no_such("Channel"))?;
    for (from, name, content) in story.messages {
        let message: Simulated = read(json!({"from": from, "name": name, "content": content}))?;
        let mut unit = app.begin_by(Origin::operator()).await?;
        let (body, _) = message.posted(&*app.random, unit.now());
        channels::accept(&mut unit, &account, &body).await?;
        unit.commit().await?;
    }
    Ok(())
}

/// Answers once the customer's message has arrived, so that the conversation reads in order.
async fn reply(app: &App, scope: WorkspaceScope, contact: i64, content: &str) -> Result<()> {
    for _ in 0..100 {
        if conversations::has_messages(&app.db, scope, contact).await? {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut unit = app.begin_by(Origin::operator()).await?;
    conversations::send(&mut unit, scope, read(json!({"contact_id": contact, "content": content}))?).await?;
    unit.commit().await
}

/// A ticket on the partner's desk.
async fn ask(app: &App, scope: WorkspaceScope, (subject, body): (&str, &str)) -> Result<()> {
    let mut unit = app.begin_by(Origin::operator()).await?;
    tickets::open(&mut unit, scope, read(json!({"subject": subject, "body": body}))?).await?;
    unit.commit().await
}

async fn invite(app: &App, scope: WorkspaceScope) -> Result<Option<String>> {
    let mut unit = app.begin_by(Origin::operator()).await?;
    let admin = workspaces::account::get(&mut unit.tx, scope).await?.primary_user.id;
    let invitation = team::invite(&mut unit, scope, admin).await?;
    unit.commit().await?;
    Ok(invitation.shown())
}

fn print_tour(app: &App, partner_key: &Secret, made: &[Made], receiver: Option<&Receiver>) {
    let base = app.config.public("");
    println!("\nA partner and {} clients are here. The keys are shown once.\n", made.len());
    println!("  partner key           {}", partner_key.reveal());
    for client in made {
        println!("  key of client {:<7} {}   ({})", client.id, client.key.reveal(), client.company);
    }
    let Some(client) = made.first() else { return };
    let (key, contact, channel) = (client.key.reveal(), client.first_contact, client.channel);
    println!("\nTry these:\n");
    println!("  curl -s {base}/api/v1/conversations -H 'Authorization: Bearer {key}'\n");
    println!(
        "  curl -s -X POST {base}/api/v1/channels/{channel}/simulate -H 'X-Api-Key: {key}' \\\n       \
         -H 'Content-Type: application/json' -d '{{\"from\":\"+966507778899\",\"name\":\"هند\",\"content\":\"هل لديكم عجوة؟\"}}'\n"
    );
    println!(
        "  curl -s -X POST {base}/api/v1/messages/send -H 'X-Api-Key: {key}' \\\n       \
         -H 'Content-Type: application/json' -d '{{\"contact_id\":{contact},\"content\":\"أهلا بك\"}}'\n"
    );
    println!("  curl -s {base}/api/v1/partner/tickets -H 'X-Partner-Key: {}'\n", partner_key.reveal());
    println!("Reference page: {base}/docs");
    if let Some(receiver) = receiver {
        println!("Webhooks go to a small receiver inside this demo, {}, which prints what arrives:\n", receiver.url);
    }
}
