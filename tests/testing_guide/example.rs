use serde_json::{Value, json};
use testcontainers::GenericImage;
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;

type Error = Box<dyn std::error::Error>;

#[tokio::test]
async fn a_mark_that_fails_once() -> Result<(), Error> {
    let image = GenericImage::new("earmark", "dev")
        .with_exposed_port(8080.tcp())
        .with_wait_for(WaitFor::message_on_stdout("user_sig"));
    let container = image.start().await?;
    let base = format!(
        "http://{}:{}",
        container.get_host().await?,
        container.get_host_port_ipv4(8080).await?
    );
    let dev: Value = serde_json::from_slice(&container.stdout_to_vec().await?)?;

    let mark = format!(
        "{base}/v4/recentcontact/mark_contact?sdkappid={}&identifier=administrator&usersig={}",
        dev["app"],
        dev["user_sig"].as_str().unwrap_or_default()
    );
    let item = json!({
        "OptType": 1, "ContactItem": { "Type": 1, "To_Account": "user1" }, "SetMark": [0]
    });
    let body = json!({ "From_Account": "user0", "MarkItem": [item] });
    assert_eq!(post(&mark, "", &body).await?["ErrorCode"], 0);

    let fault = json!({ "call": "mark_contact", "code": 50005 });
    let token = dev["token"].as_str().unwrap_or_default();
    post(&format!("{base}/admin/v1/faults"), token, &fault).await?;
    assert_eq!(post(&mark, "", &body).await?["ErrorCode"], 50005);
    assert_eq!(post(&mark, "", &body).await?["ErrorCode"], 0);
    Ok(())
}

async fn post(url: &str, token: &str, body: &Value) -> Result<Value, Error> {
    let request = reqwest::Client::new().post(url).bearer_auth(token);
    let request = request.header("content-type", "application/json").body(body.to_string());
    let answer = request.send().await?.error_for_status()?;
    Ok(serde_json::from_str(&answer.text().await?)?)
}
