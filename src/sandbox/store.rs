//! What the sandbox holds, and the indexes that keep it quick at a hundred thousand licenses.
//! Every change goes through `edit` or `insert`, so that indexes and `updated_at` cannot be
//! forgotten.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::clock::stamp;
use super::record::{Record, id, rows, set, text};

/// Ids of LicenseSpring are of this size: beyond 32 bits, within a float's 53.
const FIRST_ID: u64 = 1_600_000_000_000_000;
/// Customers have small ids.
const FIRST_CUSTOMER_ID: u64 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Table {
    Products,
    Policies,
    Customers,
    Orders,
    Licenses,
    Devices,
    LicenseUsers,
}

/// An indexed value: what is looked up, and by which text.
type Key = (Index, String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Index {
    OrderByStoreId,
    OrderByCustomer,
    LicenseByKey,
    LicenseByOrder,
    LicenseByUser,
    DeviceByLicense,
    CustomerByEmail,
    UserByEmail,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Store {
    next_id: u64,
    next_customer_id: u64,
    products: BTreeMap<u64, Record>,
    policies: BTreeMap<u64, Record>,
    customers: BTreeMap<u64, Record>,
    orders: BTreeMap<u64, Record>,
    licenses: BTreeMap<u64, Record>,
    devices: BTreeMap<u64, Record>,
    #[serde(default)]
    license_users: BTreeMap<u64, Record>,
    #[serde(skip)]
    index: HashMap<Key, BTreeSet<u64>>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            next_id: FIRST_ID,
            next_customer_id: FIRST_CUSTOMER_ID,
            products: BTreeMap::new(),
            policies: BTreeMap::new(),
            customers: BTreeMap::new(),
            orders: BTreeMap::new(),
            licenses: BTreeMap::new(),
            devices: BTreeMap::new(),
            license_users: BTreeMap::new(),
            index: HashMap::new(),
        }
    }
}

impl Store {
    /// Empties it. Ids go on, as an id that meant something else yesterday would mislead clients.
    pub fn clear(&mut self) {
        *self = Self { next_id: self.next_id, next_customer_id: self.next_customer_id, ..Self::default() };
    }

    pub fn table(&self, table: Table) -> &BTreeMap<u64, Record> {
        match table {
            Table::Products => &self.products,
            Table::Policies => &self.policies,
            Table::Customers => &self.customers,
            Table::Orders => &self.orders,
            Table::Licenses => &self.licenses,
            Table::Devices => &self.devices,
            Table::LicenseUsers => &self.license_users,
        }
    }

    fn table_mut(&mut self, table: Table) -> &mut BTreeMap<u64, Record> {
        match table {
            Table::Products => &mut self.products,
            Table::Policies => &mut self.policies,
            Table::Customers => &mut self.customers,
            Table::Orders => &mut self.orders,
            Table::Licenses => &mut self.licenses,
            Table::Devices => &mut self.devices,
            Table::LicenseUsers => &mut self.license_users,
        }
    }

    pub fn get(&self, table: Table, id: u64) -> Option<&Record> {
        self.table(table).get(&id)
    }

    /// The record that another one refers to.
    pub fn referred(&self, table: Table, from: &Record, key: &str) -> Option<&Record> {
        id(from, key).and_then(|id| self.get(table, id))
    }

    pub fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Gives the record its id and times, and keeps it.
    pub fn insert(&mut self, table: Table, mut record: Record, now: DateTime<Utc>) -> u64 {
        let id = if table == Table::Customers {
            self.next_customer_id += 1;
            self.next_customer_id
        } else {
            self.next_id()
        };
        set(&mut record, "id", id);
        record.entry("created_at").or_insert_with(|| stamp(now).into());
        set(&mut record, "updated_at", stamp(now));
        self.link(table, id, &record);
        self.table_mut(table).insert(id, record);
        id
    }

    /// Changes a record, moves `updated_at` on, and keeps the indexes true. No such id: nothing.
    pub fn edit(&mut self, table: Table, id: u64, now: DateTime<Utc>, change: impl FnOnce(&mut Record)) {
        let Some(mut record) = self.table_mut(table).remove(&id) else {
            return;
        };
        self.unlink(table, id, &record);
        change(&mut record);
        let updated_at = later(text(&record, "updated_at"), now);
        set(&mut record, "updated_at", updated_at);
        self.link(table, id, &record);
        self.table_mut(table).insert(id, record);
    }

