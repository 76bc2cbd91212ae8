//! Lives of FastSpring subscriptions: several events in one post, `changed` that does not
//! always move, a date that means something else in every state.

use serde_json::{Value, json};

use crate::support::rng::Rng;

const DAY_MS: i64 = 86_400_000;
const MONTH_MS: i64 = 30 * DAY_MS;

/// A subscription that lives, and the posts that told it, in the order in which it happened.
pub struct Life {
    /// The events of each post.
    pub posts: Vec<Vec<Value>>,
    pub id: String,
    /// Milliseconds.
    pub now: i64,
    state: &'static str,
    path: &'static str,
    quantity: i64,
    changed: i64,
    next: i64,
    retry: Option<i64>,
    canceled: Option<i64>,
    ended: Option<i64>,
    order: Option<(String, i64)>,
    serial: usize,
}

/// A random life of some length.
pub fn random(rng: &mut Rng, id: &str, start_ms: i64, steps: usize) -> Life {
    let mut life = Life::new(id, start_ms, rng.between(1, 9));
    if rng.once_in(3) {
        life.activate_trial();
    } else {
        life.activate();
    }
    for _ in 0..steps {
        life.step(rng);
    }
    life
}

impl Life {
    pub fn new(id: &str, start_ms: i64, quantity: i64) -> Self {
        Self {
            posts: Vec::new(),
            id: id.to_owned(),
            now: start_ms,
            state: "active",
            path: "pro-monthly",
            quantity,
            changed: start_ms,
            next: midnight(start_ms) + MONTH_MS,
            retry: None,
            canceled: None,
            ended: None,
            order: None,
            serial: 0,
        }
    }

    pub fn events(&self) -> impl Iterator<Item = &Value> {
        self.posts.iter().flatten()
    }

    /// One post with both; the first says it expanded, the second with ids.
    pub fn activate(&mut self) {
        let order = self.new_order();
        let activated = self.event("subscription.activated", self.shown(true));
        let item =
            json!({"product": self.path, "quantity": self.quantity, "sku": null, "subscription": self.shown(false)});
        let completed = json!({"order": order, "id": order, "reference": "REF", "completed": true, "changed": self.now, "live": true,
            "account": self.account(), "total": self.total(), "customer": {"first": "Ann", "last": "Lee", "email": self.email()}, "items": [item]});
        let completed = self.event("order.completed", completed);
        self.posts.push(vec![activated, completed]);
    }

    pub fn activate_trial(&mut self) {
        self.state = "trial";
        self.next = midnight(self.now) + 14 * DAY_MS;
        let activated = self.event("subscription.activated", self.shown(true));
        self.posts.push(vec![activated]);
    }

    /// A rebill: an order of its own; `next` moves, `changed` does not.
    pub fn charge(&mut self) {
        self.now = self.now.max(self.next) + 8 * 3_600_000;
        self.state = "active";
        self.next += MONTH_MS;
        self.retry = None;
        let order = self.new_order();
        let order_data = json!({"order": order, "id": order, "changed": self.now, "total": self.total(), "account": self.id_of_account(),
            "items": [{"product": self.path, "quantity": self.quantity, "subscription": self.id}]});
        let charge = json!({"order": order_data, "subscription": self.shown(false), "account": self.account(), "status": "successful",
            "timestamp": self.now, "total": self.total(), "currency": "USD", "sequence": 2, "periods": null});
        let charge = self.event("subscription.charge.completed", charge);
        let reminder = self.event("subscription.payment.reminder", self.shown(true));
        self.posts.push(vec![reminder, charge]);
    }

    pub fn update(&mut self, path: &'static str, quantity: i64) {
        self.path = path;
        self.quantity = quantity;
        self.changed = self.now;
        self.say("subscription.updated");
    }

    /// `changed` stays where it was.
    pub fn cancel(&mut self) {
        self.state = "canceled";
        self.canceled = Some(midnight(self.now));
        self.say("subscription.canceled");
    }

    pub fn uncancel(&mut self) {
        self.state = "active";
        self.canceled = None;
        self.changed = self.now;
        self.say("subscription.uncanceled");
    }

    pub fn deactivate(&mut self) {
        self.state = "deactivated";
        self.canceled = self.canceled.or(Some(midnight(self.now)));
        self.ended = Some(midnight(self.now));
        self.changed = self.now;
        self.say("subscription.deactivated");
    }

