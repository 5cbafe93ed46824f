//! The plans of the native API's reads.

use std::fs;
use std::path::Path;

use sqlx::{AssertSqlSafe, Row};

use crate::support::*;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/sql");

/// The statements of all reads, with their names.
fn statements() -> Vec<(String, String)> {
    let files = fs::read_dir(Path::new(FOLDER)).unwrap().map(|entry| entry.unwrap());
    let named = files.map(|file| (file.file_name().into_string().unwrap(), file.path()));
    let reads = named.filter(|(name, _)| name.starts_with("snapshot_"));
    reads.map(|(name, path)| (name, fs::read_to_string(path).unwrap())).collect()
}

/// A sequential scan costs so much here that PostgreSQL compiles the plan at each read (JIT), which takes two seconds.
#[actix_web::test]
async fn every_read_finds_its_rows_by_key_and_is_not_compiled() {
    let app = TestApp::start().await;
    let mut connection = app.db.acquire().await.unwrap();
    let session =
        "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; SET jit = on";
    sqlx::raw_sql(session).execute(&mut *connection).await.unwrap();
    let statements = statements();
    assert!(statements.len() >= 2, "{statements:?}");
    for (name, statement) in statements {
        let count = (1..100).take_while(|nr| statement.contains(&format!("${nr}"))).count();
        let values = vec!["NULL"; count].join(", ");
        let prepare = format!("PREPARE the_read AS {statement}");
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *connection).await.unwrap();
        let explain = format!("EXPLAIN EXECUTE the_read ({values})");
        let rows = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut *connection).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let plan = plan.join("\n");
        for word in ["Seq Scan", "JIT"] {
            assert!(!plan.contains(word), "{name}: {word} in\n{plan}");
        }
        sqlx::raw_sql("DEALLOCATE the_read").execute(&mut *connection).await.unwrap();
    }
}
