//! The models, one part each.

pub mod cancel;
pub mod chain;
pub mod lease;
pub mod line;
pub mod linger;
pub mod loss;
pub mod renewal;
pub mod seat;
pub mod stranger;
pub mod turn;
pub mod wait;
