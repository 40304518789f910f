//! `/api/v1/team`: the people of a workspace.

use super::input::LoginEmail;
use super::{Member, MemberChange, MemberQuery, NewMember, with_taken_email};
use crate::http::route::Shape;
use crate::http::{Answer, Id, Query, Reply, Route, Unread, Who, WorkspaceCaller};
use crate::kernel::{Error, Result};
use http::Method;
use serde_json::json;

const TEAM: &str = "/api/v1/team";
const MEMBER: &str = "/api/v1/team/{id}";
const TAG: &str = "Team";
const UPDATE: &str = "Only the given fields change. The last active admin can be neither demoted nor deactivated.";

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, TEAM, Who::Workspace, "list_team", list)
            .doc(TAG, "List team members", "Newest first.")
            .paged("Results per page (default 15, at most 100).")
            .query("role", "admin|agent", "Only members with this role.")
            .answers::<Member>(200, Shape::Page),
        Route::new(Method::POST, TEAM, Who::Workspace, "create_team_member", create)
            .doc(TAG, "Add a team member", "Within the plan's limit.")
            .takes::<NewMember>(json!({
                "name": "Huda Saleh", "email": "huda@nakheel.example", "role": "agent", "password": "seven palms, one well",
            }))
            .answers::<Member>(201, Shape::One)
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
    ]
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
    let member = super::create(&mut unit, caller.scope(), &new, &password).await?;
    let reply = Reply::created(&member, "Team member created successfully.")?;
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
