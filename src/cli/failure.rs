//! How a verb fails: one clear line (or one a problem), and exit code 1.

use std::fmt::Display;
use std::process::ExitCode;

/// What a verb could not do, one line each.
#[derive(Debug)]
pub(super) struct Failure(Vec<String>);

impl Failure {
    pub(super) fn lines(lines: Vec<String>) -> Self {
        Self(lines)
    }

    pub(super) fn report(&self) -> ExitCode {
        for line in &self.0 {
            eprintln!("subledger: {line}");
        }
        ExitCode::FAILURE
    }
}

/// Every error of the lower levels displays as one line.
impl<E: Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(vec![error.to_string()])
    }
}
