//! Salesforce: tokens, organizations, signatures, sessions, cutting.

use serde_json::{Value, json};

use super::*;
use crate::domain::fact::*;
use crate::providers::tests::{Verdict, fixtures, instant, settings};
use crate::providers::{UNREADABLE, hashed_key};

mod histories;
mod moved;
mod records;
mod seconds;
mod sessions;
mod sold;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const SECRET: &str = "sf-callout-test-secret-32-bytes!!";
const ORGANIZATION: &str = "00D5g00000AbCdEEAV";

/// One of the samples that were written for us.
fn sample(name: &str) -> Option<String> {
    Some(std::fs::read_to_string(fixtures("salesforce")?.join(name)).unwrap())
}

/// A message with these `Notification` elements.
fn message(organization: &str, session: &str, notifications: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <soapenv:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound">
  <OrganizationId>{organization}</OrganizationId><ActionId>04k5g000000XyZ1AAK</ActionId>{session}
  <EnterpriseUrl>https://acme--dev.sandbox.my.salesforce.com/services/Soap/c/62.0/x</EnterpriseUrl>
  {notifications}
 </notifications></soapenv:Body></soapenv:Envelope>"#
    )
}

fn notification(id: &str, fields: &str) -> String {
    format!(
        r#"<Notification><Id>{id}</Id><sObject xsi:type="sf:Asset" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">{fields}</sObject></Notification>"#
    )
}

fn configured() -> SourceSettings {
    SourceSettings { url_token: Some(TOKEN.into()), ..settings(&[SECRET]) }
}

fn xml<'a>(body: &'a str, token: Option<&'a str>) -> Request<'a> {
    Request { headers: &[], body: body.as_bytes(), url_token: token }
}

fn verdict(request: &Request<'_>) -> Verdict {
    Salesforce.verify(request, &configured(), instant("2026-01-05T10:00:01Z"))
}

fn parts(body: &str) -> Vec<(String, String, String)> {
    let hints = Salesforce.split(&xml(body, None)).unwrap();
    hints.into_iter().map(|hint| (hint.external_id, hint.event_type, body[hint.range].to_owned())).collect()
}

#[test]
fn ids_of_15_characters_are_those_of_18() {
    for (short, long) in [
        ("00DQ0000000EB93", "00DQ0000000EB93MAG"),
        ("00De0000000pmu1", "00De0000000pmu1EAA"),
        ("006Q0000009N3gf", "006Q0000009N3gfIAC"),
        ("04lV0000001ALsh", "04lV0000001ALshIAG"),
        ("a29e0000000K4P0", "a29e0000000K4P0AAK"),
    ] {
        assert_eq!(ids::long(short).as_deref(), Some(long));
        assert_eq!(ids::long(&format!(" {long}\n")).as_deref(), Some(long));
    }
    // A masked id has a wrong checksum and stays as it is.
    assert_eq!(ids::long("00Dxx0000001gPFZZZ").as_deref(), Some("00Dxx0000001gPFZZZ"));
    for odd in ["", "00D", "00Dxx0000001gP!", "00Dxx0000001gPFEA", "größe0000001gPF"] {
        assert_eq!(ids::long(odd), None, "{odd}");
    }
}

#[test]
fn a_message_needs_the_token_and_a_configured_organization() {
    let good = message(ORGANIZATION, "", &notification("04l5g000001AAAA", ""));
    for (token, expected) in [
        (Some(TOKEN), Ok(())),
        (Some("0123456789abcdef0123456789abcdeF"), Err(Refusal::WrongUrlToken)),
        (Some(""), Err(Refusal::WrongUrlToken)),
        (None, Err(Refusal::WrongUrlToken)),
    ] {
        assert_eq!(verdict(&xml(&good, token)), expected);
    }
    let no_token = SourceSettings { url_token: None, ..configured() };
    let now = instant("2026-01-05T10:00:01Z");
    assert_eq!(Salesforce.verify(&xml(&good, Some(TOKEN)), &no_token, now), Err(Refusal::NoSecret));
    let nobody = SourceSettings { organization_ids: vec![], ..configured() };
    assert_eq!(Salesforce.verify(&xml(&good, Some(TOKEN)), &nobody, now), Err(Refusal::WrongOrganization));
    // 15 characters or 18, it is the same org; a sandbox that was copied from it is another.
    for (organization, expected) in [
        ("00D5g00000AbCdE", Ok(())),
        ("00D5g00000AbCde", Err(Refusal::WrongOrganization)),
        ("00D9z0000012345EAA", Err(Refusal::WrongOrganization)),
        ("", Err(Refusal::WrongOrganization)),
    ] {
        let body = good.replace(ORGANIZATION, organization);
        let found = verdict(&xml(&body, Some(TOKEN)));
        assert_eq!(found, expected, "{organization}");
        assert!(found.is_ok() || Salesforce.refusal_status(found.unwrap_err()) == 401);
    }
    // Not even beside one that may.
    let two = good.replace("<ActionId>", "<OrganizationId>00D9z0000012345EAA</OrganizationId><ActionId>");
    assert_eq!(verdict(&xml(&two, Some(TOKEN))), Err(Refusal::WrongOrganization));
}

