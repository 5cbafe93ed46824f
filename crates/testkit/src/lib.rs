//! What the tests of earmark share: servers to talk to, clients to talk with, and ways to break what is between them.
