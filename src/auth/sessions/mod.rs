//! Sessions: browsers that are signed in (rules W1, L3). One names a workspace, and a member of it or its partner on a visit;
//! another kind names a partner's person.
//!
//! A session lives in the database, so that it can end: whatever makes it unsafe removes its row, on this node at once, on
//! others within a second. Tables: `workspace_session`, `partner_session`.

mod store;

use super::{PartnerScope, WorkspaceScope, tokens};
use crate::app::{App, Unit};
use crate::audit::{self, Action, Changes};
use crate::kernel::token::{self, TokenKind};
use crate::kernel::{Error, Instant, Result, Secret, Timezone, secret};
use skylight_db::Read;
use std::sync::Arc;
use std::time::Duration;
use store::Kind;

/// However busy, a session ends.
const ABSOLUTE: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// Without a request.
const IDLE: Duration = Duration::from_secs(12 * 60 * 60);
/// A partner in a client's workspace.
const VISIT: Duration = Duration::from_secs(60 * 60);
/// How exactly the last request is known.
const COARSE: Duration = Duration::from_secs(5 * 60);

/// A browser that is signed in to a workspace, and what its pages show around their own part.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: i64,
    pub scope: WorkspaceScope,
    pub by: By,
    pub company_name: String,
    pub timezone: Timezone,
    /// Whether the plan lets keys work.
    pub api_access: bool,
    /// The partner's name.
    pub brand: String,
    /// As the partner wrote it.
    pub colour: Option<String>,
    /// The path of its logo.
    pub logo: Option<String>,
    /// What every form must send (rule W2).
    pub form: Secret,
    pub expires_at: Instant,
    seen_at: Instant,
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    Member {
        id: i64,
        name: String,
        is_admin: bool,
    },
    /// The partner, with what one of its links allows.
    Visit(PartnerScope),
}

impl Session {
    pub fn is_visit(&self) -> bool {
        matches!(self.by, By::Visit(_))
    }

    /// Sees what admins see. A visit does; what it may change is said route by route.
    pub fn sees_as_admin(&self) -> bool {
        matches!(self.by, By::Visit(_) | By::Member { is_admin: true, .. })
    }
}

/// A browser that is signed in as a partner.
#[derive(Clone, Debug)]
pub struct PartnerSession {
    pub id: i64,
    pub scope: PartnerScope,
    pub user: i64,
    pub email: String,
    /// The partner's name.
    pub brand: String,
    pub colour: Option<String>,
    pub logo: Option<String>,
    pub form: Secret,
    pub expires_at: Instant,
    seen_at: Instant,
}

/// A partner's visit, as both sides see it.
#[derive(Clone, Debug)]
pub struct Visit {
    pub id: i64,
    pub client_id: i64,
    pub company_name: String,
    pub started_at: Instant,
    pub expires_at: Instant,
}

/// What both kinds have in common, for the look-up.
trait Lives: Sized + Send + Sync + 'static {
    const TOKEN: TokenKind;
    const KIND: Kind;
    fn find(app: &App, hash: &[u8; 32], form: Secret) -> impl Future<Output = Result<Option<Self>>> + Send;
    /// When it was last used, and when it ends.
    fn times(&self) -> (Instant, Instant);
    fn seen(&mut self, at: Instant);
    fn id(&self) -> i64;
}

/// The form's token follows from the session's: who cannot read the one cannot know the other.
fn form_token(token: &str) -> Secret {
    Secret::new(secret::hex(&secret::hmac(token.as_bytes(), b"form")))
}

async fn look_up<S: Lives>(app: &App, token: &str) -> Result<Option<Arc<S>>> {
    if token::kind_of(token) != Some(S::TOKEN) {
        return Ok(None);
    }
    let (hash, now) = (secret::digest(token), app.now());
    let cache = app.caches.of::<[u8; 32], Arc<S>>();
    if let Some(known) = cache.get(&hash)
        && is_fresh(&*known, now)
    {
        return Ok(Some(known));
    }
    let generation = cache.generation();
    let found = S::find(app, &hash, form_token(token)).await?.filter(|found| is_alive(found, now));
    let Some(mut found) = found else { return Ok(None) };
    if !is_fresh(&found, now) {
        see(app, &mut found, now).await;
    }
    let found = Arc::new(found);
    cache.put(hash, found.clone(), generation);
    Ok(Some(found))
}

