//! `[[catalog]]` and `[policy.*]`, and the one text that stands for them when they are adopted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::report::Report;
use super::section::Section;
use super::{Config, LoadOptions, Problems, Warning};
use crate::domain::dates::Interval;
use crate::domain::rules::{CatalogRule, MATCH_KEYS, OnLoss, PolicyTable, Rules, SeatMode};

const LICENSE_TYPES: [&str; 4] = ["perpetual", "time-limited", "subscription", "consumption"];

/// The longest `period`, in its own unit: ten years of days.
const PERIOD_MAX: u32 = 3_660;
/// Ten years: more is a perpetual license in disguise.
const GRACE_DAYS_MAX: u64 = 3_660;

/// The canonical JSON of rules: keys sorted, no spaces, absent keys absent. Equal rules have
/// equal text.
#[must_use]
pub fn rules_text(rules: &Rules) -> String {
    // Maps of strings always serialize.
    serde_json::to_value(rules).map(|value| sorted(value).to_string()).unwrap_or_default()
}

/// SHA-256 of [`rules_text`], in lower-case hex.
#[must_use]
pub fn rules_hash(rules: &Rules) -> String {
    hex::encode(Sha256::digest(rules_text(rules)))
}

/// Reads a catalog and policy of their own: TOML as in the file, or the JSON of [`rules_text`].
/// Without `integration_keys` those of `config` hold.
///
/// # Errors
/// Every [`super::Problem`] found, of the file `catalog and policy`.
pub fn rules_from_text(text: &str, config: &Config) -> Result<(Rules, Vec<Warning>), Problems> {
    let report = Report::new("catalog and policy".as_ref(), &LoadOptions::default());
    let Some(table) = report.table_or_json(text) else {
        return Err(report.into_problems());
    };
    let mut root = Section::root(&report, table);
    let mut rules = read(&mut root, &config.source_names());
    rules.integration_keys =
        root.get::<BTreeMap<String, bool>>("integration_keys").unwrap_or_else(|| config.rules.integration_keys.clone());
    root.finish();
    report.conclude(rules)
}

/// Whatever `serde_json` was built with, keys come out sorted.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let by_key: BTreeMap<String, Value> = map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            Value::Object(by_key.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

pub(super) fn read(root: &mut Section<'_>, sources: &[&str]) -> Rules {
    let catalog: Vec<CatalogRule> =
        root.listed_sections("catalog").into_iter().map(|section| rule(section, sources)).collect();
    warn_of_twins(root, &catalog);
    let policy = policies(root, &catalog, sources);
    Rules { catalog, policy, integration_keys: BTreeMap::new() }
}

fn rule(mut section: Section<'_>, sources: &[&str]) -> CatalogRule {
    let rule = CatalogRule {
        source: source_of(&mut section, sources),
        matches: matches(&mut section),
        product_code: section.required_text("product_code", "\"PRO\""),
        policy_code: section.text("policy_code"),
        seats: section.get_or("seats", SeatMode::default()),
        license_type: license_type(&mut section),
        period: period(&mut section),
        features: features(&mut section),
        custom_fields: section.get_or("custom_fields", BTreeMap::new()),
        user_based: section.get_or("user_based", false),
    };
    section.finish();
    rule
}

fn features(section: &mut Section<'_>) -> Option<Vec<String>> {
    let features: Vec<String> = section.get("features")?;
    if features.iter().any(|code| code.trim().is_empty()) {
        section.problem("features", "has an empty code", "write the codes of LicenseSpring's product features");
    }
    Some(features)
}

fn source_of(section: &mut Section<'_>, sources: &[&str]) -> Option<String> {
    let name = section.text("source")?;
    if !sources.contains(&name.as_str()) {
        section.problem("source", format!("names no source: {name:?}"), format!("add [sources.{name}], or correct it"));
    }
    Some(name)
}

fn matches(section: &mut Section<'_>) -> BTreeMap<String, String> {
    let key = "match";
    let present = section.has(key);
    let read: Option<BTreeMap<String, String>> = section.get(key);
    if !present || read.as_ref().is_some_and(BTreeMap::is_empty) {
        section.problem(key, "matches nothing", "add match = { price = \"…\" }");
    }
    let matches = read.unwrap_or_default();
    for (name, value) in &matches {
        if !MATCH_KEYS.contains(&name.as_str()) {
            let fix = format!("write one of {}", MATCH_KEYS.join(", "));
            section.problem(&format!("match.{name}"), "is not a key to match on", fix);
        } else if value.is_empty() {
            section.problem(&format!("match.{name}"), "is empty", "give it a value, or remove the key");
        }
    }
    matches
}

fn license_type(section: &mut Section<'_>) -> Option<String> {
    let value = section.text("license_type")?;
    if !LICENSE_TYPES.contains(&value.as_str()) {
        let fix = format!("write one of {}", LICENSE_TYPES.join(", "));
        section.problem("license_type", format!("cannot be {value:?}"), fix);
    }
    Some(value)
}

fn period(section: &mut Section<'_>) -> Option<String> {
    let value = section.text("period")?;
    let number = value.get(..value.len().saturating_sub(1)).and_then(|n| n.parse::<u32>().ok());
    if Interval::parse(&value).is_none() || number.is_none_or(|n| n > PERIOD_MAX) {
        section.problem(
            "period",
            format!("cannot be {value:?}"),
            "write a number of days, months or years: 30d, 1m, 1y",
        );
    }
    Some(value)
}

/// Two rules for the same thing: the first one always wins.
fn warn_of_twins(root: &Section<'_>, catalog: &[CatalogRule]) {
    let mut seen = BTreeMap::new();
    for (i, rule) in catalog.iter().enumerate() {
        let number = i + 1;
        match seen.get(&(&rule.source, &rule.matches)) {
            Some(first) => {
                let text = format!("matches what catalog #{first} matches, and is never reached");
                root.report.warn(&format!("catalog #{number}"), text);
            }
            None => {
                seen.insert((&rule.source, &rule.matches), number);
            }
        }
    }
}

fn policies(root: &mut Section<'_>, catalog: &[CatalogRule], sources: &[&str]) -> BTreeMap<String, PolicyTable> {
    let codes: BTreeSet<&str> = catalog.iter().map(|rule| rule.product_code.as_str()).collect();
    let read = |(name, section): (String, Section<'_>)| {
        if name != "default" && !sources.contains(&name.as_str()) && !codes.contains(name.as_str()) {
            let fix = "call it default, or as a source or a product_code of the catalog";
            section.report.problem(section.path(), "is the policy of nothing", fix);
        }
        (name, policy(section))
    };
    root.named_sections("policy").into_iter().map(read).collect()
}

fn policy(mut section: Section<'_>) -> PolicyTable {
    let has_grace = section.has("grace_days");
    let grace_days = section.number("grace_days", 0, 0..=GRACE_DAYS_MAX);
    let table = PolicyTable {
        extend_on: section.get("extend_on"),
        grace_days: has_grace.then_some(grace_days),
        on_cancel: section.get("on_cancel"),
        on_refund: section.get("on_refund"),
        on_refund_partial: section.get("on_refund_partial"),
        on_dispute: section.get("on_dispute"),
        on_pause: section.get("on_pause"),
        on_unpaid: section.get("on_unpaid"),
        cancel_when: section.get("cancel_when"),
    };
    if table.on_refund_partial == Some(OnLoss::Disable) {
        section.problem("on_refund_partial", "cannot be \"disable\"", "write one of keep, flag");
    }
    section.finish();
    table
}
