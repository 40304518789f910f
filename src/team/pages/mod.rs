//! Pages for the people of a workspace: choosing a password, coming in, and leaving.

pub mod invite;
pub mod sign_in;
