//! What is bound comes back.

use skylight_db::{Kind, Read, Value, args, from_row, placeholders};

both!(values_of_every_type_come_back_as_they_went_in, |db| {
    db.script(
        "CREATE TABLE t (n BIGINT, small INTEGER, yes BOOLEAN, r DOUBLE PRECISION, txt TEXT);
         CREATE TABLE bytes (b {{blob}})"
            .replace("{{blob}}", if db.engine() == skylight_db::Engine::Sqlite { "BLOB" } else { "BYTEA" })
            .as_str(),
    )
    .await?;
    let arabic = "مرحبا، كيف الحال؟ ١٢٣ 👋🏽 'quoted' \"double\" $1 ; --";
    let insert = "INSERT INTO t (n, small, yes, r, txt) VALUES ($1, $2, $3, $4, $5)";
    let mut tx = db.begin().await?;
    for n in [0, 1, -1, i64::MAX, i64::MIN, 1 << 53, (1 << 53) + 1] {
        tx.exec("DELETE FROM t", &[]).await?;
        tx.exec(insert, args![n, -7_i32, true, -0.1_f64, arabic]).await?;
        let back: (i64, i32, bool, f64, String) = tx.one("SELECT n, small, yes, r, txt FROM t", &[]).await?;
        assert_eq!(back, (n, -7, true, -0.1, arabic.to_owned()));
    }

    // Nothing is something else than emptiness, and false than nothing.
    tx.exec("DELETE FROM t", &[]).await?;
    tx.exec(insert, args![None::<i64>, None::<i32>, None::<bool>, None::<f64>, None::<String>]).await?;
    tx.exec(insert, args![0_i64, 0_i32, false, 0.0_f64, ""]).await?;
    type Row = (Option<i64>, Option<i32>, Option<bool>, Option<f64>, Option<String>);
    let rows: Vec<Row> = tx.all("SELECT n, small, yes, r, txt FROM t ORDER BY n NULLS FIRST", &[]).await?;
    let zeros = (Some(0), Some(0), Some(false), Some(0.0), Some(String::new()));
    assert_eq!(rows, [(None, None, None, None, None), zeros]);

    // Bytes are bytes, whatever they look like.
    let every: Vec<u8> = (0..=255).collect();
    for bytes in [every.as_slice(), b"plain", b"", &[0, 0]] {
        tx.exec("DELETE FROM bytes", &[]).await?;
        tx.exec("INSERT INTO bytes (b) VALUES ($1)", args![bytes]).await?;
        assert_eq!(tx.one::<Vec<u8>>("SELECT b FROM bytes", &[]).await?, bytes);
    }
    tx.exec("UPDATE bytes SET b = $1", &[Value::Null]).await?;
    assert_eq!(tx.one::<(Option<Vec<u8>>,)>("SELECT b FROM bytes", &[]).await?, (None,));
    tx.commit().await?;
});

both!(rows_map_by_position_and_a_wrong_type_is_an_error, |db| {
    #[derive(Debug, PartialEq)]
    struct Person {
        id: i64,
        name: Option<String>,
        port: u16,
    }
    from_row!(Person { id, name, port });

    db.table("id BIGINT, name TEXT, port INTEGER").await?;
    db.script("INSERT INTO t VALUES (1, 'منى', 65535); INSERT INTO t VALUES (2, NULL, 70000)").await?;
    let mona: Person = db.one("SELECT id, name, port FROM t WHERE id = $1", args![1_i64]).await?;
    assert_eq!(mona, Person { id: 1, name: Some("منى".into()), port: 65535 });

    // Out of range, of another type, missing, or one column too far: never a guess.
    let wrong = [
        db.one::<Person>("SELECT id, name, port FROM t WHERE id = 2", &[]).await.map(|_| ()),
        db.one::<String>("SELECT name FROM t WHERE id = 2", &[]).await.map(|_| ()),
        db.one::<String>("SELECT id FROM t", &[]).await.map(|_| ()),
        db.one::<i64>("SELECT name FROM t WHERE id = 1", &[]).await.map(|_| ()),
        db.one::<(i64, i64)>("SELECT id FROM t", &[]).await.map(|_| ()),
    ];
    for error in wrong {
        assert_eq!(error.expect_err("must not map").kind(), &Kind::Other);
    }
});