fn is_alive(session: &impl Lives, now: Instant) -> bool {
    let (seen_at, expires_at) = session.times();
    now < expires_at && now < seen_at.after(IDLE)
}

/// Whether there is nothing to be noted, or found out, of a session.
fn is_fresh(session: &impl Lives, now: Instant) -> bool {
    let (seen_at, expires_at) = session.times();
    now < expires_at && now < seen_at.after(COARSE)
}

/// Notes that a session is used. If that fails, it is tried again with the next request; this one need not fail for it.
async fn see<S: Lives>(app: &App, session: &mut S, now: Instant) {
    let id = session.id();
    let noted = async {
        let mut unit = app.begin().await?;
        store::all_workspaces_see(&mut unit.tx, S::KIND, id, now).await?;
        unit.commit().await
    };
    match noted.await {
        Ok(()) => session.seen(now),
        Err(error) => tracing::warn!(%error, "the use of a session was not noted"),
    }
}

/// The session behind a cookie; none if it is malformed, unknown or over, or its owner may not come in now.
pub async fn of_workspace(app: &App, token: &str) -> Result<Option<Arc<Session>>> {
    look_up(app, token).await
}

/// Likewise, of a partner's person.
pub async fn of_partner(app: &App, token: &str) -> Result<Option<Arc<PartnerSession>>> {
    look_up(app, token).await
}

impl Lives for Session {
    const TOKEN: TokenKind = TokenKind::Session;
    const KIND: Kind = Kind::Workspace;

    async fn find(app: &App, hash: &[u8; 32], form: Secret) -> Result<Option<Self>> {
        Ok(store::workspace_session(&app.db, hash).await?.map(|row| row.session(form)))
    }

    fn times(&self) -> (Instant, Instant) {
        (self.seen_at, self.expires_at)
    }

    fn seen(&mut self, at: Instant) {
        self.seen_at = at;
    }

    fn id(&self) -> i64 {
        self.id
    }
}

impl Lives for PartnerSession {
    const TOKEN: TokenKind = TokenKind::PartnerSession;
    const KIND: Kind = Kind::Partner;

    async fn find(app: &App, hash: &[u8; 32], form: Secret) -> Result<Option<Self>> {
        Ok(store::partner_session(&app.db, hash).await?.map(|row| row.session(form)))
    }

    fn times(&self) -> (Instant, Instant) {
        (self.seen_at, self.expires_at)
    }

    fn seen(&mut self, at: Instant) {
        self.seen_at = at;
    }

    fn id(&self) -> i64 {
        self.id
    }
}

/// Starts a member's session; the verb holds the member's row, and has proved who they are.
pub async fn start_member(unit: &mut Unit, scope: WorkspaceScope, member: i64) -> Result<Secret> {
    let (token, new) = fresh(unit, TokenKind::Session, ABSOLUTE);
    store::insert_member(&mut unit.tx, scope, member, &new).await?;
    Ok(token)
}

/// Starts a partner's visit; the verb holds the key that issued its link, and has used that link up.
pub async fn start_visit(unit: &mut Unit, scope: WorkspaceScope, partner: PartnerScope, key: i64) -> Result<Secret> {
    let (token, new) = fresh(unit, TokenKind::Session, VISIT);
    store::insert_visit(&mut unit.tx, scope, partner, key, &new).await?;
    Ok(token)
}

/// Starts a session of a partner's person; the verb holds their row, and has proved who they are.
pub async fn start_partner(unit: &mut Unit, partner: PartnerScope, user: i64) -> Result<Secret> {
    let (token, new) = fresh(unit, TokenKind::PartnerSession, ABSOLUTE);
    store::insert_partner(&mut unit.tx, partner, user, &new).await?;
    Ok(token)
}

fn fresh(unit: &Unit, kind: TokenKind, life: Duration) -> (Secret, store::New) {
    let token = token::make(kind, &*unit.app().random);
    let now = unit.now();
    let new = store::New { hash: secret::digest(token.reveal()), now, expires_at: now.after(life) };
    (token, new)
}

/// Ends whatever session a cookie names: somebody signs in over it.
pub async fn end(unit: &mut Unit, token: &str) -> Result<()> {
    let kind = match token::kind_of(token) {
        Some(TokenKind::Session) => Kind::Workspace,
        Some(TokenKind::PartnerSession) => Kind::Partner,
        _ => return Ok(()),
    };
    store::all_workspaces_end(&mut unit.tx, kind, &secret::digest(token)).await?;
    unit.changed();
    Ok(())
}

