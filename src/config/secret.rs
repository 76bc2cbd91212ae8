//! Secrets: `{ env = "NAME" }`, `{ file = "path" }`, or a literal where that is allowed. No
//! message of this file shows a value.

use std::io::Read;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use toml::{Table, Value};

use super::section::Section;

/// The largest secret file that is read; a PEM key has about 3 KiB.
const FILE_BYTES_MAX: u64 = 64 * 1024;

const HOW: &str = "write { env = \"NAME\" } or { file = \"path\" }";

impl Section<'_> {
    /// One secret. What is wrong is a problem, and counts as absent.
    pub(super) fn secret(&mut self, key: &'static str) -> Option<SecretString> {
        let value = self.take(key)?;
        let literal_allowed = self.report.dev || self.report.is_overridden(&self.path_of(key));
        self.resolve(key, &value, literal_allowed)
    }

    /// A Postgres URL: may be written out, because it need not hold a password.
    pub(super) fn secret_url(&mut self, key: &'static str) -> Option<SecretString> {
        let value = self.take(key)?;
        let text = self.resolve(key, &value, true)?;
        match text.expose_secret().parse::<tokio_postgres::Config>() {
            // The parser's message may quote the URL, and with it a password.
            Err(_) => self.problem(key, "is not a Postgres URL", "write \"postgres://user@host:5432/database\""),
            Ok(url) if url.get_password().is_some() && self.is_written_out(key, &value) => {
                let text = "holds a password, written out in the file; { env = \"NAME\" } would keep it out";
                self.report.warn(&self.path_of(key), text);
            }
            Ok(_) => {}
        }
        Some(text)
    }

    fn is_written_out(&self, key: &str, value: &Value) -> bool {
        value.is_str() && !self.report.dev && !self.report.is_overridden(&self.path_of(key))
    }

    /// A list of secrets.
    pub(super) fn secrets(&mut self, key: &'static str) -> Vec<SecretString> {
        match self.take(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                let of = |(i, item): (usize, &Value)| self.resolve(&format!("{key} #{}", i + 1), item, self.report.dev);
                items.iter().enumerate().filter_map(of).collect()
            }
            Some(_) => {
                self.problem(key, "is not a list", "write it in the file, as a list: [{ env = \"NAME\" }]");
                Vec::new()
            }
        }
    }

    fn resolve(&self, key: &str, value: &Value, literal_allowed: bool) -> Option<SecretString> {
        let text = match value {
            Value::String(text) if literal_allowed => Ok(text.clone()),
            Value::String(_) => Err(("is written out in the file".to_owned(), HOW.to_owned())),
            Value::Table(table) => self.referred(table),
            _ => Err(("is not a secret".to_owned(), HOW.to_owned())),
        };
        let not_empty = |text: String| {
            let empty = text.is_empty();
            if empty { Err(("is empty".to_owned(), "give it a value".to_owned())) } else { Ok(text) }
        };
        match text.and_then(not_empty) {
            Ok(text) => Some(SecretString::from(text)),
            Err((problem, fix)) => {
                self.problem(key, problem, fix);
                None
            }
        }
    }

    fn referred(&self, table: &Table) -> Result<String, (String, String)> {
        let mut entries = table.iter();
        match (entries.next(), entries.next()) {
            (Some((kind, Value::String(name))), None) if kind == "env" => self.variable_value(name),
            (Some((kind, Value::String(path))), None) if kind == "file" => self.file_text(path),
            _ => Err(("is not a secret".to_owned(), HOW.to_owned())),
        }
    }

    fn variable_value(&self, name: &str) -> Result<String, (String, String)> {
        let fix = format!("set {name} in the environment of this process");
        match self.report.environment.get(name) {
            None => Err((format!("names the environment variable {name}, which is not set"), fix)),
            Some(value) if value.trim().is_empty() => {
                Err((format!("names the environment variable {name}, which is empty"), fix))
            }
            Some(value) => Ok(value.clone()),
        }
    }

    /// The file's text, without the line end that editors add.
    fn file_text(&self, name: &str) -> Result<String, (String, String)> {
        let path = self.report.dir.join(name);
        let shown = path.display();
        let text = read_bounded(&path).map_err(|e| {
            (format!("names the file {shown}, which cannot be read: {e}"), "make it readable for this user".to_owned())
        })?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.trim().is_empty() {
            return Err((format!("names the file {shown}, which is empty"), "write the secret into it".to_owned()));
        }
        Ok(text.to_owned())
    }
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    let too_large = text.len() as u64 > FILE_BYTES_MAX;
    if too_large { Err(std::io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes"))) } else { Ok(text) }
}
