//! A transaction that is not committed never was.

use skylight_db::{Kind, Read, args};
use std::sync::Arc;

both!(a_dropped_transaction_is_undone_before_its_connection_is_used_again, |db| {
    db.table("id BIGINT PRIMARY KEY").await?;
    let narrow = db.narrow();
    for id in 0..50 {
        let mut tx = narrow.begin().await?;
        tx.exec("INSERT INTO t VALUES ($1)", args![id]).await?;
        drop(tx);

        // The one connection there is: no row, no open transaction, and no lock on the row.
        assert_eq!(narrow.one::<i64>("SELECT COUNT(*) FROM t", &[]).await?, 0);
        let mut tx = narrow.begin().await?;
        tx.exec("INSERT INTO t VALUES ($1)", args![id]).await?;
        drop(tx);
        let mut tx = narrow.begin().await?;
        assert_eq!(tx.one::<i64>("SELECT COUNT(*) FROM t", &[]).await?, 0);
    }
    db.expect_no_open_transaction().await;
});

both!(a_transaction_that_was_never_used_ends_without_a_trace, |db| {
    let narrow = db.narrow();
    drop(narrow.begin().await?);
    narrow.begin().await?.commit().await?;
    db.expect_no_open_transaction().await;
    narrow.ping().await?;
});

both!(after_a_failed_statement_a_transaction_takes_no_other, |db| {
    db.table("id BIGINT PRIMARY KEY").await?;
    db.script("INSERT INTO t VALUES (1)").await?;
    for first in ["INSERT INTO t VALUES (1)", "SELECT broken", "SELECT 1 FROM missing"] {
        let mut tx = db.begin().await?;
        tx.exec("INSERT INTO t VALUES (2)", &[]).await?;
        assert!(tx.exec(first, &[]).await.is_err());
        assert_eq!(tx.exec("INSERT INTO t VALUES (3)", &[]).await.expect_err("over").kind(), &Kind::Other);
        assert_eq!(tx.all::<i64>("SELECT id FROM t", &[]).await.expect_err("over").kind(), &Kind::Other);
        assert_eq!(tx.exec_many("DELETE FROM t", &[]).await.expect_err("over").kind(), &Kind::Other);
        assert_eq!(tx.commit().await.expect_err("over").kind(), &Kind::Other);
    }
    // A row that does not map counts as failed, too.
    let mut tx = db.begin().await?;
    tx.exec("INSERT INTO t VALUES (2)", &[]).await?;
    assert!(tx.one::<String>("SELECT id FROM t", &[]).await.is_err());
    assert!(tx.commit().await.is_err());
    assert_eq!(db.all::<i64>("SELECT id FROM t", &[]).await?, [1]);
});

both!(a_transaction_is_undone_when_its_task_panics, |db| {
    db.table("id BIGINT PRIMARY KEY").await?;
    let narrow = db.narrow();
    let panicking = tokio::spawn({
        let narrow = narrow.clone();
        async move {
            let mut tx = narrow.begin().await.expect("begin");
            tx.exec("INSERT INTO t VALUES (1)", &[]).await.expect("insert");
            std::panic::resume_unwind(Box::new("a handler's bug"));
        }
    });
    assert!(panicking.await.is_err_and(|e| e.is_panic()));
    assert_eq!(narrow.one::<i64>("SELECT COUNT(*) FROM t", &[]).await?, 0);
    let mut tx = narrow.begin().await?;
    tx.exec("INSERT INTO t VALUES (1)", &[]).await?;
    tx.commit().await?;
});

both!(a_transaction_is_undone_when_it_is_dropped_outside_of_a_runtime, |db| {
    db.table("id BIGINT PRIMARY KEY").await?;
    let narrow = db.narrow();
    let mut tx = narrow.begin().await?;
    tx.exec("INSERT INTO t VALUES (1)", &[]).await?;
    std::thread::spawn(move || drop(tx)).join().expect("drop");
    assert_eq!(narrow.one::<i64>("SELECT COUNT(*) FROM t", &[]).await?, 0);
    let mut tx = narrow.begin().await?;
    tx.exec("INSERT INTO t VALUES (1)", &[]).await?;
    tx.commit().await?;
});

both!(
    /// A server stops with requests in the middle of their transactions.
    a_transaction_is_undone_when_its_runtime_goes_away,
    |db| {
        db.table("id BIGINT PRIMARY KEY").await?;
        let narrow = db.narrow();
        let same = narrow.clone();
        let stopped = move || {
            let runtime = tokio::runtime::Runtime::new().expect("runtime");
            let (inside, wait) = std::sync::mpsc::channel();
            runtime.spawn(async move {
                let mut tx = same.begin().await.expect("begin");
                tx.exec("INSERT INTO t VALUES (1)", &[]).await.expect("insert");
                inside.send(()).expect("send");
                std::future::pending::<()>().await;
            });
            wait.recv().expect("the transaction is open");
            drop(runtime);
        };
        tokio::task::spawn_blocking(stopped).await?;
        assert_eq!(narrow.one::<i64>("SELECT COUNT(*) FROM t", &[]).await?, 0);
        db.expect_no_open_transaction().await;
        let mut tx = narrow.begin().await?;
        tx.exec("INSERT INTO t VALUES (1)", &[]).await?;
        tx.commit().await?;
    }
);

both!(a_handle_may_go_before_its_transaction, |db| {
    db.table("id BIGINT PRIMARY KEY").await?;
    let other = Arc::new(db.another());
    let mut tx = other.begin().await?;
    tx.exec("INSERT INTO t VALUES (1)", &[]).await?;
    drop(other);
    tx.exec("INSERT INTO t VALUES (2)", &[]).await?;
    tx.commit().await?;
    assert_eq!(db.all::<i64>("SELECT id FROM t ORDER BY id", &[]).await?, [1, 2]);
});

both!(a_batch_that_fails_in_the_middle_leaves_nothing, |db| {
    db.table("id BIGINT PRIMARY KEY").await?;
    let lists: Vec<Vec<skylight_db::Value<'_>>> =
        [1, 2, 3, 2, 4].into_iter().map(|n| vec![skylight_db::Value::Int(n)]).collect();
    let mut tx = db.begin().await?;
    tx.exec("INSERT INTO t VALUES (0)", &[]).await?;
    let refused = tx.exec_many("INSERT INTO t VALUES ($1)", &lists).await;
    assert!(refused.expect_err("2 comes twice").is_unique("t_pkey"));
    assert!(tx.commit().await.is_err());
    assert_eq!(db.one::<i64>("SELECT COUNT(*) FROM t", &[]).await?, 0);
});
