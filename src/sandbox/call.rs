//! One request on its way through the sandbox.

use std::net::IpAddr;

use serde_json::Value;

use super::answer::Answer;
use super::record::Record;
use super::world::World;

/// A request as it came, with what the sandbox looks at and no more.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub method: String,
    pub path: String,
    pub raw_query: String,
    pub query: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub content_type: String,
    pub authorization: Option<String>,
    pub date: Option<String>,
    pub host: String,
    pub peer: IpAddr,
}

impl Request {
    /// The last value of a query parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// A request, the world it acts on, and the remarks it leaves in the request log.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub request: &'a Request,
    pub world: &'a mut World,
    pub warnings: Vec<String>,
}

impl<'a> Call<'a> {
    pub fn new(request: &'a Request, world: &'a mut World) -> Self {
        Self { request, world, warnings: Vec::new() }
    }

    pub fn warn(&mut self, text: String) {
        self.warnings.push(text);
    }

    /// Notes the keys that LicenseSpring would ignore without a word.
    pub fn warn_unknown(&mut self, what: &str, record: &Record, known: impl Fn(&str) -> bool) {
        for key in record.keys().filter(|key| !known(key)) {
            self.warnings.push(format!("{what}: field {key:?} is not known here and was ignored"));
        }
    }

    pub fn switched(&self, name: &str, value: &str) -> bool {
        self.world.switches.is(name, value)
    }

    pub fn json(&self) -> Result<Value, Answer> {
        let kind = self.request.content_type.split(';').next().unwrap_or_default().trim();
        if !kind.is_empty() && !kind.eq_ignore_ascii_case("application/json") {
            return Err(Answer::detail(415, format!("Unsupported media type \"{kind}\" in request.")));
        }
        if self.request.body.is_empty() {
            return Ok(Value::Object(Record::new()));
        }
        serde_json::from_slice(&self.request.body).map_err(|e| Answer::detail(400, format!("JSON parse error - {e}")))
    }

    /// The body as an object; an absent body is an empty one.
    pub fn object(&self) -> Result<Record, Answer> {
        match self.json()? {
            Value::Object(map) => Ok(map),
            other => Err(Answer::field(
                "non_field_errors",
                format!("Invalid data. Expected a dictionary, but got {}.", kind_of(&other)),
            )),
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "None",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}
