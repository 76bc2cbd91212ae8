//! `[licensespring.*]` and `[sources.*]`: the outside this instance talks to.

use std::collections::BTreeMap;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::network::is_loopback;
use super::salesforce;
use super::section::Section;
use super::section::word::SourceMode;
use super::{Account, LicenseApi, Source};

const BASE_URL_DEFAULT: &str = "https://saas.licensespring.com";
const LICENSE_API_URL_DEFAULT: &str = "https://api.licensespring.com";

const REQUESTS_PER_MINUTE_DEFAULT: u32 = 600;
/// LicenseSpring's highest published limit; more is answered with 429.
const REQUESTS_PER_MINUTE_KNOWN_MAX: u32 = 2400;

const TIMEOUT_MS_DEFAULT: u64 = 30_000;
const TIMEOUT_MS_MIN: u64 = 100;
const TIMEOUT_MS_MAX: u64 = 300_000;

/// A year: more is a typo for "never", which is to leave the key out.
const SILENCE_HOURS_MAX: u64 = 8_784;

/// Journals of accounts are called so; a source of that name would share one.
const ACCOUNT_JOURNAL_PREFIX: &str = "licensespring-";
const NAME_CHARS_MAX: usize = 41;

/// Own catalog rules only, unless asked: Shopify SKUs are chosen for T-shirts as well.
const NO_INTEGRATION_KEYS: &str = "shopify";
/// One secret signs for all shops that installed an app.
const NAMES_SHOP: &str = "shopify";
/// Its messages are not signed; the secret is in the URL.
const SIGNS_WITH_URL: &str = "salesforce";

/// 22 characters of base64url, or 32 of hex, hold 128 bits.
const BASE64URL_CHARS_MIN: usize = 22;
const HEX_CHARS_MIN: usize = 32;
const NEW_TOKEN: &str = "make one with `openssl rand -hex 16`";

/// Our names in `[sources.<name>.fields.<object>]`.
#[rustfmt::skip] // a word list
pub const FIELD_NAMES: [&str; 18] = [
    "account", "contact", "parent", "product", "product_code", "email", "first_name", "last_name", "company", "quantity", "status",
    "start_date", "end_date", "term_months", "terminated_date", "revises", "subscription_type", "modified",
];

pub(super) fn accounts(root: &mut Section<'_>) -> BTreeMap<String, Account> {
    let named = root.named_sections("licensespring").into_iter();
    named.map(|(name, section)| (name.clone(), account(&name, section))).collect()
}

fn account(name: &str, mut section: Section<'_>) -> Account {
    check_name(&section, name);
    let account = Account {
        base_url: section.safe_url("base_url").unwrap_or_else(|| BASE_URL_DEFAULT.to_owned()),
        api_key: required_secret(&mut section, "api_key"),
        requests_per_minute: requests_per_minute(&mut section),
        timeout_ms: section.number("timeout_ms", TIMEOUT_MS_DEFAULT, TIMEOUT_MS_MIN..=TIMEOUT_MS_MAX),
        license_api: license_api(&mut section),
    };
    section.finish();
    account
}

fn requests_per_minute(section: &mut Section<'_>) -> u32 {
    let key = "requests_per_minute";
    let rate = section.number(key, REQUESTS_PER_MINUTE_DEFAULT, 1..=u64::from(u32::MAX));
    if rate > REQUESTS_PER_MINUTE_KNOWN_MAX {
        let text = format!("is {rate}; LicenseSpring is known to answer 429 above {REQUESTS_PER_MINUTE_KNOWN_MAX}");
        section.report.warn(&section.path_of(key), text);
    }
    rate
}

fn license_api(section: &mut Section<'_>) -> Option<LicenseApi> {
    let wanted = ["license_api_url", "license_api_key", "license_shared_key"].iter().any(|key| section.has(key));
    let url = section.safe_url("license_api_url").unwrap_or_else(|| LICENSE_API_URL_DEFAULT.to_owned());
    if !wanted {
        return None;
    }
    let key = required_secret(section, "license_api_key");
    let shared_key = required_secret(section, "license_shared_key");
    Some(LicenseApi { url, key, shared_key })
}

