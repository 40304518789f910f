//! What pages of who is signed in show around their own part: the brand, the way to other pages, who is signed in, and that a
//! partner is visiting.

use super::{Frame, Reader, Words};
use crate::auth::By;
use crate::auth::sessions::{PartnerSession, Session};
use crate::kernel::{Instant, Timezone};
use crate::partners::Colour;

/// A page that the navigation leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Home,
    Keys,
    PartnerHome,
    PartnerKeys,
    PartnerWebhook,
}

impl Place {
    pub fn path(self) -> &'static str {
        match self {
            Self::Home => "/dashboard",
            Self::Keys => "/settings/api",
            Self::PartnerHome => "/partner",
            Self::PartnerKeys => "/partner/api",
            Self::PartnerWebhook => "/partner/webhook",
        }
    }

    pub fn title(self, w: &'static Words) -> &'static str {
        match self {
            Self::Home | Self::PartnerHome => w.home,
            Self::Keys | Self::PartnerKeys => w.integrations,
            Self::PartnerWebhook => w.webhooks,
        }
    }
}

/// The frame of a page for who is signed in.
#[derive(Debug)]
pub struct Shell {
    pub frame: Frame,
    pub places: Vec<Place>,
    pub here: Place,
    /// Of every form.
    pub form: String,
    /// Whose place it is: the workspace's, or the partner's.
    pub title: String,
    /// Who is signed in.
    pub who: String,
    pub logout: &'static str,
    /// Until when the partner visits.
    pub visit_until: Option<String>,
}

impl Shell {
    pub fn of(reader: &Reader, session: &Session, here: Place) -> Self {
        let colour = session.colour.as_deref().and_then(Colour::parse);
        let places = if session.sees_as_admin() { vec![Place::Home, Place::Keys] } else { vec![Place::Home] };
        let (who, visit_until) = match &session.by {
            By::Member { name, .. } => (name.clone(), None),
            By::Visit(_) => (session.brand.clone(), Some(day_and_time(session.expires_at, &session.timezone))),
        };
        Self {
            frame: reader.frame(&session.brand, colour, session.logo.as_deref(), here.path()),
            places,
            here,
            form: session.form.reveal().to_owned(),
            title: session.company_name.clone(),
            who,
            logout: "/logout",
            visit_until,
        }
    }

    pub fn of_partner(reader: &Reader, session: &PartnerSession, here: Place) -> Self {
        let colour = session.colour.as_deref().and_then(Colour::parse);
        Self {
            frame: reader.frame(&session.brand, colour, session.logo.as_deref(), here.path()),
            places: vec![Place::PartnerHome, Place::PartnerKeys, Place::PartnerWebhook],
            here,
            form: session.form.reveal().to_owned(),
            title: session.brand.clone(),
            who: session.email.clone(),
            logout: "/partner/logout",
            visit_until: None,
        }
    }

    pub fn w(&self) -> &'static Words {
        self.frame.w
    }

    pub fn root(&self) -> &str {
        &self.frame.root
    }

    /// What stands for a logo where there is none: the brand's first letter.
    pub fn initial(&self) -> String {
        self.frame.brand.chars().find(|c| c.is_alphanumeric()).map(|c| c.to_uppercase().to_string()).unwrap_or_default()
    }
}

/// `2026-03-14 12:15`, in a zone.
pub fn day_and_time(at: Instant, zone: &Timezone) -> String {
    let local = at.to_local(zone);
    local.get(..16).unwrap_or(&local).replace('T', " ")
}

/// `12,345`.
pub fn number(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if n < 0 { format!("-{grouped}") } else { grouped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (-5000, "-5,000")] {
            assert_eq!(number(n), text);
        }
    }

    #[test]
    fn times_are_those_of_the_workspace() {
        let zone = Timezone::parse("Asia/Riyadh").unwrap();
        assert_eq!(day_and_time(Instant::from_seconds(1_773_490_500), &zone), "2026-03-14 15:15");
    }
}
