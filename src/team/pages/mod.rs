//! Pages for the people of a workspace: choosing a password, for the first time or again, coming in, and leaving.

pub mod password;
pub mod sign_in;
