//! Contacts over HTTP: `/api/v1/contacts`.

use super::{Blacklisting, Contact, ContactChange, ContactQuery, NewContact, PhoneOfType, tags};
use crate::http::route::Shape;
use crate::http::{Answer, Id, Query, Reply, Route, Unread, Who, WorkspaceCaller};
use crate::kernel::Error;
use http::Method;
use serde_json::{Value, json};

const TAG: &str = "Contacts";

pub fn routes() -> Vec<Route> {
    vec![list_route(), create_route(), get_route(), update_route(), delete_route(), blacklist_route()]
}

fn list_route() -> Route {
    Route::new(Method::GET, "/api/v1/contacts", Who::Workspace, "list_contacts", list)
        .doc(TAG, "List contacts", "Newest first. Filters narrow each other.")
        .paged("Results per page (default 15, at most 100).")
        .query(
            "search",
            "string",
            "Part of a name, an e-mail address or a phone number in any notation. Case, and what Arabic writers vary \
             (hamza forms, taa marbuta, vowel marks, digits), make no difference.",
        )
        .query("type", "whatsapp|telegram|instagram", "Only contacts of this channel.")
        .query("blacklisted", "boolean", "Only blacklisted contacts (`true`), or only the others (`false`).")
        .query("tag", "string", "Only contacts with this tag, by its exact title.")
        .answers::<Contact>(200, Shape::Page)
        .showing(sarah())
}

fn create_route() -> Route {
    let example = json!({
        "name": "Sarah Johnson",
        "phone": "+14155551234",
        "email": "sarah@example.com",
        "type": "whatsapp",
        "tags": ["vip", "newsletter"]
    });
    Route::new(Method::POST, "/api/v1/contacts", Who::Workspace, "create_contact", create)
        .doc(TAG, "Create a contact", "`phone` is unique per workspace and `type`. Emits `contact.created`.")
        .takes::<NewContact>(example)
        .answers::<Contact>(201, Shape::One)
        .showing(json!({"phone": "+14155551234", "email": "sarah@example.com", "last_message_at": null}))
        .saying("Contact created successfully.")
}

fn get_route() -> Route {
    Route::new(Method::GET, "/api/v1/contacts/{id}", Who::Workspace, "get_contact", get)
        .doc(TAG, "Get a contact", "")
        .answers::<Contact>(200, Shape::One)
        .showing(sarah())
}

fn update_route() -> Route {
    Route::new(Method::PUT, "/api/v1/contacts/{id}", Who::Workspace, "update_contact", update)
        .doc(TAG, "Update a contact", "Only the given fields change; `type` never does. Emits `contact.updated`.")
        .takes::<ContactChange>(json!({"name": "Sarah M. Johnson", "tags": ["vip", "priority"]}))
        .answers::<Contact>(200, Shape::One)
        .showing(sarah())
        .showing(json!({"name": "Sarah M. Johnson", "tags": ["vip", "priority"]}))
        .saying("Contact updated successfully.")
}

fn delete_route() -> Route {
    Route::new(Method::DELETE, "/api/v1/contacts/{id}", Who::Workspace, "delete_contact", delete)
        .doc(TAG, "Delete a contact", "Removes the contact's messages too. Emits `contact.deleted`.")
        .answers_nothing()
}

fn blacklist_route() -> Route {
    let description = "Toggles the blacklisted state; a body `{\"blacklisted\": true}` or `false` sets it. Blacklisted \
                       contacts are not written to. Emits `contact.updated`.";
    Route::new(Method::POST, "/api/v1/contacts/{id}/blacklist", Who::Workspace, "blacklist_contact", blacklist)
        .doc(TAG, "Blacklist a contact", description)
        .takes::<Blacklisting>(json!({"blacklisted": true}))
        .answers::<Contact>(200, Shape::One)
        .showing(sarah())
        .showing(json!({"blacklisted": true}))
        .saying("Contact blacklisted successfully.")
}

/// The documented contact, where its fields' own examples are other ones.
fn sarah() -> Value {
    json!({
        "phone": "+14155551234", "email": "sarah@example.com", "last_message_at": "2026-03-04T10:00:00.000000Z",
        "created_at": "2026-01-15T08:22:00.000000Z", "updated_at": "2026-03-04T10:00:00.000000Z",
    })
}

async fn list(caller: WorkspaceCaller, Query(query): Query<ContactQuery>) -> Answer {
    let listing = super::list(&caller.app.db, caller.scope(), &query.filter, query.page).await?;
    Reply::page(&listing)
}

async fn create(caller: WorkspaceCaller, body: Unread) -> Answer {
    let made = async {
        let new: NewContact = body.read()?;
        let mut unit = caller.begin().await?;
        let contact = super::create(&mut unit, caller.scope(), new).await?;
        Ok((unit, contact))
    };
    let (unit, contact) = match made.await {
        Ok(made) => made,
        Err(fault) => return Err(with_more(&caller, &body, fault, None).await),
    };
    let reply = Reply::created(&contact, "Contact created successfully.")?;
    caller.commit(unit, reply).await
}

/// Beside the fault that was found first, a body may name a number that is taken, or tags that there is no room for.
async fn with_more(caller: &WorkspaceCaller, body: &Unread, fault: Error, of: Option<&Contact>) -> Error {
    let (db, scope) = (&caller.app.db, caller.scope());
    let fault = match body.glimpse(|fields| PhoneOfType::read(fields, of)) {
        Some(phone) => fault.beside(super::check_phone(db, scope, &phone, of)).await,
        None => fault,
    };
    match body.glimpse(|fields| super::input::tags(fields)) {
        Some(titles) => fault.beside(tags::check_room(db, scope, &titles)).await,
        None => fault,
    }
}

async fn get(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    Reply::data(&super::get(&caller.app.db, caller.scope(), id).await?)
}

async fn update(caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    let before = super::get(&caller.app.db, caller.scope(), id).await?;
    let changed = async {
        let change = body.read_by(|fields| ContactChange::read(fields, &before))?;
        let mut unit = caller.begin().await?;
        let contact = super::update(&mut unit, caller.scope(), id, change).await?;
        Ok((unit, contact))
    };
    let (unit, contact) = match changed.await {
        Ok(changed) => changed,
        Err(fault) => return Err(with_more(&caller, &body, fault, Some(&before)).await),
    };
    let reply = Reply::done(&contact, "Contact updated successfully.")?;
    caller.commit(unit, reply).await
}

async fn delete(caller: WorkspaceCaller, Id(id): Id) -> Answer {
    let mut unit = caller.begin().await?;
    super::delete(&mut unit, caller.scope(), id).await?;
    caller.commit(unit, Reply::nothing()).await
}

async fn blacklist(caller: WorkspaceCaller, Id(id): Id, body: Unread) -> Answer {
    let wish = body.read::<Blacklisting>();
    if wish.is_err() {
        super::summary(&caller.app.db, caller.scope(), id).await?;
    }
    let wish = wish?.blacklisted;
    let mut unit = caller.begin().await?;
    let contact = super::set_blacklisted(&mut unit, caller.scope(), id, wish).await?;
    let message = match contact.blacklisted {
        true => "Contact blacklisted successfully.",
        false => "Contact removed from blacklist successfully.",
    };
    let reply = Reply::done(&contact, message)?;
    caller.commit(unit, reply).await
}
