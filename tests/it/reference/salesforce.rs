//! An org's accounts, worked out by a clerk who sees every record as it was shown, in the order in
//! which that happened, and needs no stamps: what was shown last is so.
//!
//! The clerk keeps one card for each record and, asked about a day, adds up the cards that hold on
//! it. How Salesforce and its CPQ mean their records is in their documents; a card knows no more.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, Months, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use super::{DAY, Expected, Rules, date_at_or_after, product_of};

/// What is the org's own: the zone of its dates, and what its amendments say.
#[derive(Debug, Clone, Copy)]
pub struct Org {
    pub zone: Tz,
    /// An amendment says the whole quantity.
    pub amendments_replace: bool,
}

/// How long what is sold lasts, where the catalog says it, in months.
const MONTHS: [(&str, u32); 2] = [("DEAL", 12), ("EVER", 1)];
const FOR_EVER: &str = "ONCE";

/// A record as it was last shown.
#[derive(Default)]
struct Card {
    object: String,
    /// Nulls are left out.
    fields: BTreeMap<String, String>,
    is_gone: bool,
    /// It was in force once: what is taken back then was not always a draft.
    was_on: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Force {
    On,
    Draft,
    Over,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    At(i64),
    /// Period after period.
    Evergreen,
    Forever,
    Unsaid,
}

/// A record as a sale.
#[derive(Clone)]
struct Sale {
    id: String,
    object: String,
    revises: Option<String>,
    /// `None`: it is not counted.
    quantity: Option<i64>,
    force: Force,
    start: i64,
    until: Until,
    /// Terminated: the first instant after.
    cut: i64,
    /// A field that decides is not sent.
    is_unknown: bool,
}

/// The line of a product of an account after these deliveries, in their true order. Nothing: the
/// account has never had it.
pub fn salesforce<'a>(
    events: impl IntoIterator<Item = &'a Value>,
    org: Org,
    account: &str,
    product: &str,
    now: i64,
    rules: &Rules,
) -> Vec<Expected> {
    let mut cards: BTreeMap<String, Card> = BTreeMap::new();
    for event in events {
        read(event["text"].as_str().unwrap(), &mut cards);
    }
    let mine = |(id, card): (&String, &Card)| sale(id, card, &cards, org, account, product, rules);
    let sales: Vec<Sale> = cards.iter().filter_map(mine).collect();
    if sales.is_empty() { Vec::new() } else { vec![Line { sales, org, product, now }.judge(rules)] }
}

/// The first 15 characters say all; the three after them only repeat in which case they are.
fn short(id: &str) -> String {
    id[..15].to_owned()
}

fn read(text: &str, cards: &mut BTreeMap<String, Card>) {
    if text.starts_with('<') { read_message(text, cards) } else { read_callout(text, cards) }
}

fn read_message(text: &str, cards: &mut BTreeMap<String, Card>) {
    let document = roxmltree::Document::parse(text).unwrap();
    for shown in document.descendants().filter(|node| node.tag_name().name() == "sObject") {
        let kind = shown.attributes().find(|a| a.name() == "type").unwrap().value();
        let fields = shown.children().filter(|f| f.is_element());
        let fields = fields.filter_map(|f| Some((f.tag_name().name().to_owned(), f.text()?.to_owned()))).collect();
        show(kind.split(':').next_back().unwrap(), "UPDATE", fields, cards);
    }
}

fn read_callout(text: &str, cards: &mut BTreeMap<String, Card>) {
    let said: Value = serde_json::from_str(text).unwrap();
    let events = said["events"].as_array().or(said.as_array()).cloned().unwrap_or_else(|| vec![said]);
    for event in events {
        let fields = event["record"].as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
        let fields = fields.map(|(k, v)| (k.clone(), v.as_str().map_or_else(|| v.to_string(), str::to_owned)));
        show(event["object"].as_str().unwrap(), event["change"].as_str().unwrap(), fields.collect(), cards);
    }
}

fn show(object: &str, change: &str, fields: BTreeMap<String, String>, cards: &mut BTreeMap<String, Card>) {
    let card = cards.entry(short(&fields["Id"])).or_default();
    if change == "DELETE" {
        card.is_gone = true;
        return;
    }
    if !fields.contains_key("SystemModstamp") {
        return;
    }
    *card = Card { object: object.to_owned(), fields, is_gone: false, was_on: card.was_on };
    card.was_on |= card.says() == Force::On;
}

