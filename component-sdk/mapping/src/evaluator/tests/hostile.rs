//! Expressions that mean harm end in time, within memory, with an error or a result.

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;
use crate::MappingErrorKind;

/// Parses and evaluates; fails the test if that takes much longer than the limit of one second.
fn bounded(source: &str, root: &Value) -> Result<Option<Value>, String> {
    let started = Instant::now();
    let result = match Expression::parse(source, &Limits::default()) {
        Err(error) => Err(format!("{:?}", error.kind)),
        Ok(expression) => Evaluator::new(Limits::default())
            .value(&expression, &Root::new(root))
            .map_err(|error| format!("{:?}: {}", error.kind, error.reason)),
    };
    let name: String = source.chars().take(80).collect();
    assert!(started.elapsed() < Duration::from_secs(4), "{name}: {:?}", started.elapsed());
    result
}

#[test]
fn runaway_recursion_and_loops_end() {
    let root = json!({});
    for source in [
        "($f := function() { $f() }; $f())",
        "($f := function($n) { $f($n + 1) }; $f(0))",
        "($f := function($n) { 1 + $f($n) }; $f(0))",
        "($f := function($n) { [$f($n)] }; $f(0))",
        "($a := function() { $b() }; $b := function() { $a() }; $a())",
        "[1..10000000]",
        "[1..99999].([1..99999])",
        "[1..99999].($x := $; [1..99999].($x * $))",
        "$map([1..99999], function($x) { $map([1..99999], function($y) { $x * $y }) })",
        "(function($f){ $f($f) })(function($f){ $f($f) })",
    ] {
        assert!(bounded(source, &root).is_err(), "{source}");
    }
}

#[test]
fn strings_cannot_grow_without_bound() {
    let root = json!({ "body": { "text": "x".repeat(10_000) } });
    let doubling = "($a := 'xxxxxxxx';".to_owned() + &"$a := $a & $a;".repeat(40) + "$length($a))";
    let chained = "('xxxxxxxx')".to_owned() + &".($ & $)".repeat(40);
    for source in [
        "$pad('x', 1e9)",
        "$pad('x', -1e9)",
        "('x').$pad(1e9)",
        "1e9 ~> $pad('x', ?)",
        "$map([1e9], $pad)",
        "'x' ~> $pad(1e9)",
        "($n := 1e9; $pad('x', $n, 'ab'))",
        "$length($pad('x', 1e300))",
        "$length($reduce([1..60], function($a, $b) { $a & $a }, 'xxxx'))",
        "$join([1..99999].$$.body.text)",
        "$join([1..99999].('x'), $$.body.text)",
        "[1..99999].('x') ~> $join($$.body.text)",
        "$replace(body.text, 'x', body.text)",
        "$replace(body.text, /x/, body.text)",
        "body.text.$replace('x', $)",
        "$length($string([1..99999].$$.body.text))",
        doubling.as_str(),
        chained.as_str(),
    ] {
        assert!(bounded(source, &root).is_err(), "{source}");
    }
}

#[test]
fn values_that_share_their_parts_are_weighed_unfolded() {
    let root = json!({ "body": [1, 2, 3] });
    let shared = "($a := {'x': 1};".to_owned() + &"$a := {'a': $a, 'b': $a};".repeat(60);
    let nested = "($a := [0];".to_owned() + &"$a := [[$a], [$a]];".repeat(60);
    let paths = "$$".to_owned() + &".{'a': $, 'b': $}".repeat(60);
    let zipped = "($a := [0, 0];".to_owned() + &"$a := $zip($a, $a);".repeat(60);
    let grown = "($a := [1, 2];".to_owned() + &"$a := [$a, $a];".repeat(60);
    for source in [
        format!("{shared} $a)"),
        format!("{shared} $length($string($a)))"),
        format!("{shared} $a = $a)"),
        format!("{shared} $count($a.**))"),
        format!("{nested} $boolean($a))"),
        format!("{nested} $a ? 1 : 2)"),
        paths.clone(),
        format!("$length($string({paths}))"),
        format!("$count({paths}.**)"),
        format!("{paths} = 1"),
        format!("{zipped} $string($a))"),
        format!("{grown} $count($a))"),
        "$reduce([1..60], function($a, $b) { {'l': $a, 'r': $a} }, 1)".to_owned(),
    ] {
        assert!(bounded(&source, &root).is_err(), "{source}");
    }
}

#[test]
fn patterns_match_in_time_or_are_refused() {
    let root = json!({ "text": "a".repeat(50_000) + "!" });
    assert_eq!(bounded("$match(text, /(a+)+$/)", &root), Ok(None));
    assert_eq!(bounded("$contains(text, /^(a|aa)+$/)", &root), Ok(Some(json!(false))));
    assert_eq!(bounded("$contains('abc', /B/i)", &root), Ok(Some(json!(true))));
    for source in [
        "$match(text, /((a{1,99}){1,99}){1,99}$/)".to_owned(),
        format!("$contains(text, /{}/)", "a?".repeat(400)),
        "$contains(text, /(?=a)/)".to_owned(),
        "[1..99999].$contains($$.text, /(a|b)*a(a|b){30}$/)".to_owned(),
    ] {
        assert!(bounded(&source, &root).is_err(), "{source}");
    }
}

