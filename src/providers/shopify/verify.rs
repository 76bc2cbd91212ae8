//! Is it from Shopify, and of this shop? `X-Shopify-Hmac-Sha256`: base64 of HMAC-SHA256 over the
//! raw body, keyed with the app's client secret.
//! <https://shopify.dev/docs/apps/build/webhooks/verify-deliveries>
//!
//! No header is signed, and one secret signs for all shops that installed the app: hence the
//! shop must be the configured one. (That the topic fits the body is asked where it is read.) A
//! wrong signature is answered 401 on every topic; Shopify's app review tries it on those of the
//! GDPR.

use chrono::{DateTime, SecondsFormat, Utc};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::topic::{self, Root};
use super::wire::{API_VERSION, HMAC, SHOP, TOPIC, TRIGGERED_AT, WEBHOOK_ID};
use crate::providers::signature::{base64_mac, first, hmac_sha256, is_token, made_by_any, usable};
use crate::providers::{Refusal, Request, SourceSettings, hashed_key, json};

/// The version whose shapes the stories have.
const VERSION: &str = "2026-04";
/// Keys of bodies that name the shop they are of.
const NAMES_SHOP: [&str; 2] = ["shop_domain", "myshopify_domain"];

/// Accepts what any configured secret signed, for the configured shop.
pub fn verify(request: &Request<'_>, settings: &SourceSettings) -> Result<(), Refusal> {
    if settings.url_token.as_ref().is_some_and(|token| !is_token(request.url_token, token)) {
        return Err(Refusal::WrongUrlToken);
    }
    let secrets = usable(&settings.secrets);
    if secrets.is_empty() {
        return Err(Refusal::NoSecret);
    }
    if !made_by_any(&secrets, &base64_mac(request.header(HMAC))?, &[request.body]) {
        return Err(Refusal::WrongSignature);
    }
    let shop = settings.shop_domain.as_deref().ok_or(Refusal::WrongShop)?;
    if !request.header(SHOP).is_some_and(|given| same(given, shop)) {
        return Err(Refusal::WrongShop);
    }
    // What cannot be read, or does not fit its topic, is well signed all the same: it is kept.
    root(request.body).map_or(Ok(()), |root| of_shop(&root, shop))
}

fn same(given: &str, shop: &str) -> bool {
    given.trim().eq_ignore_ascii_case(shop)
}

fn root(body: &[u8]) -> Option<Root<'_>> {
    json::object(json::utf8(body).ok()?).ok()
}

fn of_shop(root: &Root<'_>, shop: &str) -> Result<(), Refusal> {
    let named =
        NAMES_SHOP.iter().filter_map(|key| serde_json::from_str::<Option<String>>(root.get(*key)?.get()).ok()?);
    if named.into_iter().all(|named| same(&named, shop)) { Ok(()) } else { Err(Refusal::WrongShop) }
}

/// The headers Shopify would send with this body. The topic is guessed from its shape; copies of
/// one body have one webhook id, as retries have.
pub fn sign(body: &[u8], settings: &SourceSettings, now: DateTime<Utc>) -> Vec<(String, String)> {
    let mac = hmac_sha256(&first(settings), &[body]).map(|mac| STANDARD.encode(mac)).unwrap_or_default();
    let topic = root(body).map_or("app/uninstalled", |root| topic::guess(&root));
    let id = hashed_key(&[topic.as_bytes(), body].concat()).split_off("sha256:".len());
    let headers = [
        (HMAC, mac),
        (TOPIC, topic.to_owned()),
        (SHOP, settings.shop_domain.clone().unwrap_or_default()),
        (API_VERSION, VERSION.to_owned()),
        (WEBHOOK_ID, id),
        (TRIGGERED_AT, now.to_rfc3339_opts(SecondsFormat::Nanos, true)),
    ];
    headers.map(|(name, value)| (name.to_owned(), value)).into()
}