impl Card {
    fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    fn is(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// What its own words come to.
    fn says(&self) -> Force {
        let word = self.first(&["StatusCode", "Status", "Lage__c"]).unwrap_or_default();
        match self.object.as_str() {
            "Contract" | "Order" => match word {
                "Activated" => Force::On,
                "Terminated" | "Expired" => Force::Over,
                _ => Force::Draft,
            },
            "Opportunity" if self.is("IsClosed") && self.is("IsWon") => Force::On,
            "Opportunity" => Force::Draft,
            "Asset" if self.quantity() == Some(0) => Force::Over,
            _ if matches!(word, "Obsolete" | "Expired") => Force::Over,
            _ => Force::On,
        }
    }

    fn force(&self) -> Force {
        match self.says() {
            _ if self.is_gone => Force::Over,
            Force::Draft if self.was_on => Force::Over,
            says => says,
        }
    }

    fn quantity(&self) -> Option<i64> {
        let name = match self.object.as_str() {
            "Asset" if self.is("HasLifecycleManagement") => "CurrentQuantity",
            "SBQQ__Subscription__c" => "SBQQ__Quantity__c",
            "Lizenz__c" => "Anzahl__c",
            "Contract" | "Opportunity" => "LSL_Quantity__c",
            _ => "Quantity",
        };
        self.get(name).map(|text| text.trim_end_matches(".0").parse().unwrap())
    }

    fn start(&self, zone: Tz) -> Option<i64> {
        let text = match self.object.as_str() {
            "Asset" if self.is("HasLifecycleManagement") => self.get("LifecycleStartDate"),
            "Asset" => self.first(&["InstallDate", "PurchaseDate"]),
            "SBQQ__Subscription__c" => self.get("SBQQ__StartDate__c"),
            "Order" => self.get("EffectiveDate"),
            "Opportunity" => self.get("CloseDate"),
            "OrderItem" | "OpportunityLineItem" => self.get("ServiceDate"),
            "Lizenz__c" => self.get("Von__c"),
            _ => self.get("StartDate"),
        };
        text.map(|text| begins(text, zone))
    }

    fn end(&self, zone: Tz) -> Option<i64> {
        let text = match self.object.as_str() {
            "Asset" if self.is("HasLifecycleManagement") => self.get("LifecycleEndDate"),
            "Asset" => self.get("UsageEndDate"),
            "SBQQ__Subscription__c" => self.get("SBQQ__EndDate__c"),
            "Lizenz__c" => self.get("Bis__c"),
            _ => self.get("EndDate"),
        };
        let by_term = || {
            let months: u32 = self.get("ContractTerm")?.parse().unwrap();
            let from: NaiveDate = self.get("StartDate")?.parse().unwrap();
            Some(midnight(from + Months::new(months), zone))
        };
        text.map(|text| is_over(text, zone)).or_else(by_term)
    }
}

fn midnight(date: NaiveDate, zone: Tz) -> i64 {
    zone.from_local_datetime(&date.and_time(NaiveTime::MIN)).earliest().unwrap().timestamp()
}

fn begins(text: &str, zone: Tz) -> i64 {
    match text.parse::<NaiveDate>() {
        Ok(date) => midnight(date, zone),
        Err(_) => text.parse::<DateTime<Utc>>().unwrap().timestamp(),
    }
}

/// A date means through that day.
fn is_over(text: &str, zone: Tz) -> i64 {
    match text.parse::<NaiveDate>() {
        Ok(date) => midnight(date + Days::new(1), zone),
        Err(_) => text.parse::<DateTime<Utc>>().unwrap().timestamp(),
    }
}

fn sale(
    id: &str,
    card: &Card,
    cards: &BTreeMap<String, Card>,
    org: Org,
    account: &str,
    product: &str,
    rules: &Rules,
) -> Option<Sale> {
    let code = card.first(&["LSL_Product_Code__c", "ProductCode", "Artikel__c"])?;
    if product_of(code, rules) != product {
        return None;
    }
    let parent = card.first(&["SBQQ__Contract__c", "OrderId", "OpportunityId"]);
    let header = parent.and_then(|id| cards.get(&short(id))).filter(|header| !header.object.is_empty());
    let whose = |card: &Card| card.first(&["AccountId", "SBQQ__Account__c", "Kunde__c"]).map(short);
    if whose(card).or_else(|| whose(header?))? != account {
        return None;
    }
    let own = card.force();
    let force = match header.map(Card::force) {
        Some(of_header) if own == Force::On => of_header,
        _ => own,
    };
    let start = card.start(org.zone).or_else(|| header?.start(org.zone));
    let months = MONTHS.iter().find(|(code, _)| *code == product).map(|(_, months)| *months);
    let ends: Vec<i64> = [card.end(org.zone), header.and_then(|h| h.end(org.zone))].into_iter().flatten().collect();
    let until = match (ends.iter().min(), start, months) {
        _ if card.get("SBQQ__SubscriptionType__c") == Some("Evergreen") => Until::Evergreen,
        (Some(end), _, _) => Until::At(*end),
        _ if product == FOR_EVER => Until::Forever,
        (None, Some(start), Some(months)) => Until::At(plus_months(start, months)),
        _ => Until::Unsaid,
    };
    Some(Sale {
        id: id.to_owned(),
        object: card.object.clone(),
        revises: card.get("SBQQ__RevisedSubscription__c").map(short),
        quantity: card.quantity(),
        force,
        start: start.unwrap_or(i64::MIN),
        until,
        cut: card.get("SBQQ__TerminatedDate__c").map_or(i64::MAX, |text| is_over(text, org.zone)),
        is_unknown: card.object == "Grant__c" && force == Force::On,
    })
}

fn plus_months(at: i64, months: u32) -> i64 {
    (DateTime::from_timestamp(at, 0).unwrap() + Months::new(months)).timestamp()
}

impl Sale {
    fn gives(&self) -> bool {
        self.quantity.is_none_or(|quantity| quantity > 0)
    }

