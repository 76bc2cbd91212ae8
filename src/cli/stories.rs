//! Hand-written stories for `send --example`: what a provider posts when a customer buys,
//! renews, changes and leaves. Times are now; periods begin at midnight of today, so that the
//! stories of one day fit together.

use chrono::{DateTime, Months, NaiveTime, Utc};
use serde_json::{Value, json};

pub(super) mod salesforce;
pub(super) mod shopify;

/// The subscription the stories are about unless told otherwise.
pub(super) const SUBSCRIPTION: &str = "sub_demo_1";
/// The last period a story can be in.
pub(super) const PERIOD_MAX: i64 = 120;
/// The price of the demo catalog.
pub(super) const PRICE: &str = "price_demo_pro_monthly";
/// The product path of the demo catalog.
pub(super) const PATH: &str = "pro-monthly";

/// The stories of each provider.
const STRIPE: [&str; 9] =
    ["start", "trial", "renew", "seats", "payment-failed", "cancel-at-period-end", "uncancel", "cancel", "refund"];
const FASTSPRING: [&str; 6] = ["start", "renew", "seats", "cancel", "uncancel", "deactivate"];

/// One delivery: its body, and the headers that do not follow from it.
#[derive(Clone)]
pub(super) struct Message {
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    fn of(body: &Value) -> Self {
        Self { headers: Vec::new(), body: body.to_string().into_bytes() }
    }
}

/// The deliveries of a story, in the order in which they happen.
pub(super) fn messages(
    provider: &str,
    name: &str,
    subscription: &str,
    period: u32,
    now: DateTime<Utc>,
) -> Result<Vec<Message>, String> {
    let known: &[&str] = match provider {
        "stripe" => &STRIPE,
        "fastspring" => &FASTSPRING,
        "shopify" => &shopify::STORIES,
        "salesforce" => &salesforce::STORIES,
        _ => &[],
    };
    if !known.contains(&name) {
        return Err(format!("no example {name} for {provider}; there are: {}", known.join(", ")));
    }
    let story = Story { subscription, period, now };
    Ok(match provider {
        "stripe" => story.stripe(name).iter().map(Message::of).collect(),
        "fastspring" => story.fastspring(name).iter().map(Message::of).collect(),
        "shopify" => shopify::messages(&story, name),
        _ => salesforce::messages(&story, name),
    })
}

struct Story<'a> {
    subscription: &'a str,
    /// The billing period the story is in, from 0.
    period: u32,
    now: DateTime<Utc>,
}

