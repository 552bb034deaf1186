//! The reference shop: its events, commands, entities and rules.
