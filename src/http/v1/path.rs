//! The values in a request's path.

use actix_web::HttpRequest;
use percent_encoding::percent_decode_str;

use super::shapes::{conversation_with, peer_kind};
use crate::domain::{App, ContactGroupName, Conversation, MarkBit, MarkNames, Problem, UserId};
use crate::http::failure::Failure;

/// The path as the client sent it, cut at its slashes. An id may hold any character, slashes included, if it is
/// percent-encoded; so the path is cut first and decoded afterwards.
pub(super) struct PathValues<'r>(Vec<&'r str>);

impl<'r> PathValues<'r> {
    /// `/v1/apps/{app}/…`.
    pub(super) fn of(request: &'r HttpRequest) -> Self {
        Self(request.uri().path().split('/').skip(1).collect())
    }

    /// Valid values for a path of the registry. The name of a parameter is a valid user, id and name.
    pub(super) fn valid(path: &'static str) -> Self {
        let value = |part: &'static str| match part {
            "{type}" => "user",
            "{bit}" => "32",
            other => other,
        };
        Self(["v1", "apps", "1"].into_iter().chain(path.split('/').skip(1).map(value)).collect())
    }

    pub(super) fn app(&self) -> &'r str {
        self.0.get(2).copied().unwrap_or_default()
    }

    /// The value behind the segment `name`, decoded: `of("users")` in `/v1/apps/1/users/a%2Fb` is `a/b`.
    pub(super) fn behind(&self, name: &'static str) -> Result<String, Failure> {
        let names = self.0.iter().skip(3).step_by(2);
        let values = self.0.iter().skip(4).step_by(2);
        let found = names.zip(values).find(|(other, _)| **other == name).map(|(_, value)| *value);
        decoded(name, found.unwrap_or_default())
    }

    pub(super) fn user(&self, app: &App) -> Result<UserId, Failure> {
        let user = self.behind("users")?;
        UserId::parse(user, app.limits.user_id_bytes).map_err(|problem| refused("user", problem))
    }

    /// `…/conversations/{type}/{id}`.
    pub(super) fn conversation(&self, app: &App) -> Result<Conversation, Failure> {
        let kind = self.behind("conversations")?;
        let id = decoded("id", self.0.get(7).copied().unwrap_or_default())?;
        let kind = peer_kind(&kind).map_err(|problem| refused("type", problem))?;
        conversation_with(kind, &id, &app.limits).map_err(|problem| refused("id", problem))
    }

    /// `…/groups/{name}`.
    pub(super) fn contact_group(&self) -> Result<ContactGroupName, Failure> {
        let name = self.behind("groups")?;
        ContactGroupName::parse(&name).map_err(|problem| refused("name", problem))
    }

    /// `…/marks/{bit}`, a bit of the app's own.
    pub(super) fn mark_bit(&self) -> Result<MarkBit, Failure> {
        let text = self.behind("marks")?;
        let number = text.parse().map_err(|_| Problem::new("must be the number of a bit"));
        let bit = number.and_then(MarkBit::parse).and_then(MarkNames::check_bit);
        bit.map_err(|problem| refused("bit", problem))
    }
}

fn decoded(name: &'static str, segment: &str) -> Result<String, Failure> {
    let decoded = percent_decode_str(segment).decode_utf8();
    let decoded =
        decoded.map_err(|_| refused(name, Problem::new("must be percent-encoded UTF-8")))?;
    Ok(decoded.into_owned())
}

fn refused(name: &'static str, problem: Problem) -> Failure {
    Failure::Parameter { path: name.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn user_in(path: &str) -> Result<String, Failure> {
        let request = TestRequest::with_uri(path).to_http_request();
        PathValues::of(&request).behind("users")
    }

    #[test]
    fn a_value_is_decoded_after_the_path_is_cut() {
        for (path, user) in [
            ("/v1/apps/1/users/a", "a"),
            ("/v1/apps/1/users/a%2Fb/groups/x", "a/b"),
            ("/v1/apps/1/users/100%25/changes", "100%"),
            ("/v1/apps/1/users/a+b", "a+b"),
            ("/v1/apps/1/users/%F0%9F%99%82", "🙂"),
            ("/v1/apps/1/users/..", ".."),
        ] {
            assert_eq!(user_in(path).unwrap(), user, "{path}");
        }
        assert!(user_in("/v1/apps/1/users/%FF").is_err());
    }
}
