//! Moving an app: its form as a file, export, import and comparison, and the way in and out through the original's own API.

pub mod compare;
mod convert;
mod difference;
pub mod export;
pub mod form;
pub mod import;
pub mod original;
mod progress;
mod reading;

pub use difference::Ignored;
pub use progress::Progress;
pub use reading::{FileProblem, FormReader};
