//! The `rabbitmq` component: listens to queues and publishes to exchanges of a RabbitMQ broker.

mod broker;
mod confirms;
mod listen;
mod message;
mod publish;
mod queue;
mod values;

use std::process::ExitCode;

use sluice_sdk::Component;

fn main() -> ExitCode {
    sluice_sdk::run(component())
}

fn component() -> Component {
    Component::new(include_str!("../component.json"))
        .listener("listen", listen::Listen)
        .action("publish", publish::Publish::default())
}
