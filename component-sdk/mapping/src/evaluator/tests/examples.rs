//! Examples of the JSONata documentation give what it says, in the plain and in the metered form.

use serde_json::json;

use super::*;

fn contacts() -> Value {
    json!({
        "FirstName": "Fred", "Surname": "Smith", "Age": 28,
        "Address": { "Street": "Hursley Park", "City": "Winchester", "Postcode": "SO21 2JN" },
        "Phone": [
            { "type": "home", "number": "0203 544 1234" }, { "type": "office", "number": "01962 001234" },
            { "type": "office", "number": "01962 001235" }, { "type": "mobile", "number": "077 7700 1234" }
        ],
        "Other": { "Over 18 ?": true, "Misc": null }
    })
}

fn check(source: &str, expect: Option<Value>) {
    let root = contacts();
    let expression = expression(source);
    let plain = Evaluator::new(Limits::default()).value(&expression, &Root::new(&root));
    assert_eq!(plain, Ok(expect.clone()), "{source}");
    let mut evaluator = Evaluator::new(Limits::default());
    evaluator.budget.refill();
    let metered =
        evaluator.metered.evaluate(&expression.program().metered, &Root::new(&root).converted().value);
    let metered = from_jvalue(&metered.expect(source), &mut OutputBudget::new(1 << 20));
    assert_eq!(metered, Ok(expect), "{source}, metered");
}

#[test]
fn documented_paths_and_predicates() {
    check("Surname", Some(json!("Smith")));
    check("Other.Nothing", None);
    check("Other.`Over 18 ?`", Some(json!(true)));
    check("Other.Misc", Some(Value::Null));
    check("Phone[0].number", Some(json!("0203 544 1234")));
    check("Phone[-1].type", Some(json!("mobile")));
    check("Phone[[0..1]].type", Some(json!(["home", "office"])));
    check("Phone[type='mobile'].number", Some(json!("077 7700 1234")));
    check("Phone[type='office'].number", Some(json!(["01962 001234", "01962 001235"])));
    check("Phone[type='mobile'][].number", Some(json!(["077 7700 1234"])));
    check("Address.*[0]", Some(json!("Hursley Park")));
    check("*.Postcode", Some(json!("SO21 2JN")));
    check("**.Postcode", Some(json!("SO21 2JN")));
}

#[test]
fn documented_operators_and_constructors() {
    check("FirstName & ' ' & Surname", Some(json!("Fred Smith")));
    check("[FirstName, Nothing, Surname]", Some(json!(["Fred", "Smith"])));
    check("[1..3, 7..9]", Some(json!([1, 2, 3, 7, 8, 9])));
    check("'office' in Phone.type", Some(json!(true)));
    check(
        "Phone{type: number}",
        Some(json!({
        "home": "0203 544 1234", "office": ["01962 001234", "01962 001235"], "mobile": "077 7700 1234" })),
    );
    check(
        "Phone.{type: number}",
        Some(json!([{ "home": "0203 544 1234" }, { "office": "01962 001234" },
        { "office": "01962 001235" }, { "mobile": "077 7700 1234" }])),
    );
    check("Phone^(>number).type", Some(json!(["mobile", "home", "office", "office"])));
    check("Age >= 18 ? 'adult' : 'child'", Some(json!("adult")));
    check("Phone#$i[type='office'].$i", Some(json!([1, 2])));
    check("Phone.%.Age", Some(json!([28, 28, 28, 28])));
}

#[test]
fn documented_functions_and_programming() {
    check("$sum([1, 2, 3] ~> $map(function($x) { $x * 2 }))", Some(json!(12)));
    check("$join(['a', 'b', 'c'], '#')", Some(json!("a#b#c")));
    check("['a', 'b'] ~> $join", Some(json!("ab")));
    check("$replace('John Smith and John Jones', 'John', 'Mr')", Some(json!("Mr Smith and Mr Jones")));
    check("$replace('265USD', /([0-9]+)USD/, '$$$1')", Some(json!("$265")));
    check("('ababbabcc').$match(/a(b+)/).match", Some(json!(["ab", "abb", "ab"])));
    check("$split('so many words', ' ')", Some(json!(["so", "many", "words"])));
    check("$pad('foo', -5, '#')", Some(json!("##foo")));
    check("$contains('Hello World', /wo/i)", Some(json!(true)));
    check("$distinct(Phone.type)", Some(json!(["home", "office", "mobile"])));
    check("$map(Phone.type, $uppercase)", Some(json!(["HOME", "OFFICE", "OFFICE", "MOBILE"])));
    check("$filter([1, 2, 3], function($v) { $v % 2 = 1 })", Some(json!([1, 3])));
    check("$reduce([1..5], function($i, $j) { $i * $j })", Some(json!(120)));
    check("($up := $trim ~> $uppercase; $up('   Hello    World   '))", Some(json!("HELLO WORLD")));
    check("($f := function($x) { $x <= 1 ? 1 : $x * $f($x - 1) }; $f(4))", Some(json!(24)));
    check("$formatNumber(12345.6, '#,###.00')", Some(json!("12,345.60")));
    check("$merge([{'a': 1}, {'b': 2}])", Some(json!({ "a": 1, "b": 2 })));
    check("$string({'a': [1, 2.5]})", Some(json!("{\"a\":[1,2.5]}")));
    check("$fromMillis(1510067557121)", Some(json!("2017-11-07T15:12:37.121Z")));
    check(
        "$ ~> |Address|{'City': 'x'}, ['Street']| ~> $lookup('Address')",
        Some(json!({ "City": "x", "Postcode": "SO21 2JN" })),
    );
    check("$sort([3, 1, 2], function($l, $r) { $l > $r })", Some(json!([1, 2, 3])));
    check("$count(Phone)", Some(json!(4)));
    check(
        "$fromMillis(1510067557121, '[M01]/[D01]/[Y0001] [h#1]:[m01][P]')",
        Some(json!("11/07/2017 3:12pm")),
    );
    check("$toMillis('2017-11-07T15:07:54.972Z')", Some(json!(1510067274972_u64)));
    check(
        "Phone.($t := type; number & $t)[0]",
        Some(json!(["0203 544 1234home", "01962 001234office", "01962 001235office", "077 7700 1234mobile"])),
    );
}
