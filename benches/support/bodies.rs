//! Stripe's events as they weigh: subscriptions and invoices with the keys that real ones have.

use std::fmt::Write;

/// Bytes of a body: what an invoice event weighs.
pub const BODY_BYTES: usize = 4_700;
/// Events of one subscription: made or renewed, and paid, by turns.
pub const EVENTS_PER_SUBSCRIPTION: usize = 8;
/// A renewal comes as so many events, not far from each other.
const EVENTS_PER_BURST: usize = 4;
/// Subscriptions whose bursts are mixed with each other, unless `BENCH_MIXED` says otherwise.
const MIXED: usize = 64;
const MONTH_S: usize = 2_592_000;
const BEGIN_S: usize = 1_700_000_000;

/// The keys of an invoice or a subscription that no license depends on.
const USUAL: &str = r#""account_country":"US","account_name":"Example","account_tax_ids":null,"amount_remaining":0,"amount_shipping":0,"application":null,"attempt_count":1,"attempted":true,"auto_advance":false,"automatic_tax":{"disabled_reason":null,"enabled":false,"liability":null,"provider":null,"status":null},"automatically_finalizes_at":null,"billing_cycle_anchor_config":null,"billing_mode":{"flexible":null,"type":"classic"},"billing_reason":"subscription_cycle","billing_thresholds":null,"collection_method":"charge_automatically","currency":"usd","custom_fields":null,"customer_address":null,"customer_phone":null,"customer_shipping":null,"customer_tax_exempt":"none","customer_tax_ids":[],"days_until_due":null,"default_payment_method":null,"default_source":null,"default_tax_rates":[],"discounts":[],"due_date":null,"effective_at":1700000000,"ending_balance":0,"footer":null,"from_invoice":null,"hosted_invoice_url":"https://invoice.example.com/i/acct_1/test_YWNjdF8xLF9SZW","invoice_pdf":"https://pay.example.com/invoice/acct_1/test_YWNjdF8xLF9SZW/pdf","invoice_settings":{"account_tax_ids":null,"issuer":{"type":"self"}},"issuer":{"type":"self"},"last_finalization_error":null,"latest_revision":null,"next_payment_attempt":null,"on_behalf_of":null,"payment_settings":{"default_mandate":null,"payment_method_options":null,"payment_method_types":null,"save_default_payment_method":"off"},"pending_invoice_item_interval":null,"pending_setup_intent":null,"pending_update":null,"post_payment_credit_notes_amount":0,"pre_payment_credit_notes_amount":0,"receipt_number":null,"rendering":null,"schedule":null,"shipping_cost":null,"shipping_details":null,"starting_balance":0,"statement_descriptor":null,"subtotal":1000,"subtotal_excluding_tax":1000,"test_clock":null,"total":1000,"total_discount_amounts":[],"total_excluding_tax":1000,"total_pretax_credit_amounts":[],"total_taxes":[],"transfer_data":null,"trial_settings":{"end_behavior":{"missing_payment_method":"create_invoice"}},"webhooks_delivered_at":1700000000"#;

/// Whose events there are, and in what order.
#[derive(Clone, Copy)]
pub struct Story {
    subscriptions: usize,
    mixed: usize,
}

impl Story {
    /// As many subscriptions as so many events are enough for.
    pub fn of(events: usize) -> Self {
        let mixed = std::env::var("BENCH_MIXED").map_or(MIXED, |n| n.parse().unwrap());
        let groups = (events / EVENTS_PER_SUBSCRIPTION).div_ceil(mixed).max(1);
        Self { subscriptions: groups * mixed, mixed }
    }

    /// The subscription of the n-th event, and how many it had before.
    fn at(self, n: usize) -> (usize, usize) {
        let (group, turn) = (n / (self.mixed * EVENTS_PER_BURST), n % (self.mixed * EVENTS_PER_BURST));
        let first = group * self.mixed;
        let (burst, subscription) = (first / self.subscriptions, first % self.subscriptions + turn % self.mixed);
        (subscription, burst * EVENTS_PER_BURST + turn / self.mixed)
    }
}

