//! `GET /admin/v1/apps/{sdkappid}/users`: users of an app by how their ids begin.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::problem_details;
use super::apps::number;
use super::erasing::user_id;
use crate::deadline::Deadline;
use crate::domain::Problem;
use crate::http::door::Door;
use crate::http::failure::Failure;
use crate::limits::{USER_IDS_DEFAULT, USER_IDS_MAX};

#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct UserIdList {
    /// In the order of their bytes.
    #[schemars(length(max = USER_IDS_MAX))]
    users: Vec<String>,
    /// The last of them, if there are more: `after` of the next request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&str")]
    next: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    prefix: String,
    after: Option<String>,
    limit: Option<String>,
}

impl Wanted {
    fn limit(&self) -> Result<u32, Failure> {
        let Some(text) = &self.limit else { return Ok(USER_IDS_DEFAULT) };
        let limit = text.parse().ok().filter(|limit| (1..=USER_IDS_MAX).contains(limit));
        limit.ok_or_else(|| {
            let problem = Problem::new(format!("must be a number from 1 to {USER_IDS_MAX}"));
            Failure::Parameter { path: "limit".to_owned(), problem }
        })
    }
}

pub(super) async fn list(
    door: Data<Door>,
    path: Path<String>,
    query: Query<Wanted>,
) -> HttpResponse {
    let list = async {
        let app = number(&path)?;
        let wanted = query.into_inner();
        let limit = wanted.limit()?;
        let after = wanted.after.as_deref().map(|after| user_id("after", after)).transpose()?;
        if !wanted.prefix.is_empty() {
            user_id("prefix", &wanted.prefix)?;
        }
        door.service.load_app(app, Deadline::of_a_request()).await?;
        let deadline = Deadline::of_a_request();
        let found = door.service.user_ids(app, wanted.prefix, after, limit, deadline).await?;
        let text = |id: crate::domain::UserId| id.as_str().to_owned();
        let list = UserIdList {
            users: found.users.into_iter().map(text).collect(),
            next: found.next.map(text),
        };
        Ok::<_, Failure>(HttpResponse::Ok().json(list))
    };
    list.await.unwrap_or_else(problem_details::failure)
}
