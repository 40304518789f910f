//! A full disk and a lost server: what is told, and that it passes without a restart.

use futures_util::future::{join, join_all};
use skylight_db::{Db, Kind, Read, Result, args};
use std::pin::pin;

async fn insert(db: &Db, id: i64, bytes: usize) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.exec("INSERT INTO t (id, b) VALUES ($1, $2)", args![id, vec![7_u8; bytes]]).await?;
    tx.commit().await
}

async fn ids(db: &Db) -> Result<Vec<i64>> {
    db.all("SELECT id FROM t ORDER BY id", &[]).await
}

only!(sqlite, on_a_full_disk_writes_fail_reads_go_on_and_space_brings_writes_back, |place| {
    let db = place.capped(40);
    place.table("id BIGINT PRIMARY KEY, b BLOB").await?;
    let mut stored = Vec::new();
    let full = loop {
        let id = i64::try_from(stored.len())?;
        match insert(&db, id, 4096).await {
            Ok(()) => stored.push(id),
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), &Kind::Storage, "{full}");
    assert!(full.is_outage());
    for _ in 0..3 {
        assert_eq!(insert(&db, 1000, 40_000).await.expect_err("still full").kind(), &Kind::Storage);
        assert_eq!(ids(&db).await?, stored);
    }
    place.expect_no_open_transaction().await;

    // Rows go, and the same handle writes again.
    let mut tx = db.begin().await?;
    assert_eq!(tx.exec("DELETE FROM t WHERE id < 5", &[]).await?, 5);
    tx.commit().await?;
    insert(&db, 1000, 4096).await?;
    assert_eq!(insert(&db, 1001, 400_000).await.expect_err("full again").kind(), &Kind::Storage);

    // With a larger disk everything is there and the large row fits.
    drop(db);
    let db = place.another();
    insert(&db, 1001, 400_000).await?;
    stored.drain(..5);
    stored.extend([1000, 1001]);
    assert_eq!(ids(&db).await?, stored);
});

only!(sqlite, when_the_disk_fills_up_every_member_of_the_batch_hears_it, |place| {
    let db = place.capped(40);
    place.table("id BIGINT PRIMARY KEY, b BLOB").await?;
    // A batch is also cut by time. So try until one takes others down with it.
    let mut shared = false;
    for base in (0..100).map(|round| round * 100) {
        let mut held = db.begin().await?;
        held.exec("INSERT INTO t (id) VALUES ($1)", args![base + 50]).await?;
        let size = |n| if n == 7 { 400_000 } else { 1 };
        let mut all = pin!(join_all((0..12).map(|n| insert(&db, base + n, size(n)))));
        assert!(futures_util::poll!(&mut all).is_pending());
        let (first, all) = join(held.commit(), all).await;
        let mut acknowledged = Vec::new();
        let mut failed = 0;
        for (id, result) in (base..).zip(all).chain([(base + 50, first)]) {
            match result {
                Ok(()) => acknowledged.push(id),
                Err(error) => {
                    assert_eq!(error.kind(), &Kind::Storage, "{error}");
                    failed += 1;
                }
            }
        }
        // What was acknowledged is there, and nothing else.
        let there: Vec<i64> = db.all("SELECT id FROM t WHERE id >= $1 ORDER BY id", args![base]).await?;
        assert_eq!(there, acknowledged);
        assert!(!acknowledged.contains(&(base + 7)));
        assert!(acknowledged.contains(&(base + 11)), "those after it have a batch of their own");
        place.expect_no_open_transaction().await;
        shared = failed > 1;
        if shared {
            break;
        }
    }
    assert!(shared, "no batch ever had more than one member");
});

only!(sqlite, a_transaction_whose_batch_was_lost_says_so, |place| {
    let db = place.capped(40);
    place.table("id BIGINT PRIMARY KEY, b BLOB").await?;
    let mut tx = db.begin().await?;
    tx.exec("INSERT INTO t (id) VALUES (1)", &[]).await?;
    let full = tx.exec("INSERT INTO t (id, b) VALUES (2, $1)", args![vec![0_u8; 400_000]]).await;
    assert_eq!(full.expect_err("full").kind(), &Kind::Storage);
    assert!(tx.exec("INSERT INTO t (id) VALUES (3)", &[]).await.is_err());
    assert!(tx.commit().await.is_err());
    assert_eq!(ids(&db).await?, []);
    insert(&db, 4, 1).await?;
    assert_eq!(ids(&db).await?, [4]);
});

/// Ends the server's side of every connection of this test.
async fn kill_all(outside: &tokio_postgres::Client) {
    let kill = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
    outside.query(kill, &[]).await.expect("kill");
}

