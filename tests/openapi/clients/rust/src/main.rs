//! Three calls with each of the generated clients for Rust: of the native API and of the admin API.
//!
//! That of the original's API only compiles. The generator takes one API key for a call, and this API needs three. It also
//! makes enums whose tag, `ActionStatus`, serde removes before their fields are read, of which it is one.

use std::env::var;

use native::apis::{conversations_api, users_api};
use native::models::{ConversationPatch, Mark};
use original::apis::admin_api;
use original::models::{AppSettings, LimitSettings};

type Done = Result<(), Box<dyn std::error::Error>>;

const USER: &str = "rust";

fn main() -> Done {
    let app = var("SDKAPPID")?.parse()?;
    call_admin(app)?;
    call_native(app)?;
    println!("the clients for Rust have made their calls");
    Ok(())
}

fn call_admin(app: i64) -> Done {
    let operator = original::apis::configuration::Configuration {
        base_path: var("URL")?,
        bearer_access_token: Some(var("TOKEN")?),
        ..Default::default()
    };
    let listed = admin_api::list_apps(&operator)?;
    assert!(listed.apps.iter().any(|one| one.sdkappid == app), "{listed:?}");
    let shown = admin_api::show_app(&operator, app)?;
    assert_eq!(shown.edition, original::models::app::Edition::Premium);
    let limits = LimitSettings { pinned: Some(60), ..Default::default() };
    let settings = AppSettings { limits: Some(Box::new(limits)), ..Default::default() };
    let changed = admin_api::change_app(&operator, app, settings)?;
    assert_eq!(changed.limits.pinned, 60);
    Ok(())
}

fn call_native(app: i64) -> Done {
    let caller = native::apis::configuration::Configuration {
        base_path: var("URL")?,
        bearer_access_token: Some(var("USERSIG")?),
        ..Default::default()
    };
    let marks = vec![Mark::String("unread".to_owned()), Mark::Integer(40)];
    let patch = ConversationPatch {
        set: Some(Some(marks.clone())),
        custom: Some(Some("later".to_owned())),
        pinned: Some(Some(true)),
        ..Default::default()
    };
    let patched =
        conversations_api::patch_conversation(&caller, app, USER, "user", "peer", patch, None)?;
    assert!(patched.marks == marks && patched.pinned, "{patched:?}");
    let any = Some("unread");
    let listed = conversations_api::list_conversations(
        &caller, app, USER, any, None, None, None, None, None, None, None, None, None, None,
    )?;
    assert_eq!(listed.conversations.len(), 1, "{listed:?}");
    let state = users_api::get_user(&caller, app, USER)?;
    assert_eq!(state.limits.marked.used, 1, "{state:?}");
    Ok(())
}
