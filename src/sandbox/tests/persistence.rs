use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::sandbox::SandboxError;

/// A file of this test alone, gone with the value.
struct DataFile(PathBuf);

impl DataFile {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("subledger-sandbox-{}.json", uuid::Uuid::new_v4())))
    }

    fn options(&self) -> SandboxOptions {
        SandboxOptions { data: Some(self.0.clone()), ..anywhere() }
    }
}

impl Drop for DataFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

#[tokio::test]
async fn all_but_the_log_survives_a_restart() {
    let file = DataFile::new();
    let lab = Lab::open_with(file.options()).await;
    lab.control(Method::POST, "/seed", seed()).await;
    let license = lab.license("o1").await;
    lab.switch("S1", "400_id").await;
    lab.control(Method::PUT, "/plan", json!({ "plan": "plus" })).await;
    lab.control(Method::PUT, "/clock", json!({ "now": "2030-01-01T00:00:00Z" })).await;
    lab.fault("500", "/api/v1/devices/").await;
    let before = lab.control(Method::GET, "/state", Value::Null).await;
    lab.sandbox.stop().await.expect("saved");

    let lab = Lab::open_with(file.options()).await;
    assert_eq!(lab.control(Method::GET, "/state", Value::Null).await, before);
    assert_eq!(lab.control(Method::GET, "/plan", Value::Null).await["plan"], "plus");
    assert_eq!(lab.control(Method::GET, "/clock", Value::Null).await["mode"], "frozen");
    assert_eq!(lab.log().await, Vec::<Value>::new());
    assert_eq!(lab.get("/api/v1/licenses/?order__store_id=o1").await["count"], 1, "indexes too");
    let (status, refusal) = lab.post("/api/v1/orders/create_order/", order("o1")).await;
    assert!(status == 400 && refusal.get("id").is_some(), "the switch is still set");
    assert_eq!(answer(lab.api(Method::GET, "/api/v1/devices/")).await.0, 500);
    assert!(lab.license("o2").await["id"].as_u64() > license["id"].as_u64());
    lab.sandbox.stop().await.expect("saved");
}

#[tokio::test]
async fn a_change_is_in_the_file_soon_without_a_stop() {
    let file = DataFile::new();
    let lab = Lab::open_with(file.options()).await;
    lab.control(Method::POST, "/seed", seed()).await;
    lab.license("soon").await;
    for _ in 0..100 {
        if std::fs::read_to_string(&file.0).is_ok_and(|text| text.contains("\"soon\"")) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("two seconds, and the change is not in the file");
}

#[tokio::test]
async fn a_file_of_the_first_layout_gives_its_users_their_own_table() {
    let file = DataFile::new();
    let lab = Lab::open_with(file.options()).await;
    let seed = json!({ "products": [{ "short_code": "TEAM", "authorization_method": "user" }] });
    lab.control(Method::POST, "/seed", seed).await;
    let license = json!({ "users": [{ "email": "u@example.com" }] });
    let body = json!({ "id": "t1", "items": [{ "product_code": "TEAM", "licenses": [license] }] });
    assert_eq!(lab.post("/api/v1/orders/create_order/", body).await.0, 201);
    let before = lab.get("/api/v1/licenses/").await;
    lab.sandbox.stop().await.expect("saved");

    let mut world: Value = serde_json::from_slice(&std::fs::read(&file.0).expect("a file")).expect("JSON");
    let users = world["store"]["license_users"].take();
    let user = users.as_object().expect("users").values().next().expect("a user").clone();
    for license in world["store"]["licenses"].as_object_mut().expect("licenses").values_mut() {
        license["license_users"][0].as_object_mut().expect("a seat").extend(user.as_object().expect("a user").clone());
    }
    world["store"].as_object_mut().expect("a store").remove("license_users");
    world["version"] = json!(1);
    std::fs::write(&file.0, world.to_string()).expect("written");

    let lab = Lab::open_with(file.options()).await;
    assert_eq!(lab.get("/api/v1/licenses/").await, before);
    assert_eq!(lab.get("/api/v1/license-users/?true_email=u@example.com").await["count"], 1);
    lab.sandbox.stop().await.expect("saved");
    let world: Value = serde_json::from_slice(&std::fs::read(&file.0).expect("a file")).expect("JSON");
    std::fs::write(&file.0, world.to_string().replace("\"version\":2", "\"version\":99")).expect("written");
    let error = start(file.options()).await.expect_err("a newer build's");
    assert!(error.to_string().contains("layout 99"), "{error}");
}

#[tokio::test]
async fn a_broken_file_is_named() {
    let file = DataFile::new();
    std::fs::write(&file.0, "{ not ours").expect("written");
    let error = start(file.options()).await.expect_err("unreadable");
    assert!(matches!(error, SandboxError::DataUnreadable { .. }));
    assert!(error.to_string().contains("subledger-sandbox-"), "{error}");
    assert_eq!(std::fs::read_to_string(&file.0).expect("still there"), "{ not ours");
}

#[tokio::test]
async fn a_taken_port_is_named_and_a_freed_one_is_free() {
    let lab = Lab::open().await;
    let (api, control) = (lab.sandbox.api_addr(), lab.sandbox.control_addr());
    let options = SandboxOptions { listen: api.to_string(), control: Some(control.to_string()), ..anywhere() };
    let error = start(options.clone()).await.expect_err("taken");
    assert!(matches!(error, SandboxError::PortTaken { .. }));
    assert!(error.to_string().contains(&api.to_string()) && !error.to_string().contains('\n'));
    // Not even a request that will never be answered holds up the end.
    lab.fault("timeout", "/").await;
    let request = lab.api(Method::GET, "/api/v1/orders/");
    let waiting = tokio::spawn(async move { request.send().await.is_err() });
    while lab.log().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::timeout(Duration::from_secs(5), lab.sandbox.stop()).await.expect("ends").expect("saved");
    assert!(waiting.await.expect("joined"));
    start(options).await.expect("free again").stop().await.expect("stopped");
}

#[tokio::test]
async fn dropping_ends_it() {
    let lab = Lab::open().await;
    let api = lab.sandbox.api_addr();
    drop(lab);
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(api).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("two seconds, and it still listens");
}
