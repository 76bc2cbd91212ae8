//! The objects as the Management API shows them: what is kept, with defaults for what was never
//! set, and with what is derived from other records and the clock.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::license_users::{self, Passwords};
use super::record::{Record, flag, id, object, set, text};
use super::status::status;
use super::store::{Index, Store, Table};
use super::switches::Switches;
use super::vendor_edit::SCRIPT_STEP;

/// The one company of a sandbox.
pub(super) const COMPANY_ID: u64 = 1;

/// What a view depends on besides the records.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub store: &'a Store,
    pub switches: &'a Switches,
    pub now: DateTime<Utc>,
}

impl View<'_> {
    pub fn show(&self, table: Table, record: &Record) -> Value {
        match table {
            Table::Licenses => self.license(record),
            Table::Orders => self.order(record),
            Table::Devices => self.device(record),
            Table::Customers => self.customer(record),
            Table::LicenseUsers => Value::Object(license_users::show_alone(record)),
            Table::Products | Table::Policies => Value::Object(record.clone()),
        }
    }

    pub fn show_id(&self, table: Table, id: u64) -> Value {
        self.store.get(table, id).map_or(Value::Null, |record| self.show(table, record))
    }

    pub fn show_all(&self, table: Table) -> Vec<Value> {
        self.store.table(table).values().map(|record| self.show(table, record)).collect()
    }

    fn license(&self, license: &Record) -> Value {
        let order = self.store.referred(Table::Orders, license, "order");
        let customer = order.and_then(|o| self.store.referred(Table::Customers, o, "customer"));
        let policy = self.store.referred(Table::Policies, license, "license_template");
        let mut shown = LICENSE_DEFAULTS.clone();
        shown.extend(license.clone());
        // Ours alone: a transfer is counted at the next activation.
        shown.remove("transfer_pending");
        shown.remove(SCRIPT_STEP);
        set(&mut shown, "status", status(license, self.switches, self.now));
        set(&mut shown, "order_store_id", order.map_or(Value::Null, |o| text(o, "store_id").into()));
        set(&mut shown, "customer", customer.map_or(Value::Null, |c| self.customer(c)));
        set(&mut shown, "license_template_code", policy.map_or(Value::Null, |p| text(p, "code").into()));
        set(&mut shown, "product", self.product_of(license));
        set(&mut shown, "license_users", license_users::show(self.store, license, &Passwords::new()));
        set(&mut shown, "total_active_devices", self.active_devices(license));
        set(&mut shown, "active_up_to_date_devices", self.active_devices(license));
        Value::Object(shown)
    }

    /// A license inside the answer of create_order, the only place that tells initial passwords.
    pub fn new_license(&self, license: &Record, passwords: &Passwords, ids_only: bool) -> Value {
        let mut shown = if ids_only {
            let key = license.get("license_key").cloned().unwrap_or_default();
            json!({ "id": license.get("id"), "order": license.get("order"), "license_key": key })
        } else {
            self.license(license)
        };
        shown["license_users"] = Value::Array(license_users::show(self.store, license, passwords));
        shown
    }

    fn order(&self, order: &Record) -> Value {
        let customer = self.store.referred(Table::Customers, order, "customer");
        let of_customer = |key: &str| customer.and_then(|c| c.get(key)).cloned().unwrap_or_default();
        let reference = match text(order, "reference") {
            "" => of_customer("reference"),
            own => own.into(),
        };
        let mut shown = order.clone();
        shown.remove("order_items");
        shown.remove("reference");
        shown.extend(object(json!({
            "customer": customer.map_or(Value::Null, |c| self.customer(c)),
            "customer_account": null, "company": COMPANY_ID, "license_users": [],
            "has_active_licenses": self.has_active_licenses(order),
            "customer_email": of_customer("email"), "customer_first_name": of_customer("first_name"),
            "customer_last_name": of_customer("last_name"), "customer_company": of_customer("company_name"),
            "customer_phone": of_customer("phone"), "customer_reference": reference,
        })));
        Value::Object(shown)
    }

    fn customer(&self, customer: &Record) -> Value {
        let orders = self.store.ids(Index::OrderByCustomer, &id(customer, "id").unwrap_or_default().to_string());
        let licenses: usize =
            orders.iter().map(|order| self.store.count(Index::LicenseByOrder, &order.to_string())).sum();
        let mut shown = customer.clone();
        shown.extend(object(json!({
            "total_orders": orders.len(), "total_licenses": licenses, "labels": [], "clabels": [], "clabels_all": [],
            "cognito_user_pool_id": null, "company": COMPANY_ID, "license_user": null,
        })));
        Value::Object(shown)
    }

    fn device(&self, device: &Record) -> Value {
        let license = self.store.referred(Table::Licenses, device, "license");
        let key = license.and_then(|l| l.get("license_key")).cloned().unwrap_or_default();
        let validity = license.and_then(|l| l.get("validity_period")).cloned().unwrap_or_default();
        let mut shown = device.clone();
        set(&mut shown, "license", json!({ "id": device.get("license"), "license_key": key }));
        set(&mut shown, "validity_period", validity);
        Value::Object(shown)
    }

    fn product_of(&self, license: &Record) -> Value {
        self.store.referred(Table::Products, license, "product").map_or(Value::Null, |p| {
            json!({ "id": p.get("id"), "product_name": p.get("product_name"), "short_code": p.get("short_code"),
                    "authorization_method": p.get("authorization_method"),
                    "default_license_type": p.get("default_license_type"), "active": p.get("active"),
                    "is_archived": p.get("is_archived") })
        })
    }

    fn active_devices(&self, license: &Record) -> usize {
        let id = id(license, "id").unwrap_or_default().to_string();
        let devices = self.store.ids(Index::DeviceByLicense, &id);
        let is_active = |id: &u64| self.store.get(Table::Devices, *id).is_some_and(|d| flag(d, "device_active"));
        devices.iter().filter(|id| is_active(id)).count()
    }

    fn has_active_licenses(&self, order: &Record) -> bool {
        let id = id(order, "id").unwrap_or_default().to_string();
        let licenses = self.store.ids(Index::LicenseByOrder, &id);
        let is_active = |id: &u64| {
            let license = self.store.get(Table::Licenses, *id);
            license.is_some_and(|l| status(l, self.switches, self.now) == "Active")
        };
        licenses.iter().any(is_active)
    }
}

