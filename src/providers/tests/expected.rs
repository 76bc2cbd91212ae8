//! What every sample comes to, as data to be read: `tests/fixtures/<provider>.expected.json` for
//! the project's own samples, `tests/fixtures/<provider>.shared.expected.json` for those beside
//! the project. `UPDATE_EXPECTED=1` writes the files anew; whoever does so reads what changed and
//! checks it against the provider's documents.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::*;
use crate::domain::dates::rfc3339;
use crate::domain::fact::{Fact, FactBody, Item, Payment, ProductRef, Snapshot, Translation};

type Expected = BTreeMap<String, Vec<String>>;

fn instant_of(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "-".to_owned(), rfc3339)
}

/// What is set, and only that.
fn push(line: &mut String, name: &str, value: Option<String>) {
    if let Some(value) = value {
        write!(line, " {name}={value}").unwrap();
    }
}

fn product(product: &ProductRef) -> String {
    let written = |(key, value): (&String, &String)| format!("{key}={value}");
    let keys = product.keys.iter().map(written);
    let attributes = product.attributes.iter().map(written).map(|pair| format!("attribute:{pair}"));
    keys.chain(attributes).collect::<Vec<_>>().join(" ")
}

fn item(item: &Item) -> String {
    let mut line = format!("[{} {}", item.item_id, product(&item.product));
    push(&mut line, "×", item.quantity.map(|quantity| quantity.to_string()));
    if item.period_start.or(item.period_end).is_some() {
        write!(line, " {}…{}", instant_of(item.period_start), instant_of(item.period_end)).unwrap();
    }
    line.push_str(if item.metered {
        " metered]"
    } else if item.one_off {
        " once]"
    } else {
        "]"
    });
    line
}

fn snapshot(snapshot: &Snapshot) -> String {
    let mut line = format!("{} “{}”", snapshot.status.as_str(), snapshot.provider_status);
    line.push_str(if snapshot.livemode { " live" } else { " test" });
    push(&mut line, "terminal", snapshot.terminal.then(|| "yes".to_owned()));
    push(&mut line, "customer", snapshot.customer_id.clone());
    for (name, at) in [
        ("trial_end", snapshot.trial_end),
        ("cancel_at", snapshot.cancel_at),
        ("ended_at", snapshot.ended_at),
        ("paid_through", snapshot.paid_through),
    ] {
        push(&mut line, name, at.map(rfc3339));
    }
    push(&mut line, "every", snapshot.interval.map(|interval| format!("{interval:?}")));
    push(&mut line, "pause", snapshot.pause_collection.as_ref().map(|pause| pause.behavior.clone()));
    snapshot.items.iter().for_each(|found| write!(line, " {}", item(found)).unwrap());
    line.push_str(if snapshot.items_complete { "" } else { " …" });
    line
}

fn payment(payment: &Payment) -> String {
    let mut line = format!("payment {:?}", payment.status).to_lowercase();
    push(&mut line, "amount", payment.amount_paid.map(|amount| amount.to_string()));
    for bought in &payment.lines {
        let of = bought.item_id.as_deref().unwrap_or("?");
        let price = bought.price.as_deref().unwrap_or("?");
        write!(line, " [{of} {price} {}…{}", rfc3339(bought.start), rfc3339(bought.end)).unwrap();
        line.push_str(if bought.metered { " metered" } else { "" });
        line.push_str(if bought.proration { " proration]" } else { "]" });
    }
    payment.items.iter().for_each(|found| write!(line, " {}", item(found)).unwrap());
    line
}

/// Of people only what is known, not who they are.
fn body(body: &FactBody) -> String {
    match body {
        FactBody::Subscription { after, before: None } => snapshot(after),
        FactBody::Subscription { after, before: Some(before) } => {
            format!("{} ← {}", snapshot(after), snapshot(before))
        }
        FactBody::Payment(found) => payment(found),
        FactBody::Customer(who) => {
            let known = [
                ("email", &who.email),
                ("first", &who.first_name),
                ("last", &who.last_name),
                ("company", &who.company),
            ];
            let known: Vec<_> = known.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| *name).collect();
            format!("buyer: {}{}", known.join(", "), if who.deleted { "; deleted" } else { "" })
        }
        FactBody::Proposal(found) => format!(
            "proposal {} “{}”{}",
            product(&found.product),
            found.name.as_deref().unwrap_or_default(),
            if found.active { "" } else { " not for sale" }
        ),
        FactBody::Notice => "notice".to_owned(),
        other => serde_json::to_string(other).unwrap(),
    }
}

