//! Catalog and policy: which product becomes which license, and what happens when.
//!
//! These are the sections `[[catalog]]` and `[policy.*]` of the configuration. What counts is
//! the version last adopted as an event, so that "why" can cite the rule of the day.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::dates::Interval;
use super::fact::{Item, ProductRef, SKU_FEATURES};

/// The adopted rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    #[serde(default)]
    pub catalog: Vec<CatalogRule>,
    /// By `default`, source name or product code; looked up key by key in the order product
    /// code, source, default.
    #[serde(default)]
    pub policy: BTreeMap<String, PolicyTable>,
    /// Sources whose products may be mapped by LicenseSpring's own integration keys.
    #[serde(default)]
    pub integration_keys: BTreeMap<String, bool>,
}

/// The keys a catalog rule may match on.
pub const MATCH_KEYS: [&str; 8] =
    ["price", "product", "lookup_key", "path", "sku", "variant", "selling_plan", "product_code"];

/// One `[[catalog]]` rule. Every key of `match` must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogRule {
    /// Only for this source; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(rename = "match")]
    pub matches: BTreeMap<String, String>,
    pub product_code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_code: Option<String>,
    #[serde(default)]
    pub seats: SeatMode,
    /// Default: `subscription` for what recurs, else the policy's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license_type: Option<String>,
    /// `1m`, `1y`, `30d`: where a payment does not say how long it lasts.
    /// What is bought once is for ever without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// Exactly these features, by code; absent: whatever product and policy give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<String>>,
    /// Set when a license is created.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub custom_fields: BTreeMap<String, String>,
    /// The product is for users, not keys: the license is given to the customer's address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub user_based: bool,
}

/// Which LicenseSpring field carries the provider's quantity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeatMode {
    #[default]
    MaxActivations,
    FloatingUsers,
    MaxLicenseUsers,
    /// One license per unit.
    Licenses,
}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident { $($variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($variant),+ }
    };
}
word!(/** When a renewal counts. */ ExtendOn { Payment, Period });
word!(/** What a cancellation that takes effect does. */ OnCancel { Disable, DeactivateDevices, DeactivateAndDisable, ExpireOnly });
word!(/** What a full refund, a dispute, … does. */ OnLoss { Disable, Keep, Flag });
word!(/** What a pause does. */ OnPause { Disable, Keep });
word!(/** When a scheduled cancellation takes effect. */ CancelWhen { PeriodEnd, AtOnce });

/// One `[policy.*]` table: only the keys that it sets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyTable {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extend_on: Option<ExtendOn>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_days: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_cancel: Option<OnCancel>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_refund: Option<OnLoss>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_refund_partial: Option<OnLoss>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_dispute: Option<OnLoss>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_pause: Option<OnPause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_unpaid: Option<OnPause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_when: Option<CancelWhen>,
}

/// The policy that holds for one product of one source, every key decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub extend_on: ExtendOn,
    pub grace_days: u16,
    pub on_cancel: OnCancel,
    pub on_refund: OnLoss,
    pub on_refund_partial: OnLoss,
    pub on_dispute: OnLoss,
    pub on_pause: OnPause,
    pub on_unpaid: OnPause,
    pub cancel_when: CancelWhen,
}

/// LicenseSpring's license type that has no end.
const PERPETUAL: &str = "perpetual";
/// That of what recurs.
const SUBSCRIPTION: &str = "subscription";

/// What a product becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    pub product_code: String,
    pub policy_code: Option<String>,
    pub seats: SeatMode,
    /// Asked for explicitly; see [`Mapping::type_of`].
    pub license_type: Option<String>,
    /// By LicenseSpring's integration keys, not by a rule of the catalog.
    pub by_keys: bool,
    /// A fixed number that outranks the provider's quantity (integration key `max_activations`).
    pub fixed_seats: Option<i64>,
    /// Sorted codes.
    pub features: Option<Vec<String>>,
    pub custom_fields: BTreeMap<String, String>,
    pub user_based: bool,
    /// How long a payment lasts that does not say so itself; absent: bought once.
    pub period: Option<Interval>,
}

impl Mapping {
    /// The catalog says that it has no end.
    #[must_use]
    pub fn is_perpetual(&self) -> bool {
        self.license_type.as_deref() == Some(PERPETUAL)
    }

