//! The portable subset, the clock, and the check of statements.

use skylight_db::{Kind, Read, Value, args, list};

both!(returning_answers_the_rows_that_were_written, |db| {
    db.table("id BIGINT PRIMARY KEY, n BIGINT NOT NULL").await?;
    let mut tx = db.begin().await?;
    let new: (i64, i64) =
        tx.one("INSERT INTO t (id, n) VALUES ($1, $2) RETURNING id, n + 1", args![1_i64, 1_i64]).await?;
    assert_eq!(new, (1, 2));
    tx.exec("INSERT INTO t (id, n) VALUES (2, 1)", &[]).await?;

    // `one` takes the first row, and still every row is written.
    let _: i64 = tx.one("UPDATE t SET n = 5 RETURNING id", &[]).await?;
    assert_eq!(tx.all::<i64>("SELECT n FROM t", &[]).await?, [5, 5]);
    assert_eq!(tx.opt::<i64>("DELETE FROM t WHERE id = 9 RETURNING id", &[]).await?, None);

    // Whoever does not want the rows is told how many there were.
    assert_eq!(tx.exec("UPDATE t SET n = 6 WHERE id > $1 RETURNING id", args![0_i64]).await?, 2);
    tx.commit().await?;
    assert_eq!(db.all::<i64>("SELECT n FROM t", &[]).await?, [6, 6]);
});

both!(on_conflict_inserts_updates_or_does_nothing, |db| {
    db.table("id BIGINT PRIMARY KEY, n BIGINT NOT NULL").await?;
    let upsert =
        "INSERT INTO t (id, n) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET n = t.n + excluded.n RETURNING n";
    let mut tx = db.begin().await?;
    assert_eq!(tx.one::<i64>(upsert, args![1_i64, 10_i64]).await?, 10);
    assert_eq!(tx.one::<i64>(upsert, args![1_i64, 5_i64]).await?, 15);
    let ignore = "INSERT INTO t (id, n) VALUES ($1, 0) ON CONFLICT DO NOTHING";
    assert_eq!(tx.exec(ignore, args![1_i64]).await?, 0);
    assert_eq!(tx.exec(ignore, args![2_i64]).await?, 1);
    tx.commit().await?;
    assert_eq!(db.all::<i64>("SELECT n FROM t ORDER BY id", &[]).await?, [15, 0]);
});

both!(exec_counts_the_rows_it_changed, |db| {
    db.table("id BIGINT").await?;
    let mut tx = db.begin().await?;
    assert_eq!(tx.exec("INSERT INTO t (id) VALUES (1), (2), (3)", &[]).await?, 3);
    assert_eq!(tx.exec("UPDATE t SET id = id WHERE id > $1", args![1_i64]).await?, 2);
    assert_eq!(tx.exec("DELETE FROM t WHERE id = 9", &[]).await?, 0);
    assert_eq!(tx.exec("DELETE FROM t", &[]).await?, 3);
    tx.commit().await?;
});

both!(ctes_and_window_functions_work, |db| {
    db.table("id BIGINT, grp TEXT").await?;
    db.script("INSERT INTO t VALUES (1, 'a'), (2, 'a'), (3, 'b')").await?;
    let newest: Vec<i64> = db
        .all(
            "WITH ranked AS (SELECT id, row_number() OVER (PARTITION BY grp ORDER BY id DESC) AS place FROM t)
             SELECT id FROM ranked WHERE place = 1 ORDER BY id LIMIT $1",
            args![10_i64],
        )
        .await?;
    assert_eq!(newest, [2, 3]);
});

both!(exec_many_runs_for_no_one_and_a_thousand_lists, |db| {
    db.table("id BIGINT PRIMARY KEY, txt TEXT").await?;
    let insert = "INSERT INTO t (id, txt) VALUES ($1, $2)";
    let lists: Vec<Vec<Value<'_>>> = (0..1000).map(|n| vec![Value::Int(n), Value::Text("x")]).collect();
    assert_eq!(lists[7], list![&7_i64, &"x"]);
    let mut tx = db.begin().await?;
    assert_eq!(tx.exec_many(insert, &[]).await?, 0);
    assert_eq!(tx.exec_many(insert, &lists[..1]).await?, 1);
    assert_eq!(tx.exec_many(insert, &lists[1..]).await?, 999);
    assert_eq!(tx.exec_many("UPDATE t SET txt = $2 WHERE id < $1", &[lists[10].clone(), lists[5].clone()]).await?, 15);
    tx.commit().await?;
    assert_eq!(db.one::<i64>("SELECT COUNT(*) FROM t", &[]).await?, 1000);

    // As the first statement of a transaction, with the last list in conflict: the error is that list's.
    let mut tx = db.begin().await?;
    let more: Vec<Vec<Value<'_>>> = (1000..1100).chain([3]).map(|n| vec![Value::Int(n), Value::Text("y")]).collect();
    let refused = tx.exec_many(insert, &more).await;
    assert_eq!(refused.expect_err("3 is taken").kind(), &Kind::Unique("t_pkey".into()));
    drop(tx);
    assert_eq!(db.one::<i64>("SELECT COUNT(*) FROM t", &[]).await?, 1000);
});

