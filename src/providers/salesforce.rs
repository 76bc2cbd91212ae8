//! Salesforce: outbound messages (SOAP) and callouts (JSON), on one route.
//! <https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging.htm>
//!
//! One delivery holds 1..100 notifications. There are no event types: the record and its values
//! are the event. A message is not signed, so the secret is in the URL; callouts are signed with
//! a scheme of ours, because there is none of Salesforce's. What an admin sets up is in `guide.md`.

use std::ops::Range;

use chrono::{DateTime, Utc};

use super::{Answer, EventHint, Provider, Refusal, Request, SourceSettings, Unreadable};
use crate::domain::fact::Translation;

mod callout;
mod fields;
mod ids;
mod objects;
mod people;
mod record;
mod rows;
mod session;
mod soap;
#[cfg(test)]
mod tests;
mod verify;

pub use fields::NAMES as FIELD_NAMES;

/// What Salesforce takes for "stored": anything else and the whole message comes again.
const ACK: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8"?>"#,
    "\n",
    r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>"#,
    r#"<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>"#,
    r#"</soapenv:Body></soapenv:Envelope>"#,
);

/// Salesforce.
pub struct Salesforce;

impl Provider for Salesforce {
    fn slug(&self) -> &'static str {
        "salesforce"
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[verify::HEADER, "content-type"]
    }

    fn verify(&self, request: &Request<'_>, settings: &SourceSettings, now: DateTime<Utc>) -> Result<(), Refusal> {
        verify::verify(request, settings, now)
    }

    fn blank(&self, request: &Request<'_>) -> Result<Vec<Range<usize>>, Refusal> {
        session::ranges(request.body)
    }

    fn split(&self, request: &Request<'_>) -> Result<Vec<EventHint>, Unreadable> {
        match Form::of(request) {
            Form::Message => soap::split(request.body),
            Form::Callout => callout::split(request.body),
        }
    }

    fn answer(&self, request: &Request<'_>) -> Answer {
        match Form::of(request) {
            Form::Message => Answer::Xml(ACK),
            Form::Callout => Answer::Json,
        }
    }

    fn translate(
        &self,
        part: &[u8],
        _headers: &[(String, String)],
        settings: &SourceSettings,
    ) -> Result<Translation, Unreadable> {
        let record = record::Record::read(part)?;
        let is_mapped = settings.fields.contains_key(&record.object);
        let Some(kind) = objects::Kind::of(&record.object, is_mapped) else { return Ok(Translation::default()) };
        let reading = fields::Reading { record: &record, settings, kind };
        match kind {
            objects::Kind::Account | objects::Kind::Contact => Ok(people::translate(reading)),
            _ => rows::translate(reading),
        }
    }

    fn sign(&self, body: &[u8], settings: &SourceSettings, now: DateTime<Utc>) -> Vec<(String, String)> {
        verify::sign(body, settings, now)
    }
}

/// The two ways in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// An outbound message: SOAP 1.1.
    Message,
    /// A callout of Apex or a Flow: JSON.
    Callout,
}

impl Form {
    fn of(request: &Request<'_>) -> Self {
        let kind = request.header("content-type").unwrap_or_default().to_ascii_lowercase();
        let first = request.body.iter().find(|byte| !byte.is_ascii_whitespace());
        match (kind.contains("json"), kind.contains("xml"), first) {
            (true, false, _) => Self::Callout,
            (false, false, Some(b'{' | b'[')) => Self::Callout,
            _ => Self::Message,
        }
    }
}