fn fact(fact: &Fact) -> String {
    format!("{} at {} rank {}: {}", fact.entity.key(), rfc3339(fact.key.at), fact.key.rank, body(&fact.body))
}

fn lines(kind: &str, translation: &Translation) -> Vec<String> {
    let mut lines = vec![kind.to_owned()];
    lines.extend(translation.unknown_type.then(|| "unknown type".to_owned()));
    lines.extend(translation.facts.iter().map(|f| fact(f)));
    let link = |link: &crate::domain::fact::Link| format!("{} → {}", link.child.key(), link.parent.key());
    lines.extend(translation.links.iter().map(link));
    lines.extend(translation.missing.iter().map(|what| format!("missing: {what}")));
    lines
}

fn read(provider: &dyn Provider, samples: Vec<(String, Vec<u8>)>) -> Expected {
    let of = |name: &str, body: &[u8]| {
        let headers = headers_by_name(provider, name, body);
        let request = Request { headers: &headers, body, url_token: None };
        let events = match provider.split(&request) {
            Ok(events) => events,
            Err(Unreadable(why)) => return vec![format!("unreadable: {why}")],
        };
        let read = |event: &EventHint| {
            let part = &body[event.range.clone()];
            match provider.translate(part, &headers, &settings(&[])) {
                Ok(translation) => lines(&event.event_type, &translation),
                Err(Unreadable(why)) => vec![event.event_type.clone(), format!("unreadable: {why}")],
            }
        };
        events.iter().flat_map(read).collect()
    };
    samples.into_iter().map(|(name, body)| (name.clone(), of(&name, &body))).collect()
}

/// What would come beside a sample: Shopify's say in their names which topic they are of
/// (`2026-04__orders.paid.payload.json`).
fn headers_by_name(provider: &dyn Provider, name: &str, body: &[u8]) -> Vec<(String, String)> {
    let topic = name.split_once("__").and_then(|(_, rest)| rest.strip_suffix(".payload.json"));
    let mut headers = headers_of(provider, body);
    for (header, value) in &mut headers {
        if let (true, Some(topic)) = (header == "x-shopify-topic", topic) {
            *value = topic.replacen('.', "/", 1);
        }
    }
    headers
}

fn compare(file: &str, found: &Expected) {
    let path = own_file(file);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(found).unwrap())).unwrap();
    }
    let expected: Expected = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for (name, lines) in found {
        assert_eq!(Some(lines), expected.get(name), "{name} in {file}; UPDATE_EXPECTED=1 writes it anew");
    }
    let gone: Vec<_> = expected.keys().filter(|name| !found.contains_key(*name)).collect();
    assert!(gone.is_empty(), "{file} expects samples that are not there: {gone:?}");
}

/// The project's own samples.
fn own(folder: &str) -> Vec<(String, Vec<u8>)> {
    let read = |path: PathBuf| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap());
    std::fs::read_dir(own_file(folder)).unwrap().map(|entry| read(entry.unwrap().path())).collect()
}

#[test]
fn every_sample_comes_to_what_is_written_down() {
    for (provider, samples) in
        [(&stripe::Stripe as &dyn Provider, own("stripe")), (&fastspring::FastSpring, own("fastspring"))]
    {
        assert!(samples.len() > 20, "the samples of {} are missing", provider.slug());
        samples.iter().for_each(|(_, body)| exercise(provider, body));
        compare(&format!("{}.expected.json", provider.slug()), &read(provider, samples));
    }
}

/// Two folders have a file of one name; the folder tells them apart.
#[test]
fn every_shared_sample_comes_to_what_is_written_down() {
    const FOLDERS: [&str; 4] = [
        "stripe/derived",
        "stripe/events/dj-stripe",
        "stripe/events/stripe-ruby-mock",
        "stripe/events/supabase-stripe-sync-engine",
    ];
    let named = |folder: &str| {
        let short = folder.trim_start_matches("stripe/").trim_start_matches("events/").to_owned();
        samples(folder).into_iter().map(move |(name, body)| (format!("{short}/{name}"), body))
    };
    let stripe: Vec<_> = FOLDERS.iter().flat_map(|folder| named(folder)).collect();
    if stripe.is_empty() {
        return; // `fixtures` has said so
    }
    compare("stripe.shared.expected.json", &read(&stripe::Stripe, stripe));
    compare("fastspring.shared.expected.json", &read(&fastspring::FastSpring, fastspring_samples()));
    compare("shopify.shared.expected.json", &read(&shopify::Shopify, samples("shopify")));
    compare("salesforce.shared.expected.json", &read(&salesforce::Salesforce, samples("salesforce")));
}
