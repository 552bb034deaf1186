//! What a function depends on: run, triggers, settings and logs; re-exports the core.
