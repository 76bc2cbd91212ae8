//! The ledger: every rule of its one way in, and every way around it that must be shut.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use subledger::ledger::append::{AppendError, Appended, NewDelivery, append};
use subledger::ledger::journal::JournalKind;
use subledger::ledger::{journal, read};
use subledger::postgres::embedded::SERVICE_ROLE;
use subledger::postgres::{DbError, migrate, sqlstate};
use tokio_postgres::IsolationLevel;

use crate::support::cluster::Database;
use crate::support::ledger::{delivery, opened, positions, put, single};

/// What the service may not do with anybody's table.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// The SQLSTATE and the text of a refusal.
fn refusal(error: &tokio_postgres::Error) -> (String, String) {
    let db = error.as_db_error().unwrap_or_else(|| panic!("not refused by the server: {error}"));
    (db.code().code().to_owned(), db.message().to_owned())
}

fn database_error(error: AppendError) -> DbError {
    match error {
        AppendError::Database(e) => e,
        AppendError::TailMoved => panic!("the tail moved"),
    }
}

// ---- Order

#[tokio::test(flavor = "multi_thread")]
async fn positions_are_dense_and_in_commit_order_under_concurrent_appenders() {
    const APPENDERS: usize = 12;
    const CALLS: usize = 25;
    let database = Database::new().await;
    let (client, journal) = opened(&database).await;
    let pool = database.pool();
    let mut appenders = Vec::new();
    for appender in 0..APPENDERS {
        let pool = pool.clone();
        appenders.push(tokio::spawn(async move {
            for call in 0..CALLS {
                let client = pool.get().await.unwrap();
                let keys: Vec<String> = (0..=call % 3).map(|n| format!("{appender}-{call}-{n}")).collect();
                let batch: Vec<NewDelivery> = keys.iter().map(|k| single(k, k)).collect();
                let answer = put(&client, journal, &batch).await;
                assert!(answer.iter().all(|(_, new)| *new));
                assert!(answer.windows(2).all(|w| w[1].0 == w[0].0 + 1), "a call's own events follow each other");
            }
        }));
    }
    // Whoever looks, whenever: what is committed has no gap, so a reader's checkpoint skips nothing.
    let look = "SELECT count(*), coalesce(max(position), 0) FROM ledger.events WHERE journal = $1";
    while appenders.iter().any(|a| !a.is_finished()) {
        let row = client.query_one(look, &[&journal]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), row.get::<_, i64>(1), "a gap was visible");
    }
    for appender in appenders {
        appender.await.unwrap();
    }
    let total: usize = APPENDERS * (0..CALLS).map(|call| call % 3 + 1).sum::<usize>();
    let dense: Vec<i64> = (1..=i64::try_from(total).unwrap()).collect();
    assert_eq!(positions(&client, journal).await, dense, "recorded_at never falls while positions rise");
}

