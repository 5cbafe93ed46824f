//! All rows of the database, to be compared byte for byte.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;

use crate::support::TestApp;

/// The rows of each table that has a column `sdk_app_id`, as text of PostgreSQL. Without `app_sizes`, which the service writes in
/// the background.
pub(crate) type Rows = BTreeMap<String, Vec<String>>;

impl TestApp {
    /// Every row of every app, with the transaction that wrote it. So a row that was written again without a change
    /// shows.
    pub(crate) async fn all_rows(&self) -> Rows {
        self.rows("t.xmin::text || ' ' || t::text", "true").await
    }

    /// Every row of one app.
    pub(crate) async fn rows_of(&self, sdk_app_id: i64) -> Rows {
        self.rows("t::text", &format!("sdk_app_id = {sdk_app_id}")).await
    }

    async fn rows(&self, shown: &str, which: &str) -> Rows {
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT table_name::text FROM information_schema.columns
            JOIN information_schema.tables USING (table_schema, table_name)
            WHERE column_name = 'sdk_app_id' AND table_schema = 'public' AND table_type = 'BASE TABLE'
                AND table_name <> 'app_sizes'
                AND NOT (SELECT relispartition FROM pg_class WHERE oid = table_name::regclass)",
        )
        .fetch_all(&self.db)
        .await
        .unwrap();
        assert!(tables.len() >= 7, "{tables:?}");
        let mut found = Rows::new();
        for table in tables {
            let query = format!("SELECT {shown} FROM {table} t WHERE {which} ORDER BY t::text");
            let rows = sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(&self.db).await.unwrap();
            found.insert(table, rows);
        }
        found
    }
}
