//! An asset, from the sale to its end, as outbound messages; and once as a callout.

use chrono::{Days, SecondsFormat};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Message, Story};

/// The organization of the demo.
pub(in crate::cli) const ORGANIZATION: &str = "00DDEMO000000012DA";
/// The product code of the demo catalog.
pub(in crate::cli) const PRODUCT_CODE: &str = "APP-PRO-M";

pub(super) const STORIES: [&str; 5] = ["asset-start", "asset-extend", "asset-seats", "asset-end", "asset-callout"];

pub(super) fn messages(story: &Story<'_>, name: &str) -> Vec<Message> {
    let message = |months, seats, status| vec![story.outbound_message(name, months, seats, status)];
    match name {
        "asset-start" => message(1, 1, "Purchased"),
        "asset-extend" => message(2, 1, "Purchased"),
        "asset-seats" => message(1, 5, "Purchased"),
        "asset-end" => message(1, 1, "Obsolete"),
        _ => vec![story.callout()],
    }
}

/// An id of 15 characters that stays the same.
fn id(prefix: &str, name: &str) -> String {
    format!("{prefix}{}", &hex::encode(Sha256::digest(name.as_bytes()))[..12])
}

impl Story<'_> {
    fn asset_id(&self) -> String {
        let is_id = matches!(self.subscription.len(), 15 | 18);
        let is_id = is_id && self.subscription.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_id { self.subscription.to_owned() } else { id("02i", self.subscription) }
    }

    /// The last day of the term: a date means through that day.
    fn last_day(&self, months: u32) -> String {
        let end = self.month(months).date_naive();
        end.checked_sub_days(Days::new(1)).unwrap_or(end).to_string()
    }

    fn stamp(&self) -> String {
        self.now.to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    fn outbound_message(&self, name: &str, months: u32, seats: u32, status: &str) -> Message {
        let (asset, account) = (self.asset_id(), id("001", self.subscription));
        let notification = id("04l", &self.id("notification", name, 0));
        let (stamp, start, end) = (self.stamp(), self.month(0).date_naive(), self.last_day(months));
        let body = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <soapenv:Body>
  <notifications xmlns="http://soap.sforce.com/2005/09/outbound">
   <OrganizationId>{ORGANIZATION}</OrganizationId>
   <ActionId>04kDEMO00000001AAA</ActionId>
   <SessionId xsi:nil="true"/>
   <EnterpriseUrl>https://demo.my.salesforce.com/services/Soap/c/62.0/{ORGANIZATION}</EnterpriseUrl>
   <PartnerUrl>https://demo.my.salesforce.com/services/Soap/u/62.0/{ORGANIZATION}</PartnerUrl>
   <Notification>
    <Id>{notification}</Id>
    <sObject xsi:type="sf:Asset" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">
     <sf:Id>{asset}</sf:Id>
     <sf:AccountId>{account}</sf:AccountId>
     <sf:LSL_Contact_Email__c>ada@example.com</sf:LSL_Contact_Email__c>
     <sf:LSL_Product_Code__c>{PRODUCT_CODE}</sf:LSL_Product_Code__c>
     <sf:LastModifiedDate>{stamp}</sf:LastModifiedDate>
     <sf:PurchaseDate>{start}</sf:PurchaseDate>
     <sf:Quantity>{seats}.0</sf:Quantity>
     <sf:Status>{status}</sf:Status>
     <sf:SystemModstamp>{stamp}</sf:SystemModstamp>
     <sf:UsageEndDate>{end}</sf:UsageEndDate>
    </sObject>
   </Notification>
  </notifications>
 </soapenv:Body>
</soapenv:Envelope>"#
        );
        Message { headers: Vec::new(), body: body.into_bytes() }
    }

    fn callout(&self) -> Message {
        let stamp = self.stamp();
        Message::of(&json!({"event_id": self.id("callout", "asset", 0), "occurred_at": stamp, "org_id": ORGANIZATION,
            "sandbox": false, "object": "Asset", "change": "UPDATE", "record": {
                "Id": self.asset_id(), "AccountId": id("001", self.subscription), "ContactEmail": "ada@example.com",
                "ProductCode": PRODUCT_CODE, "Quantity": 1, "StartDate": self.month(0).date_naive().to_string(),
                "EndDate": self.last_day(1), "Status": "Purchased", "SystemModstamp": stamp, "IsDeleted": false}}))
    }
}
