//! What single checks say where the examples of their pages do not show it.

use crate::fixtures::{check, template};

/// Checks steps after a trigger; the first of them stands in line 7.
#[track_caller]
fn after_tick(rest: &str, expect: &str) {
    check(
        &template(&format!("steps:\n  - {{ id: tick, use: timer/tick, schedule: {{ every: 5m }} }}\n{rest}")),
        expect,
    );
}

#[test]
fn a_cycle_is_named_from_its_first_step_on() {
    after_tick(
        "  - { id: c, use: log/write, after: [tick, b] }\n  - { id: a, use: log/write, after: c }\n  - { id: b, use: log/write, after: a }",
        "F0028 7: the steps `c` -> `a` -> `b` -> `c` form a cycle",
    );
}

#[test]
fn a_cycle_may_go_through_an_error_route() {
    after_tick(
        "  - { id: a, use: log/write, on_error: { to: b } }\n  - { id: b, use: log/write, after: [] }\n  - { id: c, use: log/write, after: b, on_error: { to: a } }",
        "F0028 7: the steps `a` -> `b` -> `c` -> `a` form a cycle",
    );
}

#[test]
fn a_step_knows_the_outputs_of_every_way_to_it() {
    after_tick(
        "  - { id: a, use: log/write }\n  - { id: b, use: log/write, after: tick }\n  - { id: c, use: log/write, after: [a, b], input: { x: $.steps.a.body, y: = steps.b.body, z: $.steps.tick.body.at } }",
        "",
    );
}

#[test]
fn a_step_that_failed_has_no_output_for_its_error_route() {
    after_tick(
        "  - { id: a, use: log/write, on_error: { to: b } }\n  - { id: b, use: log/write, after: [], input: { x: $.steps.a.body, y: $.body.error.code, z: $.body.eror } }",
        "F0048 8: the step `b` reads `a`, whose output no message to it can know
         F0049 8: `b` reads `eror`, which is probably never there",
    );
}

#[test]
fn every_fault_of_a_mapping_stands_at_its_own_line() {
    after_tick(
        "  - id: a\n    use: log/write\n    input:\n      x: $.[\n      y: ok\n      z:\n        - $..\n",
        "F0045 10: `$.[`: not a JSONPath: expected wildcard selector or ALPHA
         F0045 13: `$..`: not a JSONPath: expected bracketed selection, wildcard selector, or ALPHA",
    );
}

#[test]
fn parts_of_a_template_that_cannot_be_read_cause_no_other_faults() {
    after_tick(
        "  - { id: a, use: nothing }\n  - { id: b, use: log/write, input: { x: $.steps.a.body } }\n  - { id: c, use: log/write, after: a, on_error: { to: a } }",
        "F0015 7: `nothing` names no function",
    );
}

#[test]
fn a_config_is_checked_around_its_expressions() {
    check(
        &template(
            "parameters: { type: object, properties: { url: { type: string } } }\nsteps:\n  - { id: tick, use: timer/tick, schedule: { every: 5m } }\n  - id: a\n    use: http/request\n    config:\n      url: = params.url\n      method: FETCH\n      heders: {}\n",
        ),
        "F0039 12: \"FETCH\" is not one of \"GET\" or \"POST\"
         F0039 13: `heders` is not a name that the schema knows",
    );
}

#[test]
fn a_secret_among_the_settings_is_not_shown() {
    check(
        "sluice: 1\nkind: instance\nname: a\nconnector: rabbitmq\nsettings: { url: x }\nsecrets:\n  password: hunter2\n",
        "F0018 7: the secret `password` stands in the file as plain text",
    );
}
