//! Errors say the same on both engines.

use skylight_db::{Error, Kind, Read, args};
use std::sync::atomic::{AtomicUsize, Ordering};

both!(a_unique_violation_names_the_index, |db| {
    db.script(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, phone TEXT, ws TEXT, email TEXT, nick TEXT, gone BOOLEAN NOT NULL DEFAULT FALSE);
         CREATE UNIQUE INDEX t_phone ON t (phone);
         CREATE UNIQUE INDEX t_ws_email ON t (ws, email);
         CREATE UNIQUE INDEX t_active ON t (ws) WHERE NOT gone;
         CREATE UNIQUE INDEX t_nick ON t (lower(nick));
         CREATE TABLE pair (a BIGINT, b BIGINT, PRIMARY KEY (a, b));
         CREATE TABLE inline (a BIGINT UNIQUE, b BIGINT, c BIGINT, UNIQUE (b, c));
         INSERT INTO t (id, phone, ws, email, nick) VALUES (1, '+1', 'w', 'a@x', 'mo');
         INSERT INTO pair VALUES (1, 2);
         INSERT INTO inline VALUES (1, 2, 3)",
    )
    .await?;
    for (sql, index) in [
        ("INSERT INTO t (id) VALUES (1)", "t_pkey"),
        ("INSERT INTO t (id, phone) VALUES (2, '+1')", "t_phone"),
        ("INSERT INTO t (id, ws, email, gone) VALUES (2, 'w', 'a@x', TRUE)", "t_ws_email"),
        ("INSERT INTO t (id, ws) VALUES (2, 'w')", "t_active"),
        ("INSERT INTO t (id, nick) VALUES (2, 'Mo')", "t_nick"),
        ("INSERT INTO pair VALUES (1, 2)", "pair_pkey"),
        ("INSERT INTO inline VALUES (1, 9, 9)", "inline_a_key"),
        ("INSERT INTO inline VALUES (9, 2, 3)", "inline_b_c_key"),
    ] {
        let mut tx = db.begin().await?;
        let error = tx.exec(sql, &[]).await.expect_err(sql);
        assert!(error.is_unique(index), "{index}: {error}");
        assert!(!error.is_outage());
        drop(tx);

        // And when the statement answers rows.
        let mut tx = db.begin().await?;
        let error = tx.all::<i64>(&format!("{sql} RETURNING 1"), &[]).await.expect_err(sql);
        assert_eq!(error.kind(), &Kind::Unique(index.into()));
    }
    // The partial index lets pass what it does not cover.
    db.script("INSERT INTO t (id, ws, gone) VALUES (2, 'w', TRUE)").await?;
});

both!(an_identity_key_counts_up_and_is_unique, |db| {
    let step = skylight_db::Migration { name: "0001_t", sql: "CREATE TABLE t (id {{id}}, txt TEXT)" };
    db.migrate(&[step]).await?;
    let mut tx = db.begin().await?;
    let insert = "INSERT INTO t (txt) VALUES ($1) RETURNING id";
    let (first, next): (i64, i64) = (tx.one(insert, args!["a"]).await?, tx.one(insert, args!["b"]).await?);
    assert!(next > first);
    let error = tx.exec("INSERT INTO t (id) VALUES ($1)", args![first]).await.expect_err("taken");
    assert_eq!(error.kind(), &Kind::Unique("t_pkey".into()));
});

both!(other_refusals_are_told_apart, |db| {
    db.script(
        "CREATE TABLE parent (id BIGINT PRIMARY KEY);
         CREATE TABLE t (id BIGINT PRIMARY KEY, parent BIGINT REFERENCES parent (id), kept BIGINT,
                         n BIGINT NOT NULL DEFAULT 0 CHECK (n >= 0),
                         FOREIGN KEY (kept) REFERENCES parent (id) ON DELETE RESTRICT);
         INSERT INTO parent VALUES (1), (2), (3);
         INSERT INTO t (id, parent, kept) VALUES (1, 1, 2)",
    )
    .await?;
    for (sql, kind) in [
        ("INSERT INTO t (id, parent) VALUES (2, 9)", Kind::ForeignKey),
        ("UPDATE t SET parent = 9", Kind::ForeignKey),
        ("DELETE FROM parent WHERE id = 1", Kind::ForeignKey),
        ("DELETE FROM parent WHERE id = 2", Kind::ForeignKey),
        ("UPDATE parent SET id = 7 WHERE id = 1", Kind::ForeignKey),
        ("INSERT INTO t (id, n) VALUES (2, -1)", Kind::Check),
        ("INSERT INTO t (id, n) VALUES (2, NULL)", Kind::Check),
        ("DELETE FROM missing", Kind::Other),
        ("DELETE FROM parent WHERE", Kind::Other),
    ] {
        let mut tx = db.begin().await?;
        let error = tx.exec(sql, &[]).await.expect_err(sql);
        assert_eq!(error.kind(), &kind, "{sql}: {error}");
    }
    db.script("DELETE FROM parent WHERE id = 3").await?;
});

