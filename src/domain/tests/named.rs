//! How our orders are called.

use super::*;

#[test]
fn order_ids() {
    let id = |source: &str, subscription: &str, product: &str, ordinal, generation| {
        let line =
            Line { source: source.into(), subscription_id: subscription.into(), product_code: product.into(), ordinal };
        line.order_id(generation)
    };
    assert_eq!(id("shop", "sub_1", "PRO", 1, 1), "shop:sub_1:PRO");
    assert_eq!(id("shop", "sub_1", "PRO", 2, 3), "shop:sub_1:PRO.2:g3");
    let hashed = [
        id("shop", "a/b", "PRO", 1, 1),
        id("shop", &"x".repeat(100), "PRO", 1, 1),
        id("shop", "sub 1", "PRO", 1, 1),
        id("shop", "größe", "PRO", 1, 1),
        id(&"s".repeat(41), &"x".repeat(100), "PRO", 9, 4),
    ];
    for id in &hashed {
        assert!(id.contains(":sha256-") && id.len() <= 100 && !id.contains('/') && id.is_ascii(), "{id}");
    }
    let distinct: std::collections::BTreeSet<&String> = hashed.iter().collect();
    assert_eq!(distinct.len(), hashed.len());
    assert_eq!(id("shop", &"x".repeat(91), "PRO", 1, 1).len(), 100, "just fits, as it is");
    assert!(id("shop", "a/b", "PRO", 1, 2).ends_with(":g2"));
}
