//! The schema can be read whole and is grown in steps; the two agree, and every statement fits.

use std::fmt::Write;
use std::process::Stdio;

use subledger::postgres::embedded::SERVICE_ROLE;
use subledger::postgres::migrate::{self, Migrated};

use crate::support::cluster::Database;
use crate::support::{Scratch, tree};

/// What `make schema` writes.
const CURRENT: &str = "schema/current.sql";
/// Set to rewrite it.
const UPDATE: &str = "UPDATE_SCHEMA";

const HEAD: &str = "-- The whole schema as one file: what the steps in migrations/, the tables in ../projections and
-- grants.sql come to. For reading; `make schema` writes it, and tests/it/schema.rs proves that
-- it is what the steps make.\n\n";

/// What `pg_dump` says of a database's schema, without what is the same everywhere.
async fn dumped(database: &Database) -> String {
    let mut dump = database.program("pg_dump").await;
    let dump = dump.args(["--schema-only", "--no-owner", "-d", &database.admin_url]).output().unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let mut schema = String::new();
    let mut blank = true;
    for line in String::from_utf8(dump.stdout).unwrap().lines() {
        // Comments of functions are indented; these are pg_dump's own.
        let noise = ["--", "SET ", "SELECT pg_catalog.set_config(", "\\"].iter().any(|s| line.starts_with(s));
        if noise || (blank && line.is_empty()) {
            continue;
        }
        blank = line.is_empty();
        writeln!(schema, "{line}").unwrap();
    }
    schema.trim_end().to_owned() + "\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_in_one_file_is_what_the_steps_make() {
    let migrated = dumped(&Database::new().await).await;
    let file = tree::root().join(CURRENT);
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&file, format!("{HEAD}{migrated}")).unwrap();
    }
    // Not the text is compared but what it makes: another Postgres may dump in other words.
    let read = Database::empty().await;
    let text = std::fs::read_to_string(&file).unwrap();
    subledger::postgres::pool::single(&read.owner_url).await.unwrap().batch_execute(&text).await.unwrap();
    let read = dumped(&read).await;
    for (a, b) in migrated.lines().zip(read.lines()) {
        assert_eq!(a, b, "{CURRENT} is not what the steps make: run `make schema`");
    }
    assert_eq!(migrated, read, "{CURRENT} is not what the steps make: run `make schema`");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_can_be_planned_by_the_service_against_the_schema() {
    let database = Database::new().await;
    let service = database.service().await;
    let mut failures = Vec::new();
    let mut planned = 0;
    for (path, text) in statements() {
        let prepared = match service.prepare(&text).await {
            Ok(prepared) => prepared,
            Err(e) => {
                failures.push(format!("{path}: {e:?}"));
                continue;
            }
        };
        if text.lines().any(|line| line.starts_with("COPY ")) {
            continue; // it has no plan; that its table and columns are there was seen just now
        }
        // Planning looks at columns and types, and EXPLAIN also at what the role may do; nothing runs.
        let nulls = vec!["NULL"; prepared.params().len()].join(", ");
        let arguments = if nulls.is_empty() { String::new() } else { format!("({nulls})") };
        let explain =
            format!("PREPARE looked_at AS {text}; EXPLAIN EXECUTE looked_at {arguments}; DEALLOCATE looked_at");
        if let Err(e) = service.batch_execute(&explain).await {
            failures.push(format!("{path}: {e:?}"));
            let _ = service.batch_execute("DEALLOCATE ALL").await;
        }
        planned += 1;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(planned > 40);
}

/// Every file that is one statement of the service.
fn statements() -> Vec<(String, String)> {
    let projections = tree::files("projections", ".sql").into_iter().filter(|(path, _)| !path.ends_with("/table.sql"));
    tree::files("schema/statements", ".sql").into_iter().chain(projections).collect()
}

#[test]
fn every_sql_file_has_a_caller_and_says_what_its_parameters_are() {
    let sources: String = tree::files("src", ".rs").into_iter().map(|(_, text)| text).collect();
    for (path, text) in [tree::files("schema/statements", ".sql"), tree::files("projections", ".sql")].concat() {
        assert!(sources.contains(&format!("\"{path}\"")), "{path} has no caller");
        let head = text.lines().take_while(|l| l.starts_with("--")).collect::<Vec<_>>().join(" ");
        for number in 1..=20 {
            let parameter = format!("${number}");
            let after =
                |s: &str| s.split(&parameter).skip(1).any(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()));
            let body = text.lines().filter(|l| !l.starts_with("--")).collect::<Vec<_>>().join(" ");
            let in_range = head.contains("..");
            assert!(!after(&body) || after(&head) || in_range, "{path}: its head does not name {parameter}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_twice_does_nothing_the_second_time() {
    let database = Database::empty().await;
    let mut owner = database.owner().await;
    let steps = tree::files("schema/migrations", ".sql").len();
    let first = migrate::run(&mut owner, SERVICE_ROLE).await.unwrap();
    assert_eq!((first.applied.len(), first.projections_renewed), (steps, true));
    assert_eq!(migrate::run(&mut owner, SERVICE_ROLE).await.unwrap(), Migrated::default());
    assert!(migrate::is_current(&database.service().await).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_migrations_at_once_take_turns() {
    let database = Database::empty().await;
    let (mut one, mut other) = (database.owner().await, database.owner().await);
    let (one, other) = tokio::join!(migrate::run(&mut one, SERVICE_ROLE), migrate::run(&mut other, SERVICE_ROLE));
    let applied = one.unwrap().applied.len() + other.unwrap().applied.len();
    assert_eq!(applied, tree::files("schema/migrations", ".sql").len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_build_is_refused_in_one_line() {
    let database = Database::new().await;
    let newer = "INSERT INTO public.refinery_schema_history (version, name, applied_on, checksum)
                 VALUES (99, 'from_the_future', '2030-01-01T00:00:00Z', '1')";
    database.owner().await.batch_execute(newer).await.unwrap();
    assert!(!migrate::is_current(&database.service().await).await.unwrap());
    let error = migrate::run(&mut database.owner().await, SERVICE_ROLE).await.unwrap_err().to_string();
    assert!(error.contains("from_the_future") && !error.contains('\n'), "{error}");

    let scratch = Scratch::new("newer");
    let config = scratch.path().join("subledger.toml");
    let text = format!("[database]\nurl = \"{}\"\nowner_url = \"{}\"\n", database.service_url, database.owner_url);
    std::fs::write(&config, text).unwrap();
    let mut migrate = std::process::Command::new(env!("CARGO_BIN_EXE_subledger"));
    let output = migrate.arg("migrate").arg("--config").arg(&config).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.lines().count() == 1 && said.contains("from_the_future"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_step_is_refused() {
    let database = Database::new().await;
    let changed = "UPDATE public.refinery_schema_history SET checksum = '1' WHERE version = 1";
    database.owner().await.batch_execute(changed).await.unwrap();
    let error = migrate::run(&mut database.owner().await, SERVICE_ROLE).await.unwrap_err().to_string();
    assert!(error.contains("ledger") && !error.contains('\n'), "{error}");
}
