//! Outbound messages: SOAP 1.1 with 1..100 notifications.
//! <https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging_notifications.htm>
//!
//! Names are matched by namespace, never by prefix.

use roxmltree::{Document, Error, Node, ParsingOptions};

use super::{Form, ids};
use crate::providers::{EventHint, UNREADABLE, Unreadable, hashed_key, json, printable_key};

const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const OUTBOUND: &str = "http://soap.sforce.com/2005/09/outbound";
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// A hundred notifications of the 500 fields that an object can have, with white space between:
/// ten times that is no message any more.
const NODES_MAX: u32 = 2_000_000;
/// A message has six levels; compound fields add two.
const DEPTH_MAX: usize = 32;
/// What a sandbox's addresses have in them.
const SANDBOX: &str = ".sandbox.";
/// Prefixes that a notification may use without declaring them itself.
const PREFIXES_MAX: usize = 16;

/// Parses a document that has no DTD: nothing that it names is looked up anywhere.
pub fn parse(text: &str) -> Result<Document<'_>, Error> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    Document::parse_with_options(text, options)
}

/// Whether there is a document type declaration, even an empty one.
pub fn has_dtd(text: &str) -> bool {
    text.to_ascii_uppercase().contains("<!DOCTYPE")
}

/// Every organization that a document names.
pub fn organizations<'a>(document: &'a Document<'_>) -> impl Iterator<Item = &'a str> {
    let named = document.descendants().filter(|node| node.has_tag_name((OUTBOUND, "OrganizationId")));
    named.map(|node| node.text().unwrap_or_default())
}

/// Every `Notification`, with the exact bytes of its element.
pub fn split(body: &[u8]) -> Result<Vec<EventHint>, Unreadable> {
    let text = json::utf8(body)?;
    // The parser's messages quote what they stumble over; the place must do.
    let document = parse(text).map_err(|error| {
        let at = error.pos();
        Unreadable(format!("not well-formed XML, at line {} column {}", at.row, at.col))
    })?;
    if document.descendants().any(|node| node.ancestors().nth(DEPTH_MAX).is_some()) {
        return Err(Unreadable(format!("nested more than {DEPTH_MAX} levels deep")));
    }
    let messages = children(document.root(), ENVELOPE, "Envelope")
        .flat_map(|envelope| children(envelope, ENVELOPE, "Body"))
        .flat_map(|body| children(body, OUTBOUND, "notifications"));
    let mut hints = Vec::new();
    for message in messages {
        let organization = child_text(message, "OrganizationId").and_then(ids::long);
        let organization = organization.ok_or_else(|| json::unreadable("a message without OrganizationId"))?;
        let is_sandbox = ["EnterpriseUrl", "PartnerUrl"]
            .iter()
            .any(|name| child_text(message, name).is_some_and(|url| url.contains(SANDBOX)));
        let hint = |node| hint(node, text, &organization, is_sandbox);
        hints.extend(children(message, OUTBOUND, "Notification").map(hint));
    }
    if hints.is_empty() { Err(json::unreadable("XML without a single notification")) } else { Ok(hints) }
}

fn children<'a, 'i>(node: Node<'a, 'i>, space: &'static str, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.has_tag_name((space, name)))
}

fn child_text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let child = node.children().find(|child| child.has_tag_name((OUTBOUND, name)))?;
    child.text().map(str::trim).filter(|text| !text.is_empty())
}

/// One bad notification must not block the others: it becomes an event of type `unreadable`.
fn hint(node: Node<'_, '_>, text: &str, organization: &str, is_sandbox: bool) -> EventHint {
    let id = child_text(node, "Id").and_then(ids::long);
    let object = node.children().find(|child| child.has_tag_name((OUTBOUND, "sObject")));
    let kind = object.and_then(|object| object.attribute((INSTANCE, "type"))).map(local);
    let key = match id.zip(kind.filter(|kind| !kind.is_empty())) {
        Some((id, kind)) => (printable_key(&format!("{organization}{id}")), printable_key(kind)),
        None => (hashed_key(text.get(node.range()).unwrap_or_default().as_bytes()), UNREADABLE.to_owned()),
    };
    let (external_id, event_type) = key;
    let stamp = object.and_then(|object| {
        let named = |name| object.children().find(|field| field.tag_name().name() == name).and_then(|n| n.text());
        ["SystemModstamp", "LastModifiedDate"].into_iter().find_map(named)
    });
    EventHint {
        range: node.range(),
        dedupe_key: external_id.clone(),
        external_id,
        event_type,
        occurred_at: stamp.and_then(super::fields::instant),
        livemode: is_sandbox.then_some(false),
    }
}

/// `Asset` of `sf:Asset`.
pub fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name).trim()
}

/// Reads one notification by itself. Its prefixes were declared around it; what they stood for
/// was checked when it was cut out, so that any declaration will do here.
pub fn read_part<T>(part: &str, read: impl FnOnce(Node<'_, '_>) -> T) -> Result<T, Unreadable> {
    let mut prefixes: Vec<String> = Vec::new();
    loop {
        let declared: String = prefixes.iter().map(|prefix| format!(" xmlns:{prefix}=\"urn:{prefix}\"")).collect();
        let wrapped = format!("<part{declared}>{part}</part>");
        match parse(&wrapped) {
            Ok(document) => {
                let notification = document.root_element().first_element_child();
                return notification.map(read).ok_or_else(|| json::unreadable("XML without an element"));
            }
            Err(Error::UnknownNamespace(prefix, _)) if prefixes.len() < PREFIXES_MAX && !prefixes.contains(&prefix) => {
                prefixes.push(prefix);
            }
            Err(_) => return Err(json::unreadable("not a well-formed notification")),
        }
    }
}

/// Which form the bytes of an event have.
pub fn form_of(part: &str) -> Form {
    if part.trim_start().starts_with('<') { Form::Message } else { Form::Callout }
}
