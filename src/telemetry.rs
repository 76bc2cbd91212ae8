//! Logging: one line an event, to stderr, as text or JSON. Stdout belongs to what a verb prints.

use tracing_subscriber::EnvFilter;

pub mod meter;

/// Outranks the filter of the configuration: `info`, `subledger=debug,actix=warn`, …
pub const FILTER_VARIABLE: &str = "SUBLEDGER_LOG";

/// The driver's debug lines hold the parameters of every statement: bodies, signatures, hashes of
/// tokens. Whoever wants them has to name it.
const QUIET: &str = "tokio_postgres=warn";

/// The shape of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Text,
    Json,
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("the log filter {filter:?} cannot be read: {reason}; write a level such as info, or target=level")]
    Filter { filter: String, reason: String },
    #[error("logging was started before: {0}")]
    Twice(String),
}

/// Starts logging for this process; once.
///
/// # Errors
/// [`TelemetryError`]: a filter that cannot be read, or a second call.
pub fn init(format: Format, default_filter: &str) -> Result<(), TelemetryError> {
    let set = std::env::var(FILTER_VARIABLE).ok().filter(|text| !text.trim().is_empty());
    let filter = filter(set.as_deref().unwrap_or(default_filter))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        Format::Text => builder.try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|e| TelemetryError::Twice(e.to_string()))
}

fn filter(text: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(format!("{QUIET},{text}"))
        .map_err(|e| TelemetryError::Filter { filter: text.to_owned(), reason: e.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked() {
        assert!(filter("debug").is_ok_and(|f| f.to_string().contains(QUIET)));
        let named = filter("debug,tokio_postgres=trace").unwrap().to_string();
        assert!(named.contains("tokio_postgres=trace") && !named.contains(QUIET), "{named}");
        assert!(filter("info").is_ok() && filter("subledger=debug,actix_web=warn").is_ok());
        let error = filter("subledger=loud").unwrap_err().to_string();
        assert!(error.starts_with("the log filter \"subledger=loud\" cannot be read:"), "{error}");
    }

    #[test]
    fn starting_twice_is_an_error_and_not_a_panic() {
        let first = init(Format::Json, "info");
        assert!(first.is_ok() && init(Format::Text, "info").is_err());
    }
}
