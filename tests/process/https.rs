//! A client that marks over HTTPS.

use reqwest::ClientBuilder;
use testkit::{Client, MARK_CONTACT, mark_body};
use tokio::runtime::Builder;

/// Marks over HTTPS, and returns the body of the answer.
pub(crate) fn mark(client: &Client, host: &str, https: ClientBuilder) -> reqwest::Result<String> {
    let url = format!("https://{host}:{}{}", client.address.port(), client.path(MARK_CONTACT));
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let https = https.build().unwrap();
        https.post(url).body(mark_body("user", "friend")).send().await?.text().await
    })
}
