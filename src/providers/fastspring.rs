//! To be written.
/// FastSpring.
pub struct FastSpring;
