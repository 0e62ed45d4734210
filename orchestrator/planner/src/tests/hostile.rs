//! Files that mean harm, and files that mean nothing.

use proptest::prelude::*;

use crate::fixtures::{all, catalogue, check, doc, read_text, template};
use crate::{Code, check_template};

fn codes(text: &str) -> Vec<Code> {
    all(text).iter().map(|found| found.code).collect()
}

#[test]
fn an_alias_bomb_is_a_diagnostic() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert_eq!(codes(&text), [Code::TooManyNodes]);
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), vec!["*a"; 100].join(", "));
    assert_eq!(codes(&long), [Code::TooManyNodes]);
}

#[test]
fn an_alias_inside_its_own_value_is_a_diagnostic() {
    assert!(codes("a: &a [*a]\n").contains(&Code::Unsupported));
}

#[test]
fn deep_and_large_texts_end_soon() {
    for letter in [
        "[",
        "{a: ",
        "- ",
        "[[",
        "? ",
        "{\"a\":",
        "[{\"a\":[",
        "!!str ",
        "&a ",
        "\"",
        "%",
        "a: &x\n",
        "- - ",
        "|\n",
    ] {
        let text = letter.repeat(200_000 / letter.len());
        let report = all(&text);
        assert!(!report.is_empty(), "{letter}");
    }
    assert_eq!(codes(&"x".repeat((4 << 20) + 1)), [Code::FileTooLarge]);
}

#[test]
fn a_file_may_have_four_mebibytes_and_three_hundred_thousand_values() {
    let list = |count: usize| format!("a: [{}]\n", vec!["x"; count].join(", "));
    assert!(!codes(&list(299_990)).contains(&Code::TooManyNodes));
    assert_eq!(codes(&list(300_001)), [Code::TooManyNodes]);
    let text = |bytes: usize| format!("a: {}\n", "x".repeat(bytes - "a: \n".len()));
    assert!(!codes(&text(4 << 20)).contains(&Code::FileTooLarge));
    assert_eq!(codes(&text((4 << 20) + 1)), [Code::FileTooLarge]);
}

#[test]
fn an_expression_of_a_hundred_thousand_parentheses_is_refused() {
    let parens = format!("= {}", "(".repeat(100_000));
    let tick = "steps:\n  - { id: tick, use: timer/tick, schedule: { every: 5m } }\n";
    for field in ["when", "split"] {
        let text = template(&format!("{tick}  - id: a\n    use: log/write\n    {field}: \"{parens}\"\n"));
        assert_eq!(codes(&text), [Code::Condition], "{field}");
    }
    let text = template(&format!("{tick}  - id: a\n    use: log/write\n    input: {{ x: \"{parens}\" }}\n"));
    assert_eq!(codes(&text), [Code::Mapping]);
}

#[test]
fn names_that_climb_or_deceive_are_refused() {
    for id in ["../x", "\u{1f600}", "a\u{202e}b", &"x".repeat(300)] {
        let text = template(&format!(
            "steps:\n  - {{ id: \"{id}\", use: timer/tick, schedule: {{ every: 5m }} }}\n"
        ));
        let report = all(&text);
        assert_eq!(report.iter().map(|found| found.code).collect::<Vec<_>>(), [Code::Name], "{id}");
    }
}

#[test]
fn ten_thousand_steps_are_refused_and_five_hundred_are_not() {
    let steps = |count: usize| {
        let mut text = String::from("steps:\n  - { id: s0, use: timer/tick, schedule: { every: 5m } }\n");
        for number in 1..count {
            text.push_str(&format!("  - {{ id: s{number}, use: log/write }}\n"));
        }
        template(&text)
    };
    assert_eq!(codes(&steps(10_000)), [Code::StepCount]);
    assert_eq!(codes(&steps(500)), []);
}

#[test]
fn no_entity_and_no_file_is_ever_followed() {
    check(
        "<!DOCTYPE x [<!ENTITY y SYSTEM \"file:///etc/passwd\">]>",
        "F0013 1: a document must be a mapping, not a text",
    );
}

#[test]
fn the_source_of_a_document_reads_as_the_document_does() {
    let one = template("steps:\n  - { id: tick, use: timer/tick, schedule: { every: 5m } }\n");
    let text = format!(
        "# ä comment\n{one}---\nsluice: 1\nkind: instance\nname: x\nconnector: log\n---\n{}",
        one.replace("name: t", "name: ü2").replace("ü2", "t2")
    );
    let (documents, report) = read_text(&text);
    assert!(report.is_empty(), "{report}");
    assert_eq!(documents.templates.len(), 2);
    for template in &documents.templates {
        assert_eq!(doc(&template.source).template, template.template);
    }
}

proptest! {
    #[test]
    fn reading_never_panics(text in "[a-c:{}\\[\\]\"'\\-\\n \\t#&*!|>%@`$=.0-9\u{e4}\u{1f600}\\\\]{0,200}") {
        let _report = all(&text);
    }

    #[test]
    fn faulty_templates_never_panic(cut in 0..600_usize, with in "[ -~\\n]{0,12}") {
        let text = "sluice: 1\nkind: template\nname: t\nversion: 1.0.0\nparameters: { type: object, properties: { a: { type: number } } }\ninstances:\n  shop: { connector: rabbitmq, version: ^1 }\nsteps:\n  - id: orders\n    use: shop/listen\n    config: { exchange: = params.a }\n  - id: push\n    use: log/write\n    after: [orders]\n    when: = body.total > 1\n    input: { a: $.steps.orders.body.total }\n    retry: { attempts: 3 }\n    on_error: { to: alert }\n  - id: alert\n    use: log/write\n    after: []\n";
        let mut changed = text.to_owned();
        changed.insert_str(cut.min(text.len()), &with);
        let (documents, _) = read_text(&changed);
        for doc in &documents.templates {
            let _report = check_template(doc, &catalogue());
        }
    }
}
