//! What this instance serves: its sources and accounts, with the ids of their journals.

use std::collections::BTreeMap;

use crate::providers::{Provider, SourceSettings};

/// A configured source.
#[derive(Clone)]
pub struct Source {
    pub name: String,
    pub journal: i32,
    pub provider: &'static dyn Provider,
    pub settings: SourceSettings,
    /// The LicenseSpring account its licenses live in.
    pub account: String,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .field("journal", &self.journal)
            .field("provider", &self.provider.slug())
            .finish_non_exhaustive()
    }
}

/// A LicenseSpring account and its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub journal: i32,
}

/// Sources, accounts and the system journal.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    pub sources: BTreeMap<String, Source>,
    pub accounts: BTreeMap<String, Account>,
    pub system: i32,
}

impl Registry {
    /// The source whose journal this is.
    #[must_use]
    pub fn source_of(&self, journal: i32) -> Option<&Source> {
        self.sources.values().find(|s| s.journal == journal)
    }

    /// The account whose journal this is.
    #[must_use]
    pub fn account_of(&self, journal: i32) -> Option<&Account> {
        self.accounts.values().find(|a| a.journal == journal)
    }

    /// Whether this instance's configuration names the journal.
    #[must_use]
    pub fn knows(&self, journal: i32) -> bool {
        journal == self.system || self.source_of(journal).is_some() || self.account_of(journal).is_some()
    }

    /// The sources whose licenses live in an account.
    pub fn sources_of<'a>(&'a self, account: &'a str) -> impl Iterator<Item = &'a Source> {
        self.sources.values().filter(move |s| s.account == account)
    }
}