/// Kept licenses hold only what was set; this is the rest of the object.
static LICENSE_DEFAULTS: LazyLock<Record> = LazyLock::new(|| {
    let mut defaults = object(json!({
        "license_key": null, "active": false, "enabled": true, "disabled_user": null, "license_type": "perpetual",
        "license_template": null, "license_user": null, "license_users": [], "product_features": [],
        "product_custom_fields": [], "time_activated": null, "time_disabled": null, "last_check": null,
        "max_activations": 1, "allow_unlimited_activations": false, "times_activated": 0, "max_transfers": 0,
        "transfer_count": 0, "max_license_users": 1, "validity_period": null, "valid_duration": null,
        "start_date": null,
    }));
    defaults.extend(object(json!({
        "is_trial": false, "trial_days": 0, "enable_maintenance_period": false,
        "maintenance_duration": null, "maintenance_period": null, "max_consumptions": 0, "total_consumptions": 0,
        "allow_unlimited_consumptions": false, "allow_negative_consumptions": false, "allow_overages": false,
        "max_overages": 0, "reset_consumption": false, "consumption_period": null, "allow_grace_period": false,
        "grace_period": 0, "subscription_id": null, "prevent_vm": false, "note": "", "metadata": {},
        "is_floating": false, "is_floating_cloud": false, "floating_users": 0, "floating_timeout": 0,
        "floating_in_use_devices": 0, "can_borrow": false, "max_borrow_time": 0, "is_air_gapped": false,
        "is_hardware_key_auth": false, "installation_file": null,
    })));
    defaults
});
