//! Small bodies that each provider could have sent, to be mangled.

use crate::providers::Provider;

/// A body that each provider could have sent, small.
pub fn a_body(provider: &dyn Provider) -> &'static str {
    match provider.slug() {
        "stripe" => STRIPE_BODIES[0],
        "fastspring" => FASTSPRING_BODIES[0],
        "shopify" => SHOPIFY_BODIES[0],
        _ => SALESFORCE_BODIES[0],
    }
}

const STRIPE_BODIES: [&str; 3] = [
    r#"{"id":"evt_1","object":"event","api_version":"2026-03-25.dahlia","created":1774905649,"livemode":true,
        "type":"customer.subscription.updated","data":{"object":{"id":"sub_1","status":"active","customer":"cus_1",
        "cancel_at_period_end":true,"pause_collection":{"behavior":"void","resumes_at":1774905650},
        "items":{"data":[{"id":"si_1","quantity":3,"current_period_start":1774905649,"current_period_end":1777584049,
        "price":{"id":"price_1","product":"prod_1","metadata":{"license_policy":"pro"}}}],"has_more":false}},
        "previous_attributes":{"items":{"data":[{"id":"si_1","quantity":1}]},"cancel_at_period_end":false}}}"#,
    r#"{"id":"evt_2","object":"event","created":1774905650,"livemode":true,"type":"invoice.paid","data":{"object":
        {"id":"in_1","status":"paid","customer":"cus_1","amount_paid":1000,"customer_email":"a@b.c","charge":"ch_1",
        "parent":{"subscription_details":{"subscription":"sub_1"}},"lines":{"data":[{"amount":1000,
        "period":{"start":1774905649,"end":1777584049},"pricing":{"price_details":{"price":"price_1"}},
        "parent":{"subscription_item_details":{"subscription_item":"si_1","proration":false}}}]}}}}"#,
    r#"{"id":"evt_3","created":1774905650,"type":"charge.refunded","data":{"object":{"id":"ch_1","amount":1000,
        "amount_refunded":1000,"refunded":true,"payment_intent":"pi_1"}}}"#,
];

const FASTSPRING_BODIES: [&str; 3] = [
    r#"{"events":[{"id":"e1","created":1554092668031,"type":"subscription.canceled","live":true,"data":{"id":"s1",
        "state":"canceled","active":true,"changed":1554091889618,"account":{"id":"a1","contact":{"email":"a@b.c"}},
        "product":{"product":"pro","attributes":{"license_policy":"pro"}},"quantity":2,"next":1556668800000,
        "deactivationDate":1556582400000}}, {"id":"e2","type":"nobody.knows"} ,7]}"#,
    r#"{"events":[{"id":"e3","created":1554092668031,"type":"order.completed","live":true,"data":{"id":"o1",
        "total":14.95,"account":"a1","customer":{"email":"a@b.c","first":"A"},"items":[{"product":"pro","subscription":
        {"id":"s1","state":"trial","next":1556668800000,"product":"pro","quantity":1}},{"product":"x"}]}}]}"#,
    r#"{"events":[{"id":"e4","created":1554092668031,"type":"return.created","live":true,"data":{"return":"r1",
        "original":{"id":"o1","total":14.95},"totalReturn":14.95,"items":[{"product":"pro"}]}}]}"#,
];

const SHOPIFY_BODIES: [&str; 3] = [
    r#"{"id":7103183873,"admin_graphql_api_id":"gid://shopify/SubscriptionContract/7103183873","status":"active",
        "billing_policy":{"interval":"week","interval_count":4},"customer_id":1,"origin_order_id":1,
        "revision_id":"8906927309"}"#,
    r#"{"id":820982911946154508,"admin_graphql_api_id":"gid://shopify/Order/820982911946154508","test":false,
        "email":"a@b.c","financial_status":"refunded","total_price":"14.95","updated_at":"2021-12-31T19:00:00-05:00",
        "cancelled_at":"2021-12-31T19:00:00-05:00","customer":{"id":5,"first_name":"A"},"line_items":[{"id":1,
        "sku":"PRO","variant_id":2,"product_id":3,"quantity":2,"current_quantity":1}]}"#,
    r#"{"id":1,"order_id":2,"processed_at":"2021-12-31T19:00:00-05:00","refund_line_items":[],"transactions":[
        {"kind":"refund","status":"success","amount":"14.95"}]}"#,
];

const SALESFORCE_BODIES: [&str; 3] = [
    r#"{"event_id":"5b0f5d9c","occurred_at":"2026-01-05T10:00:01.000Z","org_id":"00D5g00000AbCdEEAV","sandbox":false,
        "object":"Asset","change":"CREATE","record":{"Id":"02i5g000001abcdAAA","AccountId":"0015g00000aBcDeAAK",
        "ContactEmail":"a@b.c","ProductCode":"PRO","Quantity":5,"EndDate":"2027-01-04","Status":"Purchased",
        "SystemModstamp":"2026-01-05T10:00:01.000Z","IsDeleted":false}}"#,
    r#"[{"event_id":"1","org_id":"00D5g00000AbCdE","object":"Asset","record":{"Id":"02i5g000001abcd","Quantity":"1.0"}},
        {"event_id":"2","org_id":"00D5g00000AbCdE","payload":{"attributes":{"type":"Asset"},"Id":"02i5g000001abce"}},7]"#,
    r#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">
        <e:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>00D5g00000AbCdE</OrganizationId>
        <SessionId>00D5g00000AbCdE!AQ</SessionId><Notification><Id>04l5g000001AAAA</Id><sObject i:type="s:Asset" xmlns:s="s">
        <s:Id>02i5g000001abcd</s:Id><s:Quantity>1.0</s:Quantity><s:UsageEndDate>2027-01-04</s:UsageEndDate>
        <s:SystemModstamp>2026-01-05T10:00:01.000Z</s:SystemModstamp></sObject></Notification></notifications></e:Body></e:Envelope>"#,
];

pub fn bodies(provider: &dyn Provider) -> Vec<Vec<u8>> {
    let own: &[&str] = match provider.slug() {
        "stripe" => &STRIPE_BODIES,
        "fastspring" => &FASTSPRING_BODIES,
        "shopify" => &SHOPIFY_BODIES,
        _ => &SALESFORCE_BODIES,
    };
    own.iter().map(|body| body.as_bytes().to_vec()).collect()
}
