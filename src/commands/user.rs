//! `earmark user`: shows, exports or erases a user of an app.

use std::fmt::{self, Display, Formatter};

use anyhow::bail;
use serde::{Serialize, Serializer};

use super::{check_schema, confirm, connect, operator, transfer};
use crate::config::{Output, UserArgs, UserCommand};
use crate::deadline::Deadline;
use crate::domain::{Presence, Refusal, SdkAppId, UserId, UserKey};
use crate::error::Error;
use crate::http::{erased_document, user_document};
use crate::service::{self, ErasedUser, KnownUser, Until};
use crate::transfer::export::What;

pub(super) async fn run(settings: UserArgs, output: Output) -> anyhow::Result<()> {
    let partitions = connect(&settings.database).await?;
    check_schema(&partitions).await?;
    match settings.command {
        UserCommand::Show { sdk_app_id, user } => {
            let key = UserKey { sdk_app_id, user_id: user };
            let known = service::load_user(&partitions, &key, Deadline::of_a_request()).await;
            output.print(&ShownUser(known.map_err(|error| explained(error, sdk_app_id))?))
        }
        UserCommand::Export { sdk_app_id, user } => {
            let app = transfer::load_app(partitions.shared(), sdk_app_id).await?;
            transfer::export_to_stdout(&partitions, &app, What::User(&user), output).await
        }
        UserCommand::Erase { sdk_app_id, user, yes } => {
            if !yes {
                let warning = format!(
                    "This erases everything about user {:?} of app {sdk_app_id}, for good",
                    user.as_str()
                );
                confirm::typed(&warning, user.as_str())?;
            }
            let key = UserKey { sdk_app_id, user_id: user };
            let erased =
                service::erase_user(&partitions, &key, None, &operator(), Until::Done).await;
            let erased = erased.map_err(|error| explained(error, sdk_app_id))?;
            if erased.came_back {
                bail!(
                    "user {:?} was imported again meanwhile: run the command again to erase the user anew",
                    key.user_id.as_str()
                )
            }
            output.print(&Receipt(erased))
        }
    }
}

fn explained(error: Error, sdk_app_id: SdkAppId) -> anyhow::Error {
    if matches!(error, Error::Refused(Refusal::UnknownApp)) {
        return anyhow::anyhow!("there is no app {sdk_app_id}");
    }
    anyhow::Error::new(error).context("it is not finished: run the command again")
}

struct ShownUser(KnownUser);

impl Serialize for ShownUser {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        user_document(&self.0).serialize(serializer)
    }
}

impl Display for ShownUser {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let KnownUser { key, head, used, account, is_admin } = &self.0;
        let presence = match head.owner {
            Presence::Present => "imported",
            Presence::Gone => "deleted",
            Presence::Unknown => "never imported",
        };
        let admin = if *is_admin { ", an admin of the app" } else { "" };
        write!(out, "{}: {presence}{admin}", named(key.sdk_app_id, &key.user_id))?;
        if let Some(account) = account {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let (nick, face_url) = (text(&account.nick), text(&account.face_url));
            write!(out, "\n  nick {nick:?}, face URL {face_url:?}")?;
        }
        let groups: Vec<_> = head
            .groups
            .iter()
            .map(|(group, count)| format!("{:?} ({count})", group.name.as_str()))
            .collect();
        let groups = if groups.is_empty() { "none".to_owned() } else { groups.join(", ") };
        write!(
            out,
            "\n  revision {}, conversations: {} marked, {} in contact groups, {} pinned\n  contact groups: {groups}",
            head.at.revision, used.marked, used.grouped, used.pinned
        )
    }
}

struct Receipt(ErasedUser);

impl Serialize for Receipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        erased_document(&self.0).serialize(serializer)
    }
}

impl Display for Receipt {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let ErasedUser { key, had_account, conversations, contact_groups, lists, .. } = &self.0;
        let account = if *had_account { "the account" } else { "no account" };
        write!(
            out,
            "{} is erased: {account}, {conversations} conversations, {contact_groups} contact groups, and the user in the \
             lists of {lists} others",
            named(key.sdk_app_id, &key.user_id)
        )
    }
}

fn named(app: SdkAppId, user: &UserId) -> String {
    format!("user {:?} of app {app}", user.as_str())
}