fn required_secret(section: &mut Section<'_>, key: &'static str) -> SecretString {
    if !section.has(key) {
        section.problem(key, "is missing", format!("add {key} = {{ env = \"NAME\" }}"));
    }
    section.secret(key).unwrap_or_default()
}

pub(super) fn sources(
    root: &mut Section<'_>,
    providers: &[&str],
    accounts: &BTreeMap<String, Account>,
) -> BTreeMap<String, Source> {
    let named = root.named_sections("sources");
    let names: Vec<String> = named.iter().map(|(name, _)| name.clone()).collect();
    let read = |(name, section): (String, Section<'_>)| {
        let source = source(&name, section, &Around { providers, accounts, names: &names });
        (name, source)
    };
    named.into_iter().map(read).collect()
}

/// What the keys of a source may name.
struct Around<'a> {
    providers: &'a [&'a str],
    accounts: &'a BTreeMap<String, Account>,
    names: &'a [String],
}

fn source(name: &str, mut section: Section<'_>, around: &Around<'_>) -> Source {
    check_name(&section, name);
    check_not_a_journal_of_ours(&section, name);
    let provider = provider(&mut section, around.providers);
    let in_url = provider == SIGNS_WITH_URL && section.has("url_token");
    if !section.has_items("secrets") && !in_url {
        section.problem("secrets", "has no secret", "add secrets = [{ env = \"NAME\" }]");
    }
    check_needed(&section, &provider);
    let source = Source {
        secrets: section.secrets("secrets"),
        past_secrets: section.secrets("past_secrets"),
        mode: section.get_or("mode", SourceMode::Live),
        licensespring: account_of(&mut section, around.accounts),
        shop_domain: section.text("shop_domain"),
        renewal_sources: section.get("renewal_sources").unwrap_or_default(),
        url_token: url_token(&mut section),
        organization_ids: organization_ids(&mut section),
        fields: fields(&mut section),
        salesforce: salesforce::read(&mut section, provider == SIGNS_WITH_URL),
        integration_keys: section.get_or("integration_keys", provider != NO_INTEGRATION_KEYS),
        silence_hours: section.has("silence_hours").then(|| section.number("silence_hours", 1, 1..=SILENCE_HOURS_MAX)),
        renamed_from: renamed_from(name, &mut section, around.names),
        provider,
    };
    section.finish();
    source
}

/// What a provider's deliveries are held against, beside their signature.
fn check_needed(section: &Section<'_>, provider: &str) {
    if provider == NAMES_SHOP && !section.has("shop_domain") {
        section.problem("shop_domain", "is missing", "add shop_domain = \"name.myshopify.com\"");
    }
    if provider == SIGNS_WITH_URL && !section.has_items("organization_ids") {
        section.problem("organization_ids", "names no organization", "add organization_ids = [\"00D…\"]");
    }
}

/// A secret that stands in a URL, so that guessing must be hopeless: 128 bits.
fn url_token(section: &mut Section<'_>) -> Option<SecretString> {
    let token = section.secret("url_token")?;
    let text = token.expose_secret();
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_segment = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let length_min = if is_hex { HEX_CHARS_MIN } else { BASE64URL_CHARS_MIN };
    if !is_segment || text.len() < length_min {
        section.problem("url_token", "can be guessed, or does not fit into a URL", NEW_TOKEN);
    }
    Some(token)
}

fn organization_ids(section: &mut Section<'_>) -> Vec<String> {
    let key = "organization_ids";
    let ids: Vec<String> = section.get(key).unwrap_or_default();
    let is_id = |id: &&String| matches!(id.len(), 15 | 18) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    for id in ids.iter().filter(|id| !is_id(id)) {
        section.problem(key, format!("is no organization's id: {id:?}"), "write the 18 characters of the org's id");
    }
    ids
}

