//! What should come of a history, worked out naively from the providers' JSON by someone who
//! saw every event in the order in which it happened. Nothing of the product is used here: what
//! the two agree on was reached twice.

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use serde_json::Value;

mod salesforce;
mod shopify;

pub use salesforce::{Org, salesforce};
pub use shopify::shopify;

const DAY: i64 = 86_400;

/// As much of catalog and policy as the histories need: everything else at its default.
pub struct Rules {
    pub grace_days: i64,
    /// Price id, product path, SKU or product code → LicenseSpring product.
    pub catalog: &'static [(&'static str, &'static str)],
}

/// The rules of the tests' configuration.
pub const RULES: Rules = Rules {
    grace_days: 3,
    catalog: &[
        ("price_pro", "PRO"),
        ("price_team", "TEAM"),
        ("pro-monthly", "PRO"),
        ("team-monthly", "TEAM"),
        ("PRO-M", "PRO"),
        ("PRO-Y", "PRO"),
        ("TEAM-M", "TEAM"),
        ("TOOL", "TOOL"),
        ("SF-PRO-M", "PRO"),
        ("SF-PRO-Y", "PRO"),
        ("SF-TEAM", "TEAM"),
        ("SF-DEAL", "DEAL"),
        ("SF-EVER", "EVER"),
        ("SF-ONCE", "ONCE"),
        ("SF-GRANT", "GRANT"),
    ],
};

/// What one product line of a subscription should come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub item_id: String,
    pub product: String,
    pub status: &'static str,
    pub quantity: i64,
    /// Seconds; where a trial stands for a payment, its end.
    pub paid_through: Option<i64>,
    pub state: &'static str,
    pub valid_until: Option<String>,
    pub is_trial: bool,
    /// A license that exists should be off (it is left alone when it only lapsed).
    pub off: bool,
}

impl Expected {
    pub fn on(&self) -> bool {
        matches!(self.state, "trial" | "active" | "grace")
    }
}

/// What decides a line, whoever the provider is.
struct Line {
    item_id: String,
    product: String,
    status: &'static str,
    quantity: i64,
    paid: Option<i64>,
    /// Until when a payment would have lasted that was given back.
    lost: Option<i64>,
    trial_end: Option<i64>,
    cancel_at: Option<i64>,
    disputed: bool,
}

impl Line {
    fn judge(self, now: i64, rules: &Rules) -> Expected {
        let paid = self.paid.max(self.trial_end);
        let date = paid.map(|p| date_at_or_after(p + rules.grace_days * DAY));
        let with_grace = |until: i64| (until + rules.grace_days * DAY + DAY - 1).div_euclid(DAY) * DAY;
        let ends_at_00 = paid.map(with_grace);
        let covered = paid.is_some_and(|p| now < p);
        // A license would have outlasted it by the grace, and may be there from before.
        let beyond = self.lost.filter(|l| paid.is_none_or(|p| p < *l));
        let given_back = !covered && beyond.is_some_and(|l| now < with_grace(l));
        let (state, off) = match self.status {
            "canceled" => ("ended", true),
            _ if self.cancel_at.is_some_and(|at| at <= now) => ("ended", true),
            _ if self.disputed => ("suspended", true),
            "unpaid" | "paused" => ("suspended", true),
            "incomplete" => ("none", false),
            _ if given_back => ("ended", true),
            _ if paid.is_none() => ("none", false),
            "trialing" if covered => ("trial", false),
            _ if covered => ("active", false),
            _ if ends_at_00.is_some_and(|end| now < end) => ("grace", false),
            _ => ("ended", false),
        };
        let running = matches!(state, "trial" | "active" | "grace");
        Expected {
            item_id: self.item_id,
            product: self.product,
            status: self.status,
            quantity: self.quantity,
            paid_through: paid,
            state,
            valid_until: date.filter(|_| running),
            is_trial: running && self.trial_end.is_some_and(|t| paid.is_some_and(|p| p <= t)),
            off,
        }
    }
}

fn date_at_or_after(seconds: i64) -> String {
    let midnight = (seconds + DAY - 1).div_euclid(DAY) * DAY;
    DateTime::from_timestamp(midnight, 0).unwrap().format("%Y-%m-%d").to_string()
}

fn product_of(name: &str, rules: &Rules) -> String {
    rules.catalog.iter().find(|(key, _)| *key == name).map(|(_, code)| (*code).to_owned()).unwrap()
}

