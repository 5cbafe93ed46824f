//! What calls are parsed from: path, query, headers and body.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::path::PathValues;
use crate::domain::Problem;
use crate::http::failure::Failure;
use crate::http::json::Field;

/// What a call is parsed from.
pub(super) struct Request<'r> {
    pub(super) path: PathValues<'r>,
    /// The identifier of the UserSig.
    pub(super) caller: &'r str,
    /// Decoded like a form.
    pub(super) query: &'r str,
    /// An absent field if the request has no body.
    pub(super) body: Field<'r>,
    pub(super) if_match: Option<&'r str>,
    pub(super) last_event_id: Option<&'r str>,
}

impl<'r> Request<'r> {
    /// A request with this body and a valid path of a call.
    pub(super) fn with_body(path: &'static str, body: Field<'r>) -> Self {
        let path = PathValues::valid(path);
        Self { path, caller: "", query: "", body, if_match: None, last_event_id: None }
    }
}

impl Request<'_> {
    /// The parameters of the query. A name that is not among `known`, or is given twice, is refused.
    pub(super) fn parameters(&self, known: &[&str]) -> Result<Parameters, Failure> {
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(self.query.as_bytes()) {
            let refused = |problem| Failure::Parameter {
                path: name.to_string(),
                problem: Problem::new(problem),
            };
            if !known.contains(&&*name) {
                return Err(refused("is not a parameter of this call"));
            }
            if parameters.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(refused("must not be given twice"));
            }
        }
        Ok(Parameters(parameters))
    }

    /// The header `Last-Event-ID`, with which a client resumes a stream.
    pub(super) fn last_event_id(&self) -> Option<&str> {
        self.last_event_id
    }

    /// The revision in `If-Match`, such as `"41"`. `*` expects none.
    pub(super) fn expected_revision(&self) -> Result<Option<u64>, Failure> {
        let Some(text) = self.if_match.map(str::trim).filter(|text| *text != "*") else {
            return Ok(None);
        };
        let revision = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let revision = revision.and_then(|revision| revision.parse().ok());
        let problem = Problem::new("must be a revision in quotes, such as \"41\"");
        let refused = Failure::Parameter { path: "If-Match".to_owned(), problem };
        revision.map(Some).ok_or(refused)
    }
}

/// The parameters of a query, each given once.
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Parses a parameter. `parse` says what is wrong with it.
    pub(super) fn get<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Result<Option<T>, Failure> {
        let refused = |problem| Failure::Parameter { path: name.to_owned(), problem };
        self.text(name).map(parse).transpose().map_err(refused)
    }

    pub(super) fn number(
        &self,
        name: &str,
        allowed: RangeInclusive<u32>,
    ) -> Result<Option<u32>, Failure> {
        self.get(name, |text| {
            let number = text.parse().ok().filter(|number| allowed.contains(number));
            let (least, most) = (allowed.start(), allowed.end());
            number.ok_or_else(|| Problem::new(format!("must be a number from {least} to {most}")))
        })
    }

    /// The problem of a parameter that is missing.
    pub(super) fn missing(name: &str, what: &'static str) -> Failure {
        Failure::Parameter { path: name.to_owned(), problem: Problem::new(what) }
    }
}
