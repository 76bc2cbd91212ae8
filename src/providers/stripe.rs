//! To be written.
/// Stripe.
pub struct Stripe;
