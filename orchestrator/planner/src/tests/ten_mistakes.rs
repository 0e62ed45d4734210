//! All faults at once, each at its line.

use crate::fixtures::check;

#[test]
fn ten_different_mistakes_in_one_file_give_ten_diagnostics_each_at_its_line() {
    check(
        "\
sluice: 1
kind: template
name: Orders
version: 1.0.0
colour: blue
",
        "F0012 1: a template needs a field `steps`
         F0014 3: `Orders` is no template name: 1 to 64 characters of a-z 0-9 -, beginning with a letter or digit
         F0011 5: a template has no field `colour`",
    );
    check(
        "\
sluice: 1
kind: template
name: orders
version: 1.0.0
colour: blue
instances:
  shop: { connector: rabbitmq, version: ^1 }
  spare: { connector: rabbitmq }
steps:
  - id: orders
    use: shop/listen
    config: { exchange: 5, routing_key: x }
  - id: push
    use: log/write
    concurrency: 0
    retry: { initial: 1h, max: 1s }
    when: = body.total >= params.minimum
    input:
      email: $.body.custmer.email
      bad: = body.x &
      id: $.steps.nothing.body
  - id: last
    use: log/wirte
    after: pusch
",
        "F0011 5: a template has no field `colour`
         F0024 8: no step uses the alias `spare`
         F0039 12: 5 is not of type \"string\"
         F0015 15: `concurrency` must be a whole number from 1 to 256, not 0
         F0037 16: the first retry delay 1h is longer than the longest, 1s
         F0044 17: the template declares no parameter `minimum`
         F0049 19: `push` reads `custmer`, which is probably never there
         F0045 20: `body.x &`: not a JSONata expression: S0207: Unexpected end of expression
         F0047 21: there is no step `nothing`, which `push` reads
         F0022 23: `log` 1.0.0 has no trigger or action `wirte`
         F0026 24: there is no step `pusch`, which `last` is to follow",
    );
}
