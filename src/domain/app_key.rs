//! The secret keys of an app: one or two are valid at a time, so that operators can rotate a key.

use super::{App, SecretKey};

/// A secret key of an app, with what operators look at before they rotate or retire it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppKey {
    /// PostgreSQL never gives an id twice. 0 until the key is stored.
    pub id: i64,
    pub secret: SecretKey,
    /// In Unix seconds; 0 until the key is stored.
    pub created_at: u64,
    /// In Unix seconds, up to six minutes old. `None` if no request has used the key.
    pub last_used_at: Option<u64>,
}

impl From<SecretKey> for AppKey {
    fn from(secret: SecretKey) -> Self {
        Self { id: 0, secret, created_at: 0, last_used_at: None }
    }
}

/// Which rule a change of an app's keys breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRefusal {
    /// A rotation would end the validity of the older key.
    TwoKeysValid { older: i64 },
    /// The key of a rotation is valid already.
    KeyValidAlready { id: i64 },
    /// The app has no valid key with the id that is to be retired.
    UnknownKey,
    /// Without this key, the app would have none.
    OnlyKey,
}

impl App {
    /// The valid keys, newest first. UserSigs are verified with them.
    pub fn keys(&self) -> impl Iterator<Item = &AppKey> {
        std::iter::once(&self.key).chain(&self.previous_key)
    }

    /// Adds a key. The key that was the newest stays valid. If two keys are valid, refuses unless `force`, which ends the
    /// validity of the older key.
    pub fn rotate_key(&mut self, secret: SecretKey, force: bool) -> Result<(), KeyRefusal> {
        if let Some(known) = self.keys().find(|key| key.secret == secret) {
            return Err(KeyRefusal::KeyValidAlready { id: known.id });
        }
        if let Some(older) = &self.previous_key
            && !force
        {
            return Err(KeyRefusal::TwoKeysValid { older: older.id });
        }
        self.previous_key = Some(std::mem::replace(&mut self.key, secret.into()));
        Ok(())
    }

    /// Ends the validity of one of two keys.
    pub fn retire_key(&mut self, id: i64) -> Result<(), KeyRefusal> {
        if !self.keys().any(|key| key.id == id) {
            return Err(KeyRefusal::UnknownKey);
        }
        let previous = self.previous_key.take().ok_or(KeyRefusal::OnlyKey)?;
        if self.key.id == id {
            self.key = previous;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SdkAppId;

    fn secret(text: &str) -> SecretKey {
        SecretKey::parse(&format!("the-secret-key-of-{text}")).unwrap()
    }

    /// An app with these keys, newest first.
    fn app_with(key: i64, previous: Option<i64>) -> App {
        let key_of = |id: i64| AppKey { id, ..secret(&id.to_string()).into() };
        let app = App::new(SdkAppId::new(1).unwrap(), secret(""));
        App { key: key_of(key), previous_key: previous.map(key_of), ..app }
    }

    fn secrets(app: &App) -> Vec<SecretKey> {
        app.keys().map(|key| key.secret.clone()).collect()
    }

    fn ids(app: &App) -> Vec<i64> {
        app.keys().map(|key| key.id).collect()
    }

    #[test]
    fn a_secret_key_has_16_to_1024_bytes() {
        for (length, is_good) in [(15, false), (16, true), (1024, true), (1025, false)] {
            assert_eq!(SecretKey::parse(&"x".repeat(length)).is_ok(), is_good, "{length}");
        }
    }

    #[test]
    fn a_rotation_keeps_the_newest_key_as_the_previous_one() {
        let mut app = app_with(1, None);
        assert_eq!(app.rotate_key(secret("new"), false), Ok(()));
        assert_eq!(secrets(&app), [secret("new"), secret("1")]);
    }

    #[test]
    fn a_rotation_ends_the_older_of_two_keys_only_if_forced() {
        let mut app = app_with(2, Some(1));
        let refused = app.rotate_key(secret("new"), false);
        assert_eq!(refused, Err(KeyRefusal::TwoKeysValid { older: 1 }));
        assert_eq!(ids(&app), [2, 1]);
        assert_eq!(app.rotate_key(secret("new"), true), Ok(()));
        assert_eq!(secrets(&app), [secret("new"), secret("2")]);
    }

    #[test]
    fn a_valid_key_cannot_be_added_again() {
        let mut app = app_with(2, Some(1));
        for id in [1, 2] {
            let refused = app.rotate_key(secret(&id.to_string()), true);
            assert_eq!(refused, Err(KeyRefusal::KeyValidAlready { id }));
        }
        assert_eq!(ids(&app), [2, 1]);
    }

    #[test]
    fn each_of_two_keys_can_be_retired_and_the_last_key_cannot() {
        for (retired, kept) in [(1, 2), (2, 1)] {
            let mut app = app_with(2, Some(1));
            assert_eq!(app.retire_key(retired), Ok(()));
            assert_eq!(ids(&app), [kept]);
            assert_eq!(app.retire_key(kept), Err(KeyRefusal::OnlyKey));
            assert_eq!(app.retire_key(retired), Err(KeyRefusal::UnknownKey));
            assert_eq!(ids(&app), [kept]);
        }
    }
}
