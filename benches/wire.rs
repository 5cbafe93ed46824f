//! Times and allocations of the parts of a request that need no database: parse the body, verify the UserSig, apply the
//! rules, serialize the answer, count metrics. Run with `cargo bench --bench wire`.

#![expect(clippy::unwrap_used, reason = "a benchmark may fail loudly")]

use std::fmt::Write;
use std::io::{Read as _, Write as _};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use divan::{AllocProfiler, Bencher};
use earmark::domain::{
    App, Applied, BitChange, Change, Conversation, ConversationState, CustomMark, Directory, Entry,
    MarkChange, Presence, SdkAppId, SecretKey, StandardMark, UserId, UserState,
};
use earmark::http::caller::{Credentials, VerifiedSigs};
use earmark::http::json::{Field, Json};
use earmark::http::refused::RefusedRequests;
use earmark::http::request_id::RequestId;
use earmark::http::tencent::call::Call;
use earmark::http::tencent::codes::Code;
use earmark::http::tencent::envelope::{self, ItemCounts};
use earmark::http::tencent::recent_contact::contact_group::{ContactResultItem, ResultItem};
use earmark::http::tencent::recent_contact::contact_item::ContactItem;
use earmark::http::tencent::recent_contact::mark_contact::MarkContact;
use earmark::http::user_sig::UserSig;
use earmark::http::watch::Watch;
use earmark::metrics::Metrics;
use serde::Serialize;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const NOW: u64 = 1_800_000_000;
const ITEMS: [usize; 2] = [1, 100];

fn main() {
    divan::main();
}

fn app() -> App {
    let key = SecretKey::parse("0123456789abcdef0123456789abcdef").unwrap();
    App { directory: Directory::Open, ..App::new(SdkAppId::new(1_400_000_001).unwrap(), key) }
}

fn peer(nr: usize) -> Conversation {
    Conversation::OneToOne(UserId::parse(format!("user{nr}"), 32).unwrap())
}

fn body(items: usize) -> String {
    let mut body = r#"{"From_Account":"user0","MarkItem":["#.to_owned();
    for nr in 0..items {
        let comma = if nr == 0 { "" } else { "," };
        write!(
            body,
            r#"{comma}{{"OptType":3,"ContactItem":{{"Type":1,"To_Account":"user{nr}"}},"SetMark":[0,40],"ClearMark":[41],"CustomMark":"abcd"}}"#
        )
        .unwrap();
    }
    body + "]}"
}

/// From a body to a call.
#[divan::bench(args = ITEMS)]
fn parse(bencher: Bencher<'_, '_>, items: usize) {
    let (app, body) = (app(), body(items));
    bencher.bench(|| {
        let json = Json::parse(body.as_bytes()).unwrap();
        MarkContact::parse(&Field::root(&json), &app).unwrap()
    });
}

/// From a query string to a verified caller. "uncached" verifies a UserSig for the first time.
#[divan::bench(args = ["cached", "uncached"])]
fn verify(bencher: Bencher<'_, '_>, how: &str) {
    let app = app();
    let sig = UserSig::sign(&app.key.secret, app.sdk_app_id, "administrator", NOW, 180 * 24 * 3600);
    let query = format!(
        "sdkappid={}&identifier=administrator&usersig={sig}&random=99999999&contenttype=json",
        app.sdk_app_id
    );
    let who = Credentials::parse(&query).unwrap();
    let lookups = &Metrics::new().unwrap().user_sig_cache;
    if how == "cached" {
        let sigs = VerifiedSigs::new();
        sigs.check(&who, &app, NOW, lookups).unwrap();
        bencher.bench_local(|| {
            sigs.check(&Credentials::parse(&query).unwrap(), &app, NOW, lookups).unwrap();
        });
    } else {
        bencher.with_inputs(VerifiedSigs::new).bench_local_refs(|sigs| {
            sigs.check(&Credentials::parse(&query).unwrap(), &app, NOW, lookups).unwrap();
        });
    }
}

