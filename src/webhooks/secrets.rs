//! Changing what signs: the new secret signs at once, the one before beside it for a day.

use super::sign::{self, KeyPair, Slot};
use super::store::{self, Secrets};
use super::{Owner, no_such, reveal};
use crate::app::Unit;
use crate::audit::{Action, Changes as Noted};
use crate::kernel::seal::DataKey;
use crate::kernel::{Error, Result, Secret};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// How long what signed before signs beside what is new.
const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

/// A secret just made: the only time it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewSecret {
    #[schema(example = 19)]
    pub id: i64,
    #[serde(serialize_with = "reveal")]
    #[schema(value_type = String, example = "whsec_…64 characters…")]
    pub secret: Secret,
    /// Of an endpoint that has a key pair, which is renewed too.
    #[schema(example = json!(null))]
    pub public_key: Option<String>,
}

/// Makes a new secret that signs from now on; the one before signs beside it for a day. An endpoint that has a key pair
/// gets a new one likewise. `key` is the owner's data key.
pub async fn regenerate_secret(unit: &mut Unit, owner: Owner, key: &DataKey, id: i64) -> Result<NewSecret> {
    let old = store::secrets(&mut unit.tx, owner, id).await?.ok_or_else(no_such)?;
    let now = unit.now();
    let random = &*unit.app().random;
    let secret = sign::make(random);
    let moved =
        |from: Slot, to: Slot, sealed: &str| to.seal(key, owner, id, &from.open(key, owner, id, sealed)?, random);
    let pair = old.private_key.as_ref().map(|_| KeyPair::make(random)).transpose()?;
    let sealed = |pair: &KeyPair| Slot::PrivateKey.seal(key, owner, id, &pair.private, random);
    let before = |private: &String| moved(Slot::PrivateKey, Slot::PreviousPrivateKey, private);
    let new = Secrets {
        secret: Slot::Current.seal(key, owner, id, &secret, random)?,
        previous_secret: Some(moved(Slot::Current, Slot::Previous, &old.secret)?),
        previous_until: Some(now.after(OVERLAP)),
        public_key: pair.as_ref().map(|pair| pair.public.clone()),
        private_key: pair.as_ref().map(sealed).transpose()?,
        previous_private_key: old.private_key.as_ref().map(before).transpose()?,
    };
    if !store::rotate(&mut unit.tx, owner, id, &old.secret, &new, now).await? {
        return Err(Error::conflict().saying("The secret was changed by another request."));
    }
    let done = (Action::WebhookSecretRegenerated, Action::PartnerWebhookSecretRegenerated);
    owner.note(unit, done, id, Noted::none()).await?;
    unit.changed();
    let shown = super::Settings::of(&super::row(&mut unit.tx, owner, id).await?).public_key;
    Ok(NewSecret { id, secret, public_key: shown })
}
