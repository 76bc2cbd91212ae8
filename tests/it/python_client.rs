//! LicenseSpring's own client library for Python, a user's application as it were, works against
//! the sandbox. The library is not ours and no part of the tree: it is installed by name into a
//! virtual environment under the build directory. Where that cannot be had the test says why and
//! is skipped.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::sandbox::Sandbox;

/// The library, as the package index calls it; 4 is the generation that was tried.
const PACKAGE: &str = "licensespring>=4,<5";
const SCRIPT: &str = include_str!("python_client/client.py");
/// What `subledger sandbox` prints at its start.
const MANAGEMENT_KEY: &str = "sandbox.management-key";
const LICENSE_API_KEY: &str = "5b0c7a3e-0000-4000-8000-5a4db0c50001";
const LICENSE_SHARED_KEY: &str = "sandbox.shared-key";

/// What pip says of an index that it cannot reach.
const UNREACHABLE: [&str; 7] = [
    "NewConnectionError",
    "NameResolutionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyError",
    "Network is unreachable",
    "Temporary failure in name resolution",
];
/// What Python says where the system has it without the parts that make environments.
const INCOMPLETE: [&str; 3] = ["ensurepip is not available", "No module named venv", "No module named ensurepip"];

/// Why there is no Python with the library.
enum Missing {
    /// The machine does not have it, or cannot reach the index: skipped.
    NotHere(String),
    /// It is there and fails: a failure where everything has to be there.
    Fails(String),
}

/// A Python that has the library.
fn python() -> Result<PathBuf, Missing> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python-client");
    let (python, ready) = (home.join("bin/python"), home.join("ready"));
    if std::fs::read_to_string(&ready).is_ok_and(|package| package == PACKAGE) && ran(&python, &["--version"]).is_ok() {
        return Ok(python);
    }
    if let Err(error) = Command::new("python3").arg("--version").output() {
        return Err(Missing::NotHere(format!("python3: {error}")));
    }
    let made = ran(Path::new("python3"), &["-m", "venv", "--clear", &home.to_string_lossy()]);
    made.map_err(|why| missing(why, &INCOMPLETE))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1", PACKAGE];
    ran(&python, &install).map_err(|why| missing(why, &UNREACHABLE))?;
    std::fs::write(ready, PACKAGE).map_err(|e| Missing::Fails(e.to_string()))?;
    Ok(python)
}

fn missing(why: String, excuses: &[&str]) -> Missing {
    if excuses.iter().any(|excuse| why.contains(excuse)) { Missing::NotHere(why) } else { Missing::Fails(why) }
}

fn ran(program: &Path, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    match output {
        Err(error) => Err(format!("{}: {error}", program.display())),
        Ok(Output { status, .. }) if status.success() => Ok(()),
        Ok(Output { status, stdout, stderr }) => {
            let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
            Err(format!("{} {}: {status}\n{said}", program.display(), arguments.join(" ")))
        }
    }
}

/// The library at work on the sandbox's License API.
struct Client<'a> {
    python: PathBuf,
    sandbox: &'a Sandbox,
    shared_key: &'static str,
}

