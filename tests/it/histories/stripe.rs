//! Lives of Stripe subscriptions, as Stripe tells them: the object before and after every
//! change, five webhooks a renewal, several events in one second, in the shapes of 2020 and of
//! 2025 and later.

use serde_json::{Map, Value, json};

use crate::support::rng::Rng;

const DAY: i64 = 86_400;
const MONTH: i64 = 30 * DAY;
const YEAR: i64 = 365 * DAY;

/// How an API version shows things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// 2020-08-27: periods on the subscription, `invoice.subscription`, `charge.invoice`.
    Old,
    /// 2025-03-31 and later: periods on the items, `parent`, `pricing`, `invoice_payment`.
    New,
}

/// One event, and the same event as an endpoint of another API version is told it.
pub struct Told {
    pub event: Value,
    pub twin: Value,
}

#[derive(Clone)]
struct Item {
    id: String,
    price: &'static str,
    quantity: i64,
}

#[derive(Clone)]
struct Subscription {
    id: String,
    status: &'static str,
    items: Vec<Item>,
    period: (i64, i64),
    created: i64,
    trial_end: Option<i64>,
    cancel_at: Option<i64>,
    cancel_at_period_end: bool,
    canceled_at: Option<i64>,
    ended_at: Option<i64>,
    paused: bool,
    latest_invoice: Option<String>,
}

#[derive(Clone)]
struct Line {
    item: String,
    price: &'static str,
    amount: i64,
    period: (i64, i64),
    proration: bool,
}

#[derive(Clone)]
struct Invoice {
    id: String,
    status: &'static str,
    lines: Vec<Line>,
    created: i64,
    finalized_at: Option<i64>,
}

impl Invoice {
    fn total(&self) -> i64 {
        self.lines.iter().map(|l| l.amount).sum::<i64>().max(0)
    }
    fn charge(&self) -> Option<String> {
        (self.status == "paid" && self.total() > 0).then(|| self.id.replace("in_", "ch_"))
    }
    fn intent(&self) -> String {
        self.id.replace("in_", "pi_")
    }
}

/// A subscription that lives, and what Stripe has said of it so far, in the order in which it
/// happened.
pub struct Life {
    pub told: Vec<Told>,
    pub id: String,
    /// Seconds.
    pub now: i64,
    shape: Shape,
    subscription: Subscription,
    invoices: Vec<Invoice>,
    serial: usize,
}

/// A random life of some length.
pub fn random(rng: &mut Rng, id: &str, start: i64, steps: usize) -> Life {
    let shape = rng.pick(&[Shape::Old, Shape::New]);
    let mut life = Life::new(id, start, shape, rng.between(1, 9));
    if rng.once_in(3) {
        life.start_trial();
    } else {
        life.start_paid(rng.once_in(2), rng.below(2));
    }
    for _ in 0..steps {
        life.step(rng);
    }
    life
}

impl Life {
    pub fn new(id: &str, start: i64, shape: Shape, quantity: i64) -> Self {
        let subscription = Subscription {
            id: id.to_owned(),
            status: "incomplete",
            items: vec![Item { id: format!("si_{id}_1"), price: "price_pro", quantity }],
            period: (start, start + MONTH),
            created: start,
            trial_end: None,
            cancel_at: None,
            cancel_at_period_end: false,
            canceled_at: None,
            ended_at: None,
            paused: false,
            latest_invoice: None,
        };
        Self { told: Vec::new(), id: id.to_owned(), now: start, shape, subscription, invoices: Vec::new(), serial: 0 }
    }

    /// The events since some number of them.
    pub fn since(&self, from: usize) -> &[Told] {
        &self.told[from..]
    }

    /// The first payment; `active`: it worked before the `created` event was written.
    pub fn start_paid(&mut self, active: bool, pause_s: usize) {
        self.subscription.status = if active { "active" } else { "incomplete" };
        let invoice = self.bill("open");
        self.subscription.latest_invoice = Some(invoice.id.clone());
        self.tell_subscription("customer.subscription.created", None);
        self.tell_invoice("invoice.created", &invoice);
        self.now += i64::try_from(pause_s).unwrap();
        self.pay(&invoice);
        if !active {
            self.change(|s| s.status = "active");
        }
    }

