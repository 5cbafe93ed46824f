//! The samples of Tencent's documents, byte for byte.

use actix_web::http::Method;

use crate::support::*;

async fn answer_to(request: &str) -> (TestApp, String) {
    let app = TestApp::start().await;
    let url = format!("http://{}/v4/{MARK_CONTACT}?{}", app.addresses.api, query());
    let answer = app.send(Method::POST, &url, request.as_bytes().to_vec()).await.text;
    (app, answer)
}

/// Removes the line breaks and spaces of a sample. The values in the samples have none.
fn compact(printed: &str) -> String {
    printed.chars().filter(|c| !c.is_whitespace()).collect()
}

#[actix_web::test]
async fn the_sample_of_the_page_is_answered_as_documented() {
    let (app, answer) = answer_to(
        r#"{
"From_Account":"user0",
"MarkItem":[
{
"OptType":3,
"ContactItem":{
"Type":1,
"To_Account":"user1"
},
"SetMark":[1,2,3],
"CustomMark":"abcd"
}
]
}"#,
    )
    .await;
    let expected = compact(
        r#"{
"ResultItem": [
{
"OptType":3,
"ContactItem": {
"Type": 1,
"To_Account": "user1"
},
"ResultCode": 0,
"ResultInfo": ""
}
],
"ActionStatus": "OK",
"ErrorCode": 0,
"ErrorInfo": "",
"ErrorDisplay": ""
}"#,
    );
    assert_eq!(answer, expected);
    assert_eq!(app.marks("user0").await, [marked("user1", 0b1110, "abcd")]);
}

#[actix_web::test]
async fn the_later_sample_of_the_page_is_answered_as_documented() {
    let (app, answer) = answer_to(
        r#"{"From_Account":"user_0001","MarkItem":[{"OptType":3,"ContactItem":{"Type":1,"To_Account":"user_0002"},"SetMark":[1,2,3],"CustomMark":"abcd"}]}"#,
    )
    .await;
    assert_eq!(
        answer,
        r#"{"ResultItem":[{"OptType":3,"ContactItem":{"Type":1,"To_Account":"user_0002"},"ResultCode":0,"ResultInfo":""}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#
    );
    assert_eq!(app.marks("user_0001").await, [marked("user_0002", 0b1110, "abcd")]);
}

#[actix_web::test]
async fn a_conversation_with_a_chat_group_is_answered_with_the_id_of_the_chat_group() {
    let (_, answer) = answer_to(
        r#"{"From_Account":"user0","MarkItem":[{"OptType":1,"ContactItem":{"Type":2,"ToGroupId":"@TGS#1N3RSUYG2"},"SetMark":[1]}]}"#,
    )
    .await;
    assert_eq!(
        answer,
        r#"{"ResultItem":[{"OptType":1,"ContactItem":{"Type":2,"ToGroupId":"@TGS#1N3RSUYG2"},"ResultCode":0,"ResultInfo":""}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#
    );
}

#[actix_web::test]
async fn a_refusal_has_the_fields_of_the_envelope_in_the_same_order() {
    let (_, answer) = answer_to("{}").await;
    assert_eq!(
        answer,
        r#"{"ActionStatus":"FAIL","ErrorCode":50002,"ErrorInfo":"From_Account: missing, must be a string","ErrorDisplay":""}"#
    );
}
