//! Futures that are dropped where they stand: callers that hang up.

use crate::place::{cut, left_to_the_next};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use skylight_db::{Db, Engine, Read, Result, Tx, args};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const INSERT: &str = "INSERT INTO t (unit, side) VALUES ($1, $2)";

/// A unit of two rows. `committing` is set before `commit`: from there on its fate may be unclear to a caller who left.
async fn unit(db: &Db, unit: i64, committing: &AtomicBool) -> Result<()> {
    let tx = two_rows(db, unit).await?;
    committing.store(true, Ordering::SeqCst);
    tx.commit().await
}

async fn two_rows(db: &Db, unit: i64) -> Result<Tx> {
    let mut tx = db.begin().await?;
    tx.exec(INSERT, args![unit, 0_i64]).await?;
    tokio::task::yield_now().await;
    tx.exec(INSERT, args![unit, 1_i64]).await?;
    tokio::task::yield_now().await;
    Ok(tx)
}

/// What a caller knows of its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Acknowledged,
    Unclear,
    Never,
}

fn fate(result: Option<Result<()>>, committing: &AtomicBool) -> Result<Fate> {
    match result {
        Some(done) => done.map(|()| Fate::Acknowledged),
        None if committing.load(Ordering::SeqCst) => Ok(Fate::Unclear),
        None => Ok(Fate::Never),
    }
}

async fn judge(db: &Db, fates: &[(i64, Fate)]) -> Result<()> {
    for (unit, fate) in fates {
        let rows: i64 = db.one("SELECT COUNT(*) FROM t WHERE unit = $1", args![*unit]).await?;
        let as_promised = match fate {
            Fate::Acknowledged => rows == 2,
            Fate::Unclear => rows == 0 || rows == 2,
            Fate::Never => rows == 0,
        };
        assert!(as_promised, "{rows} rows of unit {unit}, whose fate was {fate:?}");
    }
    Ok(())
}