    /// Removes a record, and with a license its devices.
    pub fn remove(&mut self, table: Table, id: u64) {
        if table == Table::Licenses {
            for device in self.ids(Index::DeviceByLicense, &id.to_string()) {
                self.remove(Table::Devices, device);
            }
        }
        if let Some(record) = self.table_mut(table).remove(&id) {
            self.unlink(table, id, &record);
        }
    }

    /// The ids under an indexed value, lowest first.
    pub fn ids(&self, index: Index, value: &str) -> Vec<u64> {
        self.index.get(&(index, value.to_owned())).into_iter().flatten().copied().collect()
    }

    /// How many there are under an indexed value.
    pub fn count(&self, index: Index, value: &str) -> usize {
        self.index.get(&(index, value.to_owned())).map_or(0, BTreeSet::len)
    }

    pub fn first(&self, index: Index, value: &str) -> Option<u64> {
        self.index.get(&(index, value.to_owned())).and_then(BTreeSet::first).copied()
    }

    pub fn product_by_code(&self, code: &str) -> Option<&Record> {
        // An archived product frees its code: the newest with it counts.
        self.products.values().rev().find(|p| text(p, "short_code") == code)
    }

    pub fn policy_by_code(&self, code: &str) -> Option<&Record> {
        self.policies.values().find(|p| text(p, "code") == code)
    }

    /// Files of layout 1 keep users inside their licenses: gives them their own table.
    pub fn take_out_users(&mut self) {
        for license in self.licenses.values_mut() {
            for row in license.get_mut("license_users").and_then(Value::as_array_mut).into_iter().flatten() {
                let Some(user) = row.as_object_mut().filter(|row| row.contains_key("true_email")) else {
                    continue;
                };
                let Some(id) = id(user, "id") else { continue };
                self.license_users.insert(id, user.clone());
                user.retain(|key, _| ["id", "is_manager", "max_activations", "total_activations"].contains(&&**key));
            }
        }
    }

    /// Builds the indexes anew, after loading.
    pub fn reindex(&mut self) {
        let mut index: HashMap<Key, BTreeSet<u64>> = HashMap::new();
        for table in [Table::Customers, Table::Orders, Table::Licenses, Table::Devices, Table::LicenseUsers] {
            for (id, record) in self.table(table) {
                for key in keys(table, record) {
                    index.entry(key).or_default().insert(*id);
                }
            }
        }
        self.index = index;
    }

    fn link(&mut self, table: Table, id: u64, record: &Record) {
        for key in keys(table, record) {
            self.index.entry(key).or_default().insert(id);
        }
    }

    fn unlink(&mut self, table: Table, id: u64, record: &Record) {
        for key in keys(table, record) {
            if let Some(ids) = self.index.get_mut(&key) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.index.remove(&key);
                }
            }
        }
    }
}

fn keys(table: Table, record: &Record) -> Vec<Key> {
    let by_text = |index, key| Some((index, text(record, key).to_owned())).filter(|(_, text)| !text.is_empty());
    let by_id = |index, key| id(record, key).map(|id| (index, id.to_string()));
    let keys = match table {
        Table::Customers => [by_text(Index::CustomerByEmail, "email"), None],
        Table::Orders => [by_text(Index::OrderByStoreId, "store_id"), by_id(Index::OrderByCustomer, "customer")],
        Table::Licenses => [by_text(Index::LicenseByKey, "license_key"), by_id(Index::LicenseByOrder, "order")],
        Table::Devices => [by_id(Index::DeviceByLicense, "license"), None],
        Table::LicenseUsers => [by_text(Index::UserByEmail, "true_email"), None],
        Table::Products | Table::Policies => [None, None],
    };
    let users = rows(record, "license_users").filter(|_| table == Table::Licenses).filter_map(|user| id(user, "id"));
    let by_user = users.map(|user| (Index::LicenseByUser, user.to_string()));
    keys.into_iter().flatten().chain(by_user).collect()
}

/// The time of a change: always after the last one, even while the clock stands still.
fn later(last: &str, now: DateTime<Utc>) -> String {
    let after_last =
        DateTime::parse_from_rfc3339(last).ok().map(|t| t.with_timezone(&Utc) + TimeDelta::microseconds(1));
    stamp(after_last.map_or(now, |t| t.max(now)))
}
