//! `SUBLEDGER__SECTION__KEY`: laid over the file's table before anything is read.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::report::Report;

const PREFIX: &str = "SUBLEDGER__";

/// Tables that exist whether the file has them or not.
const FIXED: [&str; 5] = ["server", "database", "reconciler", "telemetry", "erasure"];

/// Tables of named tables: the name must be in the file, because the environment cannot spell it
/// (`-` and `_`, upper and lower case are one there).
const NAMED: [&str; 3] = ["sources", "licensespring", "policy"];

/// The variables of this process that are Unicode; others cannot be ours.
#[must_use]
pub fn process_environment() -> BTreeMap<String, String> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}

/// Sets every key that a variable names.
pub(super) fn apply(report: &Report, root: &mut Table) {
    for (variable, value) in &report.environment {
        let Some(rest) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        match place(root, rest) {
            Ok(path) => set(report, root, &path, variable, value),
            Err(problem) => report.variable_problem(variable, problem, "correct or unset the variable"),
        }
    }
}

/// The path of keys that the rest of a variable's name stands for.
fn place(root: &Table, rest: &str) -> Result<Vec<String>, String> {
    let (first, inner) = rest.split_once("__").map_or((rest, None), |(f, i)| (f, Some(i)));
    let section = first.to_lowercase();
    match inner {
        None if root.get(&section).is_some_and(Value::is_table) || FIXED.contains(&section.as_str()) => {
            Err(format!("`{section}` is a table, and tables can be set only in the file"))
        }
        None => Ok(vec![section]),
        Some(inner) if NAMED.contains(&section.as_str()) => place_named(root, section, inner),
        Some(inner) if FIXED.contains(&section.as_str()) => {
            let keys = inner.split("__").map(str::to_lowercase);
            Ok(std::iter::once(section.clone()).chain(keys).collect())
        }
        Some(_) => Err(format!("there is no section `{section}` that the environment could set")),
    }
}

fn place_named(root: &Table, section: String, inner: &str) -> Result<Vec<String>, String> {
    let names = root.get(&section).and_then(Value::as_table).into_iter().flat_map(Table::keys);
    let fits = |name: &&String| inner.strip_prefix(&spelled(name)).is_some_and(|key| key.starts_with("__"));
    match names.filter(fits).collect::<Vec<_>>().as_slice() {
        [name] => {
            let key = inner.get(spelled(name).len() + 2..).unwrap_or_default().to_lowercase();
            Ok(vec![section, (*name).clone(), key])
        }
        [] => Err(format!("the file has no `{section}` table of that name")),
        [one, other, ..] => Err(format!("it could mean `{section}.{one}` or `{section}.{other}`")),
    }
}

/// A name as the environment writes it.
fn spelled(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

fn set(report: &Report, root: &mut Table, path: &[String], variable: &str, value: &str) {
    let Some((key, tables)) = path.split_last() else { return };
    let mut table = root;
    for name in tables {
        let entry = table.entry(name.clone()).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(inner) = entry else { return }; // the reader reports what is not a table
        table = inner;
    }
    report.override_key(&path.join("."), variable);
    table.insert(key.clone(), Value::String(value.to_owned()));
}
