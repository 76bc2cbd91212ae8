//! What the service is measured against: Postgres' own tools, on the same server in the same run.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use super::Bench;

/// One row a transaction. The bytes are a bound parameter; `convert_to` is the cheapest way for
/// pgbench, which binds text, into the type that keeps bytes.
const INSERT: &str = "INSERT INTO public.peer (body) VALUES (convert_to(:body, 'UTF8'));\n";
/// The table a person would make for it: a number, the bytes, lz4 as in the ledger.
const TABLE: &str = "CREATE TABLE public.peer (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL);
                     ALTER TABLE public.peer ALTER COLUMN body SET COMPRESSION lz4;
                     GRANT ALL ON public.peer TO PUBLIC";
/// Every event with its bytes, read on the server and thrown away there.
const COPY: &str = "COPY (SELECT e.position, b.bytes
                          FROM ledger.events e JOIN ledger.bodies b ON b.journal = e.journal AND b.position = e.carrier AND b.part = e.part
                          ORDER BY e.journal, e.position) TO '/dev/null'";
/// The bytes alone.
const COPY_BODIES: &str = "COPY (SELECT bytes FROM ledger.bodies) TO '/dev/null'";

/// `pgbench`, inserting single rows.
pub struct Pgbench {
    program: PathBuf,
    script: PathBuf,
}

impl Pgbench {
    /// Finds it beside the server's binaries, and makes its table. `Err`: why not, in one line.
    pub async fn prepare(bench: &Bench, body: &str, rows: usize) -> Result<Self, String> {
        let admin = bench.admin().await;
        let row = admin.query_one("SELECT setting FROM pg_config WHERE name = 'BINDIR'", &[]).await.unwrap();
        let program = PathBuf::from(row.get::<_, String>(0)).join("pgbench");
        if !program.exists() {
            return Err(format!(
                "{} is missing (packages: postgresql, or postgresql-contrib): nothing to compare with",
                program.display()
            ));
        }
        admin.batch_execute(TABLE).await.unwrap();
        let fill = "INSERT INTO public.peer (body) SELECT convert_to($1, 'UTF8') FROM generate_series(1, $2::int8)";
        admin.execute(fill, &[&body, &i64::try_from(rows).unwrap()]).await.unwrap();
        let script = bench.directory.join("insert.sql");
        std::fs::write(&script, INSERT).unwrap();
        Ok(Self { program, script })
    }

    /// Rows a second.
    pub fn run(&self, bench: &Bench, clients: usize, seconds: u64, body: &str) -> f64 {
        let output = Command::new(&self.program)
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
            .args([format!("--client={clients}"), format!("--time={seconds}"), format!("--define=body={body}")])
            .arg("--file")
            .arg(&self.script)
            .arg(bench.cluster().owner_url())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text
            .lines()
            .find(|l| l.starts_with("tps"))
            .unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
        line.split_whitespace().nth(2).unwrap().parse().unwrap()
    }
}

/// Rows a second of `COPY … TO '/dev/null'`: events with their bodies, and bodies alone.
pub async fn copy(bench: &Bench) -> (f64, f64) {
    let admin = bench.admin().await;
    let mut rates = [0.0; 2];
    for (rate, statement) in rates.iter_mut().zip([COPY, COPY_BODIES]) {
        let started = Instant::now();
        let rows = admin.execute(statement, &[]).await.unwrap();
        *rate = rows as f64 / started.elapsed().as_secs_f64();
    }
    (rates[0], rates[1])
}