both!(the_databases_clock_is_near_ours, |db| {
    db.migrate(&[]).await?;
    let ours = || {
        #[expect(clippy::disallowed_methods, reason = "the clock itself is under test")]
        let now = std::time::SystemTime::now();
        now.duration_since(std::time::UNIX_EPOCH).map(|d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
    };
    let before = ours()?;
    let theirs: i64 = db.one("SELECT now_micros()", &[]).await?;
    let slack = 2_000_000; // it may be another machine's
    assert!((before - slack..=ours()? + slack).contains(&theirs), "{theirs} against {before}");

    // It goes on inside a transaction, where PostgreSQL's now() stands still.
    let mut tx = db.begin().await?;
    let first: i64 = tx.one("SELECT now_micros()", &[]).await?;
    let next = async {
        while tx.one::<i64>("SELECT now_micros()", &[]).await? <= first {}
        Ok::<_, skylight_db::Error>(())
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), next).await??;
});

both!(check_accepts_good_statements_and_refuses_bad_ones, |db| {
    db.table("id BIGINT, txt TEXT").await?;
    for good in [
        "SELECT id, txt FROM t WHERE id = $1 AND txt = $2",
        "INSERT INTO t (id, txt) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id",
        "UPDATE t SET id = $1 WHERE id = $1",
        "SELECT 1;",
    ] {
        db.check(good).await?;
    }
    for bad in [
        "SELEC 1",
        "SELECT nothing FROM t",
        "SELECT 1 FROM missing",
        "INSERT INTO t (id) VALUES ($1, $2)",
        "SELECT id FROM t; DELETE FROM t",
        "SELECT id FROM t WHERE id = ?",
        "SELECT id FROM t WHERE id = :id",
        "SELECT missing_function(1)",
    ] {
        assert!(db.check(bad).await.is_err(), "{bad}");
    }
    // It has run none of them.
    assert_eq!(db.one::<i64>("SELECT COUNT(*) FROM t", &[]).await?, 0);
});

only!(sqlite, check_refuses_a_cast_that_sqlite_takes_for_a_name, |db| {
    assert!(db.check("SELECT $1::bigint").await.is_err());
    assert!(db.check("SELECT $0").await.is_err());
});

both!(ping_answers, |db| {
    db.ping().await?;
    assert_eq!(db.file().is_some(), db.engine() == skylight_db::Engine::Sqlite);
    db.check(&format!("SELECT * FROM (SELECT 1) AS x {}", db.skip_locked())).await?;
});

both!(
    /// PostgreSQL plans a prepared statement once: after a column is added or widened the old plan is refused.
    statements_known_before_a_change_of_the_schema_work_after_it,
    |db| {
        db.table("id BIGINT, n INTEGER").await?;
        db.script("INSERT INTO t VALUES (1, 2)").await?;
        let narrow = db.narrow();
        let all = "SELECT * FROM t";
        assert_eq!(narrow.one::<(i64, i64)>(all, &[]).await?, (1, 2));
        db.script("ALTER TABLE t ADD COLUMN more BIGINT DEFAULT 3").await?;
        assert_eq!(narrow.one::<(i64, i64, i64)>(all, &[]).await?, (1, 2, 3));

        // In a transaction the plan cannot be made anew; another try does it.
        db.script("ALTER TABLE t ADD COLUMN yet BIGINT DEFAULT 4").await?;
        let row: (i64, i64, i64, i64) = narrow
            .again(|| async {
                let mut tx = narrow.begin().await?;
                let row = tx.one(all, &[]).await?;
                tx.commit().await?;
                Ok::<_, skylight_db::Error>(row)
            })
            .await?;
        assert_eq!(row, (1, 2, 3, 4));
    }
);

only!(postgres, a_connection_keeps_a_bounded_number_of_prepared_statements, |db| {
    let narrow = db.narrow();
    for n in 0..600 {
        assert_eq!(narrow.one::<i64>(&format!("SELECT CAST({n} AS BIGINT)"), &[]).await?, n);
    }
    let kept: i64 = narrow.one("SELECT COUNT(*) FROM pg_prepared_statements", &[]).await?;
    assert!(kept <= 257, "{kept} are kept");
});
