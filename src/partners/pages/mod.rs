//! Pages for a partner's people.

pub mod home;
pub mod password;
pub mod sign_in;

use crate::http::Route;

pub fn routes() -> Vec<Route> {
    [home::routes(), password::routes(), sign_in::routes()].into_iter().flatten().collect()
}
