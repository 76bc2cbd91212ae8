//! What an order sells that is no subscription: a state of its own, `order-<order id>`.
//! <https://developer.fastspring.com/reference/ordercompleted>

use super::snapshot::product;
use super::translate::Reading;
use super::types::Stage;
use super::wire::{date, reference};
use crate::domain::fact::{Entity, EntityKind, FactBody, Item, Snapshot, Status};
use crate::providers::json::Value;
use crate::providers::out::rank;
use crate::providers::{Unreadable, json};

/// Says nothing where all that was bought are subscriptions.
pub fn purchase(reading: &mut Reading<'_>, order: &Entity, stage: Stage) -> Result<(), Unreadable> {
    let data = reading.data;
    let items = items(data)?;
    if items.is_empty() {
        return Ok(());
    }
    let purchase = Entity::subscription(format!("order-{}", order.id));
    let customer = reference(EntityKind::Customer, data.get("account"));
    reading.out.link(Some(order), Some(&purchase));
    reading.out.link(Some(&purchase), customer.as_ref());
    let canceled = stage == Stage::Canceled;
    let after = Box::new(Snapshot {
        status: if canceled { Status::Canceled } else { Status::Active },
        provider_status: if canceled { "canceled" } else { "completed" }.to_owned(),
        livemode: reading.event.live,
        customer_id: customer.map(|customer| customer.id),
        ended_at: date(data, "changed").or(reading.event.created).filter(|_| canceled),
        items,
        items_complete: true,
        ..Snapshot::default()
    });
    let rank = if canceled { rank::ENDS } else { rank::OPENS };
    reading.say(&purchase, data, rank, FactBody::Subscription { after, before: None })
}

/// By product path; the second line of one product is `<path>.2`.
fn items(order: &Value<'_>) -> Result<Vec<Item>, Unreadable> {
    let mut items: Vec<Item> = Vec::new();
    for line in json::list(order, "items").iter().filter(|line| json::at(line, "subscription").is_none()) {
        let product = product(line);
        let Some(path) = product.keys.get("path").cloned() else { continue };
        let before = items.iter().filter(|item| item.product.keys.get("path") == Some(&path)).count();
        let item_id = if before == 0 { path } else { format!("{path}.{}", before + 1) };
        items.push(Item {
            item_id,
            product,
            quantity: json::count(line, "quantity")?.or(Some(1)),
            period_start: None,
            period_end: None,
            metered: false,
            one_off: true,
        });
    }
    items.sort_by(|a, b| a.item_id.cmp(&b.item_id));
    Ok(items)
}
