//! The Rust example of `docs/testing.md`. It needs Docker and the image `earmark:dev`, so only `.ci/testing` runs it.

mod example;
