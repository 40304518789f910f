//! Whom the pages about passwords serve.

use super::Words;
use crate::app::{App, Trace, Unit};
use crate::auth::{Hashed, Purpose};
use crate::kernel::{Email, Result};
use crate::partners::Face;

/// People who sign in by a password: those of workspaces, or those of partners.
pub trait People: 'static {
    /// Where they sign in.
    const LOGIN: &'static str;
    /// Where they ask for a link to a new password.
    const FORGOT: &'static str;
    /// Who holds a link behind which they choose one.
    type Holder: Send + Sync;

    /// The path of the page that a link opens.
    fn page(purpose: Purpose) -> &'static str;

    /// How somebody is told what they are invited to.
    fn invited_to(w: &'static Words) -> &'static str;

    fn guest(holder: &Self::Holder) -> Guest<'_>;

    /// Mails a link to whoever signs in by this e-mail, if anybody does.
    fn forgot(app: App, trace: Trace, email: Email) -> impl Future<Output = Result<()>> + Send + 'static;

    /// Whose link this is, if it opens. Looking does not use it.
    fn holder(app: &App, purpose: Purpose, token: &str) -> impl Future<Output = Result<Option<Self::Holder>>> + Send;

    /// Uses a link up and sets the password; false if it does not open any more.
    fn accept(unit: &mut Unit, holder: &Self::Holder, password: &Hashed) -> impl Future<Output = Result<bool>> + Send;
}

/// Somebody who is asked to choose a password.
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// What they are called, if we know.
    pub name: &'a str,
    /// Their login.
    pub email: &'a str,
    pub face: &'a Face,
}
