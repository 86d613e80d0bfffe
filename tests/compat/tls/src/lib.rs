//! Nothing of its own: the tests connect over TLS.
