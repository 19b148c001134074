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
    let (asked, may_answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
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

/// The status of the answer to these headers.
async fn status_of(headers: &str) -> String {
    let listener = bind().await;
    let mut client = TcpStream::connect(listener.address()).await.unwrap();
    let (_stop, stopped) = watch::channel(false);
    let router = Router::new().route("/", get(|| async {}));
    tokio::spawn(listener.serve(router, stopped));
    let request =
        format!("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n");
    // The listener may have seen enough before it came whole.
    let _ = client.write_all(request.as_bytes()).await;
    let mut status = [0; "HTTP/1.1 200".len()];
    client.read_exact(&mut status).await.unwrap();
    String::from_utf8_lossy(&status).into_owned()
}

#[tokio::test]
async fn the_number_of_headers_is_bounded() {
    let headers = |count: usize| "a: b\r\n".repeat(count - 2);
    let fits = status_of(&headers(limits::HTTP_HEADERS_MAX)).await;
    assert_eq!(fits, "HTTP/1.1 200");
    let too_many = status_of(&headers(limits::HTTP_HEADERS_MAX + 1)).await;
    assert_eq!(too_many, "HTTP/1.1 431");
}

#[tokio::test]
async fn the_size_of_the_headers_is_bounded() {
    let header = |bytes: usize| format!("a: {}\r\n", "b".repeat(bytes));
    let fits = status_of(&header(limits::HTTP_HEADERS_BYTES_MAX - 1_024)).await;
    assert_eq!(fits, "HTTP/1.1 200");
    let too_large = status_of(&header(limits::HTTP_HEADERS_BYTES_MAX)).await;
    assert_eq!(too_large, "HTTP/1.1 431");
}

/// Sends the head of a request and nothing of its body, and waits until it is
/// there.
async fn stall(address: SocketAddr, came: &Notify) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n";
    client.write_all(head).await.unwrap();
    came.notified().await;
    client
}

#[tokio::test]
async fn a_connection_too_many_takes_the_seat_of_the_one_that_rests_longest() {
    let listener = bind().await.with_connections_max(2);
    let address = listener.address();
    let came = Arc::new(Notify::new());
    let came_too = came.clone();
    let router = Router::new().route(
        "/",
        get(|| async { "done" }).post(|body: Body| async move {
            came_too.notify_one();
            axum::body::to_bytes(body, 10).await.unwrap();
            "done"
        }),
    );
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(listener.serve(router, stopped));

    let mut oldest = stall(address, &came).await;
    let mut newer = stall(address, &came).await;
    let mut client = ask(address).await;
    let mut status = [0; "HTTP/1.1 200".len()];
    client.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    let mut nothing = Vec::new();
    // A reset tells the same.
    let _ = oldest.read_to_end(&mut nothing).await;
    assert_eq!(nothing, b"");
    newer.write_all(b"x").await.unwrap();
    newer.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
}

#[tokio::test]
async fn a_connection_too_many_waits_while_all_others_are_answered() {
    let listener = bind().await.with_connections_max(1);
    let address = listener.address();
    let (asked, may_answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (asked_too, may_answer_too) = (asked.clone(), may_answer.clone());
    let router = Router::new().route(
        "/",
        get(move || async move {
            asked_too.notify_one();
            may_answer_too.notified().await;
            "done"
        }),
    );
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(listener.serve(router, stopped));

    let mut first = ask(address).await;
    asked.notified().await;
    let mut second = ask(address).await;
    may_answer.notify_one();
    let mut answer = String::new();
    first.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    asked.notified().await;
    may_answer.notify_one();
    let mut status = [0; "HTTP/1.1 200".len()];
    second.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
}
