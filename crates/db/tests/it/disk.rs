//! A disk that fills up or refuses to sync, for real: a child process runs the story with a library between it and
//! the kernel, which fails the calls when a file named `full` or `unsynced` stands beside the database.
#![cfg(target_os = "linux")]

use crate::place::{Outcome, Place};
use futures_util::future::join_all;
use skylight_db::{Db, Kind, Read, Result, SqliteSettings, args};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

const DISK: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static int is(const char *how) {
    char flag[4096];
    snprintf(flag, sizeof flag, "%s/%s", getenv("SKYLIGHT_TEST_DISK"), how);
    return access(flag, F_OK) == 0;
}
static int full(int fd) {
    char link[64], path[4096] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) < 0 || !strstr(path, "test.db") || !is("full")) return 0;
    errno = ENOSPC;
    return 1;
}
static int unsynced(void) { if (!is("unsynced")) return 0; errno = EIO; return 1; }
int fsync(int fd) { return unsynced() ? -1 : syscall(SYS_fsync, fd); }
int fdatasync(int fd) { return unsynced() ? -1 : syscall(SYS_fdatasync, fd); }
ssize_t write(int fd, const void *b, size_t n) { return full(fd) ? -1 : syscall(SYS_write, fd, b, n); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t at) { return full(fd) ? -1 : syscall(SYS_pwrite64, fd, b, n, at); }
ssize_t pwrite64(int fd, const void *b, size_t n, off_t at) { return full(fd) ? -1 : syscall(SYS_pwrite64, fd, b, n, at); }
"#;

async fn insert(db: &Db, id: i64) -> Result<()> {
    let mut tx = db.begin().await?;
    tx.exec("INSERT INTO t VALUES ($1)", args![id]).await?;
    tx.commit().await
}

/// In the child: the folder of the database.
fn folder() -> Option<PathBuf> {
    std::env::var_os("SKYLIGHT_TEST_DISK").map(PathBuf::from)
}

/// Runs the test of this name once more, as a child on the other disk.
async fn child(place: &Place, name: &str) -> std::result::Result<Output, crate::place::Failed> {
    place.table("id BIGINT PRIMARY KEY").await?;
    let folder = place.sqlite_file().with_file_name("");
    let (source, disk) = (folder.join("disk.c"), folder.join("disk.so"));
    std::fs::write(&source, DISK)?;
    let compiler = std::env::var_os("CC").unwrap_or("cc".into());
    let compiled = Command::new(compiler).args(["-shared", "-fPIC", "-o"]).args([&disk, &source]).status()?;
    assert!(compiled.success(), "a C compiler builds the disk");
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["--exact", name]).env("LD_PRELOAD", &disk).env("SKYLIGHT_TEST_DISK", &folder);
    Ok(child.output()?)
}

mod a_failed_sync_ends_the_process_and_the_log_is_recovered {
    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite() {
        match super::folder() {
            Some(folder) => assert!(super::write_until_the_disk_refuses(&folder).await.is_ok()),
            None => crate::place::tell(crate::place::sqlite, super::a_failed_sync).await,
        }
    }
}

async fn write_until_the_disk_refuses(folder: &Path) -> Outcome {
    let db = Db::sqlite(SqliteSettings::at(folder.join("test.db")))?;
    insert(&db, 1).await?;
    std::fs::write(folder.join("unsynced"), "")?;
    let late = insert(&db, 2).await;
    panic!("it lives on and says {late:?}");
}

async fn a_failed_sync(place: Arc<Place>) -> Outcome {
    let name = "disk::a_failed_sync_ends_the_process_and_the_log_is_recovered::sqlite";
    let child = child(&place, name).await?;
    assert_eq!(child.status.code(), Some(74), "{}", String::from_utf8_lossy(&child.stdout));

    // What was acknowledged is there, the other row is there or not, and writing goes on.
    let again = place.another();
    insert(&again, 3).await?;
    let ids: Vec<i64> = again.all("SELECT id FROM t WHERE id <> 2 ORDER BY id", &[]).await?;
    assert_eq!(ids, [1, 3]);
    Ok(())
}

mod a_full_disk_fails_the_whole_batch_and_space_brings_writes_back {
    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite() {
        match super::folder() {
            Some(folder) => assert!(super::write_while_the_disk_is_full(&folder).await.is_ok()),
            None => crate::place::tell(crate::place::sqlite, super::a_full_disk).await,
        }
    }
}

async fn write_while_the_disk_is_full(folder: &Path) -> Outcome {
    let db = Db::sqlite(SqliteSettings::at(folder.join("test.db")))?;
    insert(&db, 1).await?;
    std::fs::write(folder.join("full"), "")?;
    for result in join_all((10..30).map(|id| insert(&db, id))).await {
        let error = result.expect_err("no space for the log");
        assert_eq!(error.kind(), &Kind::Storage, "{error}");
    }
    assert_eq!(db.all::<i64>("SELECT id FROM t", &[]).await?, [1]);
    std::fs::remove_file(folder.join("full"))?;
    for result in join_all((2..10).map(|id| insert(&db, id))).await {
        result?;
    }
    Ok(())
}

async fn a_full_disk(place: Arc<Place>) -> Outcome {
    let name = "disk::a_full_disk_fails_the_whole_batch_and_space_brings_writes_back::sqlite";
    let child = child(&place, name).await?;
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert_eq!(place.all::<i64>("SELECT id FROM t ORDER BY id", &[]).await?, (1..10).collect::<Vec<_>>());
    Ok(())
}
