//! Group commit of the embedded engine. The observable is its write-ahead log: a frame that ends a COMMIT carries the
//! size of the file after it, all others carry zero.

use crate::place::left_to_the_next;
use futures_util::future::{join, join_all};
use skylight_db::{Db, Kind, Read, Result, args};
use std::path::Path;
use std::pin::pin;

/// How many COMMITs the log holds. It is never restarted in these tests, which write less than 1000 pages.
fn commits(database: &Path) -> usize {
    const HEADER: usize = 32;
    const FRAME: usize = 24 + 4096;
    let log = std::fs::read(database.with_extension("db-wal")).expect("read the log");
    let salt = &log[16..24];
    let frames = log[HEADER..].chunks_exact(FRAME).take_while(|frame| &frame[8..16] == salt);
    frames.filter(|frame| frame[4..8] != [0; 4]).count()
}

async fn insert(db: &Db, id: i64) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.exec("INSERT INTO t (id) VALUES ($1)", args![id]).await?;
    tx.commit().await
}

only!(sqlite, commits_that_arrive_together_share_one_sync, |db| {
    db.table("id BIGINT PRIMARY KEY").await?;
    let before = commits(&db.sqlite_file());
    for id in 0..4 {
        insert(&db, id).await?;
    }
    assert_eq!(commits(&db.sqlite_file()) - before, 4, "alone, each has its own");

    // Sixty-four wait while the writer is taken.
    let held = db.begin().await?;
    let mut all = pin!(join_all((100..164).map(|id| insert(&db, id))));
    assert!(futures_util::poll!(&mut all).is_pending());
    let before = commits(&db.sqlite_file());
    let (first, all) = join(held.commit(), all).await;
    first?;
    for inserted in all {
        inserted?;
    }
    let shared = commits(&db.sqlite_file()) - before;
    assert!((1..=16).contains(&shared), "64 transactions took {shared} commits");
    assert_eq!(db.one::<i64>("SELECT COUNT(*) FROM t", &[]).await?, 68);
});

only!(sqlite, a_batch_ends_although_the_queue_does_not, |db| {
    db.table("id BIGINT PRIMARY KEY").await?;
    let held = db.begin().await?;
    let mut all = pin!(join_all((0..600).map(|id| insert(&db, id))));
    assert!(futures_util::poll!(&mut all).is_pending());
    let before = commits(&db.sqlite_file());
    let (first, all) = join(held.commit(), all).await;
    first?;
    for inserted in all {
        inserted?;
    }
    assert!(commits(&db.sqlite_file()) - before >= 3, "at most 256 share one");
});

only!(sqlite, a_commit_is_answered_only_after_its_batch_is_in_the_log, |db| {
    db.table("id BIGINT PRIMARY KEY").await?;
    let (mut commit, next) = left_to_the_next(&db, "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING").await;

    // As long as the next one works, there is no answer.
    let mut next = next.await?;
    next.exec("INSERT INTO t VALUES (2)", &[]).await?;
    assert!(futures_util::poll!(&mut commit).is_pending());
    let before = commits(&db.sqlite_file());

    // The next one gives up: its own row goes, the neighbour's is made durable.
    drop(next);
    commit.await?;
    assert_eq!(commits(&db.sqlite_file()), before + 1);
    assert_eq!(db.all::<i64>("SELECT id FROM t", &[]).await?, [1]);
});

only!(sqlite, a_failing_member_takes_nothing_of_its_neighbours_with_it, |db| {
    db.table("id BIGINT PRIMARY KEY").await?;
    let held = db.begin().await?;
    // Every third is in conflict with the one before it.
    let ids = (0..60).map(|n| if n % 3 == 2 { n - 1 } else { n });
    let mut all = pin!(join_all(ids.map(|id| insert(&db, id))));
    assert!(futures_util::poll!(&mut all).is_pending());
    let (first, all) = join(held.commit(), all).await;
    first?;
    for (n, inserted) in all.into_iter().enumerate() {
        assert_eq!(inserted.is_err_and(|e| e.is_unique("t_pkey")), n % 3 == 2, "{n}");
    }
    assert_eq!(db.one::<i64>("SELECT COUNT(*) FROM t", &[]).await?, 40);
    db.expect_no_open_transaction().await;
});

only!(sqlite, a_failed_commit_fails_every_member_of_its_batch_and_nobody_else, |db| {
    db.script(
        "CREATE TABLE parent (id BIGINT PRIMARY KEY);
         CREATE TABLE t (id BIGINT PRIMARY KEY, late BIGINT REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)",
    )
    .await?;
    let (commit, next) = left_to_the_next(&db, "INSERT INTO t (id) VALUES (1) ON CONFLICT DO NOTHING").await;
    let mut next = next.await?;
    next.exec("INSERT INTO t (id, late) VALUES (2, 9)", &[]).await?;
    // Nobody waits, so that this one makes the COMMIT; it is refused.
    assert_eq!(next.commit().await.expect_err("no such parent").kind(), &Kind::ForeignKey);
    assert_eq!(commit.await.expect_err("it shared the batch").kind(), &Kind::ForeignKey);
    db.expect_no_open_transaction().await;
    insert(&db, 3).await?;
    assert!(db.all::<i64>("SELECT id FROM t", &[]).await?.contains(&3));
});

only!(sqlite, a_runtime_of_one_thread_will_do, |db| {
    db.table("id BIGINT PRIMARY KEY").await?;
    let same = db.clone();
    let alone = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        Ok::<_, std::io::Error>(runtime.block_on(join_all((0..20).map(|id| insert(&same, id)))))
    };
    for inserted in tokio::task::spawn_blocking(alone).await?? {
        inserted?;
    }
    assert_eq!(db.one::<i64>("SELECT COUNT(*) FROM t", &[]).await?, 20);
});

only!(sqlite, the_log_is_synced_at_every_commit, |db| {
    let mut tx = db.begin().await?;
    let mode: String = tx.one("PRAGMA journal_mode", &[]).await?;
    let synchronous: i64 = tx.one("PRAGMA synchronous", &[]).await?;
    let foreign_keys: i64 = tx.one("PRAGMA foreign_keys", &[]).await?;
    assert_eq!((mode.as_str(), synchronous, foreign_keys), ("wal", 2, 1));
});

only!(postgres, commits_are_synchronous_and_sessions_are_bounded, |db| {
    for (setting, value) in [
        ("synchronous_commit", "on"),
        ("statement_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "30s"),
        ("TimeZone", "UTC"),
    ] {
        let set: String = db.one("SELECT current_setting($1)", args![setting]).await?;
        assert_eq!(set, value, "{setting}");
    }
});
