//! The RabbitMQ adapter: the only crate that knows `lapin` and the broker's management API.
//!
//! [`RabbitMq`] keeps two connections, one for publishing and one for consuming, because a broker that is short of
//! memory or disk blocks publishing connections whole, acknowledgements included. Both are rebuilt for ever.
//! [`Management`] makes and deletes the users of containers, and tells what waits in the queues.

mod config;
mod consumer;
mod facts;
mod link;
mod management;
mod publisher;
mod rabbitmq;
mod topology;
mod watch;

pub use config::{BrokerUrl, BrokerUrlError, QueueType};
pub use facts::{BrokerFacts, NodeFacts, may_connect};
pub use management::{Management, ManagementUrlError};
pub use rabbitmq::RabbitMq;
