//! What can be asked of a component, on libraries that answer.

use serde_json::{Value, json};
use sluice_sdk::protocol::ErrorInfo;
use sluice_sdk::testing::Harness;

use super::body;
use super::probe::{LIBRARIES, harness};

/// The libraries that answer questions.
fn sailors() -> impl Iterator<Item = &'static str> {
    let only = std::env::var("PROBE_LIBRARY").unwrap_or_default();
    LIBRARIES.into_iter().filter(move |library| library.starts_with("sailor") && library.contains(&only))
}

async fn answer(harness: &Harness, function: &str, input: Value) -> Result<Value, ErrorInfo> {
    let outputs = harness.action(function, json!({}), input).await?;
    assert_eq!(outputs.len(), 1);
    Ok(body(&outputs[0]))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_verified() {
    for library in sailors() {
        let verify = async |password: &str| {
            let harness = harness(library).secrets(json!({ "password": password }));
            answer(&harness, "verify_credentials", json!({})).await
        };
        assert_eq!(verify("good").await.unwrap(), json!({ "verified": true }), "{library}");
        // Whatever else it says is a yes.
        verify("odd").await.unwrap();
        for (password, why) in [("wrong", "the password is wrong"), ("old", "the password is too old")] {
            let fault = verify(password).await.unwrap_err();
            assert_eq!(
                (fault.code.as_str(), fault.message.as_str(), fault.retryable),
                ("credentials_refused", why, false),
                "{library}"
            );
        }
        let fault = verify("crash").await.unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fault.retryable),
            ("component_ended", false),
            "{library}: {fault:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_tells_which_values_a_field_may_have() {
    for library in sailors() {
        let harness = harness(library).settings(json!({ "user": "Ada" }));
        let asked = json!({ "function": "choose", "field": "list", "config": {} });
        let told = answer(&harness, "select_model", asked.clone()).await.unwrap();
        assert_eq!(
            told,
            json!({ "first": "The first list of Ada", "second": "The second list" }),
            "{library}"
        );
        let unknown = json!({ "function": "choose", "field": "other" });
        let fault = answer(&harness, "select_model", unknown).await.unwrap_err();
        assert_eq!(fault.code, "bad_input", "{library}: {fault:?}");
        let nobody = harness.settings(json!({ "user": "nobody" }));
        let fault = answer(&nobody, "select_model", asked).await.unwrap_err();
        assert_eq!(
            (fault.code.as_str(), fault.message.as_str()),
            ("component_error", "nobody has no lists"),
            "{library}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_tells_the_schemas_of_a_function_with_a_config() {
    for library in sailors() {
        let asked = json!({ "function": "choose", "config": { "list": "first" } });
        let told = answer(&harness(library), "get_meta_model", asked).await.unwrap();
        assert_eq!(told["in"]["properties"], json!({ "first": {} }), "{library}");
    }
}