/// Everything a Stripe account said, as a clerk would file it.
#[derive(Default)]
struct StripeBook {
    subscriptions: BTreeMap<String, Value>,
    invoices: BTreeMap<String, Value>,
    /// Voided while nobody was asked to pay.
    waived: BTreeSet<String>,
    /// Charge or payment intent → invoice.
    paid_for: BTreeMap<String, String>,
    /// With how many events were filed before: a refund that failed before a charge was said was
    /// taken into account there.
    charges: BTreeMap<String, (usize, Value)>,
    refunds: BTreeMap<String, (usize, Value)>,
    filed: usize,
    disputes: BTreeMap<String, Value>,
}

/// The lines of every subscription after these Stripe events, in their true order.
pub fn stripe<'a>(
    events: impl IntoIterator<Item = &'a Value>,
    now: i64,
    rules: &Rules,
) -> BTreeMap<String, Vec<Expected>> {
    let mut book = StripeBook::default();
    for event in events {
        book.file(event["type"].as_str().unwrap(), &event["data"]["object"]);
    }
    book.subscriptions.values().map(|s| (text(&s["id"]), book.lines(s, now, rules))).collect()
}

impl StripeBook {
    fn file(&mut self, kind: &str, object: &Value) {
        let id = text(&object["id"]);
        self.filed += 1;
        match kind {
            "customer.subscription.created" | "customer.subscription.updated" | "customer.subscription.deleted" => {
                self.subscriptions.insert(id, object.clone());
            }
            "invoice_payment.paid" => {
                self.paid_for.insert(text(&object["payment"]["payment_intent"]), text(&object["invoice"]));
            }
            "charge.refunded" => {
                self.charges.insert(id, (self.filed, object.clone()));
            }
            "refund.created" | "refund.updated" | "refund.failed" => {
                self.refunds.insert(id, (self.filed, object.clone()));
            }
            "charge.dispute.created" | "charge.dispute.closed" => {
                self.disputes.insert(id, object.clone());
            }
            _ if kind.starts_with("invoice.") && !id.is_empty() => self.file_invoice(id, object),
            _ => {}
        }
    }

    fn file_invoice(&mut self, id: String, invoice: &Value) {
        for key in ["charge", "payment_intent"] {
            if let Some(reference) = invoice[key].as_str() {
                self.paid_for.insert(reference.to_owned(), id.clone());
            }
        }
        let pause =
            self.subscriptions.get(&subscription_of(invoice)).map(|s| s["pause_collection"]["behavior"].clone());
        if invoice["status"] == "void" && pause.is_some_and(|behavior| behavior == "void") {
            self.waived.insert(id.clone());
        }
        self.invoices.insert(id, invoice.clone());
    }

    fn lines(&self, subscription: &Value, now: i64, rules: &Rules) -> Vec<Expected> {
        let cancel_at = subscription["cancel_at"].as_i64().or_else(|| {
            (subscription["cancel_at_period_end"] == true)
                .then(|| items(subscription).map(|i| period_end(i, subscription)).min())
                .flatten()
        });
        let status = match subscription["status"].as_str().unwrap() {
            "incomplete" => "incomplete",
            "trialing" => "trialing",
            "active" => "active",
            "past_due" => "past_due",
            "unpaid" => "unpaid",
            "paused" => "paused",
            _ => "canceled",
        };
        items(subscription)
            .map(|item| {
                let (paid, lost) = self.coverage(subscription, item);
                Line {
                    item_id: text(&item["id"]),
                    product: product_of(item["price"]["id"].as_str().unwrap(), rules),
                    status,
                    quantity: item["quantity"].as_i64().unwrap(),
                    paid,
                    lost,
                    trial_end: subscription["trial_end"].as_i64(),
                    cancel_at,
                    disputed: self.disputes.values().any(|d| d["status"] == "needs_response"),
                }
                .judge(now, rules)
            })
            .collect()
    }

