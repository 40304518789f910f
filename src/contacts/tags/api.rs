//! `/api/v1/tags` and `/api/v1/contacts/{id}/tags`.

use super::{GivenTag, Tag, TagTitle};
use crate::contacts::{self, Contact};
use crate::http::extract::TwoIds;
use crate::http::route::Shape;
use crate::http::{Answer, Id, Reply, Route, Unread, Valid, Who, WorkspaceCaller};
use http::Method;
use serde_json::json;

const TAG: &str = "Tags";
const ALL: &str = "/api/v1/tags";
const ONE: &str = "/api/v1/tags/{id}";
const CREATED: &str = "Tag created successfully.";
const EXISTS: &str = "Tag already exists.";
const UPDATED: &str = "Tag updated successfully.";
const GIVEN: &str = "Tag added successfully.";

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, ALL, Who::Workspace, "list_tags", list)
            .doc(TAG, "List tags", "All of them, the oldest first, with how many contacts have each.")
            .answers::<Tag>(200, Shape::All),
        Route::new(Method::POST, ALL, Who::Workspace, "create_tag", create)
            .doc(
                TAG,
                "Create a tag",
                "A title that is there already is answered with its tag. At most 1000 per workspace.",
            )
            .takes::<TagTitle>(json!({"title": "vip"}))
            .answers::<Tag>(201, Shape::One)
            .saying(CREATED),
        Route::new(Method::GET, ONE, Who::Workspace, "get_tag", get)
            .doc(TAG, "Get a tag", "")
            .answers::<Tag>(200, Shape::One),
        Route::new(Method::PUT, ONE, Who::Workspace, "update_tag", update)
            .doc(TAG, "Rename a tag", "On every contact that has it.")
            .takes::<TagTitle>(json!({"title": "important"}))
            .answers::<Tag>(200, Shape::One)
            .saying(UPDATED),
        Route::new(Method::DELETE, ONE, Who::Workspace, "delete_tag", delete)
            .doc(TAG, "Delete a tag", "Takes it from every contact.")
            .answers_nothing(),
        Route::new(Method::POST, "/api/v1/contacts/{id}/tags", Who::Workspace, "tag_contact", give)
            .doc(TAG, "Tag a contact", "With a tag that is there, or by title. Emits `contact.updated`.")
            .takes::<GivenTag>(json!({"title": "vip"}))
            .answers::<Contact>(200, Shape::One)
            .saying(GIVEN),
        Route::new(Method::DELETE, "/api/v1/contacts/{id}/tags/{tag_id}", Who::Workspace, "untag_contact", take)
            .doc(TAG, "Take a tag from a contact", "Emits `contact.updated`.")
            .answers_nothing(),
    ]
}

async fn list(caller: WorkspaceCaller) -> Answer {
    Reply::data(&super::list(&caller.app.db, caller.scope()).await?)
}

async fn create(caller: WorkspaceCaller, Valid(new): Valid<TagTitle>) -> Answer {
    let mut unit = caller.begin().await?;
    let (tag, is_new) = super::create(&mut unit, caller.scope(), &new.title).await?;
    let reply = Reply::created(&tag, if is_new { CREATED } else { EXISTS })?;
    caller.commit(unit, reply).await
}

async fn get(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    Reply::data(&super::get(&caller.app.db, caller.scope(), id).await?)
}

async fn update(caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    let new: TagTitle = body.read_about(super::get(&caller.app.db, caller.scope(), id)).await?;
    let mut unit = caller.begin().await?;
    let tag = super::rename(&mut unit, caller.scope(), id, &new.title).await?;
    let reply = Reply::done(&tag, UPDATED)?;
    caller.commit(unit, reply).await
}

async fn delete(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    super::delete(&mut unit, caller.scope(), id).await?;
    caller.commit(unit, Reply::nothing()).await
}

async fn give(caller: WorkspaceCaller, Id(contact): Id, body: Unread) -> Answer {
    let scope = caller.scope();
    let given = body.read_about(contacts::summary(&caller.app.db, scope, contact)).await?;
    let mut unit = caller.begin().await?;
    contacts::summary(&mut unit.tx, scope, contact).await?;
    let contact = super::give(&mut unit, scope, contact, given).await?;
    let reply = Reply::done(&contact, GIVEN)?;
    caller.commit(unit, reply).await
}

async fn take(caller: WorkspaceCaller, TwoIds(contact, id): TwoIds) -> Answer {
    let mut unit = caller.begin().await?;
    super::take(&mut unit, caller.scope(), contact, id).await?;
    caller.commit(unit, Reply::nothing()).await
}
