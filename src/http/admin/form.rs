//! The JSON documents of the admin API.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::{
    App, AppKey, AppName, Directory, Edition, Origin, Problem, SdkAppId, SecretKey, UserAccess,
};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::schema::named;
use crate::limits::{APP_NAME_CHARS_MAX, LIMIT_MAX, LimitChange, Limits, ORIGINS_MAX};
use crate::service::{AppSettings, AppSize, ChangedApp};

#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct AppList<'a> {
    pub(super) apps: Vec<ShownApp<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "App")]
pub(in crate::http) struct ShownApp<'a> {
    #[schemars(range(min = 1, max = i64::MAX))]
    sdkappid: i64,
    /// What operators call the app. Empty if it has no name.
    #[schemars(length(max = APP_NAME_CHARS_MAX))]
    name: &'a str,
    /// The plan of the app: which marks it may write.
    #[schemars(extend("enum" = Edition::ALL.map(Edition::name)))]
    edition: &'static str,
    /// Which users and chat groups must be imported first.
    #[schemars(extend("enum" = Directory::ALL.map(Directory::name)))]
    directory: &'static str,
    /// Whether all calls are refused.
    disabled: bool,
    /// Whether changes are appended to the app's feed.
    feed: bool,
    /// The valid secret keys, newest first.
    #[schemars(length(min = 1, max = 2))]
    secret_keys: Vec<ShownKey>,
    /// The admins, who may call.
    #[schemars(extend("items" = named("Identifier")))]
    admins: &'a [String],
    /// What users may do with their own state through the native API.
    #[schemars(extend("enum" = UserAccess::ALL.map(UserAccess::name)))]
    user_access: &'static str,
    /// Web sites whose pages may call the native API.
    #[schemars(length(max = ORIGINS_MAX), extend("items" = origin_schema()))]
    allowed_origins: Vec<&'a str>,
    #[schemars(schema_with = "limits_schema")]
    limits: Map<String, Value>,
    /// Only in the answer of the call that generated it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&str")]
    secret_key: Option<&'a str>,
    /// Only in the answer to a change: false if the app was so already.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    changed: Option<bool>,
    /// Only in lists, once the app was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ShownSize")]
    size: Option<ShownSize>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AppSize")]
struct ShownSize {
    /// Users with state.
    users: u64,
    conversations: u64,
    /// Users who have as many marked, grouped or pinned conversations as the limit allows.
    users_at_limit: u64,
    /// Estimated: the app's part of the tables and indexes of users' state.
    bytes: u64,
    /// Unix seconds. An app is counted about once an hour.
    counted_at: u64,
}

