//! What a partner's clients see of it: its name, its colour, its logo. All of it is data (rule W7): a colour is six digits,
//! a logo is decoded and encoded anew, and nothing of either is ever part of a page's text.
//! Tables: `partner_logo`, and the columns of `partner` that say the same.

pub mod api;
mod picture;
mod store;

pub use picture::MOST_PIXELS;

use super::Colour;
use crate::app::{App, Unit};
use crate::audit::{self, Action, Changes};
use crate::auth::PartnerScope;
use crate::kernel::fields::{Field, Fields, Input};
use crate::kernel::{Error, Result, secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use picture::{Image, MOST_WRITTEN, Unfit};
use skylight_db::Read;
use std::sync::Arc;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

/// Of a logo's file.
const MOST_BYTES: usize = 512 * 1024;
/// Pictures that are drawn at a time.
const AT_ONCE: usize = 2;
/// Where logos are served.
pub const LOGOS: &str = "/storage/logos/";

/// What is to change of a brand; what is not named stays.
#[derive(Debug, ToSchema)]
pub struct BrandChange {
    /// What clients' people see as the name of the product.
    #[schema(max_length = 255, nullable = false)]
    pub company_name: Option<String>,
    /// `#rrggbb`; null removes it.
    #[schema(value_type = Option<String>, pattern = "^#[0-9A-Fa-f]{6}$")]
    pub primary_color: Option<Option<Colour>>,
    /// The file in base64, with or without `data:image/…;base64,` before it: PNG, JPEG or WebP, at most 512 KiB and 2048
    /// pixels a side. Null removes it.
    #[schema(value_type = Option<String>)]
    pub logo: Option<Option<Logo>>,
}

/// A picture that was found to be one.
#[derive(Debug)]
pub struct Logo(Image);

impl Input for BrandChange {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let company_name = fields.at("company_name").not_emptied().text(255);
        let colour = fields.at("primary_color");
        let primary_color = colour.is_present().then(|| read_colour(&colour));
        let logo = fields.at("logo");
        let logo = logo.is_present().then(|| read_logo(&logo));
        Some(Self { company_name, primary_color, logo })
    }
}

fn read_colour(field: &Field<'_>) -> Option<Colour> {
    Colour::parse(&field.text(7)?).or_else(|| field.wrong("format is invalid"))
}

fn read_logo(field: &Field<'_>) -> Option<Logo> {
    let text = field.verbatim()?;
    let text = text.trim();
    let encoded = match text.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
        Some((_, encoded)) => encoded,
        None => text,
    };
    if encoded.len() > MOST_BYTES.div_ceil(3) * 4 {
        return field.wrong("must not be greater than 512 kilobytes");
    }
    let Ok(file) = STANDARD.decode(encoded) else { return field.wrong("must be an image in base64") };
    if file.len() > MOST_BYTES {
        return field.wrong("must not be greater than 512 kilobytes");
    }
    match Image::read(&file) {
        Ok(image) => Some(Logo(image)),
        Err(Unfit::Unreadable) => field.wrong("must be an image of type PNG, JPEG or WebP"),
        Err(Unfit::TooLarge) => field.wrong(&format!(
            "must not be greater than {} kilobytes once its pixels are written anew",
            MOST_WRITTEN / 1024
        )),
        Err(Unfit::TooManyPixels) => field.wrong(&format!("must not be wider or higher than {MOST_PIXELS} pixels")),
    }
}

/// Places where pictures are drawn: each takes a core, and the memory of a large picture.
#[derive(Debug)]
struct Easels(Arc<Semaphore>);

impl Default for Easels {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// Reads what holds a picture on the blocking pool, a few at a time. Never inside a transaction. The place is kept until the
/// picture is drawn, also when nobody waits for it any longer.
pub async fn drawn<T: Send + 'static>(app: &App, read: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let easels = app.rooms.of::<Easels>().0.clone();
    let place = easels.acquire_owned().await.map_err(Error::internal)?;
    let read = move || {
        let _place = place;
        read()
    };
    tokio::task::spawn_blocking(read).await.map_err(Error::internal)?
}

impl Logo {
    /// Its file's name: the same content has the same one, and another content another one, so that nobody who keeps it
    /// ever shows the wrong picture.
    fn name(&self) -> String {
        let digest = secret::hex(&secret::digest_of(&self.0.bytes)[..20]);
        format!("{digest}.{}", self.0.format.extension())
    }
}

/// Changes a partner's brand; on this node pages show it at once, on others within a second.
pub async fn set(unit: &mut Unit, scope: PartnerScope, change: &BrandChange) -> Result<()> {
    let BrandChange { company_name, primary_color, logo } = change;
    let colour = primary_color.map(|colour| colour.map(|colour| format!("#{}", colour.digits())));
    let name = logo.as_ref().map(|logo| logo.as_ref().map(Logo::name));
    let path = name.as_ref().map(|name| name.as_ref().map(|name| format!("{LOGOS}{name}")));
    let [new_colour, new_logo] = [&colour, &path].map(|said| said.as_ref().map(Option::as_deref));
    if !store::set(&mut unit.tx, scope, company_name.as_deref(), new_colour, new_logo).await? {
        return Ok(());
    }
    let now = unit.now();
    match (logo, name.flatten()) {
        (Some(Some(Logo(image))), Some(name)) => store::put_logo(&mut unit.tx, scope, &name, image, now).await?,
        (Some(_), _) => store::remove_logo(&mut unit.tx, scope).await?,
        (None, _) => {}
    }
    let changes = Changes::none()
        .and_if_given("company_name", company_name.as_deref())
        .and_if_given("primary_color", colour)
        .and_if_given("logo", path);
    audit::record_for_partner(unit, scope, Action::PartnerUpdated, scope.id(), changes).await?;
    unit.changed();
    Ok(())
}

/// The whole address of a logo, for whoever shows it elsewhere.
pub fn address(app: &App, logo: Option<String>) -> Option<String> {
    logo.map(|logo| if logo.starts_with(LOGOS) { app.config.public(&logo) } else { logo })
}

/// A logo's file.
#[derive(Debug)]
pub struct File {
    pub media_type: String,
    pub bytes: Vec<u8>,
}

pub async fn file(read: impl Read, name: &str) -> Result<Option<File>> {
    let found = store::logo(read, name).await?;
    Ok(found.map(|row| File { media_type: row.media_type, bytes: row.bytes }))
}