    /// Until when an item is paid, and until when it would be, had nothing been given back.
    fn coverage(&self, subscription: &Value, item: &Value) -> (Option<i64>, Option<i64>) {
        let end = period_end(item, subscription);
        let mut own: Vec<(i64, i64, bool)> = Vec::new();
        let mut all: Vec<(i64, i64, bool)> = Vec::new();
        for invoice in self.invoices.values().filter(|i| subscription_of(i) == subscription["id"]) {
            if invoice["status"] != "paid" && !self.waived.contains(invoice["id"].as_str().unwrap()) {
                continue;
            }
            let lost = self.is_given_back(invoice);
            for line in
                invoice["lines"]["data"].as_array().unwrap().iter().filter(|l| l["amount"].as_i64().unwrap() >= 0)
            {
                let bought = (line["period"]["start"].as_i64().unwrap(), line["period"]["end"].as_i64().unwrap(), lost);
                all.push(bought);
                if item_of(line) == item["id"] {
                    own.push(bought);
                }
            }
        }
        // What begins last is what holds now: a yearly line gives way to a monthly one.
        let latest = |lines: &[(i64, i64, bool)], lost: bool| lines.iter().filter(|l| l.2 == lost).max().map(|l| l.1);
        let shares = own.is_empty() && matches!(subscription["status"].as_str(), Some("active" | "trialing"));
        let (mut paid, lost) = if shares {
            (latest(&all, false).map(|p| p.min(end)), latest(&all, true).map(|p| p.min(end)))
        } else {
            (latest(&own, false), latest(&own, true))
        };
        if subscription["pause_collection"]["behavior"] == "void" && lost.is_none_or(|l| l < end) {
            paid = paid.max(Some(end));
        }
        (paid, lost)
    }

    fn is_given_back(&self, invoice: &Value) -> bool {
        let is_of = |object: &Value| {
            object["invoice"] == invoice["id"]
                || ["id", "charge", "payment_intent"].iter().any(|k| {
                    object[k].as_str().and_then(|r| self.paid_for.get(r)).is_some_and(|i| invoice["id"] == **i)
                })
        };
        let failed = |said: usize, charge: &Value| -> i64 {
            let later = self.refunds.values().filter(|(filed, _)| *filed > said).map(|(_, refund)| refund);
            let mine = later.filter(|r| r["status"] == "failed" && r["charge"] == charge["id"]);
            mine.map(|r| r["amount"].as_i64().unwrap()).sum()
        };
        let is_whole = |(said, c): &(usize, Value)| {
            c["amount_refunded"].as_i64().unwrap() - failed(*said, c) >= c["amount"].as_i64().unwrap()
        };
        self.charges.values().any(|c| is_of(&c.1) && is_whole(c))
            || self.disputes.values().any(|d| d["status"] == "lost" && is_of(d))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn items(subscription: &Value) -> impl Iterator<Item = &Value> {
    subscription["items"]["data"].as_array().unwrap().iter()
}

fn period_end(item: &Value, subscription: &Value) -> i64 {
    item["current_period_end"].as_i64().or(subscription["current_period_end"].as_i64()).unwrap()
}

fn subscription_of(invoice: &Value) -> String {
    let new = &invoice["parent"]["subscription_details"]["subscription"];
    text(if new.is_string() { new } else { &invoice["subscription"] })
}

fn item_of(line: &Value) -> String {
    let new = &line["parent"]["subscription_item_details"]["subscription_item"];
    text(if new.is_string() { new } else { &line["subscription_item"] })
}

/// The line of every subscription after these FastSpring events, in their true order.
pub fn fastspring<'a>(
    events: impl IntoIterator<Item = &'a Value>,
    now: i64,
    rules: &Rules,
) -> BTreeMap<String, Vec<Expected>> {
    let mut latest: BTreeMap<String, (Value, i64)> = BTreeMap::new();
    let mut last_order: BTreeMap<String, String> = BTreeMap::new();
    // Order → what it cost, and what of it went back.
    let mut returned: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for event in events {
        let (kind, data) = (event["type"].as_str().unwrap(), &event["data"]);
        let ended = kind == "subscription.deactivated";
        let shown: Vec<&Value> = match kind {
            "order.completed" => data["items"].as_array().unwrap().iter().map(|i| &i["subscription"]).collect(),
            "subscription.charge.completed" => vec![&data["subscription"]],
            _ if kind.starts_with("subscription.") => vec![data],
            _ => vec![],
        };
        let order = if data["order"].is_object() { &data["order"]["id"] } else { &data["order"] };
        for subscription in shown {
            let id = text(if subscription.is_object() { &subscription["id"] } else { subscription });
            if kind == "order.completed" || kind == "subscription.charge.completed" {
                last_order.insert(id.clone(), text(order));
            }
            if subscription["state"].is_string() {
                latest.insert(id, (subscription.clone(), i64::from(ended)));
            }
        }
        if kind == "return.created" {
            let order = returned.entry(text(&data["original"]["id"])).or_default();
            order.0 = data["original"]["total"].as_i64().unwrap();
            order.1 += data["totalReturn"].as_i64().unwrap();
        }
    }
    let line = |(id, (shown, ended)): (&String, &(Value, i64))| {
        let day = |key: &str| shown[key].as_i64().map(|ms| ms / 1000);
        let state = shown["state"].as_str().unwrap();
        let (status, until) = match state {
            _ if *ended == 1 => ("canceled", None),
            "trial" => ("trialing", day("nextChargeDate").or(day("next"))),
            "overdue" => ("past_due", day("next").min(day("nextChargeDate").or(day("next")))),
            "canceled" => ("active", day("deactivationDate").map(|d| d + DAY).max(day("next"))),
            "paused" => ("paused", day("next")),
            _ => ("active", day("nextChargeDate").or(day("next"))),
        };
        let is_returned =
            last_order.get(id).and_then(|order| returned.get(order)).is_some_and(|(cost, back)| back >= cost);
        let path = if shown["product"].is_object() { &shown["product"]["product"] } else { &shown["product"] };
        Line {
            item_id: "main".to_owned(),
            product: product_of(path.as_str().unwrap(), rules),
            status,
            quantity: shown["quantity"].as_i64().unwrap(),
            paid: until.filter(|_| !is_returned),
            lost: until.filter(|_| is_returned),
            trial_end: until.filter(|_| status == "trialing" && !is_returned),
            cancel_at: until.filter(|_| state == "canceled"),
            disputed: false,
        }
        .judge(now, rules)
    };
    latest.iter().map(|entry| (entry.0.clone(), vec![line(entry)])).collect()
}

/// A license as LicenseSpring should hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct License {
    pub enabled: bool,
    pub validity_period: String,
    pub seats: i64,
    pub is_trial: bool,
}