fn fields(section: &mut Section<'_>) -> BTreeMap<String, BTreeMap<String, String>> {
    let fields: BTreeMap<String, BTreeMap<String, String>> = section.get("fields").unwrap_or_default();
    for (object, names) in &fields {
        for ours in names.keys().filter(|ours| !FIELD_NAMES.contains(&ours.as_str())) {
            let fix = format!("write one of {}", FIELD_NAMES.join(", "));
            section.problem(&format!("fields.{object}.{ours}"), "is no field of ours", fix);
        }
        for (ours, theirs) in names.iter().filter(|(_, theirs)| !salesforce::is_field(theirs)) {
            let fix = "write the API name, such as \"LSL_Product_Code__c\"";
            section.problem(&format!("fields.{object}.{ours}"), format!("is no field's name: {theirs:?}"), fix);
        }
        salesforce::check_mapped(section, object, names);
    }
    fields
}

fn provider(section: &mut Section<'_>, providers: &[&str]) -> String {
    let known = providers.join(", ");
    let example = format!("one of {known}");
    let slug = section.required_text("provider", &example);
    if !slug.is_empty() && !providers.contains(&slug.as_str()) {
        section.problem("provider", format!("names no provider: {slug:?}"), format!("write {example}"));
    }
    slug
}

fn account_of(section: &mut Section<'_>, accounts: &BTreeMap<String, Account>) -> Option<String> {
    let key = "licensespring";
    if !section.has(key) && !accounts.is_empty() {
        let text = "is missing: the events of this source are kept, and make no license";
        section.report.warn(&section.path_of(key), text);
    }
    let name = section.text(key)?;
    if !accounts.contains_key(&name) {
        section.problem(
            key,
            format!("names no account: {name:?}"),
            format!("add [licensespring.{name}], or correct it"),
        );
    }
    Some(name)
}

fn renamed_from(name: &str, section: &mut Section<'_>, names: &[String]) -> Option<String> {
    let key = "renamed_from";
    let old = section.text(key)?;
    if !is_name(&old) || old == name {
        section.problem(key, format!("cannot be {old:?}"), "write the name that this source had before");
    } else if names.contains(&old) {
        section.problem(key, format!("names a source that still exists: {old:?}"), format!("remove [sources.{old}]"));
    }
    Some(old)
}

fn check_name(section: &Section<'_>, name: &str) {
    if !is_name(name) {
        let fix = "use a-z, 0-9 and -, at most 41, beginning with a letter or digit";
        section.report.problem(section.path(), format!("cannot be called {name:?}"), fix);
    } else if name == "system" {
        section.report.problem(
            section.path(),
            "cannot be called \"system\", which is a journal of ours",
            "choose another name",
        );
    }
}

fn check_not_a_journal_of_ours(section: &Section<'_>, name: &str) {
    if name.starts_with(ACCOUNT_JOURNAL_PREFIX) {
        let problem = format!("cannot begin with {ACCOUNT_JOURNAL_PREFIX:?}: so are the journals of accounts called");
        section.report.problem(section.path(), problem, "choose another name");
    }
}

/// `[a-z0-9][a-z0-9-]{0,40}`
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= NAME_CHARS_MAX && name.starts_with(plain) && name.chars().all(|c| plain(c) || c == '-')
}

impl Section<'_> {
    /// Where keys are sent: https, or this machine.
    fn safe_url(&mut self, key: &'static str) -> Option<String> {
        let text = self.web_url(key)?;
        let url = Url::parse(&text).ok()?;
        if url.scheme() == "http" && !url.host_str().is_some_and(is_loopback) {
            self.problem(key, "is plain http to another machine", "write https://, or use a host on this machine");
        }
        Some(text)
    }

    /// An http(s) URL without its trailing slash.
    pub(super) fn web_url(&mut self, key: &'static str) -> Option<String> {
        let text = self.text(key)?;
        let url = Url::parse(&text).ok().filter(|url| url.has_host() && ["http", "https"].contains(&url.scheme()));
        if url.is_none() {
            self.problem(key, format!("is not a web address: {text:?}"), "write \"https://host\"");
            return None;
        }
        Some(text.trim_end_matches('/').to_owned())
    }
}
