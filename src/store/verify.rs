//! Looks for data that must never exist: counts that differ from the rows, rows that belong to nothing or carry nothing, and
//! numbers that would be used twice.
//!
//! More rows than a limit allows are no error: the limit may have been lowered since.

use super::{Partitions, Store};
use crate::deadline::Deadline;
use crate::error::Error;

/// Settings of the transaction: it reads a single snapshot without a timeout, and may scan tables.
const SNAPSHOT: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL statement_timeout = 0; SET LOCAL enable_seqscan = on";

/// Corrupt data of one user.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Finding {
    pub sdk_app_id: i64,
    pub user_id: String,
    pub problem: String,
}

/// The numbers of rows that were checked, and the findings, by app and user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub users: i64,
    pub conversations: i64,
    pub findings: Vec<Finding>,
}

/// Each query returns findings.
const CHECKS: [&str; 10] = [
    // The counts equal the numbers of rows, and do not exceed the room for them.
    "SELECT u.sdk_app_id, u.user_id, format('%s: counted are %s, there are %s, room was for %s', what, counted, there, room)
        AS problem
    FROM users u
    LEFT JOIN (
        SELECT
            sdk_app_id, user_id,
            count(*) AS row_count,
            count(*) FILTER (WHERE holds_place) AS marked,
            count(*) FILTER (WHERE group_ids <> '{}') AS grouped,
            count(*) FILTER (WHERE pin_position IS NOT NULL) AS pinned
        FROM conversations GROUP BY sdk_app_id, user_id
    ) c USING (sdk_app_id, user_id)
    CROSS JOIN LATERAL (VALUES
        ('rows', u.row_count, COALESCE(c.row_count, 0), u.row_count),
        ('marked', u.marked, COALESCE(c.marked, 0), u.marked_max),
        ('grouped', u.grouped, COALESCE(c.grouped, 0), u.grouped_max),
        ('pinned', u.pinned, COALESCE(c.pinned, 0), u.pinned_max)
    ) AS v (what, counted, there, room)
    WHERE counted <> there OR counted > room OR counted < 0",
    // Conversations and contact groups belong to a user who has a row.
    "SELECT DISTINCT sdk_app_id, user_id, what || ' of a user without a row' AS problem
    FROM (
        SELECT sdk_app_id, user_id, 'conversations' AS what FROM conversations
        UNION ALL SELECT sdk_app_id, user_id, 'contact groups' FROM contact_groups
    ) kept
    WHERE NOT EXISTS (SELECT FROM users u WHERE (u.sdk_app_id, u.user_id) = (kept.sdk_app_id, kept.user_id))",
    "SELECT sdk_app_id, user_id, 'the user of no app' AS problem
    FROM users u WHERE NOT EXISTS (SELECT FROM apps a WHERE a.sdk_app_id = u.sdk_app_id)",
    // A deleted account has no rows, and an entry of the directory is not gone.
    "SELECT g.sdk_app_id, g.id AS user_id, problem
    FROM gone g CROSS JOIN LATERAL (VALUES
        ('deleted, but something is kept', g.kind = 1 AND (
            EXISTS (SELECT FROM conversations c WHERE (c.sdk_app_id, c.user_id) = (g.sdk_app_id, g.id))
            OR EXISTS (SELECT FROM contact_groups o WHERE (o.sdk_app_id, o.user_id) = (g.sdk_app_id, g.id))
        )),
        ('gone, but in the directory', EXISTS (
            SELECT FROM directory d WHERE (d.sdk_app_id, d.kind, d.id) = (g.sdk_app_id, g.kind, g.id)
        ))
    ) AS v (problem, is_so)
    WHERE g.is_gone AND is_so",
    "SELECT g.sdk_app_id, g.id AS user_id, format('left at directory revision %s, the app is at %s', g.directory_revision, a.directory_revision)
        AS problem
    FROM gone g JOIN apps a USING (sdk_app_id)
    WHERE g.directory_revision NOT BETWEEN 1 AND a.directory_revision",
    // A conversation has a known kind and another end. If it was ever marked or grouped, it has a position. Its last change
    // is not newer than its user's, and an empty one is newer than the last removal.
    "SELECT c.sdk_app_id, c.user_id, format('conversation %s %s: %s', kind, peer_id, what) AS problem
    FROM conversations c LEFT JOIN users u USING (sdk_app_id, user_id)
    CROSS JOIN LATERAL (VALUES
        ('marked, but without a place', NOT holds_place AND (standard_mark <> 0 OR custom_mark <> '')),
        ('marked or grouped, but without a position', position IS NULL AND (holds_place OR group_ids <> '{}')),
        ('neither one-to-one nor group', kind NOT IN (1, 2)),
        ('no other end', peer_id = ''),
        (format('changed at revision %s, the user is at %s', changed_revision, u.revision), changed_revision > u.revision),
        (
            format('empty since revision %s, forgotten is all until %s', changed_revision, u.forgotten_revision),
            standard_mark = 0 AND custom_mark = '' AND group_ids = '{}' AND pin_position IS NULL
                AND changed_revision <= u.forgotten_revision
        )
    ) AS v (what, is_so)
    WHERE is_so",
    // Conversations are in contact groups that exist, once in each.
    "SELECT c.sdk_app_id, c.user_id, format('conversation %s %s: in groups %s, not all of which there are', kind, peer_id, group_ids)
        AS problem
    FROM conversations c
    WHERE group_ids <> ARRAY(
        SELECT g.group_id FROM contact_groups g
        WHERE (g.sdk_app_id, g.user_id) = (c.sdk_app_id, c.user_id) AND g.group_id = ANY (c.group_ids)
        ORDER BY g.group_id
    )",
    // A number that is in use is lower than the next one.
    "SELECT c.sdk_app_id, c.user_id, format('conversation %s %s: position %s, the next one is %s', kind, peer_id, at, next_position)
        AS problem
    FROM users u JOIN conversations c USING (sdk_app_id, user_id)
    CROSS JOIN LATERAL (VALUES (position), (pin_position)) AS v (at)
    WHERE at NOT BETWEEN 1 AND next_position - 1",
    "SELECT g.sdk_app_id, g.user_id, format('contact group %s: the next number is %s', g.group_id, next_group_id)
        AS problem
    FROM users u JOIN contact_groups g USING (sdk_app_id, user_id)
    WHERE g.group_id NOT BETWEEN 1 AND next_group_id - 1",
    // Positions and names are unique.
    "SELECT sdk_app_id, user_id, format('%s %s: %s times', what, value, count(*)) AS problem
    FROM (
        SELECT sdk_app_id, user_id, 'position' AS what, position::text AS value FROM conversations
        UNION ALL SELECT sdk_app_id, user_id, 'pin position', pin_position::text FROM conversations
        UNION ALL SELECT sdk_app_id, user_id, 'group name', name FROM contact_groups
    ) AS v
    WHERE value IS NOT NULL
    GROUP BY sdk_app_id, user_id, what, value HAVING count(*) > 1",
];

