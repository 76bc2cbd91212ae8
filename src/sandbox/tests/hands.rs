//! Edits by hand that nobody called for: switch S30. Those of `POST /vendor-edit` are in `control.rs`.

use super::*;

#[tokio::test]
async fn a_scripted_hand_edits_behind_three_reads_and_stops() {
    let lab = Lab::open().await;
    let path = license_path(&lab.license("o1").await);
    lab.switch("S30", "scripted").await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        let license = lab.get(&path).await;
        seen.push((license["enabled"] == true, license["validity_period"].clone(), license["max_activations"].clone()));
    }
    let as_made = (true, json!("2999-07-19"), json!(3));
    let disabled = (false, json!("2999-07-19"), json!(3));
    let moved = (false, json!("2999-07-20"), json!(3));
    let raised = (false, json!("2999-07-20"), json!(4));
    assert_eq!(seen, [as_made, disabled, moved, raised.clone(), raised]);
    let log = lab.control(Method::GET, "/requests?warnings=true", Value::Null).await;
    assert_eq!(log["requests"].as_array().map(Vec::len), Some(3), "each is noted where it happened");
}

#[tokio::test]
async fn a_client_that_sets_right_what_it_reads_gets_done() {
    let lab = Lab::open().await;
    let path = license_path(&lab.license("o1").await);
    lab.switch("S30", "scripted").await;
    let mut reads = 0;
    loop {
        reads += 1;
        let license = lab.get(&path).await;
        let wanted = json!({ "is_trial": false, "validity_period": "2999-07-19", "max_activations": 3 });
        let is_right = license["validity_period"] == "2999-07-19" && license["max_activations"] == 3;
        if license["enabled"] == true && is_right {
            // What was right when it was read may be wrong by now: once more, until it stays so.
            if lab.get(&path).await["enabled"] == true && lab.get(&path).await == license {
                break;
            }
        }
        lab.patch(&path, wanted).await;
        lab.post(&format!("{path}enable/"), json!({})).await;
        assert!(reads < 10, "the script never ends");
    }
    let state = lab.control(Method::GET, "/state", Value::Null).await;
    assert!(state["licenses"][0].get("script_step").is_none(), "how far the script is concerns nobody");
}
