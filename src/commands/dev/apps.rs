//! The apps that `dev` creates: the demo app, or those of `--app`.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use super::super::{operator, transfer, unix_now};
use crate::deadline::{Arrival, Deadline};
use crate::domain::{
    App, BitChange, Change, ChatGroupId, ContactGroupName, Conversation, CustomMark, Directory,
    MarkBit, MarkChange, Problem, SdkAppId, SecretKey, UserAccess, UserId,
};
use crate::error::Error;
use crate::limits::Limits;
use crate::service::{self, Service, Write};
use crate::store::Partitions;
use crate::transfer::import::{self, Options};

pub(super) const ADMIN: &str = "administrator";
const DEMO: i64 = 1_400_000_001;
/// Bits that Tencent Cloud Chat gives a meaning to.
const FAVOURITE: i128 = 0;
const UNREAD: i128 = 1;
const COLLAPSED: i128 = 2;

/// The demo app. It is created if it is missing, with a few conversations unless `is_empty`.
pub(super) async fn demo(
    partitions: &Partitions,
    service: &Service,
    is_empty: bool,
) -> anyhow::Result<Arc<App>> {
    let sdk_app_id = SdkAppId::new(DEMO)?;
    if let Some(app) =
        service::load_app(partitions.shared(), sdk_app_id, Deadline::of_a_request()).await?
    {
        return Ok(app.into());
    }
    let app = create(partitions, sdk_app_id, service::random_secret_key()?).await?;
    if !is_empty {
        write_state(service, &app).await.context("demo app")?;
    }
    Ok(app)
}

/// An app of `--app`. If it exists, it must have this key, and keeps its settings.
pub(super) async fn given(
    partitions: &Partitions,
    (sdk_app_id, key): &(SdkAppId, SecretKey),
) -> anyhow::Result<Arc<App>> {
    match service::load_app(partitions.shared(), *sdk_app_id, Deadline::of_a_request()).await? {
        None => create(partitions, *sdk_app_id, key.clone()).await,
        Some(app) if app.key.secret == *key => Ok(app.into()),
        Some(_) => bail!(
            "--app / EARMARK_APP: app {sdk_app_id} exists in the folder with another secret key; give that key, \
             another --data / EARMARK_DATA, or --ephemeral"
        ),
    }
}

/// Imports the file of `--seed`, as `earmark import` does.
pub(super) async fn seed(partitions: &Partitions, app: &App, path: &Path) -> anyhow::Result<()> {
    let named = || format!("--seed / EARMARK_SEED: {}", path.display());
    let file = transfer::open(path).with_context(named)?;
    let options = Options { dry_run: false, user: None, now: unix_now(), operator: operator() };
    let report =
        import::import(partitions, app.sdk_app_id, file, options).await.with_context(named)?;
    if report.problem_count > 0 {
        bail!("{}: {report}", named());
    }
    tracing::info!("seed: {report}");
    Ok(())
}

async fn create(
    partitions: &Partitions,
    sdk_app_id: SdkAppId,
    key: SecretKey,
) -> anyhow::Result<Arc<App>> {
    let app = App {
        directory: Directory::Open,
        admins: vec![ADMIN.to_owned()],
        user_access: UserAccess::Write,
        limits: Limits { calls_per_second: 0, ..Limits::default() },
        ..App::new(sdk_app_id, key)
    };
    let created =
        service::create_app(partitions, app, &operator(), Deadline::of_a_request()).await?;
    let taken = || format!("app {sdk_app_id}: another process has just created it");
    Ok(Arc::new(created.with_context(taken)?))
}

/// A few marks, a contact group and a pin, so that the first read returns something.
async fn write_state(service: &Service, app: &Arc<App>) -> anyhow::Result<()> {
    let user = |name: &str| UserId::parse(name, app.limits.user_id_bytes);
    let with = |name: &str| user(name).map(Conversation::OneToOne);
    let chat_group = ChatGroupId::parse("@TGS#1N3RSUYG2", app.limits.chat_group_id_bytes)?;
    let marks = |conversation, bits: &[i128], custom: &str| -> Result<MarkChange, Problem> {
        let set = bits.iter().map(|bit| MarkBit::parse(*bit)).collect::<Result<_, _>>()?;
        let custom = CustomMark::parse(custom, app.limits.custom_mark_bytes)?;
        let standard = Some(BitChange { set, ..BitChange::default() });
        Ok(MarkChange { conversation, standard, custom: Some(custom) })
    };
    let changes = [
        Change::Mark(vec![
            marks(with("user2")?, &[FAVOURITE], "")?,
            marks(with("user3")?, &[UNREAD, 40], "waiting for an answer")?,
            marks(Conversation::Group(chat_group.clone()), &[COLLAPSED], "")?,
        ]),
        Change::CreateGroup(
            ContactGroupName::parse("work")?,
            vec![with("user3")?, Conversation::Group(chat_group)],
        ),
        Change::Pin(vec![with("user2")?]),
    ];
    for change in changes {
        let arrival = Arrival { now: unix_now(), deadline: Deadline::of_a_request() };
        let write = Write {
            app: app.clone(),
            owner: user("user0")?,
            change,
            expected_revision: None,
            arrival,
        };
        service
            .write(write)
            .await?
            .applied
            .items
            .into_iter()
            .collect::<Result<(), _>>()
            .map_err(Error::from)?;
    }
    Ok(())
}