/// Users who are not in this partition, $1 of $2, as `domain::partition_of` has it.
const STRAYS: &str = "SELECT sdk_app_id, user_id, format('%s in partition %s', what, $1::int) AS problem
    FROM (
        SELECT sdk_app_id, user_id, 'has a row' AS what FROM users
        UNION ALL SELECT sdk_app_id, user_id, 'has an account' FROM accounts
    ) kept
    WHERE ('x' || left(encode(sha256(convert_to(sdk_app_id || '/' || user_id, 'UTF8')), 'hex'), 8))::bit(32)::bigint % $2::int <> $1";

/// What the shared tables of a database with several partitions have, and should not.
const SHARED_STRAYS: &str =
    "SELECT sdk_app_id, user_id, 'has a row among the shared tables' AS problem FROM users
    UNION ALL SELECT sdk_app_id, user_id, 'has an account among the shared tables' FROM accounts";

/// Checks all data, each partition in one snapshot. Changes nothing.
pub async fn run(partitions: &Partitions) -> Result<Report, Error> {
    let mut all = Report { users: 0, conversations: 0, findings: Vec::new() };
    for (number, part) in (0_i32..).zip(partitions.each()) {
        let Report { users, conversations, findings } =
            check(part, number, partitions.count()).await?;
        all.users += users;
        all.conversations += conversations;
        all.findings.extend(findings);
    }
    if partitions.is_divided() {
        let read = partitions.shared().clone().read(Deadline::NONE, async |reader| {
            Ok(sqlx::query_as(SHARED_STRAYS).fetch_all(reader.session()).await?)
        });
        all.findings.extend(read.await?);
    }
    all.findings.sort_by(|a, b| (a.sdk_app_id, &a.user_id).cmp(&(b.sdk_app_id, &b.user_id)));
    Ok(all)
}

async fn check(store: &Store, number: i32, count: u16) -> Result<Report, Error> {
    let mut connection = store.connection(Deadline::NONE).await?;
    let mut tx = connection.begin().await?;
    sqlx::raw_sql(SNAPSHOT).execute(tx.session()).await?;
    let mut findings: Vec<Finding> = Vec::new();
    for check in CHECKS {
        findings.extend(sqlx::query_as(check).fetch_all(tx.session()).await?);
    }
    if count > 1 {
        let strays = sqlx::query_as(STRAYS).bind(number).bind(i32::from(count));
        findings.extend(strays.fetch_all(tx.session()).await?);
    }
    let rows = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM conversations)";
    let (users, conversations) = sqlx::query_as(rows).fetch_one(tx.session()).await?;
    tx.rollback().await?;
    Ok(Report { users, conversations, findings })
}