#[test]
fn slow_functions_are_charged() {
    let numbers: Vec<u32> = (0..90_000).collect();
    let root = json!({ "body": numbers, "text": "x".repeat(1_000_000) });
    for source in ["$distinct(body)", "body ~> $distinct", "[1..9999].$split($$.text, '')"] {
        assert!(bounded(source, &root).is_err(), "{source}");
    }
    assert_eq!(bounded("$count($distinct([1, 1, 2]))", &root), Ok(Some(json!(2))));
    for source in
        ["$sum(body)", "$count(body^(>$))", "$count(**)", "$length($string(text))", "body[$ > 5][0]"]
    {
        assert!(bounded(source, &root).is_ok(), "{source}");
    }
}

#[test]
fn oversized_and_deep_sources_are_refused_at_parse() {
    let root = json!({});
    let kind = |source: &str| Expression::parse(source, &Limits::default()).expect_err("refused").kind;
    assert_eq!(kind(&"(".repeat(100_000)), MappingErrorKind::ExpressionTooLong);
    assert_eq!(kind(&"1+".repeat(2_500_000)), MappingErrorKind::ExpressionTooLong);
    assert_eq!(kind(&"(".repeat(16_000)), MappingErrorKind::JsonataSyntax);
    assert_eq!(kind(&format!("{}1", "-".repeat(16_000))), MappingErrorKind::JsonataSyntax);
    assert_eq!(kind("$eval('1')"), MappingErrorKind::JsonataForbidden);
    assert_eq!(kind("($e := $eval; $e('1'))"), MappingErrorKind::JsonataForbidden);
    for source in [
        format!("{}1{}", "(".repeat(900), ")".repeat(900)),
        format!("{}1{}", "[".repeat(900), "]".repeat(900)),
        format!("{}1{}", "{'a':".repeat(900), "}".repeat(900)),
        "1+".repeat(900) + "1",
        "a.".repeat(7_000) + "a",
        "1&".repeat(990) + "1",
        format!("{}1{}", "$string(".repeat(450), ")".repeat(450)),
        format!("a{}", "[1]".repeat(4_000)),
        "1?1:".repeat(900) + "1",
        format!("{}1{}", "function(){".repeat(900), "}".repeat(900)),
    ] {
        drop(bounded(&source, &root));
    }
}

#[test]
fn paths_that_multiply_are_stopped() {
    let wide: Vec<u32> = (0..20_000).collect();
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner, 1]));
    let root = json!({ "body": wide, "deep": deep });
    let mut evaluator = Evaluator::new(Limits::default());
    for source in [
        format!("${}", "[0,0]".repeat(60)),
        format!("$.deep{}", "..*".repeat(8)),
        "$.body[?$.body[?$.body[?@ > 1]]]".to_owned(),
        "$.body[?$..x == $..y]".to_owned(),
        format!("$.body{}", "[?@ == 1]".repeat(9)),
        "$.body[?count($..*) > 1]".to_owned(),
        format!("$[?{}@.a{}]", "length(".repeat(100), ")".repeat(100)),
        "$[".repeat(16_000),
        format!("${}", "[?@".repeat(100)),
        format!("$[?{}1", "!(".repeat(100)),
        format!("$['{}']", "x".repeat(15_000)),
        "$.body[?match(@, '((a{1,99}){1,99}){1,99}')]".to_owned(),
        "$[?length(length(length(length(@.a!".to_owned(),
        format!("${}", "..*".repeat(3_000)),
        format!("$[{}]", vec!["*"; 5_000].join(",")),
    ] {
        let started = Instant::now();
        if let Ok(path) = JsonPath::parse(&source, &Limits::default()) {
            drop(evaluator.jsonpath(&path, &Root::new(&root)));
        }
        let name: String = source.chars().take(60).collect();
        assert!(started.elapsed() < Duration::from_secs(4), "{name}: {:?}", started.elapsed());
    }
}

#[test]
fn pictures_cannot_ask_for_long_results() {
    let root = json!({});
    for source in [
        "$fromMillis(0, '[Y0001,1000000000-1000000000]')",
        "$fromMillis(0, '[h,1000000000]')",
        "$fromMillis(0, '[MNn,1000000000-1000000000]')",
        "$fromMillis(0, '[f,1000000000-1000000000]')",
        "$formatInteger(1e300, 'w')",
        "$round(1.5, 1000000000)",
        "$round(1.5, -1000000000)",
        "$formatBase(1e300, 2)",
        "$formatNumber(1e300, '#0.0')",
        "$formatNumber(1e-300, '0.0e0')",
        "$power(9, 999999999)",
        "$toMillis('2020', '[Y0001,1000000000-1000000000]')",
        "$parseInteger('1', '0000')",
        "$substring('abc', -1000000000, 1e300)",
        "[1e308..1e309]",
        "[-9007199254740991..9007199254740991]",
        "'a'[1e300]",
        "$split('abc', '', 1e300)",
        "$formatInteger(1, '1,1,1')",
    ] {
        let length =
            bounded(source, &root).map_or(0, |value| value.map_or(0, |value| value.to_string().len()));
        assert!(length < 10_000, "{source}");
    }
}

#[test]
fn functions_without_their_arguments_are_errors() {
    let names = "join replace contains match split distinct pad fromMillis toMillis map sort eval nothing";
    for name in names.split(' ') {
        for count in 0..5 {
            let given = vec!["null"; count].join(",");
            for source in
                [format!("${name}({given})"), format!("{name}({given})"), format!("[1].${name}({given})")]
            {
                // Whether it has a value is the language's affair; a panic is ours.
                if let Ok(expression) = crate::Expression::parse(&source, &crate::Limits::default()) {
                    let root = serde_json::json!({});
                    let mut evaluator = crate::Evaluator::new(crate::Limits::default());
                    drop(evaluator.value(&expression, &crate::Root::new(&root)));
                }
            }
        }
    }
}
