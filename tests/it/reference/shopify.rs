//! A shop's buyer, worked out by somebody who reads in each order which of an app's
//! subscriptions it is for, and sees everything in the order in which it happened.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Months};
use serde_json::Value;

use super::{Expected, Line, Rules, product_of};

#[derive(Default)]
struct Shop {
    /// As they stand, with the instant at which each was first said to be paid.
    orders: BTreeMap<u64, (Value, Option<i64>)>,
    refunds: Vec<Value>,
    disputes: BTreeMap<u64, Value>,
    contract: Option<Value>,
    /// Orders of our own contract.
    ours: BTreeSet<u64>,
}

/// The lines of every subscription after these deliveries, in their true order.
pub fn shopify<'a>(
    events: impl IntoIterator<Item = &'a Value>,
    now: i64,
    rules: &Rules,
) -> BTreeMap<String, Vec<Expected>> {
    let mut shop = Shop::default();
    events.into_iter().for_each(|event| shop.file(event));
    match &shop.contract {
        Some(contract) => BTreeMap::from([(contract["id"].to_string(), shop.contract_lines(contract, now, rules))]),
        None => shop.app_lines(now, rules),
    }
}

impl Shop {
    fn file(&mut self, event: &Value) {
        let (topic, body) = (event["topic"].as_str().unwrap(), &event["body"]);
        let said_at = event["at"].as_i64().unwrap();
        match topic {
            "orders/create" | "orders/paid" | "orders/updated" | "orders/cancelled" => {
                let held = self.orders.entry(body["id"].as_u64().unwrap()).or_insert((Value::Null, None));
                held.0 = body.clone();
                if is_paid(body) {
                    held.1 = held.1.or(Some(seconds(&body["updated_at"])));
                }
            }
            "refunds/create" => self.refunds.push(body.clone()),
            "disputes/create" | "disputes/update" => {
                self.disputes.insert(body["id"].as_u64().unwrap(), body.clone());
            }
            "subscription_billing_attempts/success" => {
                let order = body["order_id"].as_u64().unwrap();
                self.ours.insert(order);
                let held = self.orders.entry(order).or_insert((Value::Null, None));
                held.1 = held.1.or(Some(said_at));
            }
            _ if topic.starts_with("subscription_contracts/") => {
                self.ours.extend(body["origin_order_id"].as_u64());
                self.contract = Some(body.clone());
            }
            _ => {}
        }
    }

    /// The money of an order went back, as far as one of its lines is concerned.
    fn is_lost(&self, id: u64, order: &Value, line: &Value) -> bool {
        let mine = || self.refunds.iter().filter(|r| r["order_id"] == id && succeeded(r));
        let whole_line = |r: &Value| {
            let lines = r["refund_line_items"].as_array().unwrap();
            lines
                .iter()
                .any(|l| l["line_item"]["variant_id"] == line["variant_id"] && l["quantity"] == line["quantity"])
        };
        let back: i64 = mine().map(|r| cents(&r["transactions"][0]["amount"])).sum();
        order["financial_status"] == "refunded"
            || (!order["cancelled_at"].is_null() && is_paid(order))
            || back >= cents(&order["total_price"])
            || mine().any(whole_line)
            || line["current_quantity"] == 0
            || self.disputes.values().any(|d| d["order_id"] == id && d["status"] == "lost")
    }

    fn is_disputed(&self, orders: &[u64]) -> bool {
        self.disputes.values().any(|d| {
            let open = matches!(d["status"].as_str(), Some("needs_response" | "under_review"));
            open && d["type"] == "chargeback" && orders.iter().any(|id| d["order_id"] == *id)
        })
    }

    fn app_lines(&self, now: i64, rules: &Rules) -> BTreeMap<String, Vec<Expected>> {
        let mut apps: BTreeMap<&str, Vec<(i64, u64)>> = BTreeMap::new();
        for (id, (order, _)) in &self.orders {
            let app = order["note_attributes"][0]["value"].as_str().unwrap();
            apps.entry(app).or_default().push((seconds(&order["processed_at"]), *id));
        }
        let lines = |mut orders: Vec<(i64, u64)>| {
            orders.sort_unstable();
            let orders: Vec<u64> = orders.into_iter().map(|(_, id)| id).collect();
            (format!("order-{}", orders[0]), vec![self.app_line(&orders, now, rules)])
        };
        apps.into_values().map(lines).collect()
    }

