//! What is wrong, collected: a reader notes a problem and reads on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::LoadOptions;

/// One thing that is wrong. Displays as one line and never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, or `environment`.
    pub file: String,
    /// The full key (`sources.stripe-main.mode`), or the variable; empty: the file itself.
    pub key: String,
    pub problem: String,
    pub fix: String,
}

/// Something that works and is probably not meant. Displays as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub file: String,
    pub key: String,
    pub text: String,
}

/// Everything that is wrong; at least one. Displays one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problem {
    pub(super) fn of_file(path: &Path, problem: impl Into<String>, fix: &str) -> Self {
        Self { file: path.display().to_string(), key: String::new(), problem: problem.into(), fix: fix.to_owned() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.key.is_empty() { String::new() } else { format!("{}: ", self.key) };
        let line = format!("{}: {key}{}; {}", self.file, self.problem, self.fix);
        f.write_str(&one_line(&line))
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&format!("{}: {}: {}", self.file, self.key, self.text)))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// Names may hold anything that TOML can quote, line ends included.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What every reader of one file shares.
pub(super) struct Report {
    file: String,
    /// The file's directory.
    pub(super) dir: PathBuf,
    pub(super) dev: bool,
    pub(super) environment: BTreeMap<String, String>,
    /// Keys that were set from the environment → the variable.
    overridden: RefCell<BTreeMap<String, String>>,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Warning>>,
}

impl Report {
    pub(super) fn new(path: &Path, options: &LoadOptions<'_>) -> Self {
        Self {
            file: path.display().to_string(),
            dir: path.parent().map(Path::to_path_buf).unwrap_or_default(),
            dev: options.dev,
            environment: options.environment.clone(),
            overridden: RefCell::default(),
            problems: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    /// Parses TOML. The parser's own message quotes the line, which may hold a secret: only its
    /// plain reason and the line's number are kept.
    pub(super) fn table(&self, text: &str) -> Option<toml::Table> {
        text.parse::<toml::Table>().map_err(|e| self.add_syntax(text, &e)).ok()
    }

    /// As [`Report::table`], or the same as JSON.
    pub(super) fn table_or_json(&self, text: &str) -> Option<toml::Table> {
        if !text.trim_start().starts_with('{') {
            return self.table(text);
        }
        let read = serde_json::from_str(text);
        read.map_err(|e| self.problem("", format!("is not JSON: {e}"), "give the JSON text of a catalog and policy"))
            .ok()
    }

    fn add_syntax(&self, text: &str, error: &toml::de::Error) {
        let line = error.span().and_then(|s| text.get(..s.start)).map_or(1, |before| before.matches('\n').count() + 1);
        // The second line of a message lists what was expected; the first one is enough.
        let reason = error.message().lines().next().unwrap_or("not TOML");
        self.problem(&format!("line {line}"), reason, "see https://toml.io for the syntax");
    }

    /// Notes that `key` now holds the value of `variable`.
    pub(super) fn override_key(&self, key: &str, variable: &str) {
        self.overridden.borrow_mut().insert(key.to_owned(), variable.to_owned());
    }

    pub(super) fn is_overridden(&self, key: &str) -> bool {
        self.overridden.borrow().contains_key(key)
    }

    /// Notes a problem; of a key that the environment set, it names the variable.
    pub(super) fn problem(&self, key: &str, problem: impl Into<String>, fix: impl Into<String>) {
        let variable = self.overridden.borrow().get(key).cloned();
        let (file, key) = match variable {
            Some(variable) => ("environment".to_owned(), variable),
            None => (self.file.clone(), key.to_owned()),
        };
        self.problems.borrow_mut().push(Problem { file, key, problem: problem.into(), fix: fix.into() });
    }

    /// Notes a problem of a variable that has no key.
    pub(super) fn variable_problem(&self, variable: &str, problem: impl Into<String>, fix: impl Into<String>) {
        let file = "environment".to_owned();
        let key = variable.to_owned();
        self.problems.borrow_mut().push(Problem { file, key, problem: problem.into(), fix: fix.into() });
    }

    pub(super) fn warn(&self, key: &str, text: impl Into<String>) {
        self.warnings.borrow_mut().push(Warning { file: self.file.clone(), key: key.to_owned(), text: text.into() });
    }

    pub(super) fn into_problems(self) -> Problems {
        Problems(self.problems.into_inner())
    }

    /// The value and the warnings, if nothing was wrong.
    pub(super) fn conclude<T>(self, value: T) -> Result<(T, Vec<Warning>), Problems> {
        if self.problems.borrow().is_empty() {
            Ok((value, self.warnings.into_inner()))
        } else {
            Err(self.into_problems())
        }
    }
}