    pub fn start_trial(&mut self) {
        let end = self.now + 14 * DAY;
        self.subscription.status = "trialing";
        self.subscription.period = (self.now, end);
        self.subscription.trial_end = Some(end);
        let mut invoice = self.bill("open");
        invoice.lines.iter_mut().for_each(|l| l.amount = 0);
        self.tell_subscription("customer.subscription.created", None);
        self.tell_invoice("invoice.created", &invoice);
        self.pay(&invoice);
    }

    /// The period moves first; the draft becomes a charge an hour later. Five webhooks.
    pub fn renew(&mut self) {
        let invoice = self.next_period();
        self.now += 3_600;
        self.pay(&invoice);
    }

    fn next_period(&mut self) -> Invoice {
        let (start, end) = self.subscription.period;
        self.now = self.now.max(end);
        let length = if end - start >= YEAR { YEAR } else { MONTH };
        let before = self.subscription.clone();
        self.subscription.period = (end, end + length);
        self.subscription.status = if before.status == "trialing" { "active" } else { before.status };
        let invoice = self.bill("draft");
        self.subscription.latest_invoice = Some(invoice.id.clone());
        self.tell_subscription("customer.subscription.updated", Some(&before));
        self.tell_invoice("invoice.created", &invoice);
        invoice
    }

    pub fn set_plan(&mut self, price: &'static str, new_item: bool) {
        let serial = self.told.len();
        self.change(|s| {
            if new_item {
                let quantity = s.items[0].quantity;
                s.items[0] = Item { id: format!("si_{}_{serial}", s.id), price, quantity };
            } else {
                s.items[0].price = price;
            }
        });
    }

    pub fn set_seats(&mut self, quantity: i64) {
        self.change(|s| s.items[0].quantity = quantity);
    }

    /// Classic billing says both; flexible billing only the date.
    pub fn cancel_at_period_end(&mut self, classic: bool) {
        let now = self.now;
        self.change(|s| {
            s.cancel_at = Some(s.period.1);
            s.cancel_at_period_end = classic;
            s.canceled_at = Some(now);
        });
    }

    pub fn uncancel(&mut self) {
        self.change(|s| {
            s.cancel_at = None;
            s.cancel_at_period_end = false;
            s.canceled_at = None;
        });
    }

    pub fn end(&mut self) {
        let now = self.now;
        self.subscription.status = "canceled";
        self.subscription.canceled_at = self.subscription.canceled_at.or(Some(now));
        self.subscription.ended_at = Some(now);
        self.tell_subscription("customer.subscription.deleted", None);
    }

    /// Gives a part of the last payment back, in percent.
    pub fn refund(&mut self, percent: i64, fails: bool) {
        let Some(invoice) = self.invoices.iter().rfind(|i| i.charge().is_some()).cloned() else { return };
        let refund_id = invoice.id.replace("in_", "re_");
        if self.told.iter().any(|t| t.event["data"]["object"]["id"] == json!(refund_id)) {
            return; // a second refund would have an id, and a sum, of its own
        }
        let amount = invoice.total() * percent / 100;
        let charge = |shape| charge(&invoice, &self.id, amount, shape);
        self.tell("charge.refunded", charge(Shape::Old), charge(Shape::New), None);
        let refund = |status: &str| {
            json!({"id": refund_id, "object": "refund", "amount": amount, "status": status,
                "charge": invoice.charge(), "payment_intent": invoice.intent()})
        };
        self.tell_same("refund.created", refund("succeeded"));
        if fails {
            self.now += DAY;
            self.tell_same("refund.failed", refund("failed"));
        }
    }

