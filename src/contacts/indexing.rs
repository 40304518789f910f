//! Tells the search index of new and rewritten contacts, after their answers and many at a time. Until then a search looks
//! at each of them, so nothing is ever missing.

use super::grams::Indexed;
use super::store::index;
use crate::app::{App, Unit};
use crate::kernel::Result;
use crate::workspaces::Piece;
use futures_util::future::BoxFuture;
use skylight_db::Db;
use std::time::Duration;

/// Few enough that nobody waits long for the writer, or for one of these contacts.
const BATCH: i64 = 200;
/// Of the index, put together at once; as short.
const PAGES: i64 = 100;
/// Between looks at an empty queue.
const PAUSE: Duration = Duration::from_secs(1);
/// After a batch, for as many times as it took: requests go first.
const BREATH: u32 = 3;

/// Runs until the server stops. Harmless on several nodes: each takes contacts that no other holds.
pub async fn run(app: App) {
    let mut is_tidy = false;
    while !app.is_stopping() {
        let began = std::time::Instant::now();
        let pause = match work(&app, &mut is_tidy).await {
            Ok(false) => PAUSE,
            Ok(true) => began.elapsed() * BREATH,
            Err(error) => {
                tracing::warn!(%error, "the search index could not be written; trying again");
                PAUSE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = app.stopped() => return,
        }
    }
}

/// Compares what the database counts by itself with the rows; answers a sentence for every count that differs.
pub async fn recount(db: &Db) -> Result<Vec<String>> {
    let rows = index::all_workspaces_differences(db).await?;
    let sentence = |(workspace, what, kept, counted): (i64, String, i64, i64)| {
        format!("workspace {workspace}: {what} are kept as {kept}, but there are {counted}")
    };
    Ok(rows.into_iter().map(sentence).collect())
}

/// What workspaces that are deleted leave in the search index, removed a piece at a time; see [`crate::workspaces::on_purge`].
pub fn forget(unit: &mut Unit, piece: Piece) -> BoxFuture<'_, Result<bool>> {
    Box::pin(async move { Ok(index::all_workspaces_forget(&mut unit.tx, piece.size, piece.is_first).await?) })
}

/// Does a little of what is to be done, what is new first; false when nothing is.
async fn work(app: &App, is_tidy: &mut bool) -> Result<bool> {
    let is_new = index_some(app).await? > 0;
    if !is_new && !*is_tidy {
        *is_tidy = !tidy_some(app).await?;
        return Ok(!*is_tidy);
    }
    *is_tidy &= !is_new;
    Ok(is_new)
}

/// Puts some of the index together, which is written in many pieces; a search looks into each. False when nothing is left.
pub async fn tidy_some(app: &App) -> Result<bool> {
    let mut unit = app.begin().await?;
    let is_more_left = index::all_workspaces_join(&mut unit.tx, PAGES).await?;
    unit.commit().await?;
    Ok(is_more_left)
}

/// Indexes one batch; answers how many.
pub async fn index_some(app: &App) -> Result<usize> {
    if !index::all_workspaces_any_waiting(&app.db).await? {
        return Ok(0);
    }
    let mut unit = app.begin().await?;
    let waiting = index::all_workspaces_waiting(&mut unit.tx, app.db.skip_locked(), BATCH).await?;
    let found: Vec<Indexed> = waiting.into_iter().map(Indexed::from).collect();
    index::all_workspaces_insert(&mut unit.tx, app.db.words(), &found).await?;
    unit.commit().await?;
    Ok(found.len())
}