impl From<AppSize> for ShownSize {
    fn from(size: AppSize) -> Self {
        let AppSize { users, conversations, users_at_limit, bytes, counted_at } = size;
        Self { users, conversations, users_at_limit, bytes, counted_at }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AppKey")]
struct ShownKey {
    #[schemars(range(min = 1, max = i64::MAX))]
    id: i64,
    /// Unix seconds.
    created_at: u64,
    /// Unix seconds, up to 6 minutes old. `null` if no request has used the key.
    last_used_at: Option<u64>,
}

impl From<&AppKey> for ShownKey {
    fn from(key: &AppKey) -> Self {
        let AppKey { id, created_at, last_used_at, secret: _ } = *key;
        Self { id, created_at, last_used_at }
    }
}

impl<'a> ShownApp<'a> {
    pub(super) fn new(app: &'a App) -> Self {
        let mut limits = app.limits;
        Self {
            sdkappid: app.sdk_app_id.number(),
            name: app.name.as_str(),
            edition: app.edition.name(),
            directory: app.directory.name(),
            disabled: app.disabled,
            feed: app.feed,
            secret_keys: app.keys().map(ShownKey::from).collect(),
            admins: &app.admins,
            user_access: app.user_access.name(),
            allowed_origins: app.allowed_origins.iter().map(Origin::as_str).collect(),
            limits: limits
                .named()
                .into_iter()
                .map(|(name, value)| (name.to_owned(), (*value).into()))
                .collect(),
            secret_key: None,
            changed: None,
            size: None,
        }
    }

    pub(super) fn with_size(app: &'a App, size: Option<AppSize>) -> Self {
        Self { size: size.map(ShownSize::from), ..Self::new(app) }
    }

    pub(super) fn with_generated_key(app: &'a App, is_generated: bool) -> Self {
        let secret_key = is_generated.then(|| app.key.secret.reveal());
        Self { secret_key, ..Self::new(app) }
    }

    pub(super) fn changed(changed: &'a ChangedApp, is_generated: bool) -> Self {
        let ChangedApp { app, is_changed } = changed;
        Self { changed: Some(*is_changed), ..Self::with_generated_key(app, is_generated) }
    }
}

fn origin_schema() -> Value {
    json!({ "type": "string", "pattern": "^https?://[a-z0-9.:\\[\\]-]{1,255}$" })
}

fn limits_schema(_: &mut SchemaGenerator) -> Schema {
    let mut limits = Limits::default();
    let limit = |(name, default): (&str, &mut u32)| {
        let lowest = u32::from(name != "calls-per-second");
        let schema = json!({ "type": "integer", "minimum": lowest, "maximum": LIMIT_MAX, "default": default });
        (name.to_owned(), schema)
    };
    let limits: Map<String, Value> = limits.named().into_iter().map(limit).collect();
    let names: Vec<&String> = limits.keys().collect();
    json_schema!({ "type": "object", "required": names, "properties": limits })
}

/// The fields that a new app and a change have in common.
const SETTINGS: [&str; 8] = [
    "name",
    "edition",
    "directory",
    "disabled",
    "feed",
    "limits",
    "user_access",
    "allowed_origins",
];

pub(super) struct NewApp {
    pub(super) sdk_app_id: SdkAppId,
    pub(super) admins: Option<Vec<String>>,
    pub(super) secret_key: Option<SecretKey>,
    pub(super) settings: AppSettings,
}

impl NewApp {
    pub(super) fn parse(body: &Field<'_>) -> Result<Self, Failure> {
        body.only(&[&["sdkappid", "admins", "secret_key"], &SETTINGS[..]].concat())?;
        let number = body.get("sdkappid")?;
        let sdk_app_id = i64::try_from(number.integer()?)
            .map_err(|_| Problem::new("must be a positive integer"))
            .and_then(SdkAppId::new)
            .map_err(|problem| number.refuse(problem))?;
        let admins = body.get("admins")?.present();
        let admins = admins.map(|admins| admins.array(|name| name.parsed(App::check_admin)));
        let (admins, secret_key) = (admins.transpose()?, secret_key(body)?);
        Ok(Self { sdk_app_id, admins, secret_key, settings: settings(body)? })
    }
}

pub(super) fn parse_change(body: &Field<'_>) -> Result<AppSettings, Failure> {
    body.only(&SETTINGS)?;
    settings(body)
}

pub(super) struct Rotation {
    /// `None` asks the service to generate a key.
    pub(super) secret_key: Option<SecretKey>,
    pub(super) force: bool,
}

impl Rotation {
    pub(super) fn parse(body: &Field<'_>) -> Result<Self, Failure> {
        body.only(&["secret_key", "force"])?;
        let force = body.get("force")?.present();
        let force = force.map(|force| force.boolean()).transpose()?;
        Ok(Self { secret_key: secret_key(body)?, force: force.unwrap_or(false) })
    }
}

fn secret_key(body: &Field<'_>) -> Result<Option<SecretKey>, Failure> {
    let key = body.get("secret_key")?.present();
    key.map(|key| key.parsed(SecretKey::parse)).transpose()
}

fn settings(body: &Field<'_>) -> Result<AppSettings, Failure> {
    let name = body.get("name")?.present();
    let edition = body.get("edition")?.present();
    let directory = body.get("directory")?.present();
    let disabled = body.get("disabled")?.present();
    let limits = body.get("limits")?;
    let user_access = body.get("user_access")?.present();
    let origins = body.get("allowed_origins")?.present();
    let feed = body.get("feed")?.present();
    Ok(AppSettings {
        name: name.map(|name| name.parsed(AppName::parse)).transpose()?,
        edition: edition.map(|edition| edition.parsed(str::parse)).transpose()?,
        directory: directory.map(|directory| directory.parsed(str::parse)).transpose()?,
        disabled: disabled.map(|disabled| disabled.boolean()).transpose()?,
        limits: limits.present().map_or(Ok(Vec::new()), |limits| limit_changes(&limits))?,
        user_access: user_access.map(|access| access.parsed(str::parse)).transpose()?,
        allowed_origins: origins.map(|origins| allowed_origins(&origins)).transpose()?,
        feed: feed.map(|feed| feed.boolean()).transpose()?,
    })
}

fn allowed_origins(origins: &Field<'_>) -> Result<Vec<Origin>, Failure> {
    let parsed = origins.array(|origin| origin.parsed(Origin::parse))?;
    let most = ORIGINS_MAX as usize;
    if parsed.len() > most {
        let got = parsed.len();
        let problem = Problem::new(format!("must have at most {most} items, got {got}"));
        return Err(origins.refuse(problem));
    }
    Ok(parsed)
}

fn limit_changes(limits: &Field<'_>) -> Result<Vec<LimitChange>, Failure> {
    let names = Limits::default().named().map(|(name, _)| name);
    limits.only(&names)?;
    let mut changes = Vec::new();
    for name in names {
        if let Some(limit) = limits.get(name)?.present() {
            let change = LimitChange::new(name, limit.integer()?);
            changes.push(change.map_err(|text| limit.refuse(Problem::new(text)))?);
        }
    }
    Ok(changes)
}