/// The times must be equal: otherwise an attacker could guess a signature byte by byte.
#[divan::bench(args = ["right", "first byte wrong", "last byte wrong"], sample_size = 2000)]
fn signature(bencher: Bencher<'_, '_>, how: &str) {
    let app = app();
    let signed = UserSig::sign(&app.key.secret, app.sdk_app_id, "administrator", NOW, 86_400);
    let packed =
        BASE64.decode(signed.replace('*', "+").replace('-', "/").replace('_', "=")).unwrap();
    let mut claims = String::new();
    flate2::read::ZlibDecoder::new(&*packed).read_to_string(&mut claims).unwrap();
    let mut claims: serde_json::Value = serde_json::from_str(&claims).unwrap();
    let mut mac = BASE64.decode(claims["TLS.sig"].as_str().unwrap()).unwrap();
    let last = mac.len() - 1;
    match how {
        "first byte wrong" => mac[0] ^= 1,
        "last byte wrong" => mac[last] ^= 1,
        _ => {}
    }
    claims["TLS.sig"] = BASE64.encode(mac).into();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    zlib.write_all(claims.to_string().as_bytes()).unwrap();
    let sig = BASE64.encode(zlib.finish().unwrap());
    let sig = UserSig::decode(&sig.replace('+', "*").replace('/', "-").replace('=', "_")).unwrap();
    assert_eq!(sig.verify(&app, "administrator", NOW).is_ok(), how == "right");
    bencher.bench(|| sig.verify(&app, "administrator", NOW).is_ok());
}

/// From a call and a loaded state to the changed rows.
#[divan::bench(args = ITEMS)]
fn apply(bencher: Bencher<'_, '_>, items: usize) {
    let app = app();
    let mut state = UserState::default();
    for nr in 0..items {
        let standard = StandardMark::new(1);
        let kept = ConversationState {
            position: Some(1),
            holds_place: true,
            standard,
            ..ConversationState::default()
        };
        state.load_entry(peer(nr), Entry::loaded(Some(kept), Presence::Unknown));
    }
    let bits = BitChange { set: StandardMark::new(1 << 40), clear: StandardMark::new(1 << 41) };
    let changes = (0..items).map(|nr| MarkChange {
        conversation: peer(nr),
        standard: Some(bits),
        custom: Some(CustomMark::parse("abcd", 256).unwrap()),
    });
    let change = Change::Mark(changes.collect());
    bencher
        .with_inputs(|| state.clone())
        .bench_local_refs(|state| change.apply(state, &app, NOW).unwrap());
}

#[derive(Serialize)]
struct Answer<T> {
    items: Vec<T>,
}

/// From the outcomes of a write to its answer.
#[divan::bench(args = ITEMS)]
fn frame(bencher: Bencher<'_, '_>, items: usize) {
    let shown: Vec<_> = (0..items).map(peer).collect();
    let applied =
        Applied { items: (0..items).map(|_| Ok(())).collect(), group: None, is_new: false };
    bencher.bench_local(|| {
        let shown = shown.iter().cloned().map(ContactItem).collect();
        envelope::success(Answer { items: ResultItem::list(shown, &applied) })
    });
}

/// From a page of `get_contact_group` to its answer.
#[divan::bench(args = [100])]
fn frame_page(bencher: Bencher<'_, '_>, items: usize) {
    let kept = ConversationState {
        standard: StandardMark::new(1 << 63 | 1),
        custom: CustomMark::parse("abcd", 256).unwrap(),
        holds_place: true,
        group_ids: vec![1, 2],
        position: Some(1),
        pin_position: None,
        changed_at: NOW,
    };
    bencher
        .with_inputs(|| (0..items).map(|nr| (peer(nr), kept.clone())).collect::<Vec<_>>())
        .bench_local_values(|page| {
            let items = page.into_iter().map(ContactResultItem).collect();
            envelope::success(Answer { items })
        });
}

/// All metrics of one write that does not share its commit, and its request id. The log is off.
#[divan::bench]
fn count(bencher: Bencher<'_, '_>) {
    let metrics = Metrics::new().unwrap();
    let (call, app) = (metrics.call("mark_contact"), metrics.app(1_400_000_001));
    let refused = RefusedRequests::default();
    bencher.bench_local(|| {
        let id = RequestId::make();
        let mut watch = Watch::start(&metrics, &refused, &call, &id);
        app.requests.inc();
        metrics.app_cache.hits.inc();
        metrics.user_sig_cache.hits.inc();
        metrics.commits.waited(Duration::from_micros(30));
        metrics.commits.ended(1, Duration::from_micros(900));
        watch.items = ItemCounts { ok: 1, ..ItemCounts::default() };
        watch.answered(Code::Ok);
        drop(watch);
        id.header()
    });
}
