//! Every SQL text of every room, tried on both engines, and the list of tenant tables compared with the schema.

use crate::on_both_engines;
use crate::world::{Engine, World};
use skylight_db::{Read, args};
use std::fs;
use std::path::{Path, PathBuf};

on_both_engines! {
    async fn every_statement_of_every_room_is_accepted(world: World) {
        let statements = statements();
        assert!(statements.len() > 80, "only {} statements were found", statements.len());
        let mut refused = Vec::new();
        for (file, sql) in &statements {
            if let Err(error) = world.app.db.check(sql).await {
                refused.push(format!("{}: {error}\n{sql}", file.display()));
            }
        }
        assert!(refused.is_empty(), "{}", refused.join("\n\n"));
    }

    async fn removing_a_workspace_knows_every_tenant_table(world: World) {
        let mut listed: Vec<_> = skylight::workspaces::PURGED_TABLES.iter().map(|(table, _)| *table)
            .chain(skylight::workspaces::FOLLOWING_TABLES.iter().copied()).map(str::to_owned).collect();
        let mut tables = tenant_tables(&world).await;
        listed.sort();
        tables.sort();
        assert_eq!(listed, tables);
    }
}

/// The literal statements in the rooms' `store.rs` files. Texts glued from pieces are tried by the stories that use them.
fn statements() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut statements = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let odd = text.split('"').skip(1).step_by(2);
        let begins =
            |sql: &&str| ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "].iter().any(|verb| sql.starts_with(verb));
        let whole = |sql: &&str| !sql.contains('{') && !sql.ends_with("$2") && sql.len() > 12;
        statements.extend(odd.filter(begins).filter(whole).map(|sql| (file.clone(), sql.to_owned())));
    }
    statements.retain(|(_, sql)| !sql.starts_with("SELECT workspace.id, workspace.partner_id"));
    statements
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.file_name().is_some_and(|name| name == "store.rs")
            || path.parent().is_some_and(|p| p.ends_with("store"))
        {
            files.push(path);
        }
    }
}

/// Tables with a `workspace_id`, as the engine itself lists them.
async fn tenant_tables(world: &World) -> Vec<String> {
    let sql = match world.engine {
        Engine::Sqlite => {
            "SELECT m.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c ON c.name = 'workspace_id'
             WHERE m.type = 'table'"
        }
        Engine::Postgres => {
            "SELECT CAST(table_name AS TEXT) FROM information_schema.columns
             WHERE column_name = 'workspace_id' AND table_schema = 'public'"
        }
    };
    (&world.app.db).all(sql, args![]).await.unwrap()
}

/// Which tables still hold rows of a workspace, the workspace's own row included.
pub async fn rows_of_workspace(world: &World, id: i64) -> Vec<String> {
    let mut left = Vec::new();
    for table in tenant_tables(world).await {
        let sql = format!("SELECT COUNT(*) FROM {table} WHERE workspace_id = $1");
        let count: i64 = (&world.app.db).one(&sql, args![id]).await.unwrap();
        if count > 0 {
            left.push(format!("{table}: {count}"));
        }
    }
    let own: i64 = (&world.app.db).one("SELECT COUNT(*) FROM workspace WHERE id = $1", args![id]).await.unwrap();
    if own > 0 {
        left.push("workspace".into());
    }
    left
}