    fn dispute(&mut self, ends: Option<&str>) {
        let Some(invoice) = self.invoices.iter().rfind(|i| i.charge().is_some()).cloned() else { return };
        let dispute = |status: &str| {
            json!({"id": invoice.id.replace("in_", "dp_"), "object": "dispute", "amount": invoice.total(), "status": status,
                "charge": invoice.charge(), "payment_intent": invoice.intent()})
        };
        self.tell_same("charge.dispute.created", dispute("needs_response"));
        if let Some(status) = ends {
            self.now += DAY;
            self.tell_same("charge.dispute.closed", dispute(status));
        }
    }

    /// One thing that happens to a subscription in the state that this one is in.
    fn step(&mut self, rng: &mut Rng) {
        let room = self.subscription.period.1 - self.now - 1;
        let wait = if rng.once_in(3) { 0 } else { rng.between(1, 4 * DAY) };
        self.now += wait.min(room.max(0));
        match self.subscription.status {
            "active" | "trialing" if self.subscription.cancel_at.is_some() => self.step_canceling(rng),
            "trialing" if rng.once_in(2) => self.renewal(rng),
            "active" | "trialing" => self.step_running(rng),
            "past_due" | "unpaid" => self.step_owing(rng),
            _ => self.step_gone(rng),
        }
    }

    fn step_canceling(&mut self, rng: &mut Rng) {
        match rng.below(3) {
            0 => self.uncancel(),
            1 => {
                self.now = self.subscription.period.1;
                self.end();
            }
            _ => self.burst(rng),
        }
    }

    fn step_running(&mut self, rng: &mut Rng) {
        match rng.below(14) {
            0..=3 => self.renewal(rng),
            4 | 5 => self.burst(rng),
            6 => self.swap(rng),
            7 if self.subscription.items.len() == 1 => self.other_interval(),
            8 => self.add_or_remove(rng),
            9 => self.cancel_at_period_end(rng.once_in(2)),
            10 if rng.once_in(2) => self.end(),
            11 if self.subscription.status == "active" => {
                self.now += 1;
                let percent = rng.pick(&[100, 100, 40]);
                let fails = rng.once_in(3);
                self.refund(percent, fails);
            }
            12 if rng.once_in(2) => {
                self.now += 1;
                let ends = rng.pick(&[None, Some("won"), Some("lost")]);
                self.dispute(ends);
            }
            13 if self.subscription.status == "active" => self.pause(rng),
            11..=13 => self.extend_trial(rng.between(1, 20)),
            _ => self.noise(),
        }
    }

    /// Nothing is billed for it: the line of the trial ends where the trial was to end.
    fn extend_trial(&mut self, days: i64) {
        self.change(|s| {
            s.period.1 += days * DAY;
            s.trial_end = Some(s.period.1);
        });
    }

    fn step_owing(&mut self, rng: &mut Rng) {
        match rng.below(4) {
            0 if self.subscription.status == "past_due" => {
                self.now += 1;
                self.change(|s| s.status = "unpaid");
            }
            1 if rng.once_in(2) => self.end(),
            _ => {
                self.now += 1;
                let open = self.invoices.iter().rfind(|i| i.status == "open").cloned();
                if let Some(invoice) = open {
                    self.pay(&invoice);
                }
                self.change(|s| s.status = "active");
            }
        }
    }

    fn step_gone(&mut self, rng: &mut Rng) {
        self.now += 1;
        if rng.once_in(2) { self.refund(100, false) } else { self.noise() }
    }

    fn renewal(&mut self, rng: &mut Rng) {
        if !rng.once_in(4) {
            return self.renew();
        }
        let mut invoice = self.next_period();
        self.now += 3_600;
        invoice.status = "open";
        invoice.finalized_at = Some(self.now);
        self.tell_invoice("invoice.finalized", &invoice);
        self.tell_invoice("invoice.payment_failed", &invoice);
        self.change(|s| s.status = "past_due");
    }

    /// Several changes of seats, mostly inside one second, also back to where they began.
    fn burst(&mut self, rng: &mut Rng) {
        let first = self.subscription.items[0].quantity;
        for _ in 0..rng.between(1, 4) {
            let held = self.subscription.items[0].quantity;
            let next = if held != first && rng.once_in(2) { first } else { held + rng.pick(&[1, 2]) };
            self.set_seats(next);
            if rng.once_in(4) {
                self.now += 1;
            }
        }
        if rng.once_in(2) {
            self.bill_proration();
        }
    }

