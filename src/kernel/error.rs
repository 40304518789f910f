//! One error type: something the caller can act on, or our fault. Public text and internal cause never mix.

use skylight_db::{AsDbError, Error as DbError};
use std::borrow::Cow;
use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Boxed inside, so that `Result` stays small on the hot path.
#[derive(Debug)]
pub enum Error {
    /// Safe to show.
    Problem(Box<Problem>),
    /// The database's own; a passing outage is 503, anything else is our fault.
    Database(Box<DbError>),
    /// Our fault. Logged in full, shown as a bare 500.
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

/// What a caller is told.
#[derive(Debug, Clone)]
pub struct Problem {
    pub status: u16,
    /// A stable word for programs.
    pub code: &'static str,
    /// A sentence for people; the documented one where there is one.
    pub message: Cow<'static, str>,
    /// By field, in the order they were found.
    pub errors: FieldErrors,
    pub retry_after: Option<u64>,
    /// What was asked for and is not the caller's. Not told; the attempt is noted.
    pub attempt: Option<Asked>,
    /// Whether it is only because something else happened at the same time, so that another try may do.
    pub is_passing: bool,
}

/// Something that a partner asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    Client(i64),
    /// By the id that the second partner API calls it by; likewise below.
    ClientNamed(String),
    PartnerNamed(String),
}

/// Messages by dotted field name.
#[derive(Debug, Clone, Default)]
pub struct FieldErrors(Vec<(String, Vec<String>)>);

impl FieldErrors {
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        let field = field.into();
        let message = message.into();
        match self.0.iter_mut().find(|(name, _)| *name == field) {
            Some((_, messages)) => messages.push(message),
            None => self.0.push((field, vec![message])),
        }
    }

    pub fn has(&self, field: &str) -> bool {
        self.0.iter().any(|(name, _)| name == field)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &(String, Vec<String>)> {
        self.0.iter()
    }
}

