//! Scripts before and after requests, in their place, and as what signs them.

use serde_json::{Value, json};

use super::server::{Server, ids, ok, status};
use super::{action, bodies, harness, over, run, trigger};

/// A call with these scripts.
fn with(scripts: Value, config: Value) -> Value {
    over(config, json!({ "scripts": scripts }))
}

/// A call of an action that is the script `main` and may call these actions.
fn program(server: &Server, code: &str, actions: Value) -> Value {
    let config = super::call(server, json!({ "action": { "title": "T", "script": "main" } }));
    with(json!({ "main": code }), over(config, json!({ "actions": actions })))
}

#[tokio::test]
async fn a_script_makes_the_input_and_another_the_output() {
    let server = Server::always(ok(json!({ "id": 7 })).header("x-one", "1")).await;
    let config = with(
        json!({
            "before": "(input, cx) => ({ name: input.name.trim(), tenant: cx.vars.tenant, kind: cx.config.kind })",
            "after": "(result, cx) => ({ id: scripts.twice(result.id), of: cx.input.name, status: cx.response.status, one: cx.response.headers['x-one'] })",
            "twice": "(n) => n * 2",
        }),
        over(
            action(
                &server,
                json!({
                    "before": "before", "after": "after",
                    "request": { "method": "POST", "path": "/{kind}", "body": { "value": "$.input" } }
                }),
            ),
            json!({ "config": { "kind": "people" } }),
        ),
    );
    let harness = harness().settings(json!({ "tenant": "acme" }));
    let outputs = harness.action("call", config, json!({ "name": " Ann " })).await.unwrap();
    assert_eq!(bodies(&outputs), [json!({ "id": 14, "of": "Ann", "status": 200, "one": "1" })]);
    let asked = server.last();
    assert_eq!(asked.path, "/people");
    assert_eq!(asked.body, r#"{"name":"Ann","tenant":"acme","kind":"people"}"#);
}

#[tokio::test]
async fn each_item_of_a_page_and_each_new_one_of_a_trigger_goes_through_the_script() {
    let server = Server::start(|asked| {
        ok(if asked.param("page").as_deref() == Some("1") { ids(1..3) } else { ids(3..4) })
    })
    .await;
    let pages = json!({ "pagination": { "type": "page", "param": "page", "size": 2 }, "after": "after" });
    let code = json!({ "after": "(item, cx) => ({ n: item.id * 10, status: cx.response.status })" });
    let expect = [10, 20, 30].map(|n| json!({ "n": n, "status": 200 }));
    assert_eq!(run(with(code.clone(), action(&server, pages.clone())), json!({})).await.unwrap(), expect);
    let config = with(code, trigger(&server, over(pages, json!({ "key": "$.item.id" }))));
    let first = harness().poll("poll", config.clone(), None).await.unwrap();
    assert_eq!(bodies(&first.outputs), expect, "the key is that of the item before");
    let second = harness().poll("poll", config, first.state).await.unwrap();
    assert_eq!(bodies(&second.outputs), [json!(null); 0]);
}

#[tokio::test]
async fn a_script_calls_two_actions_and_merges_their_results() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/people/7" => ok(json!({ "name": "Ann" })),
        "/notes" if asked.param("page").as_deref() == Some("1") => ok(ids(1..3)),
        "/notes" => ok(ids(3..4)),
        _ => ok(json!({ "stored": asked.body })),
    })
    .await;
    let code = "(input, cx) => {
        const person = invoke('person', { id: input.id });
        const notes = invoke('notes');
        const stored = ['a', 'b'].map((text) => invoke('store', { text }).stored);
        return { name: person.name, notes, stored, tenant: cx.vars.tenant };
    }";
    let actions = json!({
        "person": { "title": "P", "request": { "path": "/people/{id}" } },
        "notes": {
            "title": "N", "request": { "path": "/notes" },
            "pagination": { "type": "page", "param": "page", "size": 2 },
        },
        "store": {
            "title": "S", "request": { "method": "POST", "path": "/store", "body": { "value": "$.input.text", "format": "text" } },
        },
    });
    let config = over(program(&server, code, actions), json!({ "auth": { "type": "bearer" } }));
    let harness = harness().settings(json!({ "tenant": "acme" })).secrets(json!({ "token": "tok-123" }));
    let outputs = harness.action("call", config, json!({ "id": 7 })).await.unwrap();
    let expect = json!({ "name": "Ann", "notes": ids(1..4), "stored": ["a", "b"], "tenant": "acme" });
    assert_eq!(bodies(&outputs), [expect]);
    let asked = server.asked();
    assert!(asked.iter().all(|asked| asked.headers["authorization"] == "Bearer tok-123"));
    let keys: Vec<&String> = asked.iter().filter_map(|asked| asked.headers.get("idempotency-key")).collect();
    assert!(keys.len() == 2 && keys[0] != keys[1], "{keys:?}");
    assert!(keys[0].ends_with("-3") && keys[1].ends_with("-4"), "{keys:?}");
}

