//! Plain values that all layers share, and what verification crates replace.

pub(crate) mod credentials;
pub(crate) mod environment;
pub(crate) mod fence;
pub(crate) mod owner_info;
pub(crate) mod pause;
pub(crate) mod replicas;
pub(crate) mod request_id;
pub(crate) mod server_kind;
pub(crate) mod text;
pub(crate) mod time;
