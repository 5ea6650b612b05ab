//! Rung on one machine: what AWS is to the functions when there is no AWS account.

pub mod aws;
