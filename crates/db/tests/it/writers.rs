//! Many writers at once, and readers beside them.

use skylight_db::{Db, Kind, Read, Result, args};
use std::time::Duration;

const WRITERS: i64 = 64;
const EACH: i64 = 8;

/// Two rows that belong together.
async fn write_pair(db: &Db, writer: i64, round: i64) -> Result<()> {
    let mut tx = db.begin().await?;
    let insert = "INSERT INTO t (writer, round, side) VALUES ($1, $2, $3)";
    tx.exec(insert, args![writer, round, 0_i64]).await?;
    tokio::task::yield_now().await;
    tx.exec(insert, args![writer, round, 1_i64]).await?;
    tx.commit().await
}

both!(sixty_four_writers_keep_every_acknowledged_row_and_a_failing_one_leaves_nothing, |db| {
    db.table("writer BIGINT, round BIGINT, side BIGINT, PRIMARY KEY (writer, round, side)").await?;
    let writers = (0..WRITERS).map(|writer| {
        let db = db.clone();
        tokio::spawn(async move {
            for round in 0..EACH {
                match (writer % 8, round % 2) {
                    // Fails at its last statement: the row before is in conflict with the second.
                    (3, 1) => {
                        let mut tx = db.begin().await?;
                        let insert = "INSERT INTO t (writer, round, side) VALUES ($1, $2, 0)";
                        tx.exec(insert, args![writer, round]).await?;
                        let again = tx.exec(insert, args![writer, round]).await;
                        assert!(again.is_err_and(|e| e.is_unique("t_pkey")));
                        // A failed transaction cannot be made durable.
                        assert!(tx.commit().await.is_err());
                    }
                    // Gives up after its first row.
                    (5, 1) => {
                        let mut tx = db.begin().await?;
                        tx.exec("INSERT INTO t (writer, round, side) VALUES ($1, $2, 0)", args![writer, round]).await?;
                        drop(tx);
                    }
                    _ => {
                        write_pair(&db, writer, round).await?;
                        // Acknowledged: everybody sees it from now on.
                        let seen = "SELECT COUNT(*) FROM t WHERE writer = $1 AND round = $2";
                        assert_eq!(db.one::<i64>(seen, args![writer, round]).await?, 2);
                    }
                }
            }
            <Result<_>>::Ok(())
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await??;
    }
    let failing = WRITERS / 8 * 2 * EACH / 2;
    assert_eq!(db.one::<i64>("SELECT COUNT(*) FROM t", &[]).await?, (WRITERS * EACH - failing) * 2);
    let halves = "SELECT COUNT(*) FROM t WHERE writer % 8 IN (3, 5) AND round % 2 = 1";
    assert_eq!(db.one::<i64>(halves, &[]).await?, 0);
    db.expect_no_open_transaction().await;

    // Another process finds the same.
    assert_eq!(db.another().one::<i64>("SELECT COUNT(*) FROM t", &[]).await?, (WRITERS * EACH - failing) * 2);
});

both!(no_increment_is_lost_between_writers, |db| {
    db.table("id BIGINT PRIMARY KEY, n BIGINT NOT NULL").await?;
    db.script("INSERT INTO t VALUES (1, 0)").await?;
    let writers = (0..16).map(|_| {
        let db = db.clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                let mut tx = db.begin().await?;
                tx.exec("UPDATE t SET n = n + 1 WHERE id = 1", &[]).await?;
                tx.commit().await?;
            }
            <Result<_>>::Ok(())
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await??;
    }
    assert_eq!(db.one::<i64>("SELECT n FROM t", &[]).await?, 160);
});

both!(a_reader_never_waits_for_a_writer_and_sees_the_state_before_it, |db| {
    db.table("id BIGINT PRIMARY KEY, n BIGINT").await?;
    db.script("INSERT INTO t VALUES (1, 0)").await?;
    let mut tx = db.begin().await?;
    tx.exec("UPDATE t SET n = 1", &[]).await?;
    tx.exec("INSERT INTO t VALUES (2, 2)", &[]).await?;

    // Many readers finish while the writer is open, in this task and in others.
    let read_all = async {
        let readers = (0..32).map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.all::<(i64, i64)>("SELECT id, n FROM t", &[]).await })
        });
        for reader in readers.collect::<Vec<_>>() {
            assert_eq!(reader.await??, [(1, 0)]);
        }
        assert_eq!(db.all::<(i64, i64)>("SELECT id, n FROM t", &[]).await?, [(1, 0)]);
        crate::place::Outcome::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(20), read_all).await.expect("no reader waits")?;

    // The writer sees its own work, and everybody does once it is acknowledged.
    assert_eq!(tx.all::<i64>("SELECT n FROM t ORDER BY id", &[]).await?, [1, 2]);
    tx.commit().await?;
    assert_eq!(db.all::<i64>("SELECT n FROM t ORDER BY id", &[]).await?, [1, 2]);
});

