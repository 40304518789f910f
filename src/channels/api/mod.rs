//! `/api/v1/channels` and `GET /api/v1/account/channels`.

pub mod hooks;

use super::{Channel, ChannelStatus, NewChannel, Simulated, accept, by_id, connect, disconnect, get, list};
use crate::contacts::ChannelType;
use crate::http::route::Shape;
use crate::http::{Answer, Id, Reply, Route, Unread, Valid, Who, WorkspaceCaller};
use crate::kernel::{Error, Timezone};
use crate::workspaces;
use http::Method;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

const TAG: &str = "Channels";

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/api/v1/account/channels", Who::Workspace, "account_channels", statuses)
            .doc("Account", "Get connected channels", "One entry per channel setting, connected or not.")
            .answers::<ChannelStatus>(200, Shape::All),
        Route::new(Method::GET, "/api/v1/channels", Who::Workspace, "list_channels", list_handler)
            .doc(TAG, "List channels", "")
            .answers::<Channel>(200, Shape::All),
        Route::new(Method::POST, "/api/v1/channels", Who::Workspace, "connect_channel", connect_handler)
            .doc(TAG, "Connect a channel", CONNECT)
            .takes::<NewChannelBody>(json!({"type": "telegram", "credentials": {"bot_token": "8001:AAE…"}}))
            .answers::<ConnectedChannel>(201, Shape::One)
            .saying("Channel connected successfully."),
        Route::new(Method::GET, "/api/v1/channels/{id}", Who::Workspace, "get_channel", get_handler)
            .doc(TAG, "Get a channel", "")
            .answers::<Channel>(200, Shape::One),
        Route::new(Method::DELETE, "/api/v1/channels/{id}", Who::Workspace, "disconnect_channel", disconnect_handler)
            .doc(TAG, "Disconnect a channel", "Its contacts and conversations stay; its credentials are forgotten.")
            .answers_nothing(),
        Route::new(Method::POST, "/api/v1/channels/{id}/simulate", Who::Workspace, "simulate_message", simulate)
            .doc(TAG, "Simulate an incoming message", "Only on a sandbox channel: as if a customer had written.")
            .takes::<Simulated>(json!({"from": "+966501234567", "name": "سارة", "content": "مرحبا"}))
            .answers::<SimulatedMessage>(201, Shape::One)
            .saying("Message simulated."),
    ]
}

const CONNECT: &str = "The credentials are checked with the provider and sealed; they are never shown again. \
telegram: `bot_token` (the webhook is registered for you). whatsapp: `phone_number_id`, `access_token`, `app_secret`, and \
`waba_id` if you have it; enter the answer's `webhook_url` and `verify_token` at Meta. `provider: sandbox` needs none.";

/// The body of a connection, for the document.
#[derive(Debug, ToSchema)]
pub struct NewChannelBody {
    #[schema(rename = "type", value_type = ChannelType)]
    pub kind: String,
    /// `cloud`, `bot` or `sandbox`; the default goes by the type.
    pub provider: Option<String>,
    pub name: Option<String>,
    pub credentials: Option<serde_json::Value>,
}

/// A channel just connected.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConnectedChannel {
    #[serde(flatten)]
    pub channel: Channel,
    /// Where the provider posts. To be entered at Meta; at Telegram it is registered already.
    #[schema(example = "https://chat.example.com/hooks/telegram/8Zk1…")]
    pub webhook_url: Option<String>,
    /// To be entered at Meta beside the address. Shown once; none elsewhere.
    pub verify_token: Option<String>,
}

/// A simulated message, on its way in.
#[derive(Debug, Serialize, ToSchema)]
pub struct SimulatedMessage {
    #[schema(example = "sandbox.k2J…")]
    pub provider_message_id: String,
}

async fn statuses(caller: WorkspaceCaller) -> Answer {
    Reply::data(&super::statuses(&caller.app.db, caller.scope()).await?)
}

async fn list_handler(caller: WorkspaceCaller) -> Answer {
    let zone = workspaces::timezone(&caller.app.db, caller.scope()).await?;
    Reply::data(&list(&caller.app.db, caller.scope(), &zone).await?)
}

async fn get_handler(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    let zone = workspaces::timezone(&caller.app.db, caller.scope()).await?;
    Reply::data(&get(&caller.app.db, caller.scope(), id, &zone).await?)
}

async fn connect_handler(caller: WorkspaceCaller, Valid(new): Valid<NewChannel>) -> Answer {
    let scope = caller.scope();
    let zone = workspaces::timezone(&caller.app.db, scope).await?;
    let (mut unit, connected) = connect(&caller.app, scope, new).await?;
    let channel = get(&mut unit.tx, scope, connected.id, &zone).await?;
    let verify_token = connected.verify_token.map(|token| token.reveal().to_owned());
    let shown = ConnectedChannel { channel, webhook_url: connected.webhook_url, verify_token };
    let reply = Reply::created(&shown, "Channel connected successfully.")?;
    caller.commit(unit, reply).await
}

async fn disconnect_handler(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    disconnect(&mut unit, caller.scope(), id).await?;
    caller.commit(unit, Reply::nothing()).await
}

async fn simulate(caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    let found = by_id(&caller.app, caller.scope(), id).await?;
    if found.is_none() {
        // A setting that was never connected is there, but speaks to nobody.
        get(&caller.app.db, caller.scope(), id, &Timezone::utc()).await?;
    }
    let message: Simulated = body.read()?;
    let sandbox = found.filter(|account| account.provider.name() == "sandbox" && account.is_connected);
    let account = sandbox
        .ok_or_else(|| Error::conflict().saying("Messages can be simulated on a connected sandbox channel only."))?;
    let mut unit = caller.begin().await?;
    let (body, provider_message_id) = message.posted(&*caller.app.random, unit.now());
    accept(&mut unit, &account, &body).await?;
    let reply = Reply::created(&SimulatedMessage { provider_message_id }, "Message simulated.")?;
    caller.commit(unit, reply).await
}