    fn app_line(&self, ids: &[u64], now: i64, rules: &Rules) -> Expected {
        let line_of = |id: &u64| &self.orders[id].0["line_items"][0];
        let paid: Vec<&u64> = ids.iter().filter(|id| self.orders[id].1.is_some()).collect();
        let shown = paid.iter().rfind(|id| line_of(id)["current_quantity"] != 0).copied();
        let shown = line_of(shown.unwrap_or(&ids[ids.len() - 1]));
        let is_lost = |id: &u64| self.is_lost(*id, &self.orders[id].0, line_of(id));
        let until = |id: &u64| {
            let start = seconds(&self.orders[id].0["processed_at"]);
            end_of(line_of(id)["sku"].as_str().unwrap(), start)
        };
        let first = line_of(&ids[0]);
        let once = first["sku"] == "TOOL";
        let kept = paid.iter().rfind(|id| !is_lost(id));
        // Voided after all: it was never paid.
        let mut line = Line {
            item_id: first["variant_id"].to_string(),
            product: product_of(first["sku"].as_str().unwrap(), rules),
            status: if !paid.is_empty() {
                "active"
            } else if ids.iter().all(|id| self.orders[id].0["financial_status"] == "voided") {
                "canceled"
            } else {
                "incomplete"
            },
            quantity: shown["current_quantity"].as_i64().unwrap(),
            paid: kept.map(|id| until(id)),
            lost: paid.iter().rfind(|id| is_lost(id)).map(|id| until(id)),
            trial_end: None,
            cancel_at: None,
            disputed: self.is_disputed(ids),
        };
        if !once {
            return line.judge(now, rules);
        }
        // Bought once: it never ends by itself.
        let never = now + 1_000 * 86_400;
        line.paid = kept.map(|_| never);
        line.lost = line.lost.map(|_| never);
        Expected { paid_through: None, valid_until: None, ..line.judge(now, rules) }
    }

    fn contract_lines(&self, contract: &Value, now: i64, rules: &Rules) -> Vec<Expected> {
        let months = if contract["billing_policy"]["interval"] == "year" { 12 } else { 1 };
        let mut paid: Vec<(i64, u64)> =
            self.ours.iter().filter_map(|id| Some((self.orders.get(id)?.1?, *id))).collect();
        paid.sort_unstable();
        let Some((_, last)) = paid.last() else { return Vec::new() };
        let lines = self.orders[last].0["line_items"].as_array().cloned().unwrap_or_default();
        let orders: Vec<u64> = self.ours.iter().copied().collect();
        let lines = lines.iter().filter(|line| line["current_quantity"] != 0);
        lines
            .map(|line| {
                let is_lost = |id: u64| {
                    let order = &self.orders[&id].0;
                    let of_order = order["line_items"].as_array().into_iter().flatten();
                    let mine = of_order.clone().find(|l| l["variant_id"] == line["variant_id"]).unwrap_or(line);
                    let refunded = self.is_lost(id, order, &Value::Null);
                    refunded || self.refunds.iter().any(|r| r["order_id"] == id && succeeded(r) && names(r, mine))
                };
                let until = |at: i64| plus_months(at, months);
                let kept = paid.iter().rfind(|(_, id)| !is_lost(*id)).map(|(at, _)| until(*at));
                let status = contract["status"].as_str().unwrap();
                let over = matches!(status, "cancelled" | "expired");
                let line = Line {
                    item_id: line["variant_id"].to_string(),
                    product: product_of(line["sku"].as_str().unwrap(), rules),
                    status: match status {
                        "paused" => "paused",
                        "failed" => "past_due",
                        _ => "active",
                    },
                    quantity: line["current_quantity"].as_i64().unwrap(),
                    paid: kept,
                    lost: paid.iter().rfind(|(_, id)| is_lost(*id)).map(|(at, _)| until(*at)),
                    trial_end: None,
                    // What was paid for runs out, and that is the end.
                    cancel_at: over.then(|| kept.unwrap_or(0)),
                    disputed: self.is_disputed(&orders),
                };
                let expected = line.judge(now, rules);
                if over { Expected { status: "canceled", ..expected } } else { expected }
            })
            .collect()
    }
}

/// A refund that names all of a line.
fn names(refund: &Value, line: &Value) -> bool {
    let lines = refund["refund_line_items"].as_array().unwrap();
    lines.iter().any(|l| l["line_item"]["variant_id"] == line["variant_id"] && l["quantity"] == line["quantity"])
}

fn is_paid(order: &Value) -> bool {
    matches!(order["financial_status"].as_str(), Some("paid" | "partially_refunded" | "refunded"))
}

fn succeeded(refund: &Value) -> bool {
    refund["transactions"][0]["status"] == "success"
}

fn cents(amount: &Value) -> i64 {
    amount.as_str().map_or(i64::MAX, |text| text.replace('.', "").parse().unwrap())
}

fn seconds(instant: &Value) -> i64 {
    instant.as_str().unwrap().parse::<DateTime<chrono::Utc>>().unwrap().timestamp()
}

fn plus_months(at: i64, months: u32) -> i64 {
    DateTime::from_timestamp(at, 0).unwrap().checked_add_months(Months::new(months)).unwrap().timestamp()
}

fn end_of(sku: &str, at: i64) -> i64 {
    plus_months(at, if sku.ends_with('Y') { 12 } else { 1 })
}
