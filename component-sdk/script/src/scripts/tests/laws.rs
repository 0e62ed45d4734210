//! JSON goes through a script unchanged, but for the numbers that JavaScript does not have.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Number, Value, json};

use super::{compiled, run};
use crate::NoHost;

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1i64 << 53)..=(1i64 << 53)).prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |number| Number::from_f64(number).map(Value::Number)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Equal, where numbers count by their value.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_value_goes_through_unchanged(value in values()) {
        let through = compiled("(it) => it").call("main", vec![value.clone()], Arc::new(NoHost)).unwrap();
        prop_assert!(same(&value, &through), "{value} became {through}");
    }
}

#[test]
fn integers_beyond_two_to_the_53rd_lose_their_last_digits() {
    let through = run("(it) => it", json!([9_007_199_254_740_993_u64, 1.0]));
    assert_eq!(through.unwrap().to_string(), "[9007199254740992,1]");
    assert_eq!(run("() => [NaN, 1 / 0]", json!(null)), Ok(json!([null, null])));
}
