//! One table of the file while it is read: keys are taken out one by one, and what is left at
//! the end is unknown.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::report::Report;
use word::Wanted;

pub(super) mod word;

/// How much of a wrong value is shown.
const SHOWN_CHARS_MAX: usize = 60;

/// A table, with the path that leads to it.
pub(super) struct Section<'a> {
    pub(super) report: &'a Report,
    path: String,
    table: Table,
    /// Keys that were asked for: what could have been meant by an unknown one.
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    pub(super) fn root(report: &'a Report, table: Table) -> Self {
        Self::new(report, String::new(), table)
    }

    pub(super) fn new(report: &'a Report, path: String, table: Table) -> Self {
        Self { report, path, table, known: Vec::new() }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Where `key` of this table stands in the file.
    pub(super) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    pub(super) fn problem(&self, key: &str, problem: impl Into<String>, fix: impl Into<String>) {
        self.report.problem(&self.path_of(key), problem, fix);
    }

    /// Takes a value out, whatever it is.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    /// Takes a value of a known kind. A wrong one is a problem, and counts as absent.
    pub(super) fn get<T: DeserializeOwned + Wanted>(&mut self, key: &'static str) -> Option<T> {
        let value = self.take(key)?;
        let read = self.convert(key, &value);
        if read.is_none() {
            self.problem(key, format!("cannot be {}", shown(&value)), format!("write {}", T::WANTED));
        }
        read
    }

    /// The environment has only text: what is not text is read as TOML would.
    fn convert<T: DeserializeOwned>(&self, key: &str, value: &Value) -> Option<T> {
        let as_is = value.clone().try_into().ok();
        let from_environment = self.report.is_overridden(&self.path_of(key));
        match value {
            Value::String(text) if as_is.is_none() && from_environment => from_text(text),
            _ => as_is,
        }
    }

    pub(super) fn get_or<T: DeserializeOwned + Wanted>(&mut self, key: &'static str, default: T) -> T {
        self.get(key).unwrap_or(default)
    }

    /// A whole number within `range`; outside is a problem.
    pub(super) fn number<T>(&mut self, key: &'static str, default: T, range: RangeInclusive<u64>) -> T
    where
        T: TryFrom<u64>,
    {
        let Some(number) = self.get::<i64>(key) else {
            return default;
        };
        let within = u64::try_from(number).ok().filter(|n| range.contains(n)).and_then(|n| T::try_from(n).ok());
        within.unwrap_or_else(|| {
            let (from, to) = (range.start(), range.end());
            self.problem(key, format!("cannot be {number}"), format!("write a number from {from} to {to}"));
            default
        })
    }

    /// A text that is not empty.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        let text: String = self.get(key)?;
        if text.trim().is_empty() {
            self.problem(key, "is empty", "give it a value, or remove the key");
            return None;
        }
        Some(text)
    }

    /// A text without which nothing works.
    pub(super) fn required_text(&mut self, key: &'static str, example: &str) -> String {
        let present = self.has(key);
        let text = self.text(key);
        if !present {
            self.problem(key, "is missing", format!("add {key} = {example}"));
        }
        text.unwrap_or_default()
    }

    /// A path; one from the file is relative to the file's directory.
    pub(super) fn file_path(&mut self, key: &'static str) -> Option<PathBuf> {
        let from_environment = self.report.is_overridden(&self.path_of(key));
        let path = PathBuf::from(self.text(key)?);
        Some(if from_environment { path } else { self.report.dir.join(path) })
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether `key` is there and not an empty list.
    pub(super) fn has_items(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| value.as_array().is_none_or(|items| !items.is_empty()))
    }

    /// A table; empty where it is absent.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'a> {
        let path = self.path_of(key);
        let table = self.take(key).map(|value| self.as_table(&path, value)).unwrap_or_default();
        Section::new(self.report, path, table)
    }

    /// A table of named tables.
    pub(super) fn named_sections(&mut self, key: &'static str) -> Vec<(String, Section<'a>)> {
        let inner = self.section(key);
        let report = self.report;
        let named = |(name, value): (String, Value)| {
            let path = inner.path_of(&name);
            let table = self.as_table(&path, value);
            (name, Section::new(report, path, table))
        };
        let tables = inner.table.clone();
        tables.into_iter().map(named).collect()
    }

    /// A list of tables, the first one called `key #1`.
    pub(super) fn listed_sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let path = self.path_of(key);
        let items = match self.take(key) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.problem(key, "is not a list of tables", format!("write [[{path}]]"));
                return Vec::new();
            }
        };
        let numbered = items.into_iter().enumerate().map(|(i, item)| (format!("{path} #{}", i + 1), item));
        numbered.map(|(path, item)| Section::new(self.report, path.clone(), self.as_table(&path, item))).collect()
    }

    fn as_table(&self, path: &str, value: Value) -> Table {
        match value {
            Value::Table(table) => table,
            _ => {
                self.report.problem(path, "is not a table", format!("write [{path}] and its keys below"));
                Table::new()
            }
        }
    }

    /// Ends the reading: every key that nobody asked for is a problem. Its value is not shown: it
    /// may be a secret under a mistyped name.
    pub(super) fn finish(self) {
        for key in self.table.keys() {
            let fix = format!("remove it, or write one of {}", self.known.join(", "));
            self.problem(key, "is an unknown key", fix);
        }
    }
}

fn from_text<T: DeserializeOwned>(text: &str) -> Option<T> {
    let number = text.parse().map(Value::Integer).ok();
    let value = number.or_else(|| text.parse().map(Value::Boolean).ok())?;
    value.try_into().ok()
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A wrong value as its author wrote it, cut short.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Table(_) => "a table".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        other => other.to_string(),
    };
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return text;
    }
    let head: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    format!("{head}…")
}
