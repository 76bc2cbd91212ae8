//! The objects that entitle, and which of their fields says what: the names that an admin who
//! follows our guide configures nothing for.
//! <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_list.htm>

/// What kind of object a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One row for every product that a customer has.
    Asset,
    /// A row of Salesforce CPQ: an amendment is one more row.
    Quoted,
    /// Stands for its lines; sells something itself where it names a product.
    Contract,
    Order,
    OrderItem,
    Opportunity,
    OpportunityLineItem,
    /// Identity only.
    Account,
    Contact,
    /// Any other object whose fields the configuration names.
    Mapped,
}

impl Kind {
    /// `None`: kept, and of no effect.
    pub fn of(object: &str, is_mapped: bool) -> Option<Self> {
        match object {
            "Asset" => Some(Self::Asset),
            "SBQQ__Subscription__c" => Some(Self::Quoted),
            "Contract" => Some(Self::Contract),
            "Order" => Some(Self::Order),
            "OrderItem" => Some(Self::OrderItem),
            "Opportunity" => Some(Self::Opportunity),
            "OpportunityLineItem" => Some(Self::OpportunityLineItem),
            "Account" => Some(Self::Account),
            "Contact" => Some(Self::Contact),
            _ => is_mapped.then_some(Self::Mapped),
        }
    }

    pub fn is_header(self) -> bool {
        matches!(self, Self::Contract | Self::Order | Self::Opportunity)
    }

    /// It has no status but its header's.
    pub fn is_line(self) -> bool {
        matches!(self, Self::OrderItem | Self::OpportunityLineItem)
    }

    /// Whether a quantity may take away: amendments and reduction orders do.
    pub fn may_take_away(self) -> bool {
        matches!(self, Self::Quoted | Self::OrderItem | Self::OpportunityLineItem | Self::Mapped)
    }

    /// Fields that decide and have no usual name: the configuration has to name them.
    pub fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Mapped => &["quantity", "end_date"],
            _ => &[],
        }
    }
}

/// Theirs by ours, unless declared: the first that holds something. An absent one is null, for
/// the guide has it sent.
pub fn usual(kind: Kind, ours: &str) -> &'static [&'static str] {
    match (kind, ours) {
        (_, "modified") => &["SystemModstamp", "LastModifiedDate"],
        (Kind::Account, "company") => &["Name"],
        (Kind::Contact, "email") => &["Email"],
        (Kind::Contact, "first_name") => &["FirstName"],
        (Kind::Contact, "last_name") => &["LastName"],
        (Kind::Account | Kind::Contact, _) => &[],
        (_, "product_code") => &["LSL_Product_Code__c", "ProductCode"],
        (_, "email") => &["LSL_Contact_Email__c", "ContactEmail"],
        (Kind::Mapped, _) => &[],
        (Kind::Quoted, _) => of_quoted(ours),
        (_, "account") => &["AccountId"],
        (Kind::Order, "contact") => &["BillToContactId", "ContactId"],
        (_, "contact") => &["ContactId"],
        (_, "product") => &["Product2Id"],
        (Kind::Contract | Kind::Order, "status") => &["StatusCode", "Status"],
        (Kind::Opportunity, "status") => &["StageName"],
        (_, "status") => &["Status"],
        (Kind::Opportunity, "quantity") => &["LSL_Quantity__c", "TotalOpportunityQuantity", "Quantity"],
        (_, "quantity") => &["Quantity", "LSL_Quantity__c"],
        (Kind::Asset, "start_date") => &["InstallDate", "PurchaseDate", "StartDate"],
        (Kind::Order, "start_date") => &["EffectiveDate"],
        (Kind::Opportunity, "start_date") => &["CloseDate"],
        (Kind::OrderItem | Kind::OpportunityLineItem, "start_date") => &["ServiceDate"],
        (_, "start_date") => &["StartDate"],
        (Kind::Asset, "end_date") => &["UsageEndDate", "EndDate"],
        (Kind::Contract, "term_months") => &["ContractTerm"],
        (_, "end_date") => &["EndDate"],
        (Kind::OrderItem, "parent") => &["OrderId"],
        (Kind::OpportunityLineItem, "parent") => &["OpportunityId"],
        _ => &[],
    }
}

/// Names as they are seen in code that is public; the dates first that amendments have moved.
fn of_quoted(ours: &str) -> &'static [&'static str] {
    match ours {
        "account" => &["SBQQ__Account__c"],
        "parent" => &["SBQQ__Contract__c"],
        "product" => &["SBQQ__Product__c"],
        "quantity" => &["SBQQ__Quantity__c"],
        "start_date" => &["SBQQ__StartDate__c", "SBQQ__SubscriptionStartDate__c"],
        "end_date" => &["SBQQ__EndDate__c", "SBQQ__SubscriptionEndDate__c"],
        "terminated_date" => &["SBQQ__TerminatedDate__c"],
        "revises" => &["SBQQ__RevisedSubscription__c"],
        "subscription_type" => &["SBQQ__SubscriptionType__c"],
        _ => &[],
    }
}

/// Assets under lifecycle management keep their numbers elsewhere, and leave the usual ones null.
pub fn of_lifecycle(ours: &str) -> &'static [&'static str] {
    match ours {
        "quantity" => &["CurrentQuantity"],
        "start_date" => &["LifecycleStartDate"],
        "end_date" => &["LifecycleEndDate"],
        _ => &[],
    }
}
