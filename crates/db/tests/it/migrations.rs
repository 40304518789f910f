//! Migrations: once, in order, one at a time, and never behind a newer release.

use skylight_db::{Engine, Kind, Migration, Read, args};

const FIRST: Migration = Migration {
    name: "0001_things",
    sql: "-- Things; and what is inside of them.
          CREATE TABLE thing (id {{id}}, name TEXT NOT NULL, body {{blob}}); -- one; table
          {{sqlite}} CREATE TABLE only_sqlite (id BIGINT); {{end}}
          {{postgres}} CREATE TABLE only_postgres (id BIGINT); {{end}}
          CREATE UNIQUE INDEX thing_name ON thing (name);",
};
const SECOND: Migration = Migration {
    name: "0002_more",
    sql: "ALTER TABLE thing ADD COLUMN more BIGINT; INSERT INTO thing (name) VALUES ('a')",
};
const THIRD: Migration = Migration { name: "0003_yet_more", sql: "CREATE TABLE more (id BIGINT)" };

both!(migrations_are_applied_once_and_in_order_with_their_macros_expanded, |db| {
    assert_eq!(db.migrate(&[]).await?, Vec::<&str>::new());
    assert_eq!(db.migrate(&[FIRST]).await?, ["0001_things"]);
    assert_eq!(db.migrate(&[FIRST]).await?, Vec::<&str>::new());
    assert_eq!(db.migrate(&[FIRST, SECOND, THIRD]).await?, ["0002_more", "0003_yet_more"]);
    assert_eq!(db.migrate(&[FIRST, SECOND, THIRD]).await?, Vec::<&str>::new());

    let insert = "INSERT INTO thing (name, body) VALUES ($1, $2) RETURNING id";
    let mut tx = db.begin().await?;
    assert_eq!(tx.one::<i64>(insert, args!["b", [0_u8, 255]]).await?, 2);
    tx.commit().await?;
    let (mine, other) = match db.engine() {
        Engine::Sqlite => ("only_sqlite", "only_postgres"),
        Engine::Postgres => ("only_postgres", "only_sqlite"),
    };
    db.check(&format!("SELECT id FROM {mine}")).await?;
    assert!(db.check(&format!("SELECT id FROM {other}")).await.is_err());

    // The book says what was applied, and when.
    let book: Vec<(i64, String, bool)> = db
        .all("SELECT version, name, applied_at <= now_micros() AND applied_at > 0 FROM schema_migration ORDER BY version", &[])
        .await?;
    let entry = |version, m: Migration| (version, m.name.to_owned(), true);
    assert_eq!(book, [entry(1, FIRST), entry(2, SECOND), entry(3, THIRD)]);
});

both!(two_that_migrate_at_the_same_time_apply_each_step_once, |db| {
    let nodes: Vec<_> = (0..4)
        .map(|_| {
            let node = db.another();
            tokio::spawn(async move { node.migrate(&[FIRST, SECOND, THIRD]).await })
        })
        .collect();
    let mut applied = Vec::new();
    for node in nodes {
        applied.extend(node.await??);
    }
    applied.sort_unstable();
    assert_eq!(applied, ["0001_things", "0002_more", "0003_yet_more"]);
    assert_eq!(db.one::<i64>("SELECT COUNT(*) FROM thing", &[]).await?, 1);
});

both!(a_single_connection_is_enough, |db| {
    assert_eq!(db.narrow().migrate(&[FIRST]).await?, ["0001_things"]);
});

both!(a_failing_migration_leaves_nothing_of_itself_and_can_be_repaired, |db| {
    let broken = Migration { name: "0002_more", sql: "CREATE TABLE half (id BIGINT); SELECT broken FROM nowhere" };
    for _ in 0..2 {
        let failed = db.migrate(&[FIRST, broken, THIRD]).await.expect_err("broken");
        assert!(failed.to_string().contains("SELECT broken"), "{failed}");
        assert!(db.check("SELECT id FROM half").await.is_err());
        assert!(db.check("SELECT id FROM more").await.is_err(), "what follows is not applied");
        assert_eq!(db.all::<String>("SELECT name FROM schema_migration", &[]).await?, ["0001_things"]);
    }
    db.expect_no_open_transaction().await;
    assert_eq!(db.migrate(&[FIRST, SECOND, THIRD]).await?, ["0002_more", "0003_yet_more"]);
});

both!(a_newer_schema_is_refused_by_name_and_left_alone, |db| {
    db.migrate(&[FIRST, THIRD]).await?;
    let refused = [db.migrate(&[FIRST]).await.map(|_| ()), db.refuse_newer(&[FIRST]).await];
    for refused in refused {
        let error = refused.expect_err("newer");
        assert_eq!(error.kind(), &Kind::NewerSchema);
        assert!(error.to_string().contains("0003_yet_more"), "{error}");
    }
    // Also not when the older release has a step that is missing there.
    assert_eq!(db.migrate(&[FIRST, SECOND]).await.expect_err("newer").kind(), &Kind::NewerSchema);
    assert!(db.check("SELECT more FROM thing").await.is_err());
    db.refuse_newer(&[FIRST, THIRD]).await?;
});

both!(steps_out_of_order_or_under_one_number_are_refused, |db| {
    let twin = Migration { name: "0001_twin", sql: "CREATE TABLE twin (id BIGINT)" };
    let nameless = Migration { name: "things", sql: "CREATE TABLE twin (id BIGINT)" };
    for list in [[SECOND, FIRST], [FIRST, twin], [nameless, FIRST]] {
        assert_eq!(db.migrate(&list).await.expect_err("a mistake").kind(), &Kind::Other);
        assert!(db.check("SELECT id FROM thing").await.is_err());
    }
    // Nor may a number mean two things over time.
    db.migrate(&[FIRST]).await?;
    let error = db.migrate(&[twin]).await.expect_err("another step has this number");
    assert!(error.to_string().contains("0001_things"), "{error}");
});

both!(a_cancelled_migration_holds_no_lock, |db| {
    let node = db.narrow();
    let mut polls = 0;
    while crate::place::cut(node.migrate(&[FIRST, SECOND, THIRD]), polls).await.is_none() {
        polls += 1;
    }
    db.expect_no_open_transaction().await;
    assert_eq!(node.one::<i64>("SELECT COUNT(*) FROM schema_migration", &[]).await?, 3);
    // Were the lock still held by a connection of the first pool, this would wait for ever.
    let other = db.another();
    let free = tokio::time::timeout(std::time::Duration::from_secs(20), other.migrate(&[FIRST, SECOND, THIRD]));
    assert_eq!(free.await??, Vec::<&str>::new());
    assert_eq!(db.one::<i64>("SELECT COUNT(*) FROM thing", &[]).await?, 1);
});

only!(postgres, a_migration_may_take_longer_than_a_request, |db| {
    let slow = Migration { name: "0001_slow", sql: "CREATE TABLE slow (id BIGINT); SELECT pg_sleep(6)" };
    assert_eq!(db.migrate(&[slow]).await?, ["0001_slow"]);
    let timeout: String = db.one("SELECT current_setting('statement_timeout')", &[]).await?;
    assert_eq!(timeout, "5s");
});
