//! The functions over the DynamoDB and SQS of this process, in virtual time, with a meter on all their wires: it counts what AWS would
//! bill and, where asked to, refuses what AWS would refuse for its rate.

mod counts;
mod deployment;
mod meter;
mod partitions;
mod prices;

pub use self::{
    counts::{Calls, Counts, PARTS},
    deployment::{Deployment, Environment, Function, Logs, Records, answer},
    meter::{Meter, cpu},
    partitions::{Partitions, Refused},
    prices::{Assumed, Memory, Price, Prices},
};
