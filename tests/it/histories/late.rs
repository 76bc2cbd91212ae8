//! Licenses that are kept while a history is still being told: some of it came late, so that
//! calls were made on what was known by then. In the end they are as if all had been known.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use subledger::domain::entitlement::SourceContext;
use subledger::domain::license::{Action, LicenseRecord, Observed};
use subledger::domain::plan::{Step, deserved, diff};
use subledger::domain::rules::Rules;
use subledger::domain::state::State;

/// Rounds of calls after which nothing may be left to call.
const ROUNDS_MAX: usize = 5;

/// The licenses of a history at a vendor that does what it is told, and what we know of them.
#[derive(Default)]
pub struct Kept(Vec<LicenseRecord>);

impl Kept {
    /// Makes the calls that are needed at an instant; answers with how many those were.
    pub fn level(&mut self, state: &State, source: &str, rules: &Rules, now: DateTime<Utc>) -> usize {
        let context = SourceContext { name: source, live: true };
        let mut calls = 0;
        for _ in 0..ROUNDS_MAX {
            let steps = diff(&deserved(state, context, rules, now), &self.of(state), state);
            if steps.is_empty() {
                return calls;
            }
            calls += steps.len();
            steps.iter().for_each(|step| self.call(step));
        }
        panic!("calls without an end: {:?}", diff(&deserved(state, context, rules, now), &self.of(state), state));
    }

    fn of(&self, state: &State) -> Vec<LicenseRecord> {
        let ids = state.license_ids();
        state.adopt(self.0.iter().filter(|held| ids.contains(&held.line.subscription_id)).cloned().collect())
    }

    fn call(&mut self, step: &Step) {
        if let Action::CreateOrder { body } = &step.action {
            let mut record = LicenseRecord::new(&step.order_id, step.line.clone(), step.order_generation);
            record.observed = Some(made(body, i64::try_from(self.0.len()).unwrap()));
            assert!(self.0.iter().all(|held| held.order_id != step.order_id), "{} twice", step.order_id);
            return self.0.push(record);
        }
        let record = self.0.iter_mut().find(|held| held.order_id == step.order_id).unwrap();
        let license = record.observed.as_mut().unwrap();
        match &step.action {
            Action::Update { changes, .. } => change(license, changes),
            Action::Enable { .. } | Action::Disable { .. } => {
                let on = matches!(step.action, Action::Enable { .. });
                assert_ne!(license.enabled, on, "a call that was not needed");
                license.enabled = on;
                record.disabled_by_us = !on;
            }
            other => panic!("not of these policies: {other:?}"),
        }
    }

    /// What runs at an instant, in words: product, date, seats, whether it is a trial.
    pub fn running(&self, state: &State, is_counted: bool, now: DateTime<Utc>) -> Vec<String> {
        let midnight = |date: NaiveDate| date.and_hms_opt(0, 0, 0).unwrap().and_utc();
        let on = |license: &&Observed| license.enabled && license.valid_until.is_none_or(|date| midnight(date) > now);
        let told = |l: &Observed| {
            let date = l.valid_until.map_or_else(|| "for ever".to_owned(), |date| date.to_string());
            let seats = l.max_activations.filter(|_| is_counted).unwrap_or_default();
            format!("{} {date} x{seats} {}", l.product_code.as_deref().unwrap(), l.is_trial)
        };
        let mut running: Vec<String> =
            self.of(state).iter().filter_map(|r| r.observed.as_ref()).filter(on).map(told).collect();
        running.sort();
        running
    }
}

fn made(body: &Value, license_id: i64) -> Observed {
    let (item, license) = (&body["items"][0], &body["items"][0]["licenses"][0]);
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let mut made = Observed {
        license_id,
        enabled: true,
        valid_until: None,
        is_trial: false,
        license_type: text(&license["license_type"]),
        product_code: text(&item["product_code"]),
        max_activations: None,
        floating_users: None,
        max_license_users: None,
        features: Vec::new(),
    };
    change(&mut made, license);
    made
}

fn change(license: &mut Observed, changes: &Value) {
    if let Some(date) = changes["validity_period"].as_str() {
        license.valid_until = Some(date.parse().unwrap());
    }
    license.is_trial = changes["is_trial"].as_bool().unwrap_or(license.is_trial);
    license.max_activations = changes["max_activations"].as_i64().or(license.max_activations);
}
