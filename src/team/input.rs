//! What callers say about members, read and checked: every fault of it at once.

use super::store::MemberRow;
use super::{Role, Status, split};
use crate::auth::Password;
use crate::kernel::{Email, Fields, Input, Page};
use utoipa::ToSchema;

const LONGEST_NAME: usize = 255;

/// A member to be.
#[derive(Debug, ToSchema)]
pub struct NewMember {
    #[schema(max_length = 255, example = "Huda Saleh")]
    pub name: String,
    /// The login: unique in the installation, whatever its case.
    pub email: Email,
    pub role: Role,
    #[schema(value_type = String, min_length = 8, max_length = 256, format = Password)]
    pub password: Password,
}

impl Input for NewMember {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.at("name").required().text(LONGEST_NAME);
        let email = fields.at("email").required().email();
        let role = fields.at("role").required().one_of(Role::WORDS);
        let password = Password::read(&fields.at("password").required());
        Some(Self { name: name?, email: email?, role: role?, password: password? })
    }
}

/// The e-mail of a body alone, for saying that it is taken beside other faults.
#[derive(Debug)]
pub struct LoginEmail(pub Email);

impl Input for LoginEmail {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        fields.at("email").email().map(Self)
    }
}

/// A change of some fields of a member.
#[derive(Debug, ToSchema)]
pub struct MemberChange {
    #[schema(max_length = 255, nullable = false)]
    pub name: Option<String>,
    #[schema(nullable = false)]
    pub email: Option<Email>,
    #[schema(nullable = false)]
    pub role: Option<Role>,
    #[schema(nullable = false)]
    pub status: Option<Status>,
    #[schema(value_type = Option<String>, min_length = 8, max_length = 256, format = Password, nullable = false)]
    pub password: Option<Password>,
}

impl Input for MemberChange {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            name: fields.at("name").not_emptied().text(LONGEST_NAME),
            email: fields.at("email").not_emptied().email(),
            role: fields.at("role").not_emptied().one_of(Role::WORDS),
            status: fields.at("status").not_emptied().one_of(Status::WORDS),
            password: Password::read(&fields.at("password").not_emptied()),
        })
    }
}

impl MemberChange {
    pub(super) fn applied_to(&self, mut row: MemberRow) -> MemberRow {
        if let Some(name) = &self.name {
            let (first, last) = split(name);
            (row.first_name, row.last_name) = (first.to_owned(), last.to_owned());
        }
        if let Some(email) = &self.email {
            row.email = email.clone();
        }
        row.role = self.role.unwrap_or(row.role);
        row.status = self.status.unwrap_or(row.status);
        row
    }
}

/// The query of a list.
#[derive(Debug)]
pub struct MemberQuery {
    pub role: Option<Role>,
    pub page: Page,
}

impl Input for MemberQuery {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self { role: fields.at("role").one_of(Role::WORDS), page: Page::read(fields, 15, 100) })
    }
}
