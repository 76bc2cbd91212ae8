//! Lives of accounts: assets, contracts with rows of CPQ, orders, deals and an object of the
//! org's own are sold, amended, renewed, ended, deleted and restored, several times in one second
//! too.
//!
//! A message shows a record as it is when it is *sent*: what was changed twice before is shown
//! once, or twice the same; what is gone is not shown. A callout shows every change by itself.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, Months, NaiveDate, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};
use subledger::providers::SourceSettings;

use crate::reference::Org;
use crate::support::rng::Rng;

const SECOND: i64 = 1_000;
const DAY: i64 = 86_400 * SECOND;
const ORGANIZATION: &str = "00D5g00000AbCdE";
/// Two accounts whose ids differ in the case of one letter.
pub const ACCOUNTS: [&str; 2] = ["0015g00000aBcDe", "0015g00000aBcDE"];
pub const PRODUCTS: [&str; 6] = ["PRO", "TEAM", "DEAL", "EVER", "ONCE", "GRANT"];

/// One delivery, and the same under other ids.
#[derive(Clone)]
pub struct Told {
    pub body: String,
    pub again: String,
    /// Seconds.
    pub at: i64,
}

pub struct Life {
    pub told: Vec<Told>,
    pub org: Org,
    /// Milliseconds.
    now: i64,
    messages: bool,
    callouts: bool,
    records: Vec<Record>,
    /// Records that a message is still to be sent of.
    pending: Vec<usize>,
    /// Callouts of what is being done.
    said: Vec<Value>,
    serial: usize,
}

struct Record {
    object: &'static str,
    id: String,
    fields: Map<String, Value>,
    /// Seconds.
    stamp: i64,
    is_deleted: bool,
    /// The stamp under which a message has shown it.
    shown: Option<i64>,
}

/// What a source of these lives is told in its configuration.
pub fn settings(org: &Org) -> SourceSettings {
    let table = |names: &[(&str, &str)]| names.iter().map(|(o, t)| ((*o).to_owned(), (*t).to_owned())).collect();
    let own = [
        ("account", "Kunde__c"),
        ("product_code", "Artikel__c"),
        ("quantity", "Anzahl__c"),
        ("status", "Lage__c"),
        ("start_date", "Von__c"),
        ("end_date", "Bis__c"),
    ];
    let fields: BTreeMap<_, _> =
        [("Lizenz__c".to_owned(), table(&own)), ("Grant__c".to_owned(), table(&own[..2]))].into();
    SourceSettings {
        livemode: true,
        fields,
        time_zone: org.zone,
        amendments_replace: org.amendments_replace,
        organization_ids: vec![ORGANIZATION.to_owned()],
        ..SourceSettings::default()
    }
}

/// 18 characters of 15.
pub fn long(id: &str) -> String {
    let bit = |(n, c): (usize, char)| if c.is_ascii_uppercase() { 1 << n } else { 0 };
    let letters: Vec<char> = id.chars().collect();
    let sums = letters.chunks(5).map(|five| five.iter().copied().enumerate().map(bit).sum::<usize>());
    let checksum: String = sums.map(|sum| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[sum])).collect();
    format!("{id}{checksum}")
}

pub fn random(rng: &mut Rng, start: i64, steps: usize) -> Life {
    let (messages, callouts) = rng.pick(&[(true, false), (false, true), (true, true), (true, true)]);
    let zone: Tz = rng.pick(&[chrono_tz::UTC, chrono_tz::UTC, chrono_tz::Europe::Berlin, chrono_tz::America::New_York]);
    let mut life = Life {
        told: Vec::new(),
        org: Org { zone, amendments_replace: rng.once_in(3) },
        now: start * SECOND,
        messages,
        callouts,
        records: Vec::new(),
        pending: Vec::new(),
        said: Vec::new(),
        serial: 0,
    };
    life.sell(rng);
    life.send(rng, false);
    for _ in 0..steps {
        life.step(rng);
        life.send(rng, false);
    }
    life.send(rng, true);
    life
}