#[tokio::test]
async fn scripts_that_call_scripts_have_an_end() {
    let server = Server::always(ok(json!(1))).await;
    let again = json!({ "again": { "title": "A", "script": "main" } });
    let code =
        "(n) => { try { return invoke('again', n + 1); } catch (error) { return [n, error.message]; } }";
    let outputs = run(program(&server, code, again.clone()), json!(1)).await.unwrap();
    assert_eq!(outputs, [json!([4, "actions that are scripts call each other more than 4 deep"])]);
    let many = "() => { for (let i = 0; i < 101; i++) invoke('get'); }";
    let get = json!({ "get": { "title": "G", "request": { "path": "/x" } } });
    let error = run(program(&server, many, get), json!(1)).await.unwrap_err();
    assert_eq!(error.message, "script `main` called other actions more than 100 times");
    assert_eq!(server.asked().len(), 100);
    let error = run(program(&server, "() => invoke('none')", again), json!(1)).await.unwrap_err();
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("unknown_action", "there is no action `none`")
    );
}

#[tokio::test]
async fn an_action_that_fails_in_a_script_fails_as_it_would_alone() {
    let server = Server::always(status(503, json!({})).header("retry-after", "7")).await;
    let get = json!({ "get": { "title": "G", "request": { "path": "/x" } } });
    let error = run(program(&server, "() => invoke('get')", get.clone()), json!(1)).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable, error.retry_after), ("http_503", true, Some(7)));
    let caught = "() => { try { invoke('get'); } catch (error) { return error.code; } }";
    assert_eq!(run(program(&server, caught, get), json!(1)).await.unwrap(), [json!("http_503")]);
}

#[tokio::test]
async fn a_script_calls_actions_of_other_instances() {
    let server = Server::always(ok(json!({ "id": 7 }))).await;
    let code = "(input) => {
        const person = invoke('person');
        const made = invoke('crm.create_contact', { name: 'Ann', of: person.id });
        let failed;
        try { invoke('crm.broken', 1); } catch (error) { failed = [error.code, error.message]; }
        return { made, failed };
    }";
    let person = json!({ "person": { "title": "P", "request": { "path": "/person" } } });
    let config = program(&server, code, person);
    let harness = || {
        let broken = sluice_sdk::Error::retryable("http_503", "GET crm/x: 503");
        harness().other("crm.create_contact", Ok(json!({ "id": 1 }))).other("crm.broken", Err(broken))
    };
    let outputs = harness().action("call", config, json!({})).await.unwrap();
    let made = json!({ "id": 1, "input": { "name": "Ann", "of": 7 } });
    assert_eq!(bodies(&outputs), [json!({ "made": made, "failed": ["http_503", "GET crm/x: 503"] })]);
    // What is not caught fails as the other did.
    let config = |code: &str| program(&server, code, json!({}));
    let error = harness().action("call", config("() => invoke('crm.broken')"), json!({})).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("http_503", true));
    for (call, depth, code) in [
        ("crm.none", 0, "not_bound"),
        ("crm.", 0, "unknown_action"),
        ("crm.a.b", 0, "unknown_action"),
        ("crm.create_contact", 4, "too_deep"),
    ] {
        let config = config(&format!("() => invoke('{call}')"));
        let error = harness().depth(depth).action("call", config, json!({})).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.retryable), (code, false), "{call}");
    }
}

#[tokio::test]
async fn more_items_than_a_script_can_take_are_an_error() {
    let server = Server::always(ok(ids(0..1001))).await;
    let all = json!({ "all": {
        "title": "A", "request": { "path": "/x" }, "pagination": { "type": "page", "param": "page", "size": 2000 },
    } });
    let error = run(program(&server, "() => invoke('all').length", all.clone()), json!(1)).await.unwrap_err();
    assert_eq!(error.code, "too_many_items");
    let fewer = over(all, json!({ "all": { "pagination": { "max_items": 1000 } } }));
    let outputs = run(program(&server, "() => invoke('all').length", fewer), json!(1)).await.unwrap();
    assert_eq!(outputs, [json!(1000)]);
}

#[tokio::test]
async fn a_hostile_script_fails_its_input_and_no_other() {
    let server = Server::always(ok(json!({}))).await;
    let code = "(input) => {
        if (input === 'loop') { for (;;) {} }
        if (input === 'eat') { const a = []; for (;;) { a.push('x'.repeat(1000) + a.length); } }
        return input;
    }";
    let config = program(&server, code, json!({}));
    let error = run(config.clone(), json!("loop")).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("script_timeout", false));
    let error = run(config.clone(), json!("eat")).await.unwrap_err();
    assert!(matches!(error.code.as_str(), "script_failed" | "script_timeout"), "{error:?}");
    assert_eq!(run(config, json!("fine")).await.unwrap(), [json!("fine")]);
}

#[tokio::test]
async fn a_script_that_cannot_be_interrupted_is_left_alone() {
    let server = Server::always(ok(json!({}))).await;
    // A search of many seconds in one go.
    let code = "(input) => input ? 'a'.repeat(4000000).indexOf('a'.repeat(400000) + 'b') : 'fine'";
    let config = program(&server, code, json!({}));
    let error = run(config.clone(), json!(true)).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("script_timeout", false));
    assert_eq!(run(config, json!(false)).await.unwrap(), [json!("fine")]);
}

#[test]
fn a_script_that_cannot_be_read_says_where() {
    let call = json!({
        "connector": "api@1.0.0", "function": "f", "http": { "base_url": "http://x" }, "auth": {},
        "kind": { "action": { "title": "T", "script": "main" } }, "scripts": { "main": "() => {\n  return ]\n}" }
    });
    let error = serde_json::from_value::<crate::step::Step>(call).err().unwrap().to_string();
    assert!(error.starts_with("script `main`, line 2: SyntaxError"), "{error}");
}
