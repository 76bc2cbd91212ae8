use std::time::{Duration, Instant};

use super::*;

const CREATE: &str = "/api/v1/orders/create_order/";

async fn orders(lab: &Lab) -> Value {
    lab.get("/api/v1/orders/").await["count"].clone()
}

#[tokio::test]
async fn a_reset_is_a_broken_connection_and_not_an_answer() {
    let lab = Lab::open().await;
    for (kind, kept) in [("reset", 0), ("commit_then_reset", 1)] {
        lab.fault(kind, CREATE).await;
        let error = lab.api(Method::POST, CREATE).json(&order("o1")).send().await.expect_err("no answer");
        assert!(error.is_request() && !error.is_timeout() && error.status().is_none(), "{kind}: {error:?}");
        assert_eq!(orders(&lab).await, kept, "{kind}");
    }
    let writes = lab.control(Method::GET, "/requests?mutating=true", Value::Null).await;
    let writes = writes["requests"].as_array().expect("a list");
    assert_eq!(writes.len(), 2);
    assert_eq!((&writes[1]["fault"], &writes[1]["status"]), (&json!("commit_then_reset"), &Value::Null));
    assert_eq!(writes[1]["done"], 201);
    assert_eq!(writes[1]["body"]["id"], "o1");
}

#[tokio::test]
async fn not_one_byte_comes_before_a_reset() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let lab = Lab::open().await;
    lab.fault("reset", "/api/v1/orders/").await;
    let mut stream = tokio::net::TcpStream::connect(lab.sandbox.api_addr()).await.expect("a connection");
    stream.write_all(b"GET /api/v1/orders/ HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    // Closed in order or by a reset: either way without an answer.
    drop(stream.read_to_end(&mut answer).await);
    assert_eq!(answer, b"");
}

#[tokio::test]
async fn a_timeout_never_answers() {
    let lab = Lab::open().await;
    for (kind, kept) in [("timeout", 0), ("commit_then_timeout", 1)] {
        lab.fault(kind, CREATE).await;
        let request = lab.api(Method::POST, CREATE).json(&order("o1")).timeout(Duration::from_millis(300));
        assert!(request.send().await.expect_err("no answer").is_timeout(), "{kind}");
        assert_eq!(orders(&lab).await, kept, "{kind}");
    }
}

#[tokio::test]
async fn errors_before_and_after_the_commit() {
    let lab = Lab::open().await;
    for (kind, status, kept) in [("500", 500, 0), ("502_html", 502, 0), ("429", 429, 0), ("commit_then_500", 500, 1)] {
        lab.fault(kind, CREATE).await;
        let answer = lab.api(Method::POST, CREATE).json(&order("o1")).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{kind}");
        if kind == "429" {
            assert_eq!(answer.headers()["retry-after"], "1");
        }
        let text = answer.text().await.expect("a body");
        assert_eq!(text.starts_with("<html>"), kind == "502_html", "{kind}: {text}");
        assert_eq!(orders(&lab).await, kept, "{kind}");
    }
}

#[tokio::test]
async fn slow_is_late_and_true() {
    let lab = Lab::open().await;
    let fault = json!({ "match": { "method": "post", "path": CREATE }, "kind": "slow", "delay_ms": 300 });
    lab.control(Method::POST, "/faults", fault).await;
    let started = Instant::now();
    assert_eq!(lab.post(CREATE, order("o1")).await.0, 201);
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn faults_are_used_up_in_the_order_posted() {
    let lab = Lab::open().await;
    let list = json!([
        { "match": { "path": CREATE }, "kind": "500" },
        { "match": { "method": "GET" }, "times": 2, "kind": "502_html" },
        { "match": { "path": "/api/v1/" }, "kind": "429" },
    ]);
    lab.control(Method::POST, "/faults", list).await;
    let get = async || answer(lab.api(Method::GET, "/api/v1/orders")).await.0.as_u16();
    assert_eq!((get().await, get().await, get().await, get().await), (502, 502, 429, 200));
    // The path of the request may leave out the slash that the fault has.
    assert_eq!(lab.post("/api/v1/orders/create_order", order("o1")).await.0, 500);
    assert_eq!(lab.control(Method::GET, "/faults", Value::Null).await, json!({ "faults": [] }));
    for wrong in [json!({ "kind": "melt" }), json!({ "kind": "500", "times": 0 }), json!({ "kind": "500", "tims": 1 })]
    {
        assert_eq!(lab.try_control(Method::POST, "/faults", wrong.clone()).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn the_free_plan_ends_at_fifty_a_second() {
    let lab = Lab::open().await;
    lab.control(Method::PUT, "/plan", json!({ "plan": "free" })).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = lab.url("/api/v1/products/");
    let get = async || {
        client.get(&url).header("authorization", format!("Api-Key {MANAGEMENT_KEY}")).send().await.expect("an answer")
    };
    // Either backstop: 50 in a second, or, on a slow machine, 200 in ten.
    let mut refused = None;
    for _ in 0..250 {
        let answer = get().await;
        if answer.status() == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a limit");
    let wait: u64 = refused.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((1..=60).contains(&wait));
    assert!(refused.text().await.expect("a body").contains("detail"));
    lab.switch("S6", "http_date").await;
    let answer = get().await;
    if answer.status() == 429 {
        assert!(answer.headers()["retry-after"].to_str().expect("text").ends_with("GMT"));
    }
    tokio::time::sleep(Duration::from_secs(wait)).await;
    assert_eq!(get().await.status(), 200, "after the wait there is room");
}
