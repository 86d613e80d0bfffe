//! Which task of tokio runs on this thread. Under one name, because the simulation and the models have tasks of their own.

pub(crate) use tokio::task::{Id as TaskId, try_id as current};