#[test]
fn a_document_type_is_refused() {
    let body = message(ORGANIZATION, "", "");
    for dtd in [
        "<!DOCTYPE x>",
        "<!DOCTYPE x [<!ENTITY a \"b\">]>",
        "<!DOCTYPE x SYSTEM \"file:///etc/passwd\">",
        "<!doctype x>",
    ] {
        let body = body.replacen("<soapenv:Env", &format!("{dtd}<soapenv:Env"), 1);
        assert_eq!(verdict(&xml(&body, Some(TOKEN))), Err(Refusal::Dtd));
        assert_eq!(verdict(&xml(&body, Some("x"))), Err(Refusal::WrongUrlToken));
    }
    assert_eq!(Salesforce.refusal_status(Refusal::Dtd), 400);
}

#[test]
fn signatures_of_callouts() {
    use Refusal::{
        MalformedSignature, MissingSignature, NoSecret, StaleTimestamp, WrongOrganization, WrongSignature,
        WrongUrlToken,
    };
    let now = 1_767_607_201;
    let check = |body: &str, header: &str, secrets: &[&str], now: i64, token: Option<&str>| {
        let headers = [(verify::HEADER.to_owned(), header.to_owned())];
        let request = Request { headers: &headers, body: body.as_bytes(), url_token: token };
        let settings = SourceSettings { url_token: Some(TOKEN.into()), ..settings(secrets) };
        Salesforce.verify(&request, &settings, DateTime::from_timestamp(now, 0).unwrap())
    };
    // `{}` names no organization, and is therefore refused after its signature was found good.
    let timed = "t=1767607201,v1=9a2f8ab4d05fad690cffdb8fc3ace56cf26651d31bca492466907861aafda63a";
    let plain = "sha256=9b02e4a0bbde5d7288e11bc83412d35c3fb853d73c3b23d5e3a94d5a2aeb340d";
    assert_eq!(check("{}", timed, &[SECRET], now, None), Err(WrongOrganization));
    assert_eq!(check("{}", plain, &["new", SECRET], now, Some(TOKEN)), Err(WrongOrganization));
    assert_eq!(check("{}", timed, &[SECRET], now + 301, None), Err(StaleTimestamp));
    assert_eq!(check("{}", timed, &[SECRET], now - 301, None), Err(StaleTimestamp));
    assert_eq!(check("{}", timed, &[SECRET], now, Some("x")), Err(WrongUrlToken));
    assert_eq!(check("{}", timed, &["other"], now, None), Err(WrongSignature));
    assert_eq!(check("{ }", plain, &[SECRET], now, None), Err(WrongSignature));
    assert_eq!(check("{}", &plain.to_uppercase().replace("SHA", "sha"), &[SECRET], now, None), Err(MalformedSignature));
    assert_eq!(check("{}", &timed.replace("201,", "202,"), &[SECRET], now, None), Err(WrongSignature));
    assert_eq!(check("{}", "", &[SECRET], now, None), Err(MissingSignature));
    assert_eq!(check("{}", plain, &[], now, None), Err(NoSecret));
    let Some(body) = sample("ours__callout_flow.json") else { return };
    assert_eq!(body.len(), 446);
    for good in [
        "sha256=4e96c557e24bd6ace4619bfd211dce2151661349b7ca3fd284ff06300279a331",
        "sha256=TpbFV+JL1qzkYZv9IR3OIVFmE0m3yj/ShP8GMAJ5ozE=",
        "TpbFV+JL1qzkYZv9IR3OIVFmE0m3yj/ShP8GMAJ5ozE=",
        "t=1767607201,v1=20608dc817ab266065c35e4884164eb6772430317b6ec0071a8222c59a280e11",
    ] {
        assert_eq!(check(&body, good, &[SECRET], now, None), Ok(()), "{good}");
    }
}