only!(postgres, a_connection_lost_in_a_transaction_is_an_outage_and_the_next_unit_succeeds, |place| {
    place.table("id BIGINT PRIMARY KEY, b BYTEA").await?;
    let outside = place.postgres().await;
    let db = place.narrow();
    for id in 0..20 {
        let mut tx = db.begin().await?;
        tx.exec("INSERT INTO t (id) VALUES ($1)", args![id]).await?;
        kill_all(&outside).await;
        let lost = tx.exec("INSERT INTO t (id) VALUES ($1)", args![id + 100]).await.expect_err("killed");
        assert_eq!(lost.kind(), &Kind::Unavailable, "{lost}");
        assert!(lost.is_outage());
        drop(tx);
        insert(&db, id + 1000, 1).await?;
    }
    assert_eq!(ids(&db).await?, (1000..1020).collect::<Vec<_>>());
});

only!(postgres, a_connection_lost_while_reading_is_not_used_again, |place| {
    let db = place.narrow();
    for _ in 0..50 {
        let dying = "SELECT CAST(1 AS BIGINT) FROM pg_terminate_backend(pg_backend_pid()), pg_sleep(4)";
        let lost = db.one::<i64>(dying, &[]).await.expect_err("killed");
        assert_eq!(lost.kind(), &Kind::Unavailable, "{lost}");
        db.ping().await?;
    }
});

only!(postgres, a_connection_lost_while_idle_costs_one_answer_at_most, |place| {
    place.table("id BIGINT PRIMARY KEY, b BYTEA").await?;
    let outside = place.postgres().await;
    let db = place.narrow();
    for id in 0..20 {
        db.ping().await?;
        kill_all(&outside).await;
        if let Err(error) = insert(&db, id, 1).await {
            assert_eq!(error.kind(), &Kind::Unavailable, "{error}");
            insert(&db, id, 1).await?;
        }
    }
    assert_eq!(ids(&db).await?, (0..20).collect::<Vec<_>>());
});

only!(postgres, a_connection_lost_while_committing_leaves_the_commit_unclear, |place| {
    place.table("id BIGINT PRIMARY KEY, b BYTEA").await?;
    // The backend ends itself while it commits the row 666.
    let outside = place.postgres().await;
    outside
        .batch_execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10); RETURN NULL; END';
             CREATE CONSTRAINT TRIGGER dying AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW WHEN (NEW.id = 666) EXECUTE FUNCTION die()",
        )
        .await?;
    let db = place.narrow();
    for id in 0..20 {
        let unclear = insert(&db, 666, 1).await.expect_err("killed");
        assert_eq!(unclear.kind(), &Kind::UnclearCommit, "{unclear}");
        assert!(unclear.is_outage());
        insert(&db, id, 1).await?;
    }
    assert_eq!(ids(&db).await?, (0..20).collect::<Vec<_>>());
});

only!(postgres, a_commit_on_a_connection_known_to_be_lost_is_clear, |place| {
    place.table("id BIGINT PRIMARY KEY, b BYTEA").await?;
    let outside = place.postgres().await;
    let db = place.narrow();
    let mut tx = db.begin().await?;
    tx.exec("INSERT INTO t (id) VALUES (1)", &[]).await?;
    kill_all(&outside).await;
    // Whether the end of the connection was noticed in time is a race; success it is never.
    let lost = tx.commit().await.expect_err("killed");
    assert!(matches!(lost.kind(), Kind::Unavailable | Kind::UnclearCommit), "{lost}");
    assert_eq!(ids(&db).await?, []);
});

only!(postgres, a_constraint_checked_at_commit_is_told_as_what_it_is, |place| {
    place
        .script(
            "CREATE TABLE t (id BIGINT, b BYTEA, CONSTRAINT t_late UNIQUE (id) DEFERRABLE INITIALLY DEFERRED);
         INSERT INTO t (id) VALUES (1)",
        )
        .await?;
    let db = place.narrow();
    let refused = insert(&db, 1, 1).await.expect_err("taken");
    assert_eq!(refused.kind(), &Kind::Unique("t_late".into()));
    insert(&db, 2, 1).await?;
    assert_eq!(ids(&db).await?, [1, 2]);
});

only!(postgres, a_statement_that_takes_too_long_is_an_outage, |place| {
    let db = place.narrow();
    let slow = db.all::<i64>("SELECT 1::BIGINT FROM pg_sleep(60)", &[]).await.expect_err("too slow");
    assert_eq!(slow.kind(), &Kind::Unavailable, "{slow}");
    db.ping().await?;
});

only!(postgres, an_unreachable_server_is_an_outage, |_place| {
    let settings = skylight_db::PostgresSettings { url: "postgres://nobody@127.0.0.1:1/none".into(), connections: 1 };
    let nowhere = Db::postgres(&settings)?;
    assert_eq!(nowhere.ping().await.expect_err("nobody listens").kind(), &Kind::Unavailable);
    assert!(!format!("{settings:?}").contains("nobody"));
});

both!(
    /// Also the mistake of beginning a second transaction inside of the first must not stop the writers for ever.
    a_transaction_that_waits_too_long_to_begin_is_an_outage,
    |place| {
        let db = place.narrow();
        let taken = db.begin().await?;
        assert_eq!(db.begin().await.expect_err("taken").kind(), &Kind::Unavailable);
        drop(taken);
        db.begin().await?.commit().await?;
    }
);