impl Client<'_> {
    /// Makes the calls in turn; gives what each came to.
    fn calls(&self, calls: Value) -> Vec<Value> {
        let files = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-licenses-{}", uuid::Uuid::new_v4()));
        let order = json!({
            "address": self.sandbox.api.trim_start_matches("http://"), "api_key": LICENSE_API_KEY,
            "shared_key": self.shared_key, "files": files, "calls": calls,
        });
        let mut child = Command::new(&self.python)
            .args(["-c", SCRIPT])
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(order.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        std::fs::remove_dir_all(files).ok();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A call of the Management API that is expected to work.
async fn post(sandbox: &Sandbox, path: &str, body: Value) -> Value {
    let request = reqwest::Client::new().post(format!("{}/api/v1/{path}", sandbox.api)).json(&body);
    let answer = request.header("authorization", format!("Api-Key {MANAGEMENT_KEY}")).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn licensesprings_own_client_activates_checks_and_deactivates() {
    let python = match python() {
        Ok(python) => python,
        Err(Missing::Fails(why)) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{why}"),
        Err(Missing::Fails(why) | Missing::NotHere(why)) => {
            println!("skipped: no Python with {PACKAGE}: {why}");
            return;
        }
    };
    let sandbox = Sandbox::start().await;
    let seed = json!({ "products": [
        { "short_code": "PRO", "features": ["export", { "code": "calls", "feature_type": "consumption" }],
          "custom_fields": [{ "name": "tier", "default_value": "basic" }] },
        { "short_code": "CREW", "authorization_method": "user" },
    ] });
    sandbox.control("POST", "/seed", &seed).await;
    let client = Client { python, sandbox: &sandbox, shared_key: LICENSE_SHARED_KEY };
    a_key(&client).await;
    a_user(&client).await;
    refusals(&client).await;
}

async fn a_key(client: &Client<'_>) {
    let license = json!({ "policy_code": "pro-monthly", "validity_period": "2999-01-01", "max_activations": 1 });
    let body = json!({ "id": "py-1", "customer": { "email": "a@example.com" },
                       "items": [{ "product_code": "PRO", "licenses": [license] }] });
    let order = post(client.sandbox, "orders/create_order/", body).await;
    let license = &order["order_items"][0]["licenses"][0];
    let this = json!({ "product": "PRO", "license_key": license["license_key"] });
    let seen = client.calls(json!([["activate", this], ["check", this]]));
    assert_eq!(seen[0]["ok"]["validity_period"], "2999-01-01T00:00:00.000Z", "{}", seen[0]);
    assert_eq!(seen[0]["ok"]["times_activated"], 1);
    assert_eq!(seen[0]["ok"]["product_features"][0]["code"], "export");
    assert_eq!(seen[1]["ok"]["license_active"], true);
    assert_eq!(seen[1]["ok"]["is_expired"], false);
    let devices = client.sandbox.devices().await;
    assert_eq!((&devices[0]["hardware_id"], &devices[0]["device_active"]), (&json!("python-device"), &json!(true)));
    assert_eq!(devices[0]["hostname"], "python-host");

    let seen = client.calls(json!([["deactivate", this], ["deactivate", this], ["check", this]]));
    assert_eq!(seen[0]["ok"], "\"license_deactivated\"");
    for again in &seen[1..] {
        assert_eq!(again["error"], json!({ "status": 400, "code": "license_not_active" }));
    }
    assert_eq!(client.sandbox.devices().await[0]["device_active"], false);

    let seen = client.calls(json!([["managed", this]]));
    let expected = json!({
        "valid": true, "ends": "2999-01-01T00:00:00", "features": ["calls", "export"],
        "custom_fields": [{ "name": "tier", "value": "basic" }], "active_after": false,
    });
    assert_eq!(seen[0]["ok"], expected, "{}", seen[0]);

    post(client.sandbox, &format!("licenses/{}/disable/", license["id"]), json!({})).await;
    let seen = client.calls(json!([["activate", this], ["check", this]]));
    for refused in &seen {
        assert_eq!(refused["error"]["code"], "license_not_enabled");
    }
}

async fn a_user(client: &Client<'_>) {
    let license = json!({ "users": [{ "email": "crew+1@example.com" }], "license_type": "perpetual" });
    let body = json!({ "id": "py-2", "items": [{ "product_code": "CREW", "licenses": [license] }] });
    let order = post(client.sandbox, "orders/create_order/", body).await;
    let user = &order["order_items"][0]["licenses"][0]["license_users"][0];
    let sign_in = |password: &Value| json!({ "product": "CREW", "username": user["true_email"], "password": password });
    let this = json!({ "product": "CREW", "username": user["true_email"] });
    let seen = client.calls(json!([
        ["activate", sign_in(&json!("guess"))],
        ["activate", sign_in(&user["initial_password"])],
        ["check", this],
        ["deactivate", this],
    ]));
    assert_eq!(seen[0]["error"]["status"], 400, "{}", seen[0]);
    assert_eq!(seen[1]["ok"]["user"]["email"], "crew+1@example.com", "{}", seen[1]);
    assert_eq!((&seen[1]["ok"]["license_key"], &seen[1]["ok"]["validity_period"]), (&Value::Null, &Value::Null));
    assert_eq!(seen[2]["ok"]["license_active"], true);
    assert_eq!(seen[3]["ok"], "\"license_deactivated\"");
}

async fn refusals(client: &Client<'_>) {
    let unknown = json!({ "product": "NONE", "license_key": "K" });
    let seen = client.calls(json!([["check", unknown], ["check", { "product": "PRO", "license_key": "K" }]]));
    assert_eq!(seen[0]["error"]["code"], "unknown_product");
    assert_eq!(seen[1]["error"]["code"], "license_not_found");
    let stranger = Client { shared_key: "another", python: client.python.clone(), sandbox: client.sandbox };
    assert_eq!(stranger.calls(json!([["check", unknown]]))[0]["error"]["code"], "signature_mismatch");
    let fault = json!({ "match": { "path": "/api/v4/" }, "kind": "429" });
    client.sandbox.control("POST", "/faults", &fault).await;
    assert_eq!(client.calls(json!([["check", unknown]]))[0]["error"]["status"], 429);
}
