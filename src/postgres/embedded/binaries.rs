//! Finding `initdb` and `postgres` of a version that will do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::EmbeddedError;
use super::place::Place;

/// `lz4` for TOAST and WAL came in 14 and 15, and 14 is at the end of its life.
pub(super) const MAJOR_MIN: u32 = 15;

/// `postgres --version` answers in milliseconds.
const VERSION_WAIT: Duration = Duration::from_secs(10);

/// Directories with one directory a version below them, and what follows the version.
const VERSIONED: [(&str, &str, &str); 4] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
];

/// Directories with one version.
const PLAIN: [&str; 4] = ["/usr/local/pgsql/bin", "/opt/homebrew/bin", "/usr/local/bin", "/usr/bin"];

/// A Postgres installation.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    pub(super) initdb: PathBuf,
    pub(super) postgres: PathBuf,
    pub(super) major: u32,
}

impl Binaries {
    /// The version that made the cluster, or for a new one the first that is new enough.
    pub(super) async fn find(place: &Place, first: &[PathBuf]) -> Result<Self, EmbeddedError> {
        let wanted = made_by(&place.cluster);
        let mut seen = Vec::new();
        for dir in candidates(first).await {
            let Some(found) = Self::in_dir(&dir).await else {
                continue;
            };
            if wanted.map_or(found.major >= MAJOR_MIN, |major| found.major == major) {
                return Ok(found);
            }
            seen.push(format!("{} ({})", found.major, dir.display()));
        }
        match wanted {
            Some(major) => Err(EmbeddedError::OtherMajor { cluster: place.cluster.display().to_string(), major }),
            None if seen.is_empty() => Err(EmbeddedError::NoPostgres { found: String::new() }),
            None => Err(EmbeddedError::NoPostgres { found: format!(" (only {})", seen.join(", ")) }),
        }
    }

    async fn in_dir(dir: &Path) -> Option<Self> {
        // Postgres looks for its other files beside the real binary, not beside a link to it.
        let postgres = std::fs::canonicalize(dir.join("postgres")).ok()?;
        let initdb = postgres.with_file_name("initdb");
        if !initdb.exists() {
            return None;
        }
        let major = major_of(&output_of(&postgres, "--version").await?)?;
        Some(Self { initdb, postgres, major })
    }
}

/// `PG_VERSION` of an existing cluster.
fn made_by(cluster: &Path) -> Option<u32> {
    std::fs::read_to_string(cluster.join("PG_VERSION")).ok()?.trim().parse().ok()
}

/// In the order in which they are tried.
async fn candidates(first: &[PathBuf]) -> Vec<PathBuf> {
    let mut dirs = first.to_vec();
    dirs.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    let told = output_of(Path::new("pg_config"), "--bindir").await;
    dirs.extend(told.map(|text| PathBuf::from(text.trim())));
    dirs.extend(VERSIONED.iter().flat_map(|(root, prefix, below)| versions_below(root, prefix, below)));
    dirs.extend(PLAIN.iter().map(PathBuf::from));
    dirs
}

/// `<root>/<prefix><version>/<below>`, newest first.
fn versions_below(root: &str, prefix: &str, below: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let versioned = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let version: u32 = name.strip_prefix(prefix)?.parse().ok()?;
        Some((version, entry.path().join(below)))
    };
    let mut found: Vec<(u32, PathBuf)> = entries.filter_map(versioned).collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, path)| path).collect()
}

async fn output_of(program: &Path, argument: &str) -> Option<String> {
    let run = Command::new(program).arg(argument).stdin(std::process::Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(VERSION_WAIT, run).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `postgres (PostgreSQL) 15.13 (Debian …)`, `… 18beta1`.
fn major_of(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_of("something else 15"), None);
    }

    #[test]
    fn the_newest_version_is_tried_first() {
        let root = std::env::temp_dir().join(format!("subledger-versions-{}", std::process::id()));
        for name in ["9", "15", "x", "17"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        let found = versions_below(root.to_str().unwrap(), "", "bin");
        let expected: Vec<PathBuf> = ["17", "15", "9"].iter().map(|v| root.join(v).join("bin")).collect();
        assert_eq!(found, expected);
        std::fs::remove_dir_all(&root).unwrap();
    }
}