    pub fn give_back(&mut self, all: bool) {
        let Some((order, total)) = self.order.clone() else { return };
        let worth = if all { total } else { total / 2 };
        let id = format!("{order}-B{}", self.serial);
        let data = json!({"return": id, "id": id, "reference": "R", "completed": true, "changed": self.now,
            "original": {"id": order, "order": order, "reference": "REF", "total": total, "account": self.id_of_account()},
            "totalReturn": worth, "reason": "CUSTOMER_REQUEST", "items": [{"product": self.path, "quantity": self.quantity, "subscription": self.id}]});
        let data = self.event("return.created", data);
        self.posts.push(vec![data]);
    }

    fn step(&mut self, rng: &mut Rng) {
        let room = (self.next - self.now - 1_000).max(1);
        self.now += rng.between(1, 3 * DAY_MS).min(room);
        match (self.state, rng.below(9)) {
            ("deactivated", _) => self.give_back(true),
            ("canceled", 0..=3) => self.uncancel(),
            ("canceled", _) => {
                self.now = self.now.max(self.next);
                self.deactivate();
            }
            ("overdue", 0..=5) => self.charge(),
            ("paused", 0..=5) => {
                self.state = "active";
                self.changed = self.now;
                self.say("subscription.resumed");
            }
            ("trial" | "active", 0..=2) => self.charge(),
            ("trial" | "active", 3 | 4) => {
                let path = rng.pick(&["pro-monthly", "team-monthly"]);
                self.update(path, rng.between(1, 9));
            }
            ("active", 5) => self.cancel(),
            ("active", 6) => self.overdue(),
            ("active", 7) => self.give_back(rng.once_in(2)),
            ("active", 8) => {
                self.state = "paused";
                self.changed = self.now;
                self.say("subscription.paused");
            }
            _ => self.deactivate(),
        }
    }

    fn overdue(&mut self) {
        self.now = self.now.max(self.next) + 3_600_000;
        self.state = "overdue";
        self.changed = self.now;
        self.retry = Some(self.next + 7 * DAY_MS);
        let failed =
            json!({"reason": "EXPIRED_CARD", "account": self.id_of_account(), "quote": null, "subscription": self.id});
        let failed = self.event("subscription.charge.failed", failed);
        let overdue = self.event("subscription.payment.overdue", self.shown(true));
        self.posts.push(vec![overdue, failed]);
    }

    fn say(&mut self, kind: &str) {
        let event = self.event(kind, self.shown(self.serial % 2 == 0));
        self.posts.push(vec![event]);
    }

    fn event(&mut self, kind: &str, data: Value) -> Value {
        self.serial += 1;
        self.now += 100;
        let scrambled = self.serial.wrapping_mul(7_919) % 9_973;
        json!({"id": format!("ev{scrambled:04}-{}-{}", self.id, self.serial), "processed": false, "created": self.now, "type": kind,
            "live": true, "data": data})
    }

    fn new_order(&mut self) -> String {
        let order = format!("ord-{}-{}", self.id, self.serial);
        self.order = Some((order.clone(), self.total()));
        order
    }

    fn total(&self) -> i64 {
        20 * self.quantity
    }

    fn id_of_account(&self) -> String {
        format!("acc-{}", self.id)
    }

    fn email(&self) -> String {
        format!("{}@example.com", self.id)
    }

    fn account(&self) -> Value {
        json!({"id": self.id_of_account(), "account": self.id_of_account(), "contact": {"first": "Ann", "last": "Lee", "email": self.email()}})
    }

    fn shown(&self, expanded: bool) -> Value {
        let active = self.state != "deactivated";
        let next_charge = match self.state {
            "active" | "trial" => Some(self.next),
            "overdue" => self.retry,
            _ => None,
        };
        json!({"id": self.id, "subscription": self.id, "active": active, "state": self.state, "changed": self.changed, "live": true,
            "account": if expanded { self.account() } else { json!(self.id_of_account()) },
            "product": if expanded { json!({"product": self.path, "parent": null}) } else { json!(self.path) },
            "sku": null, "quantity": self.quantity, "adhoc": false, "autoRenew": true, "next": self.next, "nextChargeDate": next_charge,
            "end": self.ended, "canceledDate": self.canceled, "deactivationDate": self.canceled.map(|_| self.next - DAY_MS),
            "sequence": 1, "intervalUnit": "month", "intervalLength": 1})
    }
}

fn midnight(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS) * DAY_MS
}