/// Somebody signs out, or a visitor leaves. Who has left already leaves no second entry.
pub async fn leave(unit: &mut Unit, session: &Session) -> Result<()> {
    let Session { id, scope, by, .. } = session;
    if !store::end_one(&mut unit.tx, *scope, *id).await? {
        return Ok(());
    }
    let (action, target) = match by {
        By::Member { id, .. } => (Action::MemberSignedOut, *id),
        By::Visit(_) => (Action::VisitEnded, scope.id()),
    };
    audit::record(unit, *scope, action, target, Changes::none()).await?;
    unit.changed();
    Ok(())
}

/// Likewise, one of a partner's people.
pub async fn leave_partner(unit: &mut Unit, session: &PartnerSession) -> Result<()> {
    let PartnerSession { id, scope, user, .. } = session;
    if !store::end_one_partner(&mut unit.tx, *scope, *id).await? {
        return Ok(());
    }
    audit::record_for_partner(unit, *scope, Action::PartnerMemberSignedOut, *user, Changes::none()).await?;
    unit.changed();
    Ok(())
}

/// Ends everything a member has open.
pub async fn end_member(unit: &mut Unit, scope: WorkspaceScope, member: i64) -> Result<()> {
    store::end_member(&mut unit.tx, scope, member).await?;
    unit.changed();
    Ok(())
}

/// Ends everything that is open in a workspace.
pub async fn end_all_in(unit: &mut Unit, scope: WorkspaceScope) -> Result<()> {
    store::end_all_in(&mut unit.tx, scope).await?;
    unit.changed();
    Ok(())
}

/// Ends everything that is open with a partner: its own people's sessions, and those in its clients' workspaces.
pub async fn end_all_of(unit: &mut Unit, partner: PartnerScope) -> Result<()> {
    store::all_workspaces_end_of(&mut unit.tx, partner).await?;
    tokens::end_of(unit, partner, None).await?;
    unit.changed();
    Ok(())
}

/// Ends everything that one of a partner's people has open.
pub async fn end_partner_user(unit: &mut Unit, partner: PartnerScope, user: i64) -> Result<()> {
    store::end_partner_user(&mut unit.tx, partner, user).await?;
    tokens::end_of(unit, partner, Some(user)).await?;
    unit.changed();
    Ok(())
}

/// The partner's visits that are open in a workspace now.
pub async fn visits_in(read: impl Read, scope: WorkspaceScope, now: Instant) -> Result<Vec<Visit>> {
    Ok(store::visits_in(read, scope, now).await?)
}

/// Likewise, in all workspaces of a partner.
pub async fn visits_of(read: impl Read, partner: PartnerScope, now: Instant) -> Result<Vec<Visit>> {
    Ok(store::all_workspaces_visits_of(read, partner, now).await?)
}

/// The workspace sends its visitor away.
pub async fn end_visit_in(unit: &mut Unit, scope: WorkspaceScope, id: i64) -> Result<()> {
    let was_there = store::end_visit_in(&mut unit.tx, scope, id).await?;
    ended(unit, was_there.then_some(scope)).await
}

/// The partner ends a visit of its own.
pub async fn end_visit_of(unit: &mut Unit, partner: PartnerScope, id: i64) -> Result<()> {
    let was_in = store::all_workspaces_end_visit_of(&mut unit.tx, partner, id).await?;
    ended(unit, was_in.map(WorkspaceScope::of_session)).await
}

async fn ended(unit: &mut Unit, was_in: Option<WorkspaceScope>) -> Result<()> {
    let scope = was_in.ok_or_else(|| Error::no_such("Visit"))?;
    audit::record(unit, scope, Action::VisitEnded, scope.id(), Changes::none()).await?;
    unit.changed();
    Ok(())
}

/// Removes sessions that are over, in batches; answers how many.
pub async fn forget_old(app: &App) -> Result<u64> {
    let now = app.now();
    let mut unit = app.begin().await?;
    let mut removed = 0;
    for kind in [Kind::Workspace, Kind::Partner] {
        removed += store::all_workspaces_delete_expired(&mut unit.tx, kind, now).await?;
    }
    unit.commit().await?;
    Ok(removed)
}