    fn swap(&mut self, rng: &mut Rng) {
        let taken: Vec<&str> = self.subscription.items.iter().map(|i| i.price).collect();
        let price = if taken.contains(&"price_team") { "price_pro" } else { "price_team" };
        if self.subscription.items.len() > 1 {
            return;
        }
        self.set_plan(price, rng.once_in(2));
        if rng.once_in(2) {
            self.bill_proration();
        }
    }

    /// Monthly becomes yearly, or the other way: the period begins anew, and is billed at once.
    fn other_interval(&mut self) {
        self.now += 1;
        let (start, end) = self.subscription.period;
        let length = if end - start >= YEAR { MONTH } else { YEAR };
        let now = self.now;
        self.change(|s| {
            s.period = (now, now + length);
            s.status = "active";
            s.trial_end = s.trial_end.map(|t| t.min(now));
        });
        let invoice = self.bill("open");
        self.tell_invoice("invoice.created", &invoice);
        self.pay(&invoice);
    }

    fn add_or_remove(&mut self, rng: &mut Rng) {
        let serial = self.told.len();
        if self.subscription.items.len() > 1 {
            let nth = rng.below(2);
            self.change(|s| {
                s.items.remove(nth);
            });
        } else {
            let price = if self.subscription.items[0].price == "price_pro" { "price_team" } else { "price_pro" };
            let quantity = rng.between(1, 5);
            self.change(|s| s.items.push(Item { id: format!("si_{}_{serial}", s.id), price, quantity }));
            if rng.once_in(2) {
                self.bill_proration();
            }
        }
    }

    /// Nobody is asked to pay for a while: the invoice of the next period is voided.
    fn pause(&mut self, rng: &mut Rng) {
        self.now += 1;
        self.change(|s| s.paused = true);
        let mut invoice = self.next_period();
        self.now += 3_600;
        invoice.status = "void";
        self.tell_invoice("invoice.voided", &invoice);
        if rng.once_in(2) {
            self.now += 1;
            self.change(|s| s.paused = false);
        }
    }

    /// What must not change anything.
    fn noise(&mut self) {
        let shown = |shape| subscription(&self.subscription, shape);
        let (old, new) = (shown(Shape::Old), shown(Shape::New));
        self.tell("customer.subscription.trial_will_end", old, new, None);
        self.tell_same("invoice.upcoming", json!({"object": "invoice", "subscription": self.id}));
        self.tell_same("plan_of_the_future.updated", json!({"id": "x_1"}));
    }

    /// A new invoice for the whole of the period.
    fn bill(&mut self, status: &'static str) -> Invoice {
        let period = self.subscription.period;
        let line = |item: &Item| Line {
            item: item.id.clone(),
            price: item.price,
            amount: 1_000 * item.quantity,
            period,
            proration: false,
        };
        let lines = self.subscription.items.iter().map(line).collect();
        self.invoice(status, lines)
    }

    /// The rest of the period at the new price, less what was paid for it at the old one.
    fn bill_proration(&mut self) {
        let (now, end) = (self.now, self.subscription.period.1);
        if self.subscription.status != "active" || now >= end {
            return;
        }
        let item = self.subscription.items.last().unwrap().clone();
        let line =
            |amount| Line { item: item.id.clone(), price: item.price, amount, period: (now, end), proration: true };
        let invoice = self.invoice("open", vec![line(-400), line(500 * item.quantity)]);
        self.tell_invoice("invoice.created", &invoice);
        self.pay(&invoice);
    }

    fn invoice(&mut self, status: &'static str, lines: Vec<Line>) -> Invoice {
        let id = format!("in_{}_{}", self.id, self.serial);
        self.serial += 1;
        Invoice { id, status, lines, created: self.now, finalized_at: (status == "open").then_some(self.now) }
    }

