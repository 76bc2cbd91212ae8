//! A session id is in nothing that is stored.

use super::*;

const SESSION: &str =
    "00D5g00000AbCdE!AQcAQH0dMHZfz972Szmpkb58urFRkgeBGsxL_QJWwYMfAbUeeG7c1E6LYUfiDUkWe6H34r1AAwOR8B8fLEz6n04NPEvwq.";

fn blanked(body: &str) -> Result<String, Refusal> {
    let mut bytes = body.as_bytes().to_vec();
    for range in Salesforce.blank(&xml(body, None))? {
        bytes[range].fill(b'*');
    }
    Ok(String::from_utf8(bytes).unwrap())
}

#[test]
fn the_text_of_a_session_is_overwritten_in_place() {
    let good = notification("04l5g000001AAAA", "<sf:Id>02i5g000001abcd</sf:Id>");
    for session in [
        format!("<SessionId>{SESSION}</SessionId>"),
        format!("<SessionId a='>' b=\">\" ><![CDATA[{SESSION}]]>x<!-- y --></SessionId\n>"),
        format!("<SessionId><b>{SESSION}</b></SessionId>"),
        format!("<o:sessionID xmlns:o=\"http://soap.sforce.com/2005/09/outbound\">{SESSION}</o:sessionID>"),
        "<SessionId>abc&#x30;def-secret</SessionId>".to_owned(),
        format!("<SessionId>{SESSION}</SessionId><x SessionId='opaque-secret'/><y>&lt;SessionId&gt;{SESSION}</y>"),
    ] {
        let body = message(ORGANIZATION, &session, &good);
        let stored = blanked(&body).unwrap();
        assert_eq!(stored.len(), body.len());
        assert!(!stored.contains("AQcAQ") && !stored.contains("secret"), "{stored}");
        // The rest is as it came.
        assert_eq!(parts(&stored), parts(&body));
        assert!(stored.contains(ORGANIZATION));
    }
    for none in ["<SessionId xsi:nil=\"true\"/>", "<SessionId xsi:nil='true'></SessionId>", ""] {
        assert_eq!(Salesforce.blank(&xml(&message(ORGANIZATION, none, &good), None)), Ok(vec![]));
    }
}

#[test]
fn a_session_in_a_field_is_overwritten_too() {
    let body =
        message(ORGANIZATION, "", &notification("04l5g000001AAAA", &format!("<sf:Key__c>{SESSION}</sf:Key__c>")));
    let stored = blanked(&body).unwrap();
    assert!(!stored.contains("AQcAQ") && stored.contains("<sf:Key__c>*****"), "{stored}");
    let json = json!({"event_id":"1","record":{"Key__c":SESSION,"Text":"wow! fine, no sessionId"}}).to_string();
    let stored = blanked(&json).unwrap();
    assert!(!stored.contains("AQcAQ") && stored.contains("wow! fine"), "{stored}");
}

#[test]
fn what_could_hide_a_session_is_not_stored() {
    let whole = message(ORGANIZATION, &format!("<SessionId>{SESSION}</SessionId>"), "");
    let cut_off = &whole[..whole.find("</SessionId>").unwrap() - 40];
    let dtd = format!("<!DOCTYPE x>{}", whole.replace("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", ""));
    for body in [
        cut_off,
        &whole.replace("</notifications>", ""),
        &format!("{{\"sessionId\":\"{SESSION}\"}}"),
        &dtd.replace("<!DOCTYPE x>", "<!DOCTYPE x [<!ENTITY a \"b\">]>"),
    ] {
        assert_eq!(Salesforce.blank(&xml(body, None)), Err(Refusal::SessionId), "{body}");
    }
    let wide: Vec<u8> = whole.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for body in [wide.as_slice(), b"<x>\xff</x>"] {
        let request = Request { headers: &[], body, url_token: Some(TOKEN) };
        assert_eq!(Salesforce.blank(&request), Err(Refusal::SessionId));
    }
    assert_eq!(Salesforce.refusal_status(Refusal::SessionId), 400);
    // What is no XML and speaks of none is kept as unreadable.
    assert_eq!(verdict(&xml("hello", Some(TOKEN))), Ok(()));
    assert_eq!(Salesforce.blank(&xml("hello", Some(TOKEN))), Ok(vec![]));
}
