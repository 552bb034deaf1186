//! The throughline command: the local cloud, deployment, publishing and following events.