/// Every code that an answer can carry, with its status and its sentence. The reference page lists them.
macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $status:literal, $message:literal;)+) => {
        impl Error {
            $($(#[$doc])* pub fn $name() -> Self { Self::problem($status, stringify!($name), $message) })+
            /// Code, status and default sentence of every problem.
            pub const CODES: &'static [(&'static str, u16, &'static str)] =
                &[$((stringify!($name), $status, $message)),+];
        }
    };
}

problems! {
    malformed_body = 400, "The request body is not valid JSON.";
    malformed_request = 400, "The request could not be understood.";
    unauthenticated = 401, "Unauthenticated. Please provide a valid API key.";
    partner_unauthenticated = 401, "Unauthenticated. Please provide a valid partner API key.";
    hub_unauthenticated = 401, "Unauthenticated. Send your partner API key in the X-API-Key header, or a token as Authorization: Bearer.";
    metrics_unauthenticated = 401, "Unauthenticated. Present the metrics token as Authorization: Bearer.";
    wrong_login = 401, "The username or the password is wrong.";
    bad_signature = 401, "The signature is missing or wrong.";
    wrong_credential = 403, "This credential does not open this part of the API.";
    origin_not_allowed = 403, "Request origin is not allowed.";
    account_suspended = 403, "Your account is inactive.";
    partner_suspended = 403, "Your partner account is suspended.";
    feature_not_in_plan = 403, "Your plan does not include this feature.";
    plan_limit_reached = 403, "You have reached a limit of your plan.";
    numbers_not_allowed = 403, "Your partner does not let you connect further phone numbers.";
    seat_limit_reached = 403, "Client seat limit reached.";
    not_permitted = 403, "You may not do this.";
    foreign_form = 403, "The form is too old, or did not come from this site. Please open the page again.";
    verification_failed = 403, "The verify token is wrong.";
    not_found = 404, "Resource not found.";
    method_not_allowed = 405, "Method not allowed.";
    provider_unavailable = 503, "The messaging provider cannot be reached. Please try again shortly.";
    conflict = 409, "The request conflicts with the current state.";
    email_taken = 409, "The email has already been taken.";
    last_admin = 409, "The last active admin can be neither removed, demoted nor deactivated.";
    channel_already_connected = 409, "The channel is already connected.";
    slot_taken = 409, "The time is no longer available.";
    ticket_closed = 409, "The ticket is closed.";
    request_in_progress = 409, "A request with this idempotency key is still running.";
    body_too_large = 413, "The request body is too large.";
    unsupported_media_type = 415, "The request body must be application/json.";
    invalid = 422, "The given data was invalid.";
    rate_limited = 429, "Too many requests. Please slow down.";
    headers_too_large = 431, "The request headers are too large.";
    unexpected = 500, "An unexpected error occurred. Please try again later.";
    overloaded = 503, "The server is busy. Please try again shortly.";
    storage_unavailable = 503, "The service is temporarily unavailable. Please try again shortly.";
    timeout = 503, "The request took too long. Please try again shortly.";
}

impl Error {
    fn problem(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        let (message, errors) = (message.into(), FieldErrors::default());
        Self::Problem(Box::new(Problem {
            status,
            code,
            message,
            errors,
            retry_after: None,
            attempt: None,
            is_passing: false,
        }))
    }

    /// A fault of ours that no caller can mend.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    /// `Contact not found.` and its like: one body for what does not exist and what is somebody else's (rule T6).
    pub fn no_such(what: &str) -> Self {
        Self::not_found().saying(format!("{what} not found."))
    }

    /// 422 with one field at fault.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        let mut errors = FieldErrors::default();
        errors.add(field, message);
        Self::fields(errors)
    }

    /// 422 with every field at fault.
    pub fn fields(errors: FieldErrors) -> Self {
        Self::invalid().with_errors(errors)
    }

    /// With what `check` finds wrong of other fields, so that the caller sees all faults of a body at once: those, too, that
    /// only the database knows.
    pub async fn beside(self, check: impl Future<Output = Result<()>>) -> Self {
        let mut errors = self.public().errors.clone();
        if errors.is_empty() {
            return self;
        }
        if let Err(other) = check.await {
            for (field, messages) in other.public().errors.iter().filter(|(field, _)| !self.public().errors.has(field))
            {
                messages.iter().for_each(|message| errors.add(field, message));
            }
        }
        self.with_errors(errors)
    }

    /// What a unit of work had read was changed by another before it was held: running it again is right.
    pub fn overtaken() -> Self {
        Self::conflict().with(|problem| problem.is_passing = true)
    }

    pub fn saying(self, message: impl Into<Cow<'static, str>>) -> Self {
        self.with(|problem| problem.message = message.into())
    }

    pub fn with_errors(self, errors: FieldErrors) -> Self {
        self.with(|problem| problem.errors = errors)
    }

    pub fn retry_after(self, seconds: u64) -> Self {
        self.with(|problem| problem.retry_after = Some(seconds))
    }

    pub fn attempted(self, asked: Asked) -> Self {
        self.with(|problem| problem.attempt = Some(asked))
    }

    fn with(mut self, change: impl FnOnce(&mut Problem)) -> Self {
        if let Self::Problem(problem) = &mut self {
            change(problem);
        }
        self
    }

    /// What the caller is told of this error.
    pub fn public(&self) -> Cow<'_, Problem> {
        match self {
            Self::Problem(problem) => Cow::Borrowed(problem),
            Self::Database(error) if error.is_outage() => {
                Cow::Owned(Self::storage_unavailable().retry_after(2).into_problem())
            }
            Self::Database(_) | Self::Internal(_) => Cow::Owned(Self::unexpected().into_problem()),
        }
    }

    fn into_problem(self) -> Problem {
        match self {
            Self::Problem(problem) => *problem,
            other => other.public().into_owned(),
        }
    }

    /// Whether somebody should look at it: our fault rather than the caller's.
    pub fn is_ours(&self) -> bool {
        !matches!(self, Self::Problem(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem(problem) => write!(f, "{}: {}", problem.code, problem.message),
            Self::Database(error) => write!(f, "database: {error}"),
            Self::Internal(error) => write!(f, "internal: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        Self::Database(Box::new(error))
    }
}

impl AsDbError for Error {
    fn as_db_error(&self) -> Option<&DbError> {
        match self {
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}