#[test]
fn a_secret_in_a_header_counts_only_where_the_source_says_so() {
    use Refusal::{MissingSignature, WrongOrganization, WrongSignature};
    let body =
        json!({"event_id":"1","org_id":ORGANIZATION,"object":"Asset","record":{"Id":"02i5g000001abcd"}}).to_string();
    let check = |name: &str, value: &str, is_taken: bool, body: &str| {
        let headers = [(name.to_owned(), value.to_owned())];
        let request = Request { headers: &headers, body: body.as_bytes(), url_token: Some(TOKEN) };
        let settings = SourceSettings { callout_secret_in_header: is_taken, ..configured() };
        Salesforce.verify(&request, &settings, instant("2026-01-05T10:00:01Z"))
    };
    let bearer = format!("Bearer {SECRET}");
    assert_eq!(check("authorization", &bearer, true, &body), Ok(()));
    assert_eq!(check("x-api-key", SECRET, true, &body), Ok(()));
    assert_eq!(check("authorization", &bearer, false, &body), Err(MissingSignature));
    assert_eq!(check("x-api-key", SECRET, false, &body), Err(MissingSignature));
    assert_eq!(check("authorization", &format!("Basic {SECRET}"), true, &body), Err(MissingSignature));
    assert_eq!(check("x-api-key", "another", true, &body), Err(WrongSignature));
    assert_eq!(check("x-api-key", "", true, &body), Err(WrongSignature));
    assert_eq!(
        check("x-api-key", SECRET, true, &body.replace(ORGANIZATION, "00D9z0000012345EAA")),
        Err(WrongOrganization)
    );
    // A signature that is there must be good all the same, and the secret is never kept.
    assert_eq!(check(verify::HEADER, "t=1,v1=00", true, &body), Err(Refusal::MalformedSignature));
    assert!(!Salesforce.kept_headers().iter().any(|name| ["authorization", "x-api-key"].contains(name)));
}

#[test]
fn every_element_of_a_callout_names_a_configured_organization() {
    let event = |org: Value| json!({"event_id":"1","org_id":org,"object":"Asset","record":{"Id":"02i5g000001abcd"}});
    let check = |body: Value| {
        let body = body.to_string();
        let headers = Salesforce.sign(body.as_bytes(), &configured(), instant("2026-01-05T10:00:01Z"));
        verdict(&Request { headers: &headers, body: body.as_bytes(), url_token: None })
    };
    let (good, other) = (event(json!("00D5g00000AbCdE")), event(json!("00D9z0000012345EAA")));
    assert_eq!(check(good.clone()), Ok(()));
    assert_eq!(check(json!([good, 7])), Ok(()));
    assert_eq!(check(json!({"org_id":ORGANIZATION,"events":[event(Value::Null)]})), Ok(()));
    for refused in [other.clone(), json!([good, other]), event(Value::Null), json!({"events":[event(Value::Null)]})] {
        assert_eq!(check(refused), Err(Refusal::WrongOrganization));
    }
}