both!(an_installation_wide_lock_is_held_until_the_transaction_ends, |db| {
    let mut first = db.begin().await?;
    assert!(first.try_lock(7).await?);
    assert!(first.try_lock(7).await?, "who has it has it");
    if db.engine() == skylight_db::Engine::Postgres {
        let mut second = db.begin().await?;
        assert!(!second.try_lock(7).await?);
        assert!(second.try_lock(8).await?, "another lock");
    }
    drop(first);
    let narrow = db.narrow();
    let free = async {
        // On PostgreSQL the first is being undone on its own connection.
        while !narrow.begin().await?.try_lock(7).await? {}
        <Result<_>>::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(20), free).await??;
});

only!(sqlite, a_read_cannot_write_past_the_one_writer, |db| {
    db.table("id BIGINT").await?;
    let refused = db.all::<i64>("INSERT INTO t VALUES (1) RETURNING id", &[]).await;
    assert_eq!(refused.expect_err("writes are for transactions").kind(), &Kind::Storage);
    assert_eq!(db.all::<i64>("SELECT id FROM t", &[]).await?, []);
});

only!(sqlite, many_handles_open_a_new_file_at_the_same_time, |db| {
    for round in 0..20 {
        let file = db.sqlite_file().with_file_name(format!("{round}.db"));
        let opening = (0..8).map(|n| {
            let file = file.clone();
            tokio::task::spawn_blocking(move || {
                let db = Db::sqlite(skylight_db::SqliteSettings::at(file))?;
                tokio::runtime::Handle::current().block_on(async {
                    let mut tx = db.begin().await?;
                    tx.exec(&format!("CREATE TABLE t{n} (id BIGINT)"), &[]).await?;
                    tx.commit().await
                })
            })
        });
        for opened in opening.collect::<Vec<_>>() {
            opened.await??;
        }
    }
});

only!(sqlite, data_survives_closing_and_opening_the_file, |db| {
    let file = db.sqlite_file().with_file_name("other.db");
    let open = || Db::sqlite(skylight_db::SqliteSettings::at(&file));
    let first = open()?;
    let mut tx = first.begin().await?;
    tx.exec("CREATE TABLE t (txt TEXT)", &[]).await?;
    tx.exec("INSERT INTO t VALUES ($1)", args!["بقي"]).await?;
    tx.commit().await?;
    let mut tx = first.begin().await?;
    tx.exec("INSERT INTO t VALUES ($1)", args!["not committed"]).await?;
    drop(tx);
    drop(first);
    let again = open()?;
    assert_eq!(again.all::<String>("SELECT txt FROM t", &[]).await?, ["بقي"]);

    // A copy taken while it serves holds the same.
    let copy = file.with_file_name("copy.db");
    let mut tx = again.begin().await?;
    tx.exec("INSERT INTO t VALUES ($1)", args!["later"]).await?;
    again.backup(&copy)?;
    tx.commit().await?;
    let copy = Db::sqlite(skylight_db::SqliteSettings::at(copy))?;
    assert_eq!(copy.all::<String>("SELECT txt FROM t", &[]).await?, ["بقي"]);
});
