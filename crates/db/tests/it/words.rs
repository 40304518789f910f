//! Word indexes.

use skylight_db::{Read, Tx, args};

const BATCHES: i64 = 24;
const ROWS: i64 = 100;
const DELETED: i64 = (BATCHES * ROWS).unsigned_abs().div_ceil(500).cast_signed();

only!(sqlite, an_index_forgets_deleted_words_whatever_was_being_put_together, |db| {
    for joined in 0..30 {
        let mut tx = db.begin().await?;
        tx.exec("DROP TABLE IF EXISTS w", &[]).await?;
        let made = "CREATE VIRTUAL TABLE w USING fts5 (words, content = '', contentless_delete = 1, detail = none)";
        tx.exec(made, &[]).await?;
        tx.exec("INSERT INTO w (w, rank) VALUES ('usermerge', 2)", &[]).await?;
        tx.commit().await?;
        for batch in 0..BATCHES {
            let mut tx = db.begin().await?;
            for row in batch * ROWS..(batch + 1) * ROWS {
                tx.exec("INSERT INTO w (rowid, words) VALUES ($1, $2)", args![row, words(row).as_str()]).await?;
            }
            tx.commit().await?;
        }
        let mut tx = db.begin().await?;
        for _ in 0..joined {
            if !tx.join_words("w", 10).await? {
                break;
            }
        }
        assert!(knows(&mut tx).await? > 0, "else this proves nothing");
        tx.commit().await?;
        for row in (0..BATCHES * ROWS).step_by(500) {
            let mut tx = db.begin().await?;
            assert_eq!(tx.exec("DELETE FROM w WHERE rowid = $1", args![row]).await?, 1);
            tx.commit().await?;
        }
        let mut tx = db.begin().await?;
        let mut is_first = true;
        while tx.forget_words("w", 50, is_first).await? {
            is_first = false;
        }
        assert_eq!(knows(&mut tx).await?, 0, "{joined} pieces of work were done when rows were deleted");
        let left: i64 = tx.one("SELECT COUNT(*) FROM w WHERE w MATCH 'common'", &[]).await?;
        assert_eq!(left, BATCHES * ROWS - DELETED);
        tx.commit().await?;
    }
});

/// Every five hundredth row has a word of its own, which is written first when pieces are put together.
fn words(row: i64) -> String {
    let own = if row % 500 == 0 { format!("aadoomed{row}") } else { format!("kept{row}") };
    let others = (1..40).map(|n: i64| format!("w{}", (row * 7_919 + n * n * 104_729).rem_euclid(30_011)));
    others.chain([own, "common".to_owned()]).collect::<Vec<_>>().join(" ")
}

/// How many pieces of the index know such a word.
async fn knows(tx: &mut Tx) -> skylight_db::Result<i64> {
    tx.one("SELECT COUNT(*) FROM w_data WHERE instr(block, CAST('aadoomed' AS BLOB)) > 0", &[]).await
}