    /// Finalized, paid, payment_succeeded; and since basil the only word that leads from the
    /// payment to its invoice. The snapshot of `finalized` may be newer than its name.
    fn pay(&mut self, invoice: &Invoice) {
        let mut paid = invoice.clone();
        paid.status = "paid";
        paid.finalized_at = paid.finalized_at.or(Some(self.now));
        self.tell_invoice("invoice.finalized", &paid);
        self.tell_invoice("invoice.paid", &paid);
        self.tell_invoice("invoice.payment_succeeded", &paid);
        if paid.charge().is_some() && self.shape == Shape::New {
            self.tell_same(
                "invoice_payment.paid",
                json!({"id": format!("inpay_{}", paid.id), "object": "invoice_payment", "invoice": paid.id, "status": "paid",
                    "payment": {"type": "payment_intent", "payment_intent": paid.intent()}}),
            );
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Subscription)) {
        let before = self.subscription.clone();
        change(&mut self.subscription);
        self.tell_subscription("customer.subscription.updated", Some(&before));
    }

    fn tell_subscription(&mut self, kind: &str, before: Option<&Subscription>) {
        let shown = |shape| subscription(&self.subscription, shape);
        let previous = |shape| before.map(|b| previous_attributes(&subscription(b, shape), &shown(shape)));
        let both = before.is_some().then(|| (previous(Shape::Old).unwrap(), previous(Shape::New).unwrap()));
        let (old, new) = (shown(Shape::Old), shown(Shape::New));
        self.tell(kind, old, new, both);
    }

    fn tell_invoice(&mut self, kind: &str, told: &Invoice) {
        match self.invoices.iter_mut().find(|i| i.id == told.id) {
            Some(held) => *held = told.clone(),
            None => self.invoices.push(told.clone()),
        }
        let (old, new) = (invoice(told, &self.id, Shape::Old), invoice(told, &self.id, Shape::New));
        self.tell(kind, old, new, None);
    }

    fn tell_same(&mut self, kind: &str, object: Value) {
        self.tell(kind, object.clone(), object, None);
    }

