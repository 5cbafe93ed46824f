//! The names of an app's marks.

pub(super) mod delete_mark;
pub(super) mod list_marks;
pub(super) mod put_mark;

use super::call::Request;
use crate::deadline::Arrival;
use crate::domain::{App, MarkBit};
use crate::http::failure::Failure;
use crate::service::{AppChange, Service};

const PATH: &str = "/marks/{bit}";

/// The mark that a call is about, and the admin who calls.
struct Target {
    bit: MarkBit,
    caller: String,
}

impl Target {
    fn parse(request: &Request<'_>) -> Result<Self, Failure> {
        Ok(Self { bit: request.path.mark_bit()?, caller: request.caller.to_owned() })
    }

    /// Changes the app, and logs who did it.
    async fn update(
        &self,
        service: &Service,
        app: &App,
        what: &'static str,
        change: AppChange,
        arrival: Arrival,
    ) -> Result<App, Failure> {
        let update = service.update_app(app.sdk_app_id, change, None, arrival.deadline);
        let app = update.await?.app;
        let (bit, by) = (self.bit.number(), self.caller.as_str());
        tracing::info!(app = %app.sdk_app_id, by, what, bit, "app changed by the native API");
        Ok(app)
    }
}
