//! Each worker must be able to serve, or the service is not ready.

use std::sync::mpsc;

use earmark::service::{Service, Settings};
use earmark::store::{Database, Partitions};

use crate::support::*;

#[actix_web::test]
async fn a_worker_whose_thread_hangs_makes_the_service_not_ready_until_it_goes_on() {
    let app = TestApp::start().await;
    let options = app.options();
    let service = on_runtime(async move {
        let partitions = Partitions::connect(&Database::from_options(options)).await.unwrap();
        Service::new(partitions, Settings::default())
    })
    .await;
    until(async || service.is_ready().await).await;

    let (whole, (go_on, wait), (end, ended)) =
        (service.clone(), mpsc::channel::<()>(), tokio::sync::oneshot::channel::<()>());
    let worker = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let _worker = whole.for_this_thread(1);
            wait.recv().unwrap();
            ended.await.unwrap();
        });
    });
    until(async || !service.is_ready().await).await;
    go_on.send(()).unwrap();
    until(async || service.is_ready().await).await;

    end.send(()).unwrap();
    worker.join().unwrap();
    let close = service.clone();
    on_runtime(async move { close.close().await }).await;
}
