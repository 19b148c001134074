use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;

use super::*;

const ANY: &str = "127.0.0.1:0";

async fn bind() -> Listener {
    Listener::bind("--listen", ANY.parse().unwrap())
        .await
        .unwrap()
}

async fn ask(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    client
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let address = bind().await;
    let error = Listener::bind("--admin", address.address())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains(&address.address().to_string()), "{error}");
    assert!(error.contains("another address with --admin"), "{error}");
    assert!(error.contains("port 0"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_under_way_is_given_before_the_end() {
    let listener = bind().await;
    let address = listener.address();
    let (asked, may_answer) = (
        std::sync::Arc::new(Notify::new()),
        std::sync::Arc::new(Notify::new()),
    );
    let (asked_too, may_answer_too) = (asked.clone(), may_answer.clone());
    let router = Router::new().route(
        "/",
        get(move || async move {
            asked_too.notify_one();
            may_answer_too.notified().await;
            "done"
        }),
    );
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(listener.serve(router, stopped));

    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut client = ask(address).await;
    asked.notified().await;
    stop.send_replace(true);
    // The idle connection is closed at once, the other one after its answer.
    let mut nothing = Vec::new();
    idle.read_to_end(&mut nothing).await.unwrap();
    assert_eq!(nothing, b"");
    assert!(!serving.is_finished());
    may_answer.notify_one();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("done"), "{answer}");
    serving.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_no_headers_is_cut_off() {
    let listener = bind().await;
    let mut client = TcpStream::connect(listener.address()).await.unwrap();
    client.write_all(b"GET / HT").await.unwrap();
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(listener.serve(Router::new(), stopped));
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"),
        "{answer:?}"
    );
}