    fn is_on(&self) -> bool {
        self.force == Force::On && self.until != Until::Unsaid
    }

    /// The end of its own term.
    fn end(&self) -> i64 {
        match self.until {
            Until::At(end) => end,
            _ => i64::MAX,
        }
    }

    fn spans(&self, at: i64) -> bool {
        self.start <= at && at < self.end()
    }
}

/// All sales of a product to an account, and the question.
struct Line<'a> {
    sales: Vec<Sale>,
    org: Org,
    product: &'a str,
    now: i64,
}

impl Line<'_> {
    /// An amendment that says all of it takes the place of the row before it.
    fn revised(&mut self) {
        if !self.org.amendments_replace {
            return;
        }
        let by_id: BTreeMap<String, Option<String>> =
            self.sales.iter().map(|sale| (sale.id.clone(), sale.revises.clone())).collect();
        let family = |sale: &Sale| {
            let mut first = sale.id.clone();
            while let Some(Some(revised)) = by_id.get(&first) {
                first.clone_from(revised);
            }
            first
        };
        let is_row = |sale: &Sale| sale.object == "SBQQ__Subscription__c" && sale.force == Force::On;
        let rows: Vec<(String, i64, String)> = self
            .sales
            .iter()
            .filter(|sale| is_row(sale))
            .map(|sale| (family(sale), sale.start, sale.id.clone()))
            .collect();
        for sale in self.sales.iter_mut().filter(|sale| is_row(sale)) {
            let (own, start) = (family(sale), sale.start);
            let later = rows.iter().filter(|(of, from, id)| *of == own && (*from, id) > (start, &sale.id));
            if let Some((_, next, _)) = later.min_by_key(|(_, from, id)| (*from, id.clone())) {
                sale.cut = sale.cut.min(*next);
            }
        }
    }

    /// The seats on a day: rows of one object add up, and several objects tell of the same sales.
    /// `Some(None)`: licensed, and not counted.
    fn seats(&self, at: i64) -> Option<Option<i64>> {
        let objects: BTreeSet<&str> = self.sales.iter().map(|sale| sale.object.as_str()).collect();
        let of_object = |object: &str| {
            let holds = |s: &&Sale| s.object == object && s.is_on() && s.spans(at) && at < s.cut;
            let sum: i64 = self.sales.iter().filter(holds).filter_map(|s| s.quantity).sum();
            let is_counted = self.sales.iter().filter(holds).all(|s| s.quantity.is_some());
            if sum > 0 { Some(Some(sum)) } else { (!is_counted).then_some(None) }
        };
        objects.into_iter().filter_map(of_object).max()
    }

    /// Where what runs now would end if nothing were ended before its time: day after day somebody
    /// has been promised the next one. `None`: never.
    fn promised(&self) -> Option<i64> {
        let given = || self.sales.iter().filter(|s| s.is_on() && s.gives() && self.now < s.cut);
        let mut day = self.now;
        loop {
            let on = || given().filter(|s| s.spans(day));
            if on().any(|s| s.until == Until::Forever) {
                return None;
            }
            let evergreen = given().filter(|s| s.until == Until::Evergreen && s.start <= day);
            if let Some(last) = evergreen.max_by_key(|s| s.start) {
                let months = MONTHS.iter().find(|(code, _)| *code == self.product).map_or(1, |(_, months)| *months);
                return (1..).map(|n| plus_months(last.start, n * months)).find(|end| *end > day);
            }
            match on().map(Sale::end).max() {
                Some(end) => day = end,
                None => return Some(day),
            }
        }
    }

    fn instants(&self) -> BTreeSet<i64> {
        let all = self.sales.iter().flat_map(|s| [s.start, s.end(), s.cut]);
        all.filter(|at| *at > i64::MIN && *at < i64::MAX).collect()
    }

    /// The last instant at which it was no longer licensed, after it had been.
    fn ended(&self) -> Option<i64> {
        let past = self.instants();
        past.into_iter().rev().find(|at| *at <= self.now && self.seats(at - 1).is_some())
    }

    /// Something that was given ended before its time, after `last`: terminated, put away,
    /// deleted, or amended away.
    fn was_taken_after(&self, last: i64) -> bool {
        let mut begun = self.sales.iter().filter(|s| s.start <= self.now);
        begun.any(|s| match s.force {
            // To undo a reduction takes nothing away.
            Force::Over => s.quantity.is_none_or(|quantity| quantity >= 0) && s.end() > last,
            Force::On if !s.is_on() || !s.gives() => false,
            Force::On if s.cut <= self.now => s.cut.min(s.end()) > last,
            Force::On => s.spans(self.now),
            Force::Draft => false,
        })
    }

    fn judge(mut self, rules: &Rules) -> Expected {
        self.revised();
        let on = || self.sales.iter().filter(|s| s.force == Force::On);
        let status = match () {
            () if self.sales.iter().any(|s| s.is_unknown) => "unknown",
            () if on().any(Sale::gives) => "active",
            () if self.sales.iter().any(|s| s.force == Force::Draft) => "incomplete",
            () => "canceled",
        };
        let dated = |end: i64| date_at_or_after(end + rules.grace_days * DAY);
        let in_grace = |end: i64| self.now < (end + rules.grace_days * DAY + DAY - 1).div_euclid(DAY) * DAY;
        let ended = self.ended();
        let by_itself = |end: &i64| {
            let is_end = |s: &Sale| s.is_on() && s.gives() && s.end() == *end && s.cut > *end;
            self.sales.iter().any(is_end) && !self.was_taken_after(*end)
        };
        let (state, seats, paid, off) = match (self.seats(self.now), ended) {
            _ if status == "unknown" => ("none", None, None, false),
            (Some(seats), _) => ("active", seats, self.promised(), false),
            (None, Some(end)) if by_itself(&end) && in_grace(end) => {
                ("grace", self.seats(end - 1).flatten(), Some(end), false)
            }
            // A license without a date does not end by itself.
            (None, Some(end)) if by_itself(&end) => ("ended", None, None, self.product == FOR_EVER),
            (None, Some(_)) => ("ended", None, None, true),
            (None, None) if self.was_taken_after(i64::MIN) => ("ended", None, None, true),
            (None, None) if on().any(|s| s.start <= self.now && s.until == Until::Unsaid) => {
                ("none", None, None, false)
            }
            (None, None) if on().next().is_some() => ("none", None, None, true),
            (None, None) if status == "incomplete" => ("none", None, None, true),
            (None, None) => ("ended", None, None, true),
        };
        let runs = matches!(state, "active" | "grace");
        Expected {
            item_id: "main".to_owned(),
            product: self.product.to_owned(),
            status,
            quantity: seats.unwrap_or(0),
            paid_through: paid.filter(|_| runs),
            state,
            valid_until: paid.filter(|_| runs && self.product != FOR_EVER).map(dated),
            is_trial: false,
            off,
        }
    }
}