    /// The license type of an item; `None`: that of the license's policy. What recurs is a
    /// subscription unless the catalog says otherwise: the integration key `license_type` is for
    /// what is bought once. Source: docs.licensespring.com/integrations (Stripe, FastSpring).
    #[must_use]
    pub fn type_of(&self, item: &Item) -> Option<String> {
        let asked = self.license_type.clone().filter(|_| item.one_off || !self.by_keys);
        asked.or_else(|| (!item.one_off).then(|| SUBSCRIPTION.to_owned()))
    }
}

impl Rules {
    /// Key by key: product code, then source, then default, then the built-in defaults.
    #[must_use]
    pub fn policy(&self, source: &str, product_code: &str) -> Policy {
        let tables: Vec<&PolicyTable> =
            [product_code, source, "default"].iter().filter_map(|name| self.policy.get(*name)).collect();
        fn first<T: Copy>(tables: &[&PolicyTable], get: impl Fn(&PolicyTable) -> Option<T>, default: T) -> T {
            tables.iter().find_map(|t| get(t)).unwrap_or(default)
        }
        Policy {
            extend_on: first(&tables, |t| t.extend_on, ExtendOn::Payment),
            grace_days: first(&tables, |t| t.grace_days, 3),
            on_cancel: first(&tables, |t| t.on_cancel, OnCancel::Disable),
            on_refund: first(&tables, |t| t.on_refund, OnLoss::Disable),
            on_refund_partial: first(&tables, |t| t.on_refund_partial, OnLoss::Flag),
            on_dispute: first(&tables, |t| t.on_dispute, OnLoss::Disable),
            on_pause: first(&tables, |t| t.on_pause, OnPause::Disable),
            on_unpaid: first(&tables, |t| t.on_unpaid, OnPause::Disable),
            cancel_when: first(&tables, |t| t.cancel_when, CancelWhen::PeriodEnd),
        }
    }

    /// Rules of the source before general ones, then file order; integration keys only after
    /// own rules. `None`: unmapped.
    #[must_use]
    pub fn map(&self, source: &str, product: &ProductRef) -> Option<Mapping> {
        let own = self.catalog.iter().filter(|r| r.source.as_deref() == Some(source));
        let general = self.catalog.iter().filter(|r| r.source.is_none());
        let rule = own
            .chain(general)
            .find(|r| !r.matches.is_empty() && r.matches.iter().all(|(k, v)| product.keys.get(k) == Some(v)));
        match rule {
            Some(rule) => Some(Mapping {
                product_code: rule.product_code.clone(),
                policy_code: rule.policy_code.clone(),
                seats: rule.seats,
                license_type: rule.license_type.clone(),
                by_keys: false,
                fixed_seats: None,
                features: rule.features.as_ref().map(|codes| sorted(codes.iter().map(String::as_str))),
                custom_fields: rule.custom_fields.clone(),
                user_based: rule.user_based,
                period: rule.period.as_deref().and_then(Interval::parse),
            }),
            None if self.integration_keys.get(source).copied().unwrap_or(true) => Self::by_integration_keys(product),
            None => None,
        }
    }

    /// LicenseSpring's own integration keys, so that a vendor switches over without touching
    /// the provider. Source: docs.licensespring.com/integrations.
    fn by_integration_keys(product: &ProductRef) -> Option<Mapping> {
        let get = |key: &str| product.attributes.get(key).filter(|v| !v.is_empty());
        let number = |key: &str| get(key).and_then(|v| v.parse::<i64>().ok());
        let product_code = get("product_short_code")?.clone();
        let floating_by_quantity = get("floating_users_from_quantity").is_some_and(|v| v == "true");
        let seats = if floating_by_quantity || get("floating_cloud").is_some() {
            SeatMode::FloatingUsers
        } else {
            SeatMode::MaxActivations
        };
        let fixed_seats = match seats {
            SeatMode::FloatingUsers if floating_by_quantity => None,
            SeatMode::FloatingUsers => number("floating_cloud"),
            _ => number("max_activations"),
        };
        Some(Mapping {
            product_code,
            policy_code: get("license_policy").cloned(),
            seats,
            license_type: get("license_type").cloned(),
            by_keys: true,
            fixed_seats,
            features: get(SKU_FEATURES).map(|codes| sorted(codes.split(':'))).filter(|codes| !codes.is_empty()),
            custom_fields: BTreeMap::new(),
            user_based: false,
            period: get("valid_duration").and_then(|v| Interval::parse(v)),
        })
    }
}

fn sorted<'a>(codes: impl Iterator<Item = &'a str>) -> Vec<String> {
    let codes: BTreeSet<&str> = codes.map(str::trim).filter(|code| !code.is_empty()).collect();
    codes.into_iter().map(ToOwned::to_owned).collect()
}
