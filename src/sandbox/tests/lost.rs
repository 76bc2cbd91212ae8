//! Answers that are lost, refused, throttled or late: switches S4, S5, S6 and S31.

use std::time::{Duration, Instant};

use super::*;

const CREATE: &str = "/api/v1/orders/create_order/";

/// What a client sees of one write: the status and whether it is HTML; none where there is no answer.
async fn write(lab: &Lab, id: &str) -> Option<(u16, bool)> {
    let request = lab.api(Method::POST, CREATE).json(&order(id)).timeout(Duration::from_millis(1_000));
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, answer.text().await.expect("a body").starts_with("<html>")))
}

#[tokio::test]
async fn every_other_write_is_done_and_its_answer_lost() {
    let table = [
        ("reset", None),
        ("timeout", None),
        ("500", Some((500, false))),
        ("502", Some((502, true))),
        ("504", Some((504, true))),
    ];
    let lab = Lab::open().await;
    for (value, seen) in table {
        lab.switch("S4", value).await;
        assert_eq!(write(&lab, value).await, seen, "{value}");
        assert_eq!(lab.get(&format!("/api/v1/orders/?store_id={value}")).await["count"], 1, "{value}");
        assert_eq!(write(&lab, value).await, Some((409, false)), "{value}: the next write is answered");
    }
}

#[tokio::test]
async fn every_other_write_fails_and_is_not_done() {
    let table = [
        ("500", Some((500, false))),
        ("502_html", Some((502, true))),
        ("503_html", Some((503, true))),
        ("reset", None),
    ];
    let lab = Lab::open().await;
    for (value, seen) in table {
        lab.switch("S5", value).await;
        assert_eq!(write(&lab, value).await, seen, "{value}");
        assert_eq!(lab.get(&format!("/api/v1/orders/?store_id={value}")).await["count"], 0, "{value}");
        assert_eq!(write(&lab, value).await, Some((201, false)), "{value}: the next write is done");
    }
}

#[tokio::test]
async fn the_429_by_switch() {
    let table = [
        ("json_retry_after", "detail", Some("1")),
        ("no_retry_after", "detail", None),
        ("html", "", None),
        ("code_shape", "code", Some("1")),
        ("http_date", "detail", Some("GMT")),
    ];
    let lab = Lab::open().await;
    for (value, key, wait) in table {
        lab.switch("S6", value).await;
        lab.fault("429", CREATE).await;
        let answer = lab.api(Method::POST, CREATE).json(&order("o1")).send().await.expect("an answer");
        assert_eq!(answer.status(), 429, "{value}");
        let header = answer.headers().get("retry-after").map(|h| h.to_str().expect("text").to_owned());
        match wait {
            Some(wait) => assert!(header.expect("a header").ends_with(wait), "{value}"),
            None => assert_eq!(header, None, "{value}"),
        }
        let text = answer.text().await.expect("a body");
        match key {
            "" => assert!(text.starts_with("<html>"), "{value}"),
            key => assert!(serde_json::from_str::<Value>(&text).expect("JSON").get(key).is_some(), "{value}"),
        }
    }
    assert_eq!(lab.get("/api/v1/orders/").await["count"], 0);
}

#[tokio::test]
async fn answers_are_as_late_as_the_switch_says() {
    let lab = Lab::open().await;
    for (value, at_least_ms) in [("200ms", 200), ("1000ms", 1_000), ("jitter_500ms", 0)] {
        lab.switch("S31", value).await;
        let started = Instant::now();
        lab.license(value).await;
        assert!(started.elapsed() >= Duration::from_millis(at_least_ms), "{value}");
    }
}

#[tokio::test]
async fn a_slow_body_comes_in_pieces_and_whole() {
    let lab = Lab::open().await;
    let license = lab.license("o1").await;
    let whole = lab.get(&license_path(&license)).await;
    lab.switch("S31", "slow_body").await;
    let started = Instant::now();
    let answer = lab.api(Method::GET, &license_path(&license)).send().await.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["transfer-encoding"].as_bytes()),
        (200, b"chunked".as_slice())
    );
    assert_eq!(answer.json::<Value>().await.expect("JSON"), whole);
    assert!(started.elapsed() >= Duration::from_millis(900));
    lab.switch("S29", "204").await;
    let disable = format!("{}disable/", license_path(&license));
    assert_eq!(lab.post(&disable, json!({})).await.0, 204, "nothing to be slow about");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_and_logged() {
    let lab = Lab::open().await;
    let large = format!("{{\"id\":\"{}\"}}", "x".repeat(5 << 20));
    let request = lab.api(Method::POST, CREATE).header("content-type", "application/json").body(large);
    let (status, refusal) = answer(request).await;
    assert_eq!(status, 413);
    assert!(refusal.get("detail").is_some(), "{refusal}");
    assert_eq!(lab.log().await.last().expect("an entry")["status"], 413);
}
