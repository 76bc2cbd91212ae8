//! The kinds of values a key may have, and how each is called in a fix.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;

use crate::domain::rules::{CancelWhen, ExtendOn, OnCancel, OnLoss, OnPause, SeatMode};

/// A kind of value, in words: what to write instead of a wrong one.
pub(crate) trait Wanted {
    const WANTED: &'static str;
}

macro_rules! wanted {
    ($($kind:ty => $words:literal),+ $(,)?) => {
        $(impl Wanted for $kind { const WANTED: &'static str = $words; })+
    };
}

wanted! {
    bool => "true or false",
    i64 => "a whole number",
    String => "a text in quotes",
    Vec<String> => "a list of texts, in the file: [\"…\", \"…\"]",
    BTreeMap<String, String> => "a table of texts, in the file: { name = \"…\" }",
    BTreeMap<String, BTreeMap<String, String>> => "a table of tables of texts, in the file",
    BTreeMap<String, bool> => "a table of true or false",
    SocketAddr => "an address and port such as \"127.0.0.1:8080\"",
    ExtendOn => "one of payment, period",
    OnCancel => "one of disable, deactivate_devices, deactivate_and_disable, expire_only",
    OnLoss => "one of disable, keep, flag",
    OnPause => "one of disable, keep",
    CancelWhen => "one of period_end, at_once",
    SeatMode => "one of max_activations, floating_users, max_license_users, licenses",
}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident: $words:literal { $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }
        impl Wanted for $name { const WANTED: &'static str = $words; }
    };
}

word!(/** What a source's events mean. */ SourceMode: "one of live, test" {
    Live,
    /// The provider's test mode: a source of its own.
    Test,
});
word!(/** When the reconciler calls. */ ReconcilerMode: "one of continuous, plan_only, frozen" {
    Continuous,
    /// Plans are made and wait for `apply`.
    PlanOnly,
    /// Nothing is planned, nothing is called.
    Frozen,
});
word!(/** What the quantity of a CPQ amendment is. */ Amendments: "one of delta, full" {
    /// The difference to what was before.
    Delta,
    /// What there is from then on.
    Full,
});
word!(/** What is done about hand edits in LicenseSpring. */ Drift: "one of report, repair" { Report, Repair });
word!(/** The shape of a log line. */ LogFormat: "one of text, json" { Text, Json });
