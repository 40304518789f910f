//! `/api/v1/team`: the people of a workspace.

use super::input::LoginEmail;
use super::{Invitation, Member, MemberChange, MemberQuery, NewMember, with_taken_email};
use crate::http::route::Shape;
use crate::http::{Answer, Id, Query, Reply, Route, Unread, Who, WorkspaceCaller};
use crate::kernel::{Email, Error, Instant, Result};
use http::Method;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

const TEAM: &str = "/api/v1/team";
const MEMBER: &str = "/api/v1/team/{id}";
const TAG: &str = "Team";
const CREATE: &str = "Within the plan's limit. The new member is invited by mail to choose a password of their own; where \
the installation sends no mail, the answer carries `invitation_url` instead, once.";
const INVITE: &str = "Issues a new link, good once and for seven days, and voids the older one. It is mailed; where the \
installation sends no mail, the answer carries it as `invitation_url`, once.";
const UPDATE: &str = "Only the given fields change. The last active admin can be neither demoted nor deactivated.";

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, TEAM, Who::Workspace, "list_team", list)
            .doc(TAG, "List team members", "Newest first.")
            .paged("Results per page (default 15, at most 100).")
            .query("role", "admin|agent", "Only members with this role.")
            .answers::<Member>(200, Shape::Page),
        Route::new(Method::POST, TEAM, Who::Workspace, "create_team_member", create)
            .doc(TAG, "Add a team member", CREATE)
            .takes::<NewMember>(json!({
                "name": "Huda Saleh", "email": "huda@nakheel.example", "role": "agent", "password": "seven palms, one well",
            }))
            .answers::<NewcomerShown>(201, Shape::One)
            .sometimes(&["invitation_url"])
            .saying("Team member created successfully."),
        Route::new(Method::GET, MEMBER, Who::Workspace, "get_team_member", get)
            .doc(TAG, "Get a team member", "")
            .answers::<Member>(200, Shape::One),
        Route::new(Method::PUT, MEMBER, Who::Workspace, "update_team_member", update)
            .doc(TAG, "Update a team member", UPDATE)
            .takes::<MemberChange>(json!({"name": "Huda M. Saleh", "email": "huda@nakheel.example", "role": "admin"}))
            .answers::<Member>(200, Shape::One)
            .saying("Team member updated successfully."),
        Route::new(Method::DELETE, MEMBER, Who::Workspace, "delete_team_member", delete)
            .doc(TAG, "Remove a team member", "The last active admin cannot be removed.")
            .answers_nothing(),
        Route::new(Method::POST, "/api/v1/team/{id}/invite", Who::Workspace, "invite_team_member", invite)
            .doc(TAG, "Invite a team member again", INVITE)
            .answers::<InvitationShown>(201, Shape::One)
            .sometimes(&["invitation_url"])
            .saying("Invitation issued successfully."),
    ]
}

/// A member just added.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewcomerShown {
    #[serde(flatten)]
    pub member: Member,
    /// Where they choose a password, if no mail carries it there. Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://dashboard.skylightchat.com/invite?token=inv_…")]
    pub invitation_url: Option<String>,
}

/// An invitation just issued.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationShown {
    /// The member's.
    #[schema(example = 44)]
    pub id: i64,
    pub email: Email,
    pub expires_at: Instant,
    /// If no mail carries it. Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://dashboard.skylightchat.com/invite?token=inv_…")]
    pub invitation_url: Option<String>,
}

async fn list(caller: WorkspaceCaller, Query(query): Query<MemberQuery>) -> Answer {
    Reply::page(&super::list(&caller.app.db, caller.scope(), query.role, query.page).await?)
}

async fn create(caller: WorkspaceCaller, body: Unread) -> Answer {
    let new: NewMember = match body.read() {
        Ok(new) => new,
        Err(faults) => return Err(with_email(&caller, &body, None, faults).await?),
    };
    let password = new.password.hashed(&caller.app).await?;
    let mut unit = caller.begin().await?;
    let (member, invitation) = super::create(&mut unit, caller.scope(), &new, &password).await?;
    let shown = NewcomerShown { member, invitation_url: invitation.shown() };
    let reply = Reply::created(&shown, "Team member created successfully.")?;
    caller.commit(unit, reply).await
}

/// Beside its other faults, a body may name an e-mail that is taken: callers see all of them at once.
async fn with_email(caller: &WorkspaceCaller, body: &Unread, own: Option<i64>, faults: Error) -> Result<Error> {
    match body.read::<LoginEmail>() {
        Ok(LoginEmail(email)) if !faults.is_ours() && faults.public().status == 422 => {
            with_taken_email(&caller.app.db, &email, own, faults).await
        }
        _ => Ok(faults),
    }
}

async fn get(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    Reply::data(&super::get(&caller.app.db, caller.scope(), id).await?)
}

async fn update(caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    let change: MemberChange = match body.read_about(super::get(&caller.app.db, caller.scope(), id)).await {
        Ok(change) => change,
        Err(faults) => return Err(with_email(&caller, &body, Some(id), faults).await?),
    };
    let password = match &change.password {
        Some(password) => Some(password.hashed(&caller.app).await?),
        None => None,
    };
    let mut unit = caller.begin().await?;
    let member = super::update(&mut unit, caller.scope(), id, &change, password.as_ref()).await?;
    let reply = Reply::done(&member, "Team member updated successfully.")?;
    caller.commit(unit, reply).await
}

async fn delete(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    super::delete(&mut unit, caller.scope(), id).await?;
    caller.commit(unit, Reply::nothing()).await
}

async fn invite(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    let invitation = super::invite(&mut unit, caller.scope(), id).await?;
    let Invitation { email, expires_at, .. } = &invitation;
    let (email, expires_at) = (email.clone(), *expires_at);
    let shown = InvitationShown { id, email, expires_at, invitation_url: invitation.shown() };
    let reply = Reply::created(&shown, "Invitation issued successfully.")?;
    caller.commit(unit, reply).await
}