both!(hundreds_of_requests_cut_anywhere_leave_no_open_transaction_and_harm_no_neighbour, |db| {
    db.table("unit BIGINT, side BIGINT, PRIMARY KEY (unit, side)").await?;
    // One connection on PostgreSQL, so that a cut one is needed again at once.
    let shared = db.narrow();
    let longest = if db.engine() == Engine::Postgres { 22 } else { 7 };
    let cutters = (0..6_i64).map(|cutter| {
        let shared = shared.clone();
        tokio::spawn(async move {
            let mut rng = StdRng::seed_from_u64(cutter.unsigned_abs());
            let mut fates = Vec::new();
            for id in (0..100).map(|round| cutter * 1000 + round) {
                let committing = AtomicBool::new(false);
                let result = if rng.random_bool(0.5) {
                    cut(unit(&shared, id, &committing), rng.random_range(0..longest)).await
                } else {
                    // Aimed at the commit, the shortest part.
                    let tx = two_rows(&shared, id).await?;
                    committing.store(true, Ordering::SeqCst);
                    cut(tx.commit(), rng.random_range(1..4)).await
                };
                fates.push((id, fate(result, &committing)?));
            }
            <Result<_>>::Ok(fates)
        })
    });
    let cutters: Vec<_> = cutters.collect();
    // Beside them others work who wait for their answers, as long as there is a cutter.
    let cutting = Arc::new(AtomicBool::new(true));
    let writers = (0..6_i64).map(|writer| {
        let (shared, cutting) = (shared.clone(), cutting.clone());
        tokio::spawn(async move {
            let mut fates = Vec::new();
            for id in (0..).map(|round| 100_000 * (writer + 1) + round) {
                unit(&shared, id, &AtomicBool::new(false)).await?;
                fates.push((id, Fate::Acknowledged));
                if !cutting.load(Ordering::SeqCst) {
                    break;
                }
            }
            <Result<_>>::Ok(fates)
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut fates = Vec::new();
    for cutter in cutters {
        fates.extend(cutter.await??);
    }
    cutting.store(false, Ordering::SeqCst);
    for writer in writers {
        fates.extend(writer.await??);
    }
    for fate in [Fate::Acknowledged, Fate::Unclear, Fate::Never] {
        assert!(fates.iter().filter(|(_, f)| *f == fate).count() > 20, "too few of {fate:?} to tell");
    }
    db.expect_no_open_transaction().await;
    judge(&db, &fates).await?;
    unit(&shared, -1, &AtomicBool::new(false)).await?;
});

both!(hundreds_of_tasks_aborted_at_any_instant_leave_no_open_transaction, |db| {
    db.table("unit BIGINT, side BIGINT, PRIMARY KEY (unit, side)").await?;
    let mut rng = StdRng::seed_from_u64(7);
    let mut fates = Vec::new();
    for id in 0..300_i64 {
        let committing = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn({
            let (db, committing) = (db.clone(), committing.clone());
            async move { unit(&db, id, &committing).await }
        });
        // Beside it works one that is ended by its deadline.
        let late = Arc::new(AtomicBool::new(false));
        let deadline = Duration::from_micros(rng.random_range(0..1500));
        let in_time = tokio::time::timeout(deadline, unit(&db, 10_000 + id, &late)).await;
        task.abort();
        for (id, result, committing) in [(id, task.await.ok(), committing), (10_000 + id, in_time.ok(), late)] {
            fates.push((id, fate(result, &committing)?));
        }
    }
    db.expect_no_open_transaction().await;
    judge(&db, &fates).await?;
});

both!(
    /// After a statement was cut nobody knows whether it ran, nor whether BEGIN was sent: the transaction is over.
    a_transaction_whose_statement_was_cut_takes_no_other_and_cannot_commit,
    |db| {
        db.table("unit BIGINT, side BIGINT, PRIMARY KEY (unit, side)").await?;
        let narrow = db.narrow();
        for polls in 1..4 {
            for warm in [false, true] {
                let mut tx = narrow.begin().await?;
                if warm {
                    tx.exec(INSERT, args![0_i64, 0_i64]).await?;
                }
                let sql = format!("INSERT INTO t (unit, side) VALUES ($1, {polls})");
                let cut_short = cut(tx.exec(&sql, args![0_i64]), polls).await.is_none();
                let next = tx.exec(INSERT, args![1_i64, 0_i64]).await;
                assert_eq!(next.is_err(), cut_short, "{next:?}");
                assert_eq!(tx.commit().await.is_err(), cut_short);
                assert_eq!(db.one::<i64>("SELECT COUNT(*) FROM t", &[]).await? == 0, cut_short);
                db.script("DELETE FROM t").await?;
            }
        }
        db.expect_no_open_transaction().await;
    }
);

only!(postgres, a_failed_statement_that_nobody_waited_for_is_not_acknowledged_by_commit, |db| {
    db.table("unit BIGINT, side BIGINT, PRIMARY KEY (unit, side)").await?;
    let mut tx = db.begin().await?;
    tx.exec(INSERT, args![1_i64, 0_i64]).await?;
    tx.exec(INSERT, args![2_i64, 0_i64]).await?;
    // In conflict, and dropped before the answer came. PostgreSQL answers the COMMIT of such a transaction with success.
    assert!(cut(tx.exec(INSERT, args![1_i64, 0_i64]), 1).await.is_none());
    assert!(tx.commit().await.is_err());
    assert_eq!(db.one::<i64>("SELECT COUNT(*) FROM t", &[]).await?, 0);
});

both!(a_cancelled_wait_for_the_writer_leaves_the_way_free, |db| {
    db.table("unit BIGINT, side BIGINT, PRIMARY KEY (unit, side)").await?;
    let narrow = db.narrow();
    let mut held = narrow.begin().await?;
    held.exec(INSERT, args![1_i64, 0_i64]).await?;
    for _ in 0..100 {
        assert!(cut(narrow.begin(), 1).await.is_none(), "the writer is taken");
    }
    held.commit().await?;
    unit(&narrow, 2, &AtomicBool::new(false)).await?;
    db.expect_no_open_transaction().await;
});

only!(sqlite, a_commit_is_answered_although_the_one_it_counted_on_left, |db| {
    db.table("id BIGINT PRIMARY KEY").await?;
    let (commit, next) = left_to_the_next(&db, "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING").await;
    drop(next);
    commit.await?;
    db.expect_no_open_transaction().await;
});

only!(sqlite, no_batch_stays_open_when_the_committer_and_the_one_it_counted_on_both_left, |db| {
    db.table("id BIGINT PRIMARY KEY").await?;
    let (commit, next) = left_to_the_next(&db, "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING").await;
    drop(commit);
    drop(next);
    db.expect_no_open_transaction().await;
    let (commit, next) = left_to_the_next(&db, "INSERT INTO t VALUES (2) ON CONFLICT DO NOTHING").await;
    drop(next);
    drop(commit);
    db.expect_no_open_transaction().await;
    assert_eq!(db.all::<i64>("SELECT id FROM t ORDER BY id", &[]).await?, [1, 2]);

    // The same when the writer was dropped instead of committed.
    let mut tx = db.begin().await?;
    tx.exec("INSERT INTO t VALUES (3)", &[]).await?;
    let mut next = Box::pin(db.begin());
    assert!(futures_util::poll!(&mut next).is_pending());
    drop(tx);
    drop(next);
    db.expect_no_open_transaction().await;
});