impl Life {
    fn id(&mut self, prefix: &str) -> String {
        let serial = self.serial;
        self.serial += 1;
        // Alike but for the case of letters.
        let letters: String = (0..5).map(|bit| if serial >> bit & 1 == 1 { 'K' } else { 'k' }).collect();
        format!("{prefix}5g0000{:01}{letters}", serial / 32 % 10)
    }

    fn today(&self) -> NaiveDate {
        DateTime::<Utc>::from_timestamp_millis(self.now).unwrap().date_naive()
    }

    /// Days pass, or hardly anything.
    fn tick(&mut self, rng: &mut Rng) {
        self.now += match rng.below(6) {
            0 | 1 => rng.between(1, 300),
            2 => rng.between(1, 90) * SECOND,
            _ => rng.between(1, 45) * DAY + rng.between(0, 40_000) * SECOND,
        };
    }

    fn create(&mut self, object: &'static str, prefix: &str, fields: Value) -> usize {
        let id = self.id(prefix);
        let fields = fields.as_object().unwrap().clone();
        self.records.push(Record { object, id, fields, stamp: 0, is_deleted: false, shown: None });
        self.save(self.records.len() - 1, "CREATE");
        self.records.len() - 1
    }

    fn update(&mut self, n: usize, changes: &[(&str, Value)]) {
        let record = &self.records[n];
        if !self.callouts && record.shown == Some(self.now / SECOND) {
            // Two messages that differ under one stamp: nobody could tell which is the last.
            self.now = (self.now / SECOND + 1) * SECOND;
        }
        for (name, value) in changes {
            self.records[n].fields.insert((*name).to_owned(), value.clone());
        }
        self.save(n, "UPDATE");
    }

    fn save(&mut self, n: usize, change: &str) {
        self.now += 1;
        let now = self.now;
        self.records[n].stamp = now / SECOND;
        if self.messages {
            self.pending.push(n);
        }
        let fields = self.fields(n);
        self.call_out(n, change, fields);
    }

    fn call_out(&mut self, n: usize, change: &str, record: Map<String, Value>) {
        if self.callouts {
            self.said.push(json!({"occurred_at": millis(self.now), "org_id": ORGANIZATION, "sandbox": false,
                "object": self.records[n].object, "change": change, "record": record}));
        }
    }

    /// A record as it stands; nulls are there, or are not.
    fn fields(&self, n: usize) -> Map<String, Value> {
        let record = &self.records[n];
        let mut fields = record.fields.clone();
        fields.insert("Id".to_owned(), json!(record.id));
        fields.insert("SystemModstamp".to_owned(), json!(millis(record.stamp * SECOND)));
        fields
    }

    fn delete(&mut self, rng: &mut Rng, n: usize) {
        self.now += 1;
        self.records[n].is_deleted = true;
        // A trigger shows the record as it was; a Flow little but the id.
        let mut fields = self.fields(n);
        match rng.below(3) {
            0 => fields.retain(|name, _| name == "Id"),
            1 => fields.retain(|name, _| name == "Id" || name == "SystemModstamp"),
            _ => {}
        }
        self.call_out(n, "DELETE", fields);
    }

    fn restore(&mut self, rng: &mut Rng, n: usize) {
        self.now += 1;
        self.records[n].is_deleted = false;
        if rng.once_in(2) {
            self.records[n].stamp = self.now / SECOND;
        }
        let fields = self.fields(n);
        self.call_out(n, "UNDELETE", fields);
    }

