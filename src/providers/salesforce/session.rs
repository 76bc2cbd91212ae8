//! `SessionId` is a live key to the org's API. It is overwritten before a delivery is stored, and
//! a delivery in which it could hide is not stored at all.
//! <https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging_security.htm>

use std::ops::Range;

use roxmltree::{Document, Node};

use super::soap;
use crate::providers::Refusal;

/// Its name in messages, callouts and SOAP headers, whatever the letter case.
const NAME: &str = "sessionid";
/// A session id begins with the org's id (`00D` and 12 more characters) and this.
const MARK: u8 = b'!';
const ORG_CHARS: usize = 15;

/// What must be overwritten: rising ranges.
pub fn ranges(body: &[u8]) -> Result<Vec<Range<usize>>, Refusal> {
    // In another encoding it could not even be looked for; UTF-16 passes for UTF-8 with NULs.
    let text = std::str::from_utf8(body).ok().filter(|text| !text.contains('\0')).ok_or(Refusal::SessionId)?;
    let mut found = match soap::parse(text) {
        Ok(document) => elements(&document, text)?,
        Err(_) if may_name_one(text) => return Err(Refusal::SessionId),
        Err(_) => Vec::new(),
    };
    found.extend(sessions(body));
    found.sort_by_key(|range| (range.start, range.end));
    Ok(joined(found))
}

/// Whether a text that is no XML could have one all the same: as a key of JSON, or anywhere in
/// what was perhaps to be XML.
fn may_name_one(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let is_json = text.trim_start().starts_with(['{', '[']);
    if is_json { text.contains(&format!("\"{NAME}\"")) } else { text.contains(NAME) }
}

/// What stands inside elements and attributes of that name.
fn elements(document: &Document<'_>, text: &str) -> Result<Vec<Range<usize>>, Refusal> {
    let mut found = Vec::new();
    for node in document.descendants().filter(Node::is_element) {
        if node.tag_name().name().eq_ignore_ascii_case(NAME) {
            found.push(inside(text, node.range()).ok_or(Refusal::SessionId)?);
        }
        let named = node.attributes().filter(|attribute| attribute.name().eq_ignore_ascii_case(NAME));
        found.extend(named.map(|attribute| attribute.range_value()));
    }
    Ok(found)
}

/// From the end of the start tag to the beginning of the end tag. Taken from the text, because
/// what is between them may be text, CDATA, comments and entities in any mixture.
fn inside(text: &str, element: Range<usize>) -> Option<Range<usize>> {
    let source = text.get(element.clone())?;
    let start = tag_end(source)?;
    if start == source.len() {
        return Some(element.end..element.end); // `<SessionId xsi:nil="true"/>`
    }
    let end = source.rfind("</").filter(|end| *end >= start)?;
    Some(element.start + start..element.start + end)
}

/// Where the first tag ends: at the first `>` outside of quotes.
fn tag_end(source: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in source.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Whatever looks like a session id, wherever it is: formula fields can copy it into a record.
fn sessions(body: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let marks = body.iter().enumerate().filter(|(_, byte)| **byte == MARK).map(|(at, _)| at);
    marks.filter_map(|mark| {
        let start = mark.checked_sub(ORG_CHARS)?;
        let org = body.get(start..mark)?;
        let is_org = org.starts_with(b"00D") && org.iter().all(u8::is_ascii_alphanumeric);
        let rest = body.get(mark + 1..)?;
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"._".contains(byte)).count();
        (is_org && length > 0).then(|| start..mark + 1 + length)
    })
}

fn joined(ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in ranges.into_iter().filter(|range| !range.is_empty()) {
        match joined.last_mut().filter(|last| last.end >= range.start) {
            Some(last) => last.end = last.end.max(range.end),
            None => joined.push(range),
        }
    }
    joined
}
