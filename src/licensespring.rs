//! LicenseSpring's Management API: the calls we make, and what their answers mean.
//!
//! Source: docs.licensespring.com/management-api. The documentation leaves some answers open,
//! so nothing here depends on a body where a status or a look-up can decide.

pub mod client;
pub mod wire;

pub use client::{Answer, Client};