impl Story<'_> {
    /// Midnight of today, so many months after the story's period began.
    fn month(&self, months: u32) -> DateTime<Utc> {
        let today = self.now.date_naive().and_time(NaiveTime::MIN).and_utc();
        today.checked_add_months(Months::new(self.period + months)).unwrap_or(today)
    }

    /// Unique for a run and a place in it, the same for its copies.
    fn id(&self, prefix: &str, name: &str, n: usize) -> String {
        format!("{prefix}_{}_{name}_{}_{n}", self.subscription, self.now.timestamp_micros())
    }

    // Stripe, in the shapes of 2025-03-31.basil and later.

    fn stripe(&self, name: &str) -> Vec<Value> {
        let updated = |changes: &Value, previous: Value| {
            self.stripe_event("customer.subscription.updated", &self.stripe_subscription(changes), Some(previous))
        };
        let events = match name {
            "start" => vec![
                self.stripe_event("customer.created", &self.stripe_customer(), None),
                self.stripe_event("customer.subscription.created", &self.stripe_subscription(&json!({})), None),
                self.stripe_event("invoice.paid", &self.stripe_invoice(0, 1000), None),
            ],
            "trial" => {
                let trial = json!({"status": "trialing", "trial_start": self.month(0).timestamp(), "trial_end": self.month(1).timestamp()});
                vec![
                    self.stripe_event("customer.created", &self.stripe_customer(), None),
                    self.stripe_event("customer.subscription.created", &self.stripe_subscription(&trial), None),
                    self.stripe_event("invoice.paid", &self.stripe_invoice(0, 0), None),
                ]
            }
            "renew" => vec![
                updated(&json!({"period": 1}), json!({"latest_invoice": "in_before"})),
                self.stripe_event("invoice.paid", &self.stripe_invoice(1, 1000), None),
                self.stripe_event("invoice.payment_succeeded", &self.stripe_invoice(1, 1000), None),
            ],
            "seats" => vec![updated(&json!({"quantity": 5}), json!({"quantity": 1}))],
            "payment-failed" => vec![
                updated(&json!({"status": "past_due"}), json!({"status": "active"})),
                self.stripe_event("invoice.payment_failed", &self.stripe_open_invoice(), None),
            ],
            "cancel-at-period-end" => vec![updated(
                &json!({"cancel_at_period_end": true, "cancel_at": self.month(1).timestamp()}),
                json!({"cancel_at_period_end": false, "cancel_at": null}),
            )],
            "uncancel" => {
                vec![updated(&json!({}), json!({"cancel_at_period_end": true, "cancel_at": self.month(1).timestamp()}))]
            }
            "cancel" => {
                let ended = json!({"status": "canceled", "ended_at": self.now.timestamp(), "canceled_at": self.now.timestamp()});
                vec![self.stripe_event("customer.subscription.deleted", &self.stripe_subscription(&ended), None)]
            }
            _ => self.stripe_refund(),
        };
        events
            .into_iter()
            .enumerate()
            .map(|(n, mut event)| {
                event["id"] = json!(self.id("evt", name, n));
                event
            })
            .collect()
    }

    fn stripe_event(&self, event_type: &str, object: &Value, previous: Option<Value>) -> Value {
        let mut data = json!({"object": object});
        if let Some(previous) = previous {
            data["previous_attributes"] = previous;
        }
        json!({
            "object": "event", "api_version": "2026-03-25.dahlia", "created": self.now.timestamp(), "livemode": false,
            "type": event_type, "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null}, "data": data,
        })
    }

    fn stripe_customer(&self) -> Value {
        json!({"id": format!("cus_{}", self.subscription), "object": "customer", "email": "ada@example.com", "name": "Ada Example", "livemode": false, "metadata": {}})
    }

    /// `changes` are laid over; `period` and `quantity` reach into the item.
    fn stripe_subscription(&self, changes: &Value) -> Value {
        let period = u32::try_from(changes["period"].as_u64().unwrap_or(0)).unwrap_or(0);
        let mut subscription = json!({
            "id": self.subscription, "object": "subscription", "customer": format!("cus_{}", self.subscription),
            "status": "active", "created": self.now.timestamp(), "livemode": false, "cancel_at": null,
            "cancel_at_period_end": false, "canceled_at": null, "ended_at": null, "trial_start": null, "trial_end": null,
            "pause_collection": null, "collection_method": "charge_automatically", "metadata": {},
            "items": {"object": "list", "has_more": false, "data": [{
                "id": format!("si_{}", self.subscription), "object": "subscription_item",
                "current_period_start": self.month(period).timestamp(), "current_period_end": self.month(period + 1).timestamp(),
                "quantity": changes["quantity"].as_i64().unwrap_or(1),
                "price": {"id": PRICE, "object": "price", "product": "prod_demo_pro", "type": "recurring", "lookup_key": null,
                          "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"}, "metadata": {}},
            }]},
        });
        for (key, value) in
            changes.as_object().into_iter().flatten().filter(|(k, _)| *k != "period" && *k != "quantity")
        {
            subscription[key] = value.clone();
        }
        subscription
    }

    fn stripe_invoice(&self, period: u32, amount: i64) -> Value {
        json!({
            "id": self.invoice_id(period), "object": "invoice", "status": "paid", "livemode": false,
            "customer": format!("cus_{}", self.subscription), "customer_email": "ada@example.com",
            "amount_due": amount, "amount_paid": amount, "billing_reason": if period == 0 { "subscription_create" } else { "subscription_cycle" },
            "parent": {"type": "subscription_details", "subscription_details": {"subscription": self.subscription, "metadata": {}}},
            "lines": {"object": "list", "has_more": false, "data": [{
                "id": format!("il_{}_{}", self.subscription, self.period + period), "object": "line_item", "amount": amount,
                "period": {"start": self.month(period).timestamp(), "end": self.month(period + 1).timestamp()},
                "parent": {"type": "subscription_item_details", "subscription_item_details": {
                    "subscription": self.subscription, "subscription_item": format!("si_{}", self.subscription), "proration": false}},
                "pricing": {"type": "price_details", "price_details": {"price": PRICE, "product": "prod_demo_pro"}},
                "quantity": 1,
            }]},
        })
    }

    /// One invoice a period, so that a payment that failed and is made later is the same one.
    fn invoice_id(&self, period: u32) -> String {
        format!("in_{}_{}", self.subscription, self.period + period)
    }

    fn stripe_open_invoice(&self) -> Value {
        let mut invoice = self.stripe_invoice(1, 1000);
        invoice["status"] = json!("open");
        invoice["amount_paid"] = json!(0);
        invoice["attempt_count"] = json!(1);
        invoice
    }

    /// The whole of the period's payment goes back: the charge names its payment intent, and an
    /// invoice payment ties that to the invoice.
    fn stripe_refund(&self) -> Vec<Value> {
        let (intent, charge) =
            (format!("pi_{}_{}", self.subscription, self.period), format!("ch_{}_{}", self.subscription, self.period));
        let payment = json!({"id": format!("inpay_{}_{}", self.subscription, self.period), "object": "invoice_payment", "status": "paid", "amount_paid": 1000,
            "invoice": self.invoice_id(0), "payment": {"type": "payment_intent", "payment_intent": intent}});
        let charge = json!({"id": charge, "object": "charge", "payment_intent": intent, "amount": 1000, "amount_refunded": 1000, "refunded": true,
            "customer": format!("cus_{}", self.subscription)});
        vec![
            self.stripe_event("invoice_payment.paid", &payment, None),
            self.stripe_event("charge.refunded", &charge, None),
        ]
    }

    // FastSpring: posts of many events.

    fn fastspring(&self, name: &str) -> Vec<Value> {
        let snapshot = |state: &str, changes: Value| self.fastspring_subscription(state, &changes);
        let ms = |at: DateTime<Utc>| at.timestamp_millis();
        let events = match name {
            // One post, two events of different types, as FastSpring sends a purchase.
            "start" => vec![
                ("subscription.activated", snapshot("active", json!({}))),
                ("order.completed", self.fastspring_order()),
            ],
            "renew" => vec![
                (
                    "subscription.updated",
                    snapshot(
                        "active",
                        json!({"next": ms(self.month(2)), "nextChargeDate": ms(self.month(2)), "sequence": 2}),
                    ),
                ),
                ("subscription.charge.completed", self.fastspring_charge()),
            ],
            "seats" => vec![("subscription.updated", snapshot("active", json!({"quantity": 5})))],
            "cancel" => {
                vec![("subscription.canceled", snapshot("canceled", json!({"canceledDate": ms(self.month(0))})))]
            }
            "uncancel" => vec![("subscription.uncanceled", snapshot("active", json!({})))],
            _ => vec![(
                "subscription.deactivated",
                snapshot(
                    "deactivated",
                    json!({"active": false, "end": ms(self.month(0)), "deactivationDate": ms(self.month(0))}),
                ),
            )],
        };
        let events: Vec<Value> = events
            .into_iter()
            .enumerate()
            .map(|(n, (event_type, data))| {
                json!({"id": self.id("fs", name, n), "processed": false, "created": ms(self.now), "type": event_type, "live": false, "data": data})
            })
            .collect();
        vec![json!({"events": events})]
    }

    fn fastspring_account(&self) -> Value {
        json!({"id": format!("acc_{}", self.subscription), "account": format!("acc_{}", self.subscription),
            "contact": {"first": "Ada", "last": "Example", "email": "ada@example.com", "company": null}})
    }

    fn fastspring_subscription(&self, state: &str, changes: &Value) -> Value {
        let mut subscription = json!({
            "id": self.subscription, "subscription": self.subscription, "active": true, "state": state,
            "changed": self.now.timestamp_millis(), "live": false, "currency": "EUR", "account": self.fastspring_account(),
            "product": {"product": PATH, "parent": null, "display": {"en": "Pro"}}, "sku": null, "display": "Pro", "quantity": 1,
            "adhoc": false, "autoRenew": true, "next": self.month(1).timestamp_millis(), "nextChargeDate": self.month(1).timestamp_millis(),
            "end": null, "canceledDate": null, "deactivationDate": null, "sequence": 1, "periods": null,
            "begin": self.month(0).timestamp_millis(), "intervalUnit": "month", "intervalLength": 1,
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            subscription[key] = value.clone();
        }
        subscription
    }

    fn fastspring_order(&self) -> Value {
        let order = format!("ord_{}", self.subscription);
        json!({"order": order, "id": order, "reference": "DEMO-1", "completed": true, "changed": self.now.timestamp_millis(), "live": false,
            "currency": "EUR", "account": self.fastspring_account(), "total": 13, "customer": {"first": "Ada", "last": "Example", "email": "ada@example.com"},
            "items": [{"product": PATH, "quantity": 1, "sku": null, "subscription": self.subscription}]})
    }

    fn fastspring_charge(&self) -> Value {
        json!({"currency": "EUR", "total": 13, "status": "successful", "timestamp": self.now.timestamp_millis(), "sequence": 2, "periods": null,
            "account": format!("acc_{}", self.subscription), "order": format!("ord_{}_2", self.subscription), "subscription": self.subscription})
    }
}