/// The n-th event.
pub fn body(n: usize, story: Story) -> String {
    let (subscription, step) = story.at(n);
    let paid = step % 2 == 1;
    let begin = BEGIN_S + step / 2 * MONTH_S;
    let (end, created) = (begin + MONTH_S, begin + step);
    let kind = match step {
        0 => "customer.subscription.created",
        _ if paid => "invoice.paid",
        _ => "customer.subscription.updated",
    };
    let mut body = String::with_capacity(BODY_BYTES + 64);
    let _ = write!(
        body,
        r#"{{"id":"{}","object":"event","api_version":"2026-03-25.dahlia","created":{created},"data":{{"object":{{{USUAL},"#,
        event_id(n)
    );
    let _ = if paid {
        invoice(&mut body, n, subscription, begin, end)
    } else {
        snapshot(&mut body, subscription, begin, end)
    };
    let tail = format!(
        r#"}}}}}},"livemode":true,"pending_webhooks":1,"request":{{"id":null,"idempotency_key":null}},"type":"{kind}"}}"#
    );
    fill(&mut body, n, BODY_BYTES - tail.len());
    body.push_str(&tail);
    assert_eq!(body.len(), BODY_BYTES);
    body
}

fn snapshot(body: &mut String, subscription: usize, begin: usize, end: usize) -> std::fmt::Result {
    write!(
        body,
        r#""id":"sub_bench{subscription}","object":"subscription","status":"active","customer":"cus_bench{subscription}","cancel_at":null,"cancel_at_period_end":false,"canceled_at":null,"ended_at":null,"pause_collection":null,"trial_end":null,"trial_start":null,"items":{{"object":"list","data":[{{"id":"si_bench{subscription}","object":"subscription_item","current_period_start":{begin},"current_period_end":{end},"quantity":1,"metadata":{{}},"price":{{"id":"price_pro","object":"price","active":true,"currency":"usd","lookup_key":null,"metadata":{{}},"product":"prod_pro","recurring":{{"interval":"month","interval_count":1,"meter":null,"usage_type":"licensed"}},"type":"recurring","unit_amount":1000}}}}],"has_more":false,"total_count":1}},"#
    )
}

fn invoice(body: &mut String, n: usize, subscription: usize, begin: usize, end: usize) -> std::fmt::Result {
    write!(
        body,
        r#""id":"in_bench{n}","object":"invoice","status":"paid","customer":"cus_bench{subscription}","customer_email":"buyer{subscription}@example.com","customer_name":"Ada Buyer","amount_due":1000,"amount_paid":1000,"parent":{{"type":"subscription_details","quote_details":null,"subscription_details":{{"metadata":{{}},"subscription":"sub_bench{subscription}"}}}},"status_transitions":{{"finalized_at":{begin},"paid_at":{begin}}},"lines":{{"object":"list","data":[{{"id":"il_bench{n}","object":"line_item","amount":1000,"description":"1 × Pro","discountable":true,"period":{{"start":{begin},"end":{end}}},"parent":{{"type":"subscription_item_details","invoice_item_details":null,"subscription_item_details":{{"invoice_item":null,"proration":false,"subscription":"sub_bench{subscription}","subscription_item":"si_bench{subscription}"}}}},"pricing":{{"type":"price_details","price_details":{{"price":"price_pro","product":"prod_pro"}},"unit_amount_decimal":"1000"}},"quantity":1}}],"has_more":false,"total_count":1}},"#
    )
}

/// The seller's metadata: half words, half random, in as many keys as make up the weight.
fn fill(body: &mut String, n: usize, until: usize) {
    const PAIR_BYTES: usize = r#""reference_00":"0123456789abcdef0123456789abcdef","#.len();
    body.push_str(r#""metadata":{"#);
    let mut random = n as u64;
    let mut key = 0;
    while body.len() + 2 * PAIR_BYTES < until {
        let _ = write!(body, r#""reference_{key:02}":"{:016x}{:016x}","#, next(&mut random), next(&mut random));
        key += 1;
    }
    body.push_str(r#""note":""#);
    body.extend(std::iter::repeat_n('.', until - 1 - body.len()));
    body.push('"');
}

/// Random like Stripe's: neighbours in time are no neighbours in an index.
fn event_id(n: usize) -> String {
    let mut random = !(n as u64);
    format!("evt_1{:016x}{n:07}", next(&mut random))
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