#[tokio::test(flavor = "multi_thread")]
async fn journals_have_positions_of_their_own_and_names_of_one_kind() {
    let database = Database::new().await;
    let (client, one) = opened(&database).await;
    let other = journal::open(&client, "other-source", journal::JournalKind::Source).await.unwrap();
    assert_eq!(journal::open(&client, "other-source", journal::JournalKind::Source).await.unwrap(), other);
    for journal in [one, other] {
        assert_eq!(put(&client, journal, &[single("same", "x")]).await, [(1, true)]);
    }
    let error = journal::open(&client, "other-source", journal::JournalKind::System).await.unwrap_err();
    assert!(error.to_string().contains("journal_kind_differs"), "{error}");
    let error = database_error(append(&client, 99, None, &[single("k", "x")]).await.unwrap_err());
    assert!(error.to_string().contains("journal_unknown"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_expecting_another_tail_writes_nothing() {
    let database = Database::new().await;
    let (client, journal) = opened(&database).await;
    put(&client, journal, &[single("a", "a"), single("b", "b")]).await;
    for stale in [0, 1, 3] {
        let refused = append(&client, journal, Some(stale), &[single("c", "c")]).await;
        assert!(matches!(refused, Err(AppendError::TailMoved)), "expected tail {stale}");
    }
    assert_eq!(positions(&client, journal).await, [1, 2]);
    let appended = append(&client, journal, Some(2), &[single("c", "c")]).await.unwrap();
    assert_eq!(appended[0].position, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_read_committed_may_append() {
    let database = Database::new().await;
    let (mut client, journal) = opened(&database).await;
    for level in [IsolationLevel::RepeatableRead, IsolationLevel::Serializable] {
        let tx = client.build_transaction().isolation_level(level).start().await.unwrap();
        let error = database_error(append(&tx, journal, None, &[single("a", "a")]).await.unwrap_err());
        assert!(error.to_string().contains("ledger_needs_read_committed"), "{level:?}: {error}");
        assert_eq!(error.sqlstate(), Some("SL004"));
        tx.rollback().await.unwrap();
    }
    let tx = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await.unwrap();
    append(&tx, journal, None, &[single("a", "a")]).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_old_snapshot_neither_blocks_nor_corrupts_appends() {
    let database = Database::new().await;
    let (client, journal) = opened(&database).await;
    put(&client, journal, &[single("first", "x")]).await;
    let mut old = database.service().await;
    let old = old.build_transaction().isolation_level(IsolationLevel::RepeatableRead).start().await.unwrap();
    let count = "SELECT count(*) FROM ledger.events";
    assert_eq!(old.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 1);
    for n in 0..50i64 {
        let answer = put(&client, journal, &[single(&format!("k{n}"), "x"), single("first", "x")]).await;
        assert_eq!(answer, [(n + 2, true), (1, false)]);
    }
    assert_eq!(old.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 1, "the old snapshot stands still");
    assert_eq!(positions(&client, journal).await.len(), 51);
}

// ---- Duplicates

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_are_answered_with_the_first_position() {
    let one = |key| single(key, "x");
    type Answers = Vec<(i64, bool)>;
    let rows: [(&str, Vec<NewDelivery>, Answers); 5] = [
        ("new", vec![one("a"), one("b")], vec![(1, true), (2, true)]),
        ("in a later batch", vec![one("a")], vec![(1, false)]),
        (
            "mixed with new ones",
            vec![one("b"), one("c"), one("a"), one("d")],
            vec![(2, false), (3, true), (1, false), (4, true)],
        ),
        (
            "within one batch",
            vec![one("e"), one("e"), one("f"), one("e")],
            vec![(5, true), (5, false), (6, true), (5, false)],
        ),
        (
            "within one delivery",
            vec![delivery(&["[", "x", ",", "x", "]"], &[(1, "g"), (3, "g")])],
            vec![(7, true), (7, false)],
        ),
    ];
    let database = Database::new().await;
    let (client, journal) = opened(&database).await;
    for (what, batch, expected) in rows {
        assert_eq!(put(&client, journal, &batch).await, expected, "{what}");
    }
    assert_eq!(positions(&client, journal).await, [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_concurrent_copies_exactly_one_is_new() {
    const COPIES: usize = 8;
    let database = Database::new().await;
    let (_, journal) = opened(&database).await;
    let pool = database.pool();
    for round in 0..20 {
        let key = format!("evt_{round}");
        let copies = (0..COPIES).map(|_| {
            let (pool, key) = (pool.clone(), key.clone());
            tokio::spawn(async move { put(&pool.get().await.unwrap(), journal, &[single(&key, "x")]).await[0] })
        });
        let answers: Vec<(i64, bool)> =
            futures_util::future::join_all(copies).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers.iter().filter(|(_, new)| *new).count(), 1, "{answers:?}");
        assert_eq!(answers.iter().map(|(p, _)| p).collect::<BTreeSet<_>>(), BTreeSet::from([&(round + 1)]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_under_a_known_key_are_kept_at_most_eight_times_and_never_an_event() {
    let database = Database::new().await;
    let (client, journal) = opened(&database).await;
    let first = append(&client, journal, None, &[single("k", "original")]).await.unwrap();
    assert!(!first[0].is_variant);
    let same = append(&client, journal, None, &[single("k", "original")]).await.unwrap();
    assert!(!same[0].is_new && !same[0].is_variant, "the same bytes are a plain copy");
    for n in 0..12 {
        let body = format!("other {n}");
        for _ in 0..2 {
            let answer = append(&client, journal, None, &[single("k", &body)]).await.unwrap();
            assert!(answer[0].is_variant && !answer[0].is_new && answer[0].position == 1);
        }
    }
    let kept = client.query("SELECT bytes, position FROM ledger.variants ORDER BY received_at", &[]).await.unwrap();
    let kept: Vec<&[u8]> = kept.iter().map(|r| r.get(0)).collect();
    assert_eq!(kept, (0..8).map(|n| format!("other {n}").into_bytes()).collect::<Vec<_>>());
    assert_eq!(positions(&client, journal).await, [1]);
    let stored = read::at(&client, journal, &[1]).await.unwrap();
    assert_eq!(stored[0].bytes.as_deref(), Some(&b"original"[..]), "what is folded is what came first");
}

// ---- Deliveries

/// The commitments of an event, and salt and bytes of every part it carries.
async fn carried(client: &tokio_postgres::Client, journal: i32, position: i64) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let row = "SELECT commitments FROM ledger.events WHERE journal = $1 AND position = $2";
    let committed: Vec<Vec<u8>> = client.query_one(row, &[&journal, &position]).await.unwrap().get(0);
    let parts = "SELECT salt, bytes FROM ledger.bodies WHERE journal = $1 AND position = $2 ORDER BY part";
    let parts = client.query(parts, &[&journal, &position]).await.unwrap();
    let commit = |salt: &[u8], bytes: &[u8]| Sha256::new().chain_update(salt).chain_update(bytes).finalize().to_vec();
    (committed, parts.iter().map(|r| commit(r.get(0), r.get(1))).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_new_event_carries_the_delivery_and_commitments_bind_every_part() {
    let parts = ["{\"events\":[", "{\"id\":1}", ", ", "{\"id\":2}", ",", "{\"id\":3}", "]}"];
    let events = [(1, "one"), (3, "two"), (5, "three")];
    let rows: [(&[&str], i64); 4] = [(&[], 1), (&["one"], 2), (&["one", "two"], 3), (&["two"], 2)];
    for (known, carrier) in rows {
        let database = Database::new().await;
        let (client, journal) = opened(&database).await;
        for key in known {
            put(&client, journal, &[single(key, "earlier")]).await;
        }
        let answer = put(&client, journal, &[delivery(&parts, &events)]).await;
        let new: Vec<i64> = answer.iter().filter(|(_, new)| *new).map(|(p, _)| *p).collect();
        assert_eq!(new.first(), Some(&carrier), "known before: {known:?}");
        let body = read::body(&client, journal, carrier).await.unwrap().unwrap();
        assert_eq!(String::from_utf8(body).unwrap(), parts.concat());
        let (committed, computed) = carried(&client, journal, carrier).await;
        assert_eq!(committed, computed, "the carrier commits to every part in order");
        for stored in read::at(&client, journal, &new).await.unwrap() {
            assert_eq!(stored.carrier, carrier);
            let (part, _) = events.iter().find(|(_, key)| *key == stored.dedupe_key).unwrap();
            assert_eq!(stored.bytes.as_deref(), Some(parts[*part].as_bytes()));
            assert_eq!(stored.headers, [("content-type".to_owned(), "application/json".to_owned())]);
            if stored.position != carrier {
                let (committed, own) = carried(&client, journal, stored.position).await;
                assert_eq!(committed, [computed[*part].clone()], "the others commit to their own part");
                assert!(own.is_empty(), "the bytes are stored once");
            }
        }
    }
}

/// Every row of a journal but for what is random or a clock: its event, and the bytes it carries.
async fn rows(client: &tokio_postgres::Client, journal: i32) -> Vec<String> {
    let rows = "SELECT concat_ws(' ', e.position, e.dedupe_key, e.external_id, e.type, e.livemode, e.received_at, e.carrier, e.part, e.headers, e.cuts,
                                 cardinality(e.commitments), (SELECT string_agg(concat(b.part, ':', convert_from(b.bytes, 'UTF8')), ' ' ORDER BY b.part)
                                                              FROM ledger.bodies b WHERE b.journal = e.journal AND b.position = e.position))
                FROM ledger.events e WHERE e.journal = $1 ORDER BY e.position";
    client.query(rows, &[&journal]).await.unwrap().iter().map(|r| r.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_stored_as_its_deliveries_would_be_one_by_one() {
    let whole = delivery(&["[", "{\"id\":1}", ",", "{\"id\":2}", "]"], &[(1, "of-many-1"), (3, "of-many-2")]);
    let without_headers = NewDelivery { headers: None, ..single("own", "{}") };
    let cut = NewDelivery { cuts: vec![1..3, 5..9], ..single("cut", "0123456789") };
    let singles = |from: usize| (from..from + 12).map(|n| single(&format!("k{n}"), &format!("body {n}")));
    let new: Vec<NewDelivery> = singles(0).chain([whole, without_headers, cut]).chain(singles(20)).collect();
    let with_known: Vec<NewDelivery> =
        singles(40).chain([single("k3", "other bytes"), single("k41", "in this batch, too")]).collect();
    let database = Database::new().await;
    let (client, together) = opened(&database).await;
    let apart = journal::open(&client, "one-by-one", JournalKind::Source).await.unwrap();
    for batch in [&new, &with_known, &with_known] {
        let answered = append(&client, together, None, batch).await.unwrap();
        let mut expected = Vec::new();
        for delivery in batch {
            expected.extend(append(&client, apart, None, std::slice::from_ref(delivery)).await.unwrap());
        }
        let told = |a: &Appended| (a.position, a.is_new, a.is_variant);
        assert_eq!(answered.iter().map(told).collect::<Vec<_>>(), expected.iter().map(told).collect::<Vec<_>>());
    }
    assert_eq!(rows(&client, together).await, rows(&client, apart).await);
    for position in positions(&client, together).await {
        let (committed, computed) = carried(&client, together, position).await;
        assert!(computed.is_empty() || committed == computed, "position {position} does not commit to its bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_cannot_hold_is_refused_by_the_name_of_the_rule() {
    let database = Database::new().await;
    let (client, journal) = opened(&database).await;
    let long = "k".repeat(256);
    let with = |change: fn(&mut NewDelivery, String)| {
        let mut changed = single("k", "x");
        change(&mut changed, long.clone());
        changed
    };
    let rows = [
        ("event_dedupe_key_bounded", with(|d, long| d.events[0].dedupe_key = long)),
        ("event_dedupe_key_bounded", with(|d, _| d.events[0].dedupe_key = String::new())),
        ("event_external_id_bounded", with(|d, long| d.events[0].external_id = long)),
        ("event_type_bounded", with(|d, long| d.events[0].event_type = long)),
        ("event_type_bounded", with(|d, _| d.events[0].event_type = String::new())),
    ];
    for (rule, bad) in rows {
        let error = database_error(append(&client, journal, None, &[single("good", "x"), bad]).await.unwrap_err());
        let DbError::Postgres(inner) = &error else { panic!("{error}") };
        assert_eq!(inner.as_db_error().and_then(|e| e.constraint()), Some(rule));
        assert!(error.is_data_error(), "{error}");
    }
    assert!(positions(&client, journal).await.is_empty(), "a batch goes in whole or not at all");
    let longest = "k".repeat(255);
    assert_eq!(put(&client, journal, &[single(&longest, "x")]).await, [(1, true)]);
}

// ---- Durability and session state

#[tokio::test(flavor = "multi_thread")]
async fn an_append_waits_for_the_disk_whatever_the_session_says() {
    let database = Database::new().await;
    let (mut client, journal) = opened(&database).await;
    client.batch_execute("SET synchronous_commit = off").await.unwrap();
    let tx = client.transaction().await.unwrap();
    append(&tx, journal, None, &[single("a", "a")]).await.unwrap();
    // What holds after the call is what the commit will do.
    let holds: String = tx.query_one("SELECT current_setting('synchronous_commit')", &[]).await.unwrap().get(0);
    assert_eq!(holds, "on");
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_temporary_objects_cannot_swallow_a_row() {
    let database = Database::new().await;
    let (client, journal) = opened(&database).await;
    let refused = client.batch_execute("CREATE TEMP TABLE events (a int)").await.unwrap_err();
    assert_eq!(refusal(&refused).0, INSUFFICIENT_PRIVILEGE, "the service has no temporary tables");

    let owner = subledger::postgres::pool::connect(&database.owner_url, 1).unwrap().get().await.unwrap();
    owner
        .batch_execute(
            "CREATE TEMP TABLE events (LIKE ledger.events); CREATE TEMP TABLE bodies (LIKE ledger.bodies);
             CREATE TEMP TABLE journals (LIKE ledger.journals);
             CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT timestamptz 'epoch' $$;
             SET search_path = pg_temp, public, ledger",
        )
        .await
        .unwrap();
    assert_eq!(put(&owner, journal, &[single("a", "a")]).await, [(1, true)]);
    let look = "SELECT (SELECT count(*) FROM pg_temp.events), (SELECT count(*) FROM pg_temp.bodies),
                       (SELECT count(*) FROM ledger.events WHERE recorded_at > now() - interval '1 hour')";
    let row = owner.query_one(look, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (0, 0, 1));
}

// ---- Nobody rewrites it

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_the_ledger_is_refused_to_the_service_and_to_the_owner() {
    let database = Database::new().await;
    let (client, journal) = opened(&database).await;
    let deliveries = [single("a", "a"), single("a", "other")];
    put(&client, journal, &deliveries).await;
    let owner = database.owner().await;
    let service = database.service().await;
    for (table, column) in [("journals", "name"), ("events", "type"), ("bodies", "bytes"), ("variants", "received_at")]
    {
        for change in [
            format!("UPDATE ledger.{table} SET {column} = {column}"),
            format!("UPDATE ledger.{table} SET {column} = {column} WHERE false"),
            format!("DELETE FROM ledger.{table}"),
            format!("TRUNCATE ledger.{table}"),
        ] {
            let (code, message) = refusal(&owner.batch_execute(&change).await.unwrap_err());
            assert_eq!(code, sqlstate::APPEND_ONLY, "{change}: {message}");
            assert!(message.starts_with("ledger_is_append_only: "), "{change}: {message}");
            let (code, message) = refusal(&service.batch_execute(&change).await.unwrap_err());
            assert_eq!(code, INSUFFICIENT_PRIVILEGE, "{change}: {message}");
        }
        let held: i64 = owner.query_one(&format!("SELECT count(*) FROM ledger.{table}"), &[]).await.unwrap().get(0);
        assert_eq!(held, 1, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_role_can_do_nothing_but_its_work() {
    let database = Database::new().await;
    let service = database.service().await;
    for forbidden in [
        "INSERT INTO ledger.journals (id, name, kind) VALUES (9, 'x', 'source')",
        "INSERT INTO ledger.events SELECT * FROM ledger.events",
        "INSERT INTO ledger.bodies SELECT * FROM ledger.bodies",
        "INSERT INTO ledger.variants SELECT * FROM ledger.variants",
        "COPY ledger.events FROM STDIN",
        "CREATE TABLE ledger.mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "CREATE TABLE control.mine (a int)",
        "CREATE TABLE projection.mine (a int)",
        "CREATE FUNCTION ledger.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "ALTER TABLE ledger.events DISABLE TRIGGER ALL",
        "DROP TRIGGER events_append_only ON ledger.events",
        "DROP TABLE ledger.events",
        "DROP SCHEMA ledger CASCADE",
        "SET session_replication_role = replica",
        "SET ROLE subledger_owner",
        "SET SESSION AUTHORIZATION subledger_owner",
        "ALTER ROLE subledger_service SUPERUSER",
        "SELECT pg_read_file('postgresql.conf')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT setval('control.refusal_number', 1)",
        "UPDATE control.projection_tables SET digest = 'x'",
        "SELECT count(*) FROM pg_authid",
    ] {
        let (code, message) = refusal(&service.batch_execute(forbidden).await.unwrap_err());
        assert_eq!(code, INSUFFICIENT_PRIVILEGE, "{forbidden}: {message}");
    }
    let role = "SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls,
                       EXISTS (SELECT 1 FROM pg_auth_members m WHERE m.member = r.oid)
                FROM pg_roles r WHERE rolname = current_user";
    let role = service.query_one(role, &[]).await.unwrap();
    assert_eq!((role.get::<_, &str>(0), role.get::<_, bool>(1), role.get::<_, bool>(2)), (SERVICE_ROLE, false, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_may_call_the_functions_that_run_as_the_owner() {
    let database = Database::new().await;
    let definers = "SELECT p.oid::regprocedure::text, p.proacl IS NULL OR EXISTS (
                        SELECT 1 FROM aclexplode(p.proacl) a WHERE a.grantee = 0), p.proconfig::text
                    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                    WHERE n.nspname IN ('ledger', 'control', 'projection')";
    let found = database.owner().await.query(definers, &[]).await.unwrap();
    assert!(found.len() >= 5);
    for row in found {
        let (name, public): (String, bool) = (row.get(0), row.get(1));
        assert!(!public, "{name} can be called by PUBLIC");
        let config: Option<String> = row.get(2);
        assert!(config.is_some_and(|c| c.contains("search_path=pg_catalog")), "{name} has no search_path of its own");
    }
}

// ---- Moving house

#[tokio::test(flavor = "multi_thread")]
async fn a_dumped_and_restored_ledger_reads_the_same_and_goes_on() {
    let (database, restored) = (Database::new().await, Database::empty().await);
    let (client, journal) = opened(&database).await;
    let many = delivery(&["[", "{\"a\":\"\u{20ac}\"}", ",", "{\"b\":0}", "]"], &[(1, "a"), (3, "b")]);
    put(&client, journal, &[single("x", "x"), many.clone(), single("x", "variant")]).await;

    let dump = database.program("pg_dump").await.arg(&database.admin_url).output().unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let file = std::env::temp_dir().join(format!("subledger-dump-{}.sql", uuid::Uuid::new_v4().simple()));
    std::fs::write(&file, &dump.stdout).unwrap();
    let mut psql = database.program("psql").await;
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &restored.admin_url, "-f"]).arg(&file);
    let output = psql.output().unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let again = restored.pool().get().await.unwrap();
    assert_eq!(read::body(&again, journal, 2).await.unwrap().unwrap(), many.parts.concat());
    let (committed, computed) = carried(&again, journal, 2).await;
    assert_eq!(committed, computed);
    assert_eq!(put(&again, journal, &[many, single("y", "y")]).await, [(2, false), (3, false), (4, true)]);
    assert_eq!(positions(&again, journal).await, [1, 2, 3, 4]);
    let (code, _) = refusal(&restored.owner().await.batch_execute("DELETE FROM ledger.events").await.unwrap_err());
    assert_eq!(code, sqlstate::APPEND_ONLY);
    let migrated = migrate::run(&mut restored.owner().await, SERVICE_ROLE).await.unwrap();
    assert_eq!(migrated, migrate::Migrated::default());
}
