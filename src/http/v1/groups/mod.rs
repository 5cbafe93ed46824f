//! A user's contact groups.

pub(super) mod delete_group;
pub(super) mod patch_group;
pub(super) mod put_group;

use std::sync::Arc;

use actix_web::http::StatusCode;

use super::call::Reply;
use super::shapes::ShownGroup;
use super::users::get_user::Answer as User;
use super::write::{after_commit, write};
use crate::domain::{App, ContactGroup, ContactGroupName};
use crate::error::Error;
use crate::http::failure::Failure;
use crate::service::{Service, Write, Written};

const PATH: &str = "/users/{user}/groups/{name}";

/// A contact group must not get a longer name.
fn check_length(path: &str, name: &ContactGroupName, app: &App) -> Result<(), Failure> {
    let max = app.limits.group_name_bytes;
    if name.fits(max) {
        return Ok(());
    }
    Err(Failure::ContactGroupNameLength { path: path.to_owned(), max, got: name.as_str().len() })
}

/// Writes, and answers the contact group.
async fn answer_group(service: &Service, change: Write) -> Result<Reply<ShownGroup>, Failure> {
    let (app, user) = (change.app.clone(), change.owner.clone());
    let deadline = change.arrival.deadline;
    let written = write_groups(service, change).await?;
    let group = written.applied.group.ok_or_else(|| Error::internal("no contact group"))?;
    let shown = if written.applied.is_new {
        ShownGroup::new(&group, 0)
    } else {
        let (head, _) = service.user(app, user, deadline).await.map_err(after_commit)?;
        let same = |(other, _): &&(ContactGroup, u32)| other.id == group.id;
        ShownGroup::new(&group, head.groups.iter().find(same).map_or(0, |(_, size)| *size))
    };
    let status = if written.applied.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(Reply { status, ..Reply::at(written.revision, shown) })
}

/// Writes. A conflict shows the user.
async fn write_groups(service: &Service, change: Write) -> Result<Written, Failure> {
    let (app, user): (Arc<App>, _) = (change.app.clone(), change.owner.clone());
    let deadline = change.arrival.deadline;
    write(service, change, async move { User::read(service, &app, &user, deadline).await }).await
}
