//! Lives of a shop's buyer: subscriptions of another app, seen as orders alone, and a contract of
//! our own. Orders change their state after they were made, and are told again and again.
//!
//! An app writes into each order which of its subscriptions it is for (`note_attributes`). Only
//! the reference reads that.

use chrono::{DateTime, Months, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::support::rng::Rng;

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;
/// No charge is made that could as well be for another subscription of the product.
const MARGIN: i64 = 3 * DAY;

/// One delivery: topic, when it was raised, body.
#[derive(Clone)]
pub struct Told {
    pub topic: &'static str,
    pub at: i64,
    pub body: Value,
}

impl Told {
    /// As the reference reads it: with what the headers say.
    pub fn event(&self) -> Value {
        json!({"topic": self.topic, "at": self.at, "body": self.body})
    }
}

struct App {
    name: String,
    first: u64,
    sku: &'static str,
    quantity: i64,
    ends: i64,
    /// Its first order was paid: only then it is charged again.
    began: bool,
}

pub struct Life {
    pub told: Vec<Told>,
    pub now: i64,
    apps: Vec<App>,
    /// Orders as they stand, in the order in which they were made.
    orders: Vec<Value>,
    contract: Option<Value>,
    serial: u64,
}

pub const BUYER: u64 = 9_007_199_254_740_993;
pub const CONTRACT: u64 = 9_007_199_254_740_995;

pub fn written(at: i64) -> String {
    DateTime::<Utc>::from_timestamp(at, 0).unwrap().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Where a month or a year from `at` ends.
pub fn period_of(sku: &str, at: i64) -> i64 {
    let months = if sku.ends_with('Y') { 12 } else { 1 };
    DateTime::<Utc>::from_timestamp(at, 0).unwrap().checked_add_months(Months::new(months)).unwrap().timestamp()
}

/// A buyer of some app's subscriptions.
pub fn random_orders(rng: &mut Rng, start: i64, steps: usize) -> Life {
    let mut life = Life::new(start);
    life.open(rng);
    for _ in 0..steps {
        life.step(rng);
    }
    life
}

/// A contract of our own app.
pub fn random_contract(rng: &mut Rng, start: i64, steps: usize) -> Life {
    let mut life = Life::new(start);
    life.begin_contract(rng);
    for _ in 0..steps {
        life.step_contract(rng);
    }
    life
}

impl Life {
    fn new(start: i64) -> Self {
        Self { told: Vec::new(), now: start, apps: Vec::new(), orders: Vec::new(), contract: None, serial: 0 }
    }

    /// Every subscription there is, by the id it has at the product.
    pub fn subscriptions(&self) -> Vec<String> {
        match &self.contract {
            Some(_) => vec![CONTRACT.to_string()],
            None => self.apps.iter().map(|app| format!("order-{}", app.first)).collect(),
        }
    }

    fn tell(&mut self, topic: &'static str, body: Value) {
        self.told.push(Told { topic, at: self.now, body });
    }

    fn id(&mut self) -> u64 {
        self.serial += 1;
        820_982_911_946_154_000 + self.serial
    }

    fn make_order(&mut self, lines: &[(&str, i64)], source: &str, app: &str, status: &str) -> u64 {
        let id = self.id();
        let now = written(self.now);
        let lines: Vec<Value> = lines
            .iter()
            .map(|(sku, quantity)| {
                json!({"id": id * 10, "sku": sku, "variant_id": variant(sku), "product_id": 4, "quantity": quantity,
                    "current_quantity": quantity})
            })
            .collect();
        self.orders.push(json!({"id": id, "admin_graphql_api_id": format!("gid://shopify/Order/{id}"), "test": false,
            "financial_status": status, "source_name": source, "tags": "", "total_price": "20.00", "created_at": now,
            "processed_at": now, "updated_at": now, "cancelled_at": null, "email": "ada@example.com",
            "customer": {"id": BUYER, "first_name": "Ada"}, "line_items": lines,
            "note_attributes": [{"name": "app_subscription", "value": app}]}));
        id
    }

    fn tell_order(&mut self, topic: &'static str, id: u64) {
        let order = self.orders.iter().find(|o| o["id"] == id).unwrap().clone();
        self.tell(topic, order);
    }

    fn was_told_this_second(&self, id: u64) -> bool {
        let order = self.orders.iter().find(|o| o["id"] == id);
        self.told.iter().rev().take_while(|told| told.at == self.now).any(|told| Some(&told.body) == order)
    }

    fn change_order(&mut self, id: u64, change: impl FnOnce(&mut Value)) {
        let now = written(self.now);
        let order = self.orders.iter_mut().find(|o| o["id"] == id).unwrap();
        change(order);
        order["updated_at"] = json!(now);
    }

    /// Made and paid in one go, or paid some minutes later, or never.
    fn sell(&mut self, rng: &mut Rng, lines: &[(&str, i64)], source: &str, app: &str) -> (u64, bool) {
        let at_once = rng.once_in(2);
        let id = self.make_order(lines, source, app, if at_once { "paid" } else { "pending" });
        self.tell_order("orders/create", id);
        if !at_once {
            self.now += rng.between(1, 30) * MINUTE;
            if rng.once_in(6) {
                self.change_order(id, |o| o["financial_status"] = json!("voided"));
                self.tell_order("orders/updated", id);
                return (id, false);
            }
            self.change_order(id, |o| o["financial_status"] = json!("paid"));
        }
        self.tell_order("orders/paid", id);
        if rng.once_in(3) {
            self.tell_order("orders/updated", id);
        }
        (id, true)
    }

    /// Another subscription; or something that is bought once.
    fn open(&mut self, rng: &mut Rng) {
        let sku = rng.pick(&["PRO-M", "PRO-M", "TEAM-M", "PRO-Y", "TOOL"]);
        let quantity = rng.between(1, 5);
        let ends = period_of(sku, self.now);
        if sku != "TOOL" && !self.is_clear(sku, ends, None) {
            return;
        }
        let name = format!("app-{}", self.apps.len());
        let made = self.now;
        let (first, began) = self.sell(rng, &[(sku, quantity)], "web", &name);
        self.apps.push(App { name, first, sku, quantity, ends: period_of(sku, made), began });
    }

    /// No other subscription of the product ends as near.
    fn is_clear(&self, sku: &str, at: i64, but: Option<usize>) -> bool {
        let product = |sku: &str| sku.split('-').next().unwrap().to_owned();
        let others = self.apps.iter().enumerate().filter(|(n, app)| Some(*n) != but && app.sku != "TOOL");
        others.filter(|(_, app)| product(app.sku) == product(sku)).all(|(_, app)| (app.ends - at).abs() > 2 * MARGIN)
    }

    /// What an app charges when a period ends, or a little later.
    fn charge(&mut self, rng: &mut Rng, n: usize) {
        let late = rng.pick(&[0, 0, 10 * MINUTE, DAY]);
        let at = self.apps[n].ends + late;
        if self.apps[n].sku == "TOOL"
            || !self.apps[n].began
            || at < self.now
            || !self.is_clear(self.apps[n].sku, at, Some(n))
        {
            return;
        }
        self.now = at;
        if rng.once_in(6) {
            self.apps[n].quantity = rng.between(1, 5);
        }
        if rng.once_in(8) && self.apps[n].sku.starts_with("PRO") {
            self.apps[n].sku = rng.pick(&["PRO-M", "PRO-Y"]);
        }
        let (sku, quantity, name) = (self.apps[n].sku, self.apps[n].quantity, self.apps[n].name.clone());
        let source = rng.pick(&["subscription_contract_checkout_one", "subscription_contract"]);
        let (_, paid) = self.sell(rng, &[(sku, quantity)], source, &name);
        if paid {
            self.apps[n].ends = period_of(sku, at);
        }
    }

    fn step(&mut self, rng: &mut Rng) {
        if !rng.once_in(6) {
            self.now += rng.between(1, 3) * MINUTE;
        }
        let which = rng.below(self.apps.len().max(1));
        match rng.below(10) {
            _ if self.apps.is_empty() => self.open(rng),
            0..=4 => self.charge(rng, which),
            5 => {
                self.now += rng.between(1, 20) * DAY;
                self.open(rng);
            }
            6 => self.give_back(rng),
            7 => self.dispute(rng),
            8 => self.edit(rng),
            _ => {
                let buyer = json!({"id": BUYER, "email": "ada@example.org", "first_name": "Ada", "updated_at": written(self.now)});
                self.tell("customers/update", buyer);
            }
        }
    }

    fn some_paid_order(&self, rng: &mut Rng) -> Option<u64> {
        let paid: Vec<u64> = self
            .orders
            .iter()
            .filter(|o| o["financial_status"] == "paid" && o["cancelled_at"].is_null())
            .map(|o| o["id"].as_u64().unwrap())
            .collect();
        (!paid.is_empty()).then(|| paid[rng.below(paid.len())])
    }

    /// Money goes back: all of it, or a part; the order may be told before or after, or not at all.
    fn give_back(&mut self, rng: &mut Rng) {
        let Some(id) = self.some_paid_order(rng) else { return };
        self.now += rng.between(1, 600);
        if rng.once_in(4) {
            let now = written(self.now);
            self.change_order(id, |o| o["cancelled_at"] = json!(now));
            return self.tell_order("orders/cancelled", id);
        }
        let whole = rng.once_in(2);
        let by_lines = whole && rng.once_in(2);
        let refund = self.id();
        let line = self.orders.iter().find(|o| o["id"] == id).unwrap()["line_items"][0].clone();
        let lines = if by_lines { vec![json!({"quantity": line["quantity"], "line_item": line})] } else { vec![] };
        let amount = if whole && !by_lines { "20.00" } else { "5.00" };
        let word = if rng.once_in(5) { "pending" } else { "success" };
        let refund = json!({"id": refund, "order_id": id, "created_at": written(self.now), "processed_at": written(self.now),
            "refund_line_items": lines, "transactions": [{"kind": "refund", "status": word, "amount": amount}]});
        self.tell("refunds/create", refund);
        if word == "success" && rng.once_in(2) {
            self.change_order(id, |o| {
                o["financial_status"] = json!(if whole && !by_lines { "refunded" } else { "partially_refunded" });
                if by_lines {
                    o["line_items"][0]["current_quantity"] = json!(0);
                }
            });
            self.tell_order("orders/updated", id);
        }
    }

    fn dispute(&mut self, rng: &mut Rng) {
        let Some(order) = self.some_paid_order(rng) else { return };
        let id = self.id();
        let kind = rng.pick(&["chargeback", "chargeback", "inquiry"]);
        let began = written(self.now);
        let said =
            |status: &str| json!({"id": id, "order_id": order, "type": kind, "status": status, "initiated_at": began});
        self.tell("disputes/create", said("needs_response"));
        if rng.once_in(3) {
            return;
        }
        self.now += DAY;
        let status = rng.pick(&["won", "lost", "under_review"]);
        self.tell("disputes/update", said(status));
    }

    /// Seats are taken out of the last order by hand.
    fn edit(&mut self, rng: &mut Rng) {
        let Some(id) = self.some_paid_order(rng) else { return };
        let left = rng.between(0, 2);
        self.change_order(id, |o| {
            let had = o["line_items"][0]["quantity"].as_i64().unwrap();
            o["line_items"][0]["current_quantity"] = json!(left.min(had));
        });
        // What comes back to where it was within a second of the shop's clock is, byte for byte, a
        // copy of what was said before: nobody could tell it from one.
        if self.was_told_this_second(id) {
            self.now += 1;
            self.change_order(id, |_| {});
        }
        self.tell("orders/edited", json!({"order_edit": {"id": 1, "order_id": id}}));
        self.tell_order("orders/updated", id);
    }

    fn begin_contract(&mut self, rng: &mut Rng) {
        let quantity = rng.between(1, 5);
        let (order, _) = self.sell(rng, &[("PRO-M", quantity)], "web", "ours");
        let months = rng.pick(&[1, 1, 12]);
        self.contract = Some(
            json!({"id": CONTRACT, "customer_id": BUYER, "status": "active", "origin_order_id": order,
            "billing_policy": {"interval": if months == 12 { "year" } else { "month" }, "interval_count": 1}, "revision_id": "0"}),
        );
        self.tell_contract("subscription_contracts/create", "active");
    }

    fn tell_contract(&mut self, topic: &'static str, status: &str) {
        self.serial += 1;
        let revision = self.serial.to_string();
        let Some(contract) = self.contract.as_mut() else { return };
        contract["status"] = json!(status);
        contract["revision_id"] = json!(revision);
        let contract = contract.clone();
        self.tell(topic, contract);
    }

    fn step_contract(&mut self, rng: &mut Rng) {
        self.now += rng.between(1, 20) * DAY;
        let status = self.contract.as_ref().unwrap()["status"].as_str().unwrap().to_owned();
        match (status.as_str(), rng.below(8)) {
            ("active" | "failed", 0..=3) => {
                let (order, paid) = self.sell(rng, &[("PRO-M", 2)], "subscription_contract_checkout_one", "ours");
                self.now += 2;
                self.attempt(paid.then_some(order));
                self.tell_contract("subscription_contracts/update", "active");
            }
            ("active", 4) => self.tell_contract("subscription_contracts/pause", "paused"),
            ("paused", _) => self.tell_contract("subscription_contracts/activate", "active"),
            ("active", 5) if rng.once_in(2) => self.tell_contract("subscription_contracts/cancel", "cancelled"),
            ("active", 6) if rng.once_in(2) => {
                self.attempt(None);
                self.tell_contract("subscription_contracts/fail", "failed");
            }
            (_, 7) => self.dispute(rng),
            _ => self.give_back(rng),
        }
    }

    fn attempt(&mut self, order: Option<u64>) {
        let id = self.id();
        let body = json!({"id": id, "idempotency_key": format!("k{id}"), "order_id": order, "subscription_contract_id": CONTRACT,
            "error_code": order.is_none().then_some("payment_method_declined")});
        let topic = match order {
            Some(_) => "subscription_billing_attempts/success",
            None => "subscription_billing_attempts/failure",
        };
        self.tell(topic, body);
    }
}

/// Every plan is a variant of its own.
pub fn variant(sku: &str) -> u64 {
    match sku {
        "PRO-M" => 31,
        "PRO-Y" => 32,
        "TEAM-M" => 33,
        _ => 34,
    }
}
