//! What the OpenAPI document says about a call beside its path, who may call, and the schema of its answer.

use serde_json::{Map, Value, json};

use crate::http::openapi::schema::{joined, named};

/// The example of a call is a request to `user0`, see [`mod@super::openapi`], whose answer assumes the examples before it.
#[derive(Debug)]
pub(super) struct Operation {
    summary: &'static str,
    description: &'static str,
    path_values: Vec<(&'static str, Value)>,
    parameters: Vec<Value>,
    body: Option<Body>,
    statuses: Vec<(u16, &'static str)>,
    media_type: &'static str,
    example: Value,
}

#[derive(Debug)]
struct Body {
    /// The component that has the schema.
    name: &'static str,
    schema: Value,
    example: Value,
}

impl Operation {
    pub(super) fn new(summary: &'static str, description: &'static str) -> Self {
        Self {
            summary,
            description,
            path_values: Vec::new(),
            parameters: Vec::new(),
            body: None,
            statuses: vec![(200, "Done.")],
            media_type: "application/json",
            example: Value::Null,
        }
    }

    /// The example has this value in its path, and not the one of `path_parameters` in `openapi.rs`.
    pub(super) fn path_value(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.path_values.push((name, value.into()));
        self
    }

    /// A parameter of the query. The example sends `value` unless it is `null`.
    pub(super) fn query(
        mut self,
        name: &'static str,
        about: &'static str,
        schema: Value,
        value: impl Into<Value>,
    ) -> Self {
        let mut parameter = json!({ "name": name, "in": "query", "description": about });
        parameter["schema"] = schema;
        let value = value.into();
        if !value.is_null() {
            parameter["example"] = value;
        }
        self.parameters.push(parameter);
        self
    }

    /// A parameter of the query that must be there. There is no example: it is a text that an answer has given.
    pub(super) fn needed_query(mut self, name: &'static str, about: &'static str) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "query", "description": about, "required": true, "schema": { "type": "string" },
        }));
        self
    }

    /// The call obeys `If-Match`.
    pub(super) fn if_match(self) -> Self {
        self.common_parameter("if_match")
    }

    /// The call obeys `Last-Event-ID`.
    pub(super) fn last_event_id(self) -> Self {
        self.common_parameter("last_event_id")
    }

    fn common_parameter(mut self, name: &str) -> Self {
        self.parameters.push(json!({ "$ref": format!("#/components/parameters/{name}") }));
        self
    }

    /// The body. Its schema becomes the component `name`.
    pub(super) fn body(mut self, name: &'static str, schema: Value, example: &str) -> Self {
        self.body = Some(Body { name, schema, example: parsed(example) });
        self
    }

    /// Another status with which the call succeeds, beside 200.
    pub(super) fn or_status(mut self, status: u16, about: &'static str) -> Self {
        self.statuses.push((status, about));
        self
    }

    /// The answer to the example.
    pub(super) fn answer(mut self, example: &str) -> Self {
        self.example = parsed(example);
        self
    }

    /// The answer is a stream of Server-Sent Events whose `data` have the schema of the answer.
    pub(super) fn event_stream(mut self, example: &str) -> Self {
        self.media_type = "text/event-stream";
        self.example = example.into();
        self
    }

    /// The operation as OpenAPI has it. `more` are its fields that do not come from here.
    pub(super) fn described(&self, path: &str, answer: &Value, more: Value) -> Value {
        let mut operation = json!({ "summary": self.summary, "description": self.description });
        operation["parameters"] = self.all_parameters(path).into();
        if let Some(body) = &self.body {
            let media = json!({ "schema": named(body.name), "example": body.example });
            operation["requestBody"] =
                json!({ "required": true, "content": { "application/json": media } });
        }
        operation["responses"] = self.responses(path, answer);
        joined(operation, more)
    }

    fn all_parameters(&self, path: &str) -> Vec<Value> {
        let reference = |name: &str| json!({ "$ref": format!("#/components/parameters/{name}") });
        let of_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let of_path = of_path.map(|name| {
            let value = self.path_values.iter().find(|(other, _)| *other == name);
            match value {
                None => reference(name),
                Some((_, value)) => super::openapi::path_parameter(name, value),
            }
        });
        of_path.chain(self.parameters.iter().cloned()).collect()
    }

    fn responses(&self, path: &str, answer: &Value) -> Value {
        let schema = match self.media_type {
            "application/json" => answer.clone(),
            _ => json!({ "type": "string", "contentMediaType": self.media_type, "x-data": answer }),
        };
        let mut responses = Map::new();
        for (status, about) in &self.statuses {
            let media = json!({ "schema": schema, "example": self.example });
            let mut response = json!({ "description": about });
            if path.contains("/users/") {
                response["headers"] = json!({ "ETag": { "$ref": "#/components/headers/ETag" } });
            }
            response["content"] = json!({ self.media_type: media });
            responses.insert(status.to_string(), response);
        }
        responses.insert("default".to_owned(), json!({ "$ref": "#/components/responses/Problem" }));
        responses.into()
    }

    /// The schema of the body under its name.
    pub(super) fn body_schema(self) -> Option<(String, Value)> {
        self.body.map(|body| (body.name.to_owned(), body.schema))
    }
}

fn parsed(json: &str) -> Value {
    #[expect(
        clippy::expect_used,
        reason = "the examples are part of the program, and tests send them"
    )]
    let example = serde_json::from_str(json).expect("an example is JSON");
    example
}