#[test]
fn a_message_is_cut_into_the_exact_bytes_of_its_notifications() {
    let good = |id| notification(id, "<sf:Id>02i5g000001abcd</sf:Id>");
    let (one, three) = (good("04l5g000001AAAA"), good("04l5g000001AAAC"));
    for bad in [
        "<Notification><Id>04l5g000001AAAB</Id></Notification>",
        "<Notification/>",
        r#"<Notification><Id>nobody's</Id><sObject xsi:type="sf:Asset"/></Notification>"#,
        "<Notification><Id>04l5g000001AAAB</Id><sObject/></Notification>",
    ] {
        let body = message(ORGANIZATION, "", &format!("{one}\n{bad}\n{three}"));
        let key = |id: &str| format!("{ORGANIZATION}{}", ids::long(id).unwrap());
        assert_eq!(
            parts(&body),
            [
                (key("04l5g000001AAAA"), "Asset".to_owned(), one.clone()),
                (hashed_key(bad.as_bytes()), UNREADABLE.to_owned(), bad.to_owned()),
                (key("04l5g000001AAAC"), "Asset".to_owned(), three.clone()),
            ]
        );
    }
    for nothing in ["<x/>", "hello", &message(ORGANIZATION, "", ""), &message("", "", &one)] {
        assert!(Salesforce.split(&xml(nothing, None)).is_err(), "{nothing}");
    }
    let hints = Salesforce.split(&xml(&message(ORGANIZATION, "", &one), None)).unwrap();
    assert_eq!((&hints[0].dedupe_key, hints[0].livemode), (&hints[0].external_id, Some(false)));
    let deep = format!("{}{}", "<x>".repeat(200_000), "</x>".repeat(200_000));
    assert!(Salesforce.split(&xml(&deep, None)).unwrap_err().0.contains("deep"));
}

#[test]
fn prefixes_are_of_no_account() {
    let body = r#"<a:Envelope xmlns:a="http://schemas.xmlsoap.org/soap/envelope/" xmlns:b="http://soap.sforce.com/2005/09/outbound"
        xmlns:c="urn:sobject.enterprise.soap.sforce.com" xmlns:d="http://www.w3.org/2001/XMLSchema-instance"><a:Body><b:notifications>
        <b:OrganizationId>00D5g00000AbCdE</b:OrganizationId><b:Notification><b:Id>04l5g000001AAAA</b:Id><b:sObject d:type="c:Asset">
        <c:Id>02i5g000001abcd</c:Id><c:Name>Tom &amp; Co <![CDATA[<pro>]]></c:Name></b:sObject></b:Notification></b:notifications></a:Body></a:Envelope>"#;
    assert_eq!(verdict(&xml(body, Some(TOKEN))), Ok(()));
    let parts = parts(body);
    assert_eq!((parts.len(), &*parts[0].1), (1, "Asset"));
    let record = record::Record::read(parts[0].2.as_bytes()).unwrap();
    assert_eq!((&*record.object, record.get("name")), ("Asset", Some(Some("Tom & Co <pro>"))));
    // The same names in another namespace are somebody else's.
    let foreign = body.replace("2005/09/outbound", "2006/09/outbound");
    assert!(Salesforce.split(&xml(&foreign, None)).is_err());
}

#[test]
fn callouts_come_alone_in_a_list_or_as_events() {
    let one = json!({"event_id":"e1","object":"Asset","record":{"Id":"02i5g000001abcd"},"occurred_at":"2026-01-05T10:00:01.000+0000","sandbox":true});
    let two = json!({"event_id":"e2","payload":{"attributes":{"type":"Contract"},"Id":"8005g000000mnop"}});
    for body in [json!([one, two, {"object":"x"}]), json!({"events":[one, two, {"object":"x"}]})] {
        let parts = parts(&body.to_string());
        let odd = json!({"object":"x"}).to_string();
        assert_eq!(
            parts,
            [
                ("e1".to_owned(), "Asset".to_owned(), one.to_string()),
                ("e2".to_owned(), "Contract".to_owned(), two.to_string()),
                (hashed_key(odd.as_bytes()), UNREADABLE.to_owned(), odd),
            ]
        );
    }
    let hints = Salesforce.split(&xml(&one.to_string(), None)).unwrap();
    assert_eq!((hints[0].occurred_at, hints[0].livemode), (Some(instant("2026-01-05T10:00:01Z")), Some(false)));
    let part = two.to_string();
    assert_eq!(Salesforce.translate(part.as_bytes(), &[], &configured()).unwrap().facts, []);
}

#[test]
fn the_answer_is_the_acknowledgement_to_the_byte() {
    assert_eq!(Salesforce.answer(&xml("{}", None)), Answer::Json);
    let Some(expected) = sample("ours__ack_true.xml") else { return };
    let body = message(ORGANIZATION, "", "");
    match Salesforce.answer(&xml(&body, None)) {
        Answer::Xml(ack) => assert_eq!(ack, expected.trim_end()),
        other => panic!("{other:?}"),
    }
}