    /// Sends what is to be told: each callout by itself or all at once, and messages that may
    /// wait for the next time.
    fn send(&mut self, rng: &mut Rng, all: bool) {
        let said = std::mem::take(&mut self.said);
        let batches: Vec<&[Value]> = if rng.once_in(2) { said.chunks(1).collect() } else { said.chunks(200).collect() };
        for batch in batches {
            let body = callout(rng, batch);
            let again = callout(rng, batch);
            self.told.push(Told { body, again, at: self.now / SECOND });
        }
        if !all && rng.once_in(3) {
            return;
        }
        let pending: Vec<usize> = std::mem::take(&mut self.pending);
        let pending: Vec<usize> = pending.into_iter().filter(|n| !self.records[*n].is_deleted).collect();
        let size = rng.pick(&[1, 2, 100]);
        for batch in pending.chunks(size) {
            let shown: Vec<(&'static str, Map<String, Value>)> =
                batch.iter().map(|n| (self.records[*n].object, self.fields(*n))).collect();
            let body = message(rng, &shown);
            let again = message(rng, &shown);
            self.told.push(Told { body, again, at: self.now / SECOND });
            for n in batch {
                self.records[*n].shown = Some(self.records[*n].stamp);
            }
        }
    }

    fn step(&mut self, rng: &mut Rng) {
        self.tick(rng);
        if rng.once_in(5) {
            return self.sell(rng);
        }
        for _ in 0..rng.pick(&[1, 1, 1, 2, 3]) {
            let n = rng.below(self.records.len());
            self.change(rng, n);
        }
    }

    fn change(&mut self, rng: &mut Rng, n: usize) {
        match (self.records[n].is_deleted, self.callouts) {
            (true, _) => return self.restore(rng, n),
            (false, true) if rng.once_in(9) => return self.delete(rng, n),
            _ => {}
        }
        match self.records[n].object {
            "Asset" => self.change_asset(rng, n),
            "SBQQ__Subscription__c" => self.change_quoted(rng, n),
            "Contract" => self.change_contract(rng, n),
            "Order" => self.change_order(rng, n),
            "OrderItem" | "OpportunityLineItem" => self.update(n, &[("Quantity", json!(rng.between(1, 9)))]),
            "Opportunity" => self.change_deal(rng, n),
            "Lizenz__c" => self.change_own(rng, n),
            _ => self.update(n, &[("Name", json!("Analytical Engines"))]),
        }
    }

    fn date(&self, n: usize, name: &str) -> Option<NaiveDate> {
        self.records[n].fields.get(name)?.as_str()?.parse().ok()
    }

    /// A term around today.
    fn term(&self, rng: &mut Rng) -> (NaiveDate, NaiveDate) {
        let from = shifted(self.today(), rng.pick(&[-40, -3, 0, 0, 0, 1, 20]));
        (from, last_day(from, rng.pick(&[1, 1, 3, 12])))
    }

    fn sell(&mut self, rng: &mut Rng) {
        let account = if rng.once_in(5) { ACCOUNTS[1] } else { ACCOUNTS[0] };
        let account = json!(written(rng, account));
        let (from, to) = self.term(rng);
        let code = rng.pick(&["SF-PRO-M", "SF-PRO-Y", "SF-PRO-Y", "SF-TEAM", "SF-ONCE"]);
        let quantity = rng.between(1, 9);
        match rng.below(13) {
            0..=2 => {
                let to = if rng.once_in(6) { json!(null) } else { json!(to) };
                let managed = rng.once_in(5);
                let mut fields = json!({"AccountId": account, "LSL_Product_Code__c": code, "Status": "Purchased",
                    "Quantity": amount(rng, quantity), "PurchaseDate": from, "InstallDate": null, "UsageEndDate": to,
                    "LSL_Contact_Email__c": "ada@example.com"});
                if managed && !to.is_null() {
                    let hours =
                        |date: &Value, hour: u32| json!(format!("{}T{hour:02}:30:00.000Z", date.as_str().unwrap()));
                    fields = json!({"AccountId": account, "LSL_Product_Code__c": code, "HasLifecycleManagement": true,
                        "CurrentQuantity": quantity, "LifecycleStartDate": hours(&json!(from), 8),
                        "LifecycleEndDate": hours(&to, 17), "Quantity": null, "UsageEndDate": null, "Status": null});
                }
                self.create("Asset", "02i", fields);
            }
            3..=6 => self.sell_quoted(rng, account, code, quantity, from, to),
            7 | 8 => self.sell_order(rng, account, code, quantity, from, to),
            9 | 10 => self.sell_deal(rng, account, quantity, from),
            11 => {
                let (end, months) =
                    if rng.once_in(2) { (json!(to), json!(null)) } else { (json!(null), json!(rng.between(1, 12))) };
                let status = rng.pick(&["Draft", "Activated"]);
                self.create("Contract", "800", json!({"AccountId": account, "StatusCode": status, "Status": "unser Wort",
                    "LSL_Product_Code__c": code, "LSL_Quantity__c": amount(rng, quantity), "StartDate": from, "EndDate": end,
                    "ContractTerm": months}));
            }
            _ if rng.once_in(4) => {
                self.create(
                    "Grant__c",
                    "a0G",
                    json!({"Kunde__c": account, "Artikel__c": "SF-GRANT", "Wieviel__c": quantity}),
                );
            }
            _ => {
                self.create(
                    "Lizenz__c",
                    "a0L",
                    json!({"Kunde__c": account, "Artikel__c": code, "Anzahl__c": amount(rng, quantity),
                    "Lage__c": "aktiv", "Von__c": from, "Bis__c": to}),
                );
            }
        }
    }

    fn change_asset(&mut self, rng: &mut Rng, n: usize) {
        let managed = self.records[n].fields.contains_key("CurrentQuantity");
        let quantity = if managed { "CurrentQuantity" } else { "Quantity" };
        let today = self.today();
        match rng.below(8) {
            0 | 1 => self.update(n, &[(quantity, amount_of(rng, 0, 9))]),
            2 if !managed => self.update(n, &[("UsageEndDate", json!(shifted(today, rng.between(-20, 60))))]),
            2 => self.update(
                n,
                &[("LifecycleEndDate", json!(millis(self.now / SECOND * SECOND + rng.between(-20, 60) * DAY)))],
            ),
            3 => self.update(n, &[("Status", json!("Obsolete"))]),
            4 => self.update(
                n,
                &[("Status", rng.pick(&[json!("Installed"), json!(null)].iter().collect::<Vec<_>>()).clone())],
            ),
            5 => {
                let account = rng.pick(&ACCOUNTS);
                let account = json!(written(rng, account));
                self.update(n, &[("AccountId", account)]);
            }
            6 => self.update(n, &[("InstallDate", json!(shifted(today, rng.between(-20, 20))))]),
            _ => {
                // Renewed as a record of its own: at once, after a gap, or with an overlap.
                let Some(end) = self.date(n, "UsageEndDate") else { return };
                let from = shifted(end, rng.pick(&[1, 1, 1, 3, 9, -5]));
                let mut fields = Value::Object(self.records[n].fields.clone());
                fields["PurchaseDate"] = json!(from);
                fields["InstallDate"] = json!(null);
                fields["UsageEndDate"] = json!(last_day(from, rng.pick(&[1, 12])));
                fields["Quantity"] = amount_of(rng, 1, 9);
                self.create("Asset", "02i", fields);
            }
        }
    }

    fn sell_quoted(
        &mut self,
        rng: &mut Rng,
        account: Value,
        code: &str,
        quantity: i64,
        from: NaiveDate,
        to: NaiveDate,
    ) {
        let evergreen = rng.once_in(5);
        let with_contract = rng.once_in(2);
        let contract = with_contract.then(|| {
            let status = rng.pick(&["Draft", "Activated", "Activated"]);
            let end = if rng.once_in(2) { json!(to) } else { json!(null) };
            self.create(
                "Contract",
                "800",
                json!({"AccountId": account, "StatusCode": status, "Status": "unser Wort",
                "StartDate": from, "EndDate": if evergreen { json!(null) } else { end }}),
            )
        });
        let contract = contract.map(|n| written(rng, &self.records[n].id.clone()));
        // Whose it is may be said by the contract alone.
        let own = if with_contract && rng.once_in(3) { json!(null) } else { account };
        let code = if evergreen { "SF-EVER" } else { code };
        let kind = if evergreen { "Evergreen" } else { "Renewable" };
        let end = if evergreen { json!(null) } else { json!(to) };
        for _ in 0..rng.pick(&[1, 1, 2]) {
            self.create(
                "SBQQ__Subscription__c",
                "a0F",
                json!({"SBQQ__Account__c": own, "SBQQ__Contract__c": contract,
                "LSL_Product_Code__c": code, "SBQQ__Quantity__c": amount(rng, quantity), "SBQQ__StartDate__c": from,
                "SBQQ__EndDate__c": end, "SBQQ__TerminatedDate__c": null, "SBQQ__RevisedSubscription__c": null,
                "SBQQ__SubscriptionType__c": kind}),
            );
        }
    }

    /// A day within the term of a row.
    fn day_within(&self, rng: &mut Rng, n: usize) -> NaiveDate {
        let from = self.date(n, "SBQQ__StartDate__c").unwrap();
        let to = self.date(n, "SBQQ__EndDate__c").unwrap_or(shifted(self.today(), 40)).max(from);
        shifted(from, rng.between(0, (to - from).num_days()))
    }

    fn change_quoted(&mut self, rng: &mut Rng, n: usize) {
        let held = self.records[n].fields["SBQQ__Quantity__c"].clone();
        let held = held.as_i64().or(held.as_f64().map(|q| format!("{q}").parse().unwrap())).unwrap();
        match rng.below(8) {
            // Amended: one more row, with the difference or with all of it.
            0..=2 => {
                let quantity = match (self.org.amendments_replace, rng.below(4)) {
                    (true, 0) => 0,
                    (true, _) => rng.between(1, 12),
                    (false, 0) => -held,
                    (false, 1) => -rng.between(1, held.abs().max(1)),
                    (false, _) => rng.between(1, 9),
                };
                let mut fields = Value::Object(self.records[n].fields.clone());
                fields["SBQQ__RevisedSubscription__c"] = json!(written(rng, &self.records[n].id.clone()));
                fields["SBQQ__Quantity__c"] = amount(rng, quantity);
                fields["SBQQ__StartDate__c"] = json!(self.day_within(rng, n));
                fields["SBQQ__TerminatedDate__c"] = json!(null);
                self.create("SBQQ__Subscription__c", "a0F", fields);
            }
            3 => {
                let day = self.day_within(rng, n);
                self.update(n, &[("SBQQ__TerminatedDate__c", json!(day))]);
            }
            4 => self.update(n, &[("SBQQ__TerminatedDate__c", json!(null))]),
            5 if held > 0 => {
                let quantity = amount_of(rng, 1, 9);
                self.update(n, &[("SBQQ__Quantity__c", quantity)]);
            }
            _ => {
                // Renewed: a contract and rows of its own.
                let Some(end) = self.date(n, "SBQQ__EndDate__c") else { return };
                let fields = &self.records[n].fields;
                let (account, code) = (fields["SBQQ__Account__c"].clone(), fields["LSL_Product_Code__c"].clone());
                if account.is_null() || held <= 0 {
                    return;
                }
                let from = shifted(end, rng.pick(&[1, 1, 1, 2, 8, -4]));
                let contract = self.create(
                    "Contract",
                    "800",
                    json!({"AccountId": account, "StatusCode": "Activated",
                    "Status": "unser Wort", "StartDate": from, "EndDate": null}),
                );
                let contract = written(rng, &self.records[contract].id.clone());
                self.create(
                    "SBQQ__Subscription__c",
                    "a0F",
                    json!({"SBQQ__Account__c": account, "SBQQ__Contract__c": contract,
                    "LSL_Product_Code__c": code, "SBQQ__Quantity__c": amount_of(rng, 1, 9), "SBQQ__StartDate__c": from,
                    "SBQQ__EndDate__c": last_day(from, rng.pick(&[1, 12])), "SBQQ__TerminatedDate__c": null,
                    "SBQQ__RevisedSubscription__c": null, "SBQQ__SubscriptionType__c": "Renewable"}),
                );
            }
        }
    }

    fn change_contract(&mut self, rng: &mut Rng, n: usize) {
        let end = json!(shifted(self.today(), rng.between(-10, 60)));
        match rng.below(6) {
            0..=2 => self.update(n, &[("StatusCode", json!("Activated"))]),
            3 => self.update(n, &[("StatusCode", json!("InApproval"))]),
            4 => self.update(n, &[("StatusCode", json!(rng.pick(&["Terminated", "Expired"])))]),
            _ => self.update(n, &[("EndDate", end)]),
        }
    }

    fn sell_order(&mut self, rng: &mut Rng, account: Value, code: &str, quantity: i64, from: NaiveDate, to: NaiveDate) {
        let status = rng.pick(&["Draft", "Activated"]);
        let end = if rng.once_in(5) { json!(null) } else { json!(to) };
        let order = self.create(
            "Order",
            "801",
            json!({"AccountId": account, "StatusCode": status, "Status": "unser Wort",
            "EffectiveDate": from, "EndDate": end}),
        );
        self.add_item(rng, order, code, quantity);
        if status == "Draft" && rng.once_in(2) {
            self.update(order, &[("StatusCode", json!("Activated"))]);
        }
    }

    fn add_item(&mut self, rng: &mut Rng, order: usize, code: &str, quantity: i64) {
        let id = written(rng, &self.records[order].id.clone());
        let from = rng.once_in(2).then(|| shifted(self.today(), rng.between(-10, 20)));
        let to = rng.once_in(4).then(|| shifted(self.today(), rng.between(20, 90)));
        self.create(
            "OrderItem",
            "802",
            json!({"OrderId": id, "LSL_Product_Code__c": code, "Quantity": amount(rng, quantity),
            "ServiceDate": from, "EndDate": to}),
        );
    }

    fn change_order(&mut self, rng: &mut Rng, n: usize) {
        let (code, more, fewer) = (self.code_of_lines(n), rng.between(1, 5), rng.between(1, 3));
        match rng.below(7) {
            0 | 1 => self.update(n, &[("StatusCode", json!("Activated"))]),
            2 => self.update(n, &[("StatusCode", json!("Draft"))]),
            3 => self.update(n, &[("EndDate", json!(shifted(self.today(), rng.between(-10, 60))))]),
            // A reduction order takes away.
            4 => self.add_item(rng, n, &code, -fewer),
            _ => self.add_item(rng, n, &code, more),
        }
    }

    fn code_of_lines(&self, order: usize) -> String {
        let id = &self.records[order].id;
        let is_line = |r: &&Record| r.fields.get("OrderId").and_then(Value::as_str).is_some_and(|o| o.starts_with(id));
        self.records.iter().find(is_line).unwrap().fields["LSL_Product_Code__c"].as_str().unwrap().to_owned()
    }

    fn sell_deal(&mut self, rng: &mut Rng, account: Value, quantity: i64, from: NaiveDate) {
        let own = rng.once_in(2);
        let code = if own { json!("SF-DEAL") } else { json!(null) };
        let is_won = rng.once_in(2);
        let deal = self.create("Opportunity", "006", json!({"AccountId": account, "StageName": "x", "IsClosed": is_won,
            "IsWon": is_won, "CloseDate": from, "LSL_Product_Code__c": code, "LSL_Quantity__c": own.then_some(quantity)}));
        if !own {
            let id = written(rng, &self.records[deal].id.clone());
            self.create(
                "OpportunityLineItem",
                "00k",
                json!({"OpportunityId": id, "ProductCode": "SF-DEAL",
                "Quantity": amount(rng, quantity), "ServiceDate": null}),
            );
        }
    }

    fn change_deal(&mut self, rng: &mut Rng, n: usize) {
        let (is_closed, is_won) = rng.pick(&[(true, true), (true, true), (true, false), (false, false)]);
        self.update(n, &[("IsClosed", json!(is_closed)), ("IsWon", json!(is_won))]);
    }

    fn change_own(&mut self, rng: &mut Rng, n: usize) {
        match rng.below(4) {
            0 => self.update(n, &[("Anzahl__c", amount_of(rng, 1, 9))]),
            1 => self.update(n, &[("Lage__c", json!(rng.pick(&["Expired", "aktiv"])))]),
            2 => self.update(n, &[("Anzahl__c", json!(null))]),
            _ => self.update(n, &[("Bis__c", json!(shifted(self.today(), rng.between(-10, 60))))]),
        }
    }
}

fn shifted(date: NaiveDate, days: i64) -> NaiveDate {
    let by = Days::new(days.unsigned_abs());
    if days < 0 { date - by } else { date + by }
}

/// Through which day months from a day last.
fn last_day(from: NaiveDate, months: u32) -> NaiveDate {
    from + Months::new(months) - Days::new(1)
}

fn millis(at: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(at).unwrap().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// An id in 15 characters or in 18.
fn written(rng: &mut Rng, id: &str) -> String {
    if rng.once_in(2) { long(id) } else { id.to_owned() }
}

/// `5` or `5.0`.
fn amount(rng: &mut Rng, quantity: i64) -> Value {
    if rng.once_in(2) { json!(quantity) } else { serde_json::from_str(&format!("{quantity}.0")).unwrap() }
}

fn amount_of(rng: &mut Rng, from: i64, to: i64) -> Value {
    let quantity = rng.between(from, to);
    amount(rng, quantity)
}

/// Ids say nothing of the order in which things happened.
fn fresh(rng: &mut Rng) -> String {
    format!("{:012x}", rng.next() >> 16)
}

fn callout(rng: &mut Rng, said: &[Value]) -> String {
    let events: Vec<Value> = said
        .iter()
        .map(|said| {
            let mut event = said.clone();
            event["event_id"] = json!(format!("{}-{}", fresh(rng), fresh(rng)));
            if rng.once_in(2) {
                let fields = event["record"].as_object_mut().unwrap();
                fields.retain(|_, value| !value.is_null());
            }
            event["record"]["Id"] = json!(written(rng, said["record"]["Id"].as_str().unwrap()));
            event
        })
        .collect();
    match events.as_slice() {
        [one] if rng.once_in(2) => one.to_string(),
        _ if rng.once_in(2) => json!({"events": events}).to_string(),
        _ => json!(events).to_string(),
    }
}

fn message(rng: &mut Rng, shown: &[(&'static str, Map<String, Value>)]) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut notifications = String::new();
    for (object, fields) in shown {
        let id = format!("04l{}", fresh(rng));
        let own = written(rng, fields["Id"].as_str().unwrap());
        let others = fields.iter().filter(|(name, value)| *name != "Id" && !value.is_null());
        let elements: String = others.map(|(name, value)| format!("<sf:{name}>{}</sf:{name}>", text(value))).collect();
        notifications.push_str(&format!(
            r#"<Notification><Id>{}</Id><sObject xsi:type="sf:{object}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>{own}</sf:Id>{elements}</sObject></Notification>"#,
            written(rng, &id)
        ));
    }
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>{ORGANIZATION}</OrganizationId><SessionId xsi:nil="true"/>{notifications}</notifications></soapenv:Body></soapenv:Envelope>"#
    )
}