    fn tell(&mut self, kind: &str, old: Value, new: Value, previous: Option<(Value, Value)>) {
        // Ids say nothing about order: Stripe's are not sortable either.
        let scrambled = self.told.len().wrapping_mul(7_919) % 9_973;
        let id = format!("evt_{scrambled:04}_{}_{}", self.id, self.told.len());
        let envelope = |version: &str, object: Value, previous: Option<Value>| {
            let mut data = json!({"object": object});
            if let Some(previous) = previous {
                data["previous_attributes"] = previous;
            }
            json!({"id": id, "object": "event", "api_version": version, "created": self.now, "livemode": true, "type": kind,
                "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null}, "data": data})
        };
        let (of_old, of_new) = previous.unzip();
        let (old, new) = (envelope("2020-08-27", old, of_old), envelope("2026-03-25.dahlia", new, of_new));
        let (event, twin) = if self.shape == Shape::Old { (old, new) } else { (new, old) };
        self.told.push(Told { event, twin });
    }
}

fn subscription(s: &Subscription, shape: Shape) -> Value {
    let price = |item: &Item| {
        json!({"id": item.price, "object": "price", "product": format!("prod_{}", item.price), "lookup_key": null, "metadata": {},
            "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"}})
    };
    let item = |i: &Item| {
        let mut shown = json!({"id": i.id, "object": "subscription_item", "quantity": i.quantity, "metadata": {}, "price": price(i)});
        match shape {
            Shape::New => {
                shown["current_period_start"] = json!(s.period.0);
                shown["current_period_end"] = json!(s.period.1);
            }
            Shape::Old => {
                shown["plan"] = json!({"id": i.price, "object": "plan", "product": format!("prod_{}", i.price), "usage_type": "licensed"});
            }
        }
        shown
    };
    let items: Vec<Value> = s.items.iter().map(item).collect();
    let mut shown = json!({"id": s.id, "object": "subscription", "customer": format!("cus_{}", s.id), "status": s.status, "livemode": true,
        "created": s.created, "cancel_at": s.cancel_at, "cancel_at_period_end": s.cancel_at_period_end, "canceled_at": s.canceled_at,
        "ended_at": s.ended_at, "trial_start": s.trial_end.map(|_| s.created), "trial_end": s.trial_end, "metadata": {},
        "latest_invoice": s.latest_invoice, "collection_method": "charge_automatically",
        "pause_collection": s.paused.then(|| json!({"behavior": "void", "resumes_at": null})),
        "items": {"object": "list", "has_more": false, "data": items}});
    if shape == Shape::Old {
        shown["current_period_start"] = json!(s.period.0);
        shown["current_period_end"] = json!(s.period.1);
        if let ([one], [shown_one]) = (s.items.as_slice(), items.as_slice()) {
            shown["quantity"] = json!(one.quantity);
            shown["plan"] = shown_one["plan"].clone();
        }
    }
    shown
}

fn invoice(i: &Invoice, subscription: &str, shape: Shape) -> Value {
    let line = |(n, l): (usize, &Line)| {
        let mut shown = json!({"id": format!("il_{}_{n}", i.id), "object": "line_item", "amount": l.amount, "quantity": 1,
            "period": {"start": l.period.0, "end": l.period.1}});
        let product = format!("prod_{}", l.price);
        match shape {
            Shape::New => {
                shown["parent"] = json!({"type": "subscription_item_details", "subscription_item_details": {
                    "subscription": subscription, "subscription_item": l.item, "proration": l.proration}});
                shown["pricing"] =
                    json!({"type": "price_details", "price_details": {"price": l.price, "product": product}});
            }
            Shape::Old => {
                shown["subscription"] = json!(subscription);
                shown["subscription_item"] = json!(l.item);
                shown["proration"] = json!(l.proration);
                shown["price"] = json!({"id": l.price, "object": "price", "product": product});
                shown["plan"] = json!({"id": l.price, "object": "plan", "product": product, "usage_type": "licensed"});
            }
        }
        shown
    };
    let lines: Vec<Value> = i.lines.iter().enumerate().map(line).collect();
    let paid = if i.status == "paid" { i.total() } else { 0 };
    // The window in which items were gathered: nobody must take it for what was paid.
    let mut shown = json!({"id": i.id, "object": "invoice", "status": i.status, "livemode": true, "customer": format!("cus_{subscription}"),
        "customer_email": format!("{subscription}@example.com"), "amount_due": i.total(), "amount_paid": paid, "created": i.created,
        "period_start": i.created - MONTH, "period_end": i.created, "status_transitions": {"finalized_at": i.finalized_at},
        "lines": {"object": "list", "has_more": false, "data": lines}});
    match shape {
        Shape::New => {
            shown["parent"] = json!({"type": "subscription_details", "subscription_details": {"subscription": subscription, "metadata": {}}});
        }
        Shape::Old => {
            shown["subscription"] = json!(subscription);
            shown["paid"] = json!(i.status == "paid");
            shown["charge"] = json!(i.charge());
            shown["payment_intent"] = json!(i.charge().map(|_| i.intent()));
        }
    }
    shown
}

fn charge(i: &Invoice, subscription: &str, refunded: i64, shape: Shape) -> Value {
    let mut shown = json!({"id": i.charge(), "object": "charge", "amount": i.total(), "amount_refunded": refunded,
        "refunded": refunded == i.total(), "customer": format!("cus_{subscription}"), "payment_intent": i.intent()});
    if shape == Shape::Old {
        shown["invoice"] = json!(i.id);
    }
    shown
}

/// The keys that changed, as they were: nested objects with their changed keys only, lists
/// whole, null for what was not there.
fn previous_attributes(before: &Value, after: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (before, after) else { return before.clone() };
    let mut changed = Map::new();
    for key in before.keys().chain(after.keys()) {
        let (was, is) = (before.get(key).unwrap_or(&Value::Null), after.get(key).unwrap_or(&Value::Null));
        if was != is {
            let both = was.is_object() && is.is_object();
            changed.insert(key.clone(), if both { previous_attributes(was, is) } else { was.clone() });
        }
    }
    Value::Object(changed)
}
