//! Pages for a partner's people.

pub mod home;
pub mod invite;
pub mod reset;
pub mod sign_in;

use crate::http::Route;

pub fn routes() -> Vec<Route> {
    [home::routes(), invite::routes(), reset::routes(), sign_in::routes()].into_iter().flatten().collect()
}
