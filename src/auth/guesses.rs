//! Guesses at passwords, slowed down (rule W8): of one account from one address, of one account from anywhere, of any
//! account from one address. Who fails waits longer and longer, but never for good; and somebody far away cannot make the
//! owner of an account wait long.
//!
//! An attempt is counted before it is looked at, so that many at the same moment are not one. Table: `guess`.

use super::{Bucket, store};
use crate::app::{App, Unit};
use crate::kernel::{Result, secret};
use std::net::IpAddr;
use std::time::Duration;

/// What is counted together.
#[derive(Clone, Copy, Debug)]
struct Rule {
    name: &'static str,
    /// Failures that cost nothing.
    free: u32,
    /// The longest wait.
    longest: Duration,
}

const HERE: Rule = Rule { name: "account from address", free: 5, longest: Duration::from_secs(15 * 60) };
const ACCOUNT: Rule = Rule { name: "account", free: 40, longest: Duration::from_secs(60) };
const ADDRESS: Rule = Rule { name: "address", free: 40, longest: Duration::from_secs(15 * 60) };
/// Failures are forgotten when nothing was tried for so long.
const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);

impl Rule {
    /// How long to wait after so many failures in a row: a second, then twice as long each time.
    fn wait(self, failures: i64) -> Duration {
        let beyond = failures - i64::from(self.free);
        match u32::try_from(beyond - 1) {
            Ok(doublings) => Duration::from_secs(1 << doublings.min(20)).min(self.longest),
            Err(_) => Duration::ZERO,
        }
    }
}

type Subject = [u8; 32];

/// An attempt that may be looked at. It counts as a failure until it is said to be right.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    subjects: [(Rule, Subject); 3],
}

/// Counts an attempt at an account; or answers how many seconds to wait, and counts nothing.
pub async fn attempt(app: &App, account: &str, address: IpAddr) -> Result<Result<Attempt, u64>> {
    let address = match Bucket::of_address(address) {
        Bucket::Address(address) => address.to_string(),
        _ => String::new(),
    };
    let both = format!("{account}\n{address}");
    let subjects = [(HERE, both.as_str()), (ACCOUNT, account), (ADDRESS, &address)];
    let subjects = subjects.map(|(rule, text)| (rule, secret::digest(&format!("{}: {text}", rule.name))));
    let mut unit = app.begin().await?;
    let now = unit.now();
    for (rule, subject) in &subjects {
        match store::count_guess(&mut unit.tx, subject, now, now.before(FORGOTTEN)).await? {
            Some(failures) => {
                store::block_guesses(&mut unit.tx, subject, now.after(rule.wait(failures))).await?;
            }
            None => {
                let until = store::blocked_until(&mut unit.tx, subject).await?.unwrap_or(now);
                return Ok(Err(now.until(until).as_secs_f64().ceil().max(1.0) as u64));
            }
        }
    }
    unit.commit().await?;
    Ok(Ok(Attempt { subjects }))
}

impl Attempt {
    /// It was no guess. Who knows one password may still guess at others: the address only gets this attempt back.
    pub async fn was_right(self, unit: &mut Unit) -> Result<()> {
        let [(_, here), (_, account), (_, address)] = self.subjects;
        for subject in [here, account] {
            store::forget_guesses(&mut unit.tx, &subject).await?;
        }
        Ok(store::take_guess_back(&mut unit.tx, &address).await?)
    }
}

/// Removes what nobody needs any more; answers how much.
pub async fn forget_old(app: &App) -> Result<u64> {
    let before = app.now().before(FORGOTTEN);
    let mut unit = app.begin().await?;
    let removed = store::delete_guesses(&mut unit.tx, before).await?;
    unit.commit().await?;
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_grows_and_stays_bearable() {
        let waits: Vec<_> = (0..12).map(|failures| HERE.wait(failures).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32]);
        assert_eq!(HERE.wait(1_000_000).as_secs(), 900);
        assert_eq!(ACCOUNT.wait(1_000).as_secs(), 60);
    }
}