/// Somebody who keeps the licenses right by hand, and never calls without a need.
#[derive(Debug, Default)]
pub struct Clerk {
    pub licenses: BTreeMap<String, License>,
    pub calls: Vec<String>,
}

impl Clerk {
    /// Looks at a subscription's lines and does what is needed.
    pub fn look(&mut self, source: &str, subscription: &str, lines: &[Expected]) {
        let mut lines: Vec<&Expected> = lines.iter().collect();
        lines.sort_by(|a, b| a.item_id.cmp(&b.item_id));
        let mut mine = BTreeSet::new();
        for line in lines {
            let nth = (1..).find(|n| !mine.contains(&order_id(source, subscription, &line.product, *n))).unwrap();
            let order = order_id(source, subscription, &line.product, nth);
            self.line(&order, line);
            mine.insert(order);
        }
        let others: Vec<String> = self
            .licenses
            .keys()
            .filter(|o| o.starts_with(&format!("{source}:{subscription}:")) && !mine.contains(*o))
            .cloned()
            .collect();
        others.iter().for_each(|order| self.switch_off(order));
    }

    fn line(&mut self, order: &str, line: &Expected) {
        if line.off {
            self.switch_off(order);
        }
        if !line.on() {
            return;
        }
        let wanted = License {
            enabled: true,
            validity_period: line.valid_until.clone().unwrap(),
            seats: line.quantity,
            is_trial: line.is_trial,
        };
        match self.licenses.insert(order.to_owned(), wanted.clone()) {
            None => self.calls.push(format!("create {order}")),
            Some(held) => {
                if (License { enabled: true, ..held.clone() }) != wanted {
                    self.calls.push(format!("update {order}"));
                }
                if !held.enabled {
                    self.calls.push(format!("enable {order}"));
                }
            }
        }
    }

    fn switch_off(&mut self, order: &str) {
        if let Some(license) = self.licenses.get_mut(order).filter(|l| l.enabled) {
            license.enabled = false;
            self.calls.push(format!("disable {order}"));
        }
    }
}

fn order_id(source: &str, subscription: &str, product: &str, nth: u32) -> String {
    let ordinal = if nth > 1 { format!(".{nth}") } else { String::new() };
    format!("{source}:{subscription}:{product}{ordinal}")
}
