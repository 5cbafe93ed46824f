//! Users by how their ids begin, for operators who look for one.

use super::Reader;
use super::convert::corrupt;
use crate::domain::{SdkAppId, UserId};
use crate::error::Error;

/// The next `limit` users after `after`, in the order of their ids: those with state, and those who are imported.
pub async fn load(
    reader: &mut Reader<'_>,
    sdk_app_id: SdkAppId,
    prefix: &str,
    after: Option<&UserId>,
    limit: u32,
) -> Result<Vec<UserId>, Error> {
    let ids = sqlx::query_file_scalar!(
        "src/store/sql/user_ids.sql",
        sdk_app_id.number(),
        prefix,
        after.map_or("", UserId::as_str),
        i64::from(limit),
    )
    .fetch_all(reader.session())
    .await?;
    let user_id = |id: String| {
        UserId::parse(id, u32::MAX).map_err(|problem| corrupt("users.user_id", problem))
    };
    ids.into_iter().map(user_id).collect()
}