both!(one_says_when_there_is_no_row, |db| {
    db.table("id BIGINT").await?;
    let missing = db.one::<i64>("SELECT id FROM t", &[]).await;
    assert_eq!(missing.expect_err("none").kind(), &Kind::NoRow);

    // That is no failure of the transaction: it goes on.
    let mut tx = db.begin().await?;
    assert_eq!(tx.one::<i64>("SELECT id FROM t", &[]).await.expect_err("none").kind(), &Kind::NoRow);
    tx.exec("INSERT INTO t VALUES (1)", &[]).await?;
    assert_eq!(tx.opt::<i64>("SELECT id FROM t WHERE id = 2", &[]).await?, None);
    tx.commit().await?;
    assert_eq!(db.one::<i64>("SELECT id FROM t", &[]).await?, 1);
});

only!(postgres, a_deadlock_asks_for_another_try_and_gets_it, |db| {
    db.table("id BIGINT PRIMARY KEY, n BIGINT NOT NULL").await?;
    db.script("INSERT INTO t VALUES (1, 0), (2, 0)").await?;
    let met = tokio::sync::Barrier::new(2);
    let (deadlocks, tries) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let update = "UPDATE t SET n = n + 1 WHERE id = $1";
    let unit = async |first: i64, then: i64| {
        let (db, met, deadlocks, tries) = (&db, &met, &deadlocks, &tries);
        db.again(|| async move {
            let mut tx = db.begin().await?;
            tx.exec(update, args![first]).await?;
            if tries.fetch_add(1, Ordering::SeqCst) < 2 {
                met.wait().await; // both hold one row and now want the other's
            }
            let second = tx.exec(update, args![then]).await;
            if let Err(error) = &second {
                assert_eq!(error.kind(), &Kind::Retry, "{error}");
                deadlocks.fetch_add(1, Ordering::SeqCst);
            }
            second?;
            tx.commit().await
        })
        .await
    };
    let (one, other) = tokio::join!(unit(1, 2), unit(2, 1));
    one?;
    other?;
    assert_eq!(deadlocks.load(Ordering::SeqCst), 1, "one of the two was chosen");
    assert_eq!(db.all::<i64>("SELECT n FROM t", &[]).await?, [2, 2]);
});

only!(sqlite, a_database_busy_with_another_process_asks_for_another_try_and_gets_it, |db| {
    db.table("id BIGINT PRIMARY KEY").await?;
    let mut other = Some(db.sqlite());
    other.iter().for_each(|o| o.execute_batch("BEGIN IMMEDIATE").expect("lock"));
    let mut tries = 0;
    db.again(|| {
        tries += 1;
        let (db, release) = (&db, if tries == 2 { other.take() } else { None });
        async move {
            drop(release);
            let begun = db.begin().await;
            assert!(begun.as_ref().err().is_none_or(|e| *e.kind() == Kind::Retry && e.is_outage()));
            let mut tx = begun?;
            tx.exec("INSERT INTO t VALUES (1)", &[]).await?;
            tx.commit().await
        }
    })
    .await?;
    assert_eq!(tries, 2);
    assert_eq!(db.all::<i64>("SELECT id FROM t", &[]).await?, [1]);
});

both!(again_gives_up_in_the_end_and_tries_nothing_else_again, |db| {
    let tries = AtomicUsize::new(0);
    let work = || async {
        tries.fetch_add(1, Ordering::SeqCst);
        db.one::<i64>("SELECT 1 FROM missing", &[]).await
    };
    let failed: Result<i64, Error> = db.again(work).await;
    assert_eq!(failed.expect_err("no such table").kind(), &Kind::Other);
    assert_eq!(tries.load(Ordering::SeqCst), 1);
});

only!(postgres, again_gives_up_after_five_tries, |db| {
    let tries = AtomicUsize::new(0);
    let failed: Result<(), Error> = db
        .again(|| async {
            tries.fetch_add(1, Ordering::SeqCst);
            let mut tx = db.begin().await?;
            let raise = "DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$";
            tx.exec(raise, &[]).await.map(|_| ())
        })
        .await;
    assert_eq!(failed.expect_err("always").kind(), &Kind::Retry);
    assert_eq!(tries.load(Ordering::SeqCst), 5);
});