both!(arguments_may_be_used_twice_and_out_of_order, |db| {
    let row: (String, i64, String) =
        db.one("SELECT CAST($2 AS TEXT), CAST($1 AS BIGINT), CAST($2 AS TEXT)", args![5_i64, "x"]).await?;
    assert_eq!(row, ("x".into(), 5, "x".into()));

    db.table("a BIGINT, b BIGINT").await?;
    let mut tx = db.begin().await?;
    tx.exec("INSERT INTO t (b, a) VALUES ($2, $1)", args![1_i64, 2_i64]).await?;
    tx.exec("UPDATE t SET a = a + $1, b = b + $1 WHERE b = $2 AND a = a", args![10_i64, 2_i64]).await?;
    tx.commit().await?;
    assert_eq!(db.one::<(i64, i64)>("SELECT a, b FROM t", &[]).await?, (11, 12));

    // More than nine, so that $1 is not the beginning of $10.
    let numbers: Vec<i64> = (1..=12).collect();
    let list: Vec<Value<'_>> = numbers.iter().map(|n| Value::Int(*n)).collect();
    let sql = format!("SELECT COUNT(*) FROM t WHERE a IN ({})", placeholders(1, 12));
    assert_eq!(db.one::<i64>(&sql, &list).await?, 1);
    assert_eq!(placeholders(3, 2), "$3, $4");
    assert_eq!(placeholders(1, 0), "");
});

both!(a_missing_or_a_spare_argument_is_refused, |db| {
    db.table("a BIGINT").await?;
    for list in [args![], args![1_i64, 2_i64]] {
        let read = db.all::<i64>("SELECT a FROM t WHERE a = $1", list).await;
        assert_eq!(read.expect_err("one is wanted").kind(), &Kind::Other);
        let mut tx = db.begin().await?;
        let written = tx.exec("INSERT INTO t (a) VALUES ($1)", list).await;
        assert_eq!(written.expect_err("one is wanted").kind(), &Kind::Other);
    }
});

only!(postgres, a_value_of_another_type_than_the_column_is_refused, |db| {
    db.table("n BIGINT, txt TEXT, r DOUBLE PRECISION, b BYTEA").await?;
    for (column, value) in [
        ("n", Value::Text("12345678")),
        ("n", Value::Blob(b"12345678")),
        ("n", Value::Real(1.0)),
        ("txt", Value::Int(1)),
        ("txt", Value::Blob(b"text")),
        ("r", Value::Text("12345678")),
        ("b", Value::Text("text")),
    ] {
        let mut tx = db.begin().await?;
        let refused = tx.exec(&format!("INSERT INTO t ({column}) VALUES ($1)"), &[value]).await;
        assert_eq!(refused.expect_err("bytes of one type must not be read as another").kind(), &Kind::Other);
    }
    assert_eq!(db.one::<i64>("SELECT COUNT(*) FROM t", &[]).await?, 0);
});

both!(text_with_a_nul_character_is_refused, |db| {
    db.table("txt TEXT").await?;
    let mut tx = db.begin().await?;
    let refused = tx.exec("INSERT INTO t (txt) VALUES ($1)", args!["a\0b"]).await;
    assert_eq!(refused.expect_err("PostgreSQL cannot store it").kind(), &Kind::Other);
});

both!(text_sorts_alike, |db| {
    db.table("txt TEXT").await?;
    db.script("INSERT INTO t VALUES ('b'); INSERT INTO t VALUES ('B'); INSERT INTO t VALUES ('a'); INSERT INTO t VALUES ('é'); INSERT INTO t VALUES ('ب')").await?;
    let sorted: Vec<String> = db.all("SELECT txt FROM t ORDER BY txt", &[]).await?;
    assert_eq!(sorted, ["B", "a", "b", "é", "ب"]);
});
