//! `Account` and `Contact`: who it is, and nothing of what they have.

use super::fields::Reading;
use crate::domain::fact::{CustomerFacts, Entity, FactBody, Translation};
use crate::providers::out::{Out, rank};
use crate::providers::printable_key;

/// The facts of one account or contact.
pub fn translate(reading: Reading<'_>) -> Translation {
    let text = |ours: &str| reading.value(ours).map(str::to_owned);
    let said = CustomerFacts {
        email: text("email"),
        first_name: text("first_name"),
        last_name: text("last_name"),
        company: text("company"),
        deleted: reading.record.is_deleted,
    };
    let (Some(at), false) = (reading.modified(), said == CustomerFacts::default()) else {
        return Translation::default();
    };
    let mut out = Out::new(printable_key(&reading.record.event_id), String::new(), reading.record.content());
    let customer = Entity::customer(reading.record.id.as_str());
    out.fact(&customer, at, reading.fullness(), rank::CHANGES, FactBody::Customer(said));
    out.finish()
}
