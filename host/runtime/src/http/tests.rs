//! What leaves the host, where it goes, and how it ends.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt, Empty, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};
use waystation_core::{Digest, Grants, HandlerName};

use super::*;
use crate::guest_log::{GuestLog, Speaker};

/// Gives these answers in turn, the last one for ever, and counts.
struct Answers {
    answers: Mutex<VecDeque<IpAddr>>,
    asked: AtomicUsize,
}

impl Answers {
    fn new(addresses: &[&str]) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(addresses.iter().map(|text| text.parse().unwrap()).collect()),
            asked: AtomicUsize::new(0),
        })
    }
}

#[async_trait]
impl Lookup for Answers {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut answers = self.answers.lock().unwrap();
        let first = *answers.front().unwrap();
        if answers.len() > 1 {
            answers.pop_front();
        }
        Ok(vec![first])
    }
}

fn grants(http: &[&str], networks: &[&str]) -> Grants {
    Grants {
        http: http.iter().map(|text| text.parse().unwrap()).collect(),
        networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
        ..Grants::default()
    }
}

fn calls(outbound: &Outbound, grants: Grants) -> Calls {
    let handler = HandlerName::new("mailer").unwrap();
    let speaker = Speaker {
        handler: handler.clone(),
        generation: Digest::of(b""),
        event: "1".into(),
        attempt: 1,
    };
    let log = GuestLog::new(speaker, Arc::default());
    let caller = Caller {
        delivery: "mailer.7.abc".into(),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        deadline: Instant::now() + Duration::from_secs(600),
    };
    Calls::new(
        outbound.clone(),
        Arc::new(grants),
        handler,
        Arc::default(),
        log,
        caller,
        crate::witness::Witness::new(None),
    )
}

/// Calls that may reach the servers of a test, by their addresses.
fn calls_to(servers: &[&Server]) -> Calls {
    let authorities: Vec<String> = servers.iter().map(|server| server.authority()).collect();
    let authorities: Vec<&str> = authorities.iter().map(String::as_str).collect();
    calls(&Outbound::new(), grants(&authorities, &[]))
}

fn get(url: &str) -> Request<WasiBody> {
    Request::get(url).body(empty()).unwrap()
}

fn empty() -> WasiBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

async fn send(calls: &mut Calls, request: Request<WasiBody>) -> Result<Response<WasiBody>, Error> {
    send_within(calls, request, RequestOptions::default()).await
}

async fn send_within(
    calls: &mut Calls,
    request: Request<WasiBody>,
    options: RequestOptions,
) -> Result<Response<WasiBody>, Error> {
    let sent = calls.send_request(request, Some(options), Box::new(async { Ok(()) }));
    let (response, driver) = Box::into_pin(sent).await?;
    tokio::spawn(Box::into_pin(driver));
    Ok(response)
}

/// The name of how a request and its response ended, and the bytes of its body.
async fn ending(result: Result<Response<WasiBody>, Error>) -> (String, usize) {
    let name = |error: Error| format!("{error:?}");
    let mut body = match result {
        Ok(response) => response.into_body(),
        Err(error) => return (name(error), 0),
    };
    let mut bytes = 0;
    loop {
        match body.frame().await {
            Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Bytes::len),
            Some(Err(error)) => return (name(error), bytes),
            None => return ("ok".into(), bytes),
        }
    }
}

/// Answers each connection in the same way.
struct Server {
    port: u16,
    /// The heads of the requests that came.
    heads: Arc<Mutex<Vec<String>>>,
}

/// What a server says once it read the head of a request.
#[derive(Clone)]
enum Say {
    /// This, then it closes the connection.
    Once(Vec<u8>),
    /// This, then it leaves the connection open.
    ThenNothing(Vec<u8>),
    /// This, then the other again and again.
    ThenForever(&'static str, String),
}

impl Server {
    async fn new(say: Say) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = heads.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, say.clone(), kept.clone()));
            }
        });
        Self { port, heads }
    }

    async fn ok() -> Self {
        Self::new(Say::Once(
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi".into(),
        ))
        .await
    }

    fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn url(&self) -> String {
        format!("http://{}/", self.authority())
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, say: Say, heads: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    heads.lock().unwrap().push(String::from_utf8(head).unwrap());
    // Whoever hung up wants no more.
    let _ = match say {
        Say::Once(text) => stream.write_all(&text).await,
        Say::ThenNothing(text) => {
            let _ = stream.write_all(&text).await;
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.map(|_| ())
        }
        Say::ThenForever(text, again) => {
            let mut written = stream.write_all(text.as_bytes()).await;
            while written.is_ok() {
                written = stream.write_all(again.as_bytes()).await;
            }
            written
        }
    };
}

#[tokio::test]
async fn without_a_grant_nothing_is_looked_up_and_nothing_is_reached() {
    let server = Server::ok().await;
    let lookup = Answers::new(&["127.0.0.1"]);
    let outbound = Outbound::with_lookup(lookup.clone());
    let granted = grants(&["api.example:443"], &["127.0.0.0/8"]);
    let mut calls = calls(&outbound, granted);
    let others = [
        server.url(),
        format!("http://api.example:{}/", server.port),
        "http://api.example/".into(),
        "https://api.example.attacker.example/".into(),
    ];
    for url in others {
        let refused = send(&mut calls, get(&url)).await;
        assert_eq!(ending(refused).await.0, "HttpRequestDenied", "{url}");
    }
    assert_eq!(lookup.asked.load(Ordering::Relaxed), 0);
    assert_eq!(server.heads(), Vec::<String>::new());
}

#[tokio::test]
async fn a_name_leads_to_a_private_address_only_where_its_network_is_granted() {
    let server = Server::ok().await;
    let authority = format!("api.example:{}", server.port);
    let url = format!("http://{authority}/");
    let check = async |networks: &[&str], expected: &str| {
        let outbound = Outbound::with_lookup(Answers::new(&["127.0.0.1"]));
        let mut calls = calls(&outbound, grants(&[&authority], networks));
        let result = send(&mut calls, get(&url)).await;
        assert_eq!(ending(result).await.0, expected, "{networks:?}");
    };
    check(&[], "DestinationIpProhibited").await;
    check(&["10.0.0.0/8"], "DestinationIpProhibited").await;
    assert_eq!(server.heads().len(), 0);
    check(&["127.0.0.0/8"], "ok").await;
    assert_eq!(server.heads().len(), 1);
}

#[tokio::test]
async fn no_metadata_service_is_reached_by_a_name() {
    for address in ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254"] {
        let outbound = Outbound::with_lookup(Answers::new(&[address]));
        let mut calls = calls(&outbound, grants(&["api.example:80"], &[]));
        let result = send(&mut calls, get("http://api.example/")).await;
        assert_eq!(
            ending(result).await.0,
            "DestinationIpProhibited",
            "{address}"
        );
    }
}

/// The second answer is another address: had the name been looked up again after
/// the check, the connection would have gone there.
#[tokio::test]
async fn a_name_is_looked_up_once_and_the_checked_address_is_connected_to() {
    let server = Server::ok().await;
    let authority = format!("api.example:{}", server.port);
    let lookup = Answers::new(&["127.0.0.1", "127.0.0.2"]);
    let outbound = Outbound::with_lookup(lookup.clone());
    let mut calls = calls(&outbound, grants(&[&authority], &["127.0.0.1/32"]));
    let url = format!("http://{authority}/");
    assert_eq!(
        ending(send(&mut calls, get(&url)).await).await,
        ("ok".into(), 2)
    );
    assert_eq!(lookup.asked.load(Ordering::Relaxed), 1);
    let rebound = send(&mut calls, get(&url)).await;
    assert_eq!(ending(rebound).await.0, "DestinationIpProhibited");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::ok().await;
    let to = elsewhere.url();
    let moved = format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
    let server = Server::new(Say::Once(moved.into())).await;
    let mut calls = calls_to(&[&server, &elsewhere]);
    let response = send(&mut calls, get(&server.url())).await.unwrap();
    assert_eq!(response.status(), 302);
    assert_eq!(response.headers()["location"], to);
    assert_eq!(elsewhere.heads(), Vec::<String>::new());
}

fn field(head: &str, name: &str) -> Option<String> {
    let prefix = format!("{name}: ");
    let mut lines = head.lines();
    lines
        .find_map(|line| line.strip_prefix(&prefix))
        .map(str::to_owned)
}

#[tokio::test]
async fn a_request_says_on_whose_behalf_it_is_made() {
    let server = Server::ok().await;
    let mut calls = calls_to(&[&server]);
    let post = || Request::post(server.url()).body(empty()).unwrap();
    let mut own = post();
    own.headers_mut()
        .insert("idempotency-key", "mine".parse().unwrap());
    own.headers_mut()
        .insert("traceparent", "mine".parse().unwrap());
    for request in [get(&server.url()), post(), post(), own] {
        assert_eq!(ending(send(&mut calls, request).await).await.0, "ok");
    }
    let heads = server.heads();
    let keys: Vec<_> = heads
        .iter()
        .map(|head| field(head, "idempotency-key").unwrap())
        .collect();
    assert_eq!(
        keys,
        ["mailer.7.abc", "mailer.7.abc", "mailer.7.abc-2", "mine"]
    );
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(field(&heads[0], "traceparent").as_deref(), Some(trace));
    assert_eq!(field(&heads[3], "traceparent").as_deref(), Some("mine"));
    assert_eq!(field(&heads[0], "host"), Some(server.authority()));
    assert!(heads[0].starts_with("GET / HTTP/1.1\r\n"), "{}", heads[0]);
}

#[tokio::test]
async fn a_response_that_breaks_a_bound_ends_with_its_error() {
    let check = async |say: Say, expected: &str| -> usize {
        let server = Server::new(say).await;
        let result = send(&mut calls_to(&[&server]), get(&server.url())).await;
        let (found, bytes) = ending(result).await;
        assert!(found.starts_with(expected), "{found}");
        bytes
    };
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let kibibyte = format!("400\r\n{}\r\n", "x".repeat(1024));
    let head = "HTTP/1.1 200 OK\r\n";
    check(
        Say::ThenForever(head, "x: y\r\n".into()),
        "HttpResponseHeaderSectionSize",
    )
    .await;
    check(
        Say::ThenForever(head, "x".into()),
        "HttpResponseHeaderSectionSize",
    )
    .await;
    let bytes = check(Say::ThenForever(chunked, kibibyte), "HttpResponseBodySize").await;
    assert!(
        bytes as u64 <= limits::OUTBOUND_RESPONSE_BYTES_MAX,
        "{bytes}"
    );
    let announced = b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n";
    check(Say::ThenNothing(announced.into()), "HttpResponseBodySize").await;
    let short = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi";
    check(Say::Once(short.into()), "HttpResponseIncomplete").await;
    check(Say::Once(b"gopher\r\n\r\n".into()), "Hyper").await;
    check(Say::Once(Vec::new()), "HttpResponseIncomplete").await;
}

const MOMENT: Duration = Duration::from_millis(20);

#[tokio::test]
async fn a_server_that_stops_answering_is_given_up() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi";
    let check = async |say: &[u8], expected: (&str, usize)| {
        let server = Server::new(Say::ThenNothing(say.into())).await;
        let options = RequestOptions {
            connect_timeout: None,
            first_byte_timeout: say.is_empty().then_some(MOMENT),
            between_bytes_timeout: Some(MOMENT),
        };
        let result = send_within(&mut calls_to(&[&server]), get(&server.url()), options).await;
        assert_eq!(ending(result).await, (expected.0.to_owned(), expected.1));
    };
    check(b"", ("ConnectionReadTimeout", 0)).await;
    check(head, ("ConnectionReadTimeout", 2)).await;
}

#[tokio::test]
async fn no_wait_is_longer_than_what_is_left_of_the_attempt() {
    let server = Server::new(Say::ThenNothing(Vec::new())).await;
    let mut calls = calls_to(&[&server]);
    let deadline = Instant::now() + 10 * MOMENT;
    calls.begin(Caller {
        delivery: "mailer.7.abc".into(),
        traceparent: None,
        deadline,
    });
    let options = RequestOptions {
        first_byte_timeout: Some(Duration::MAX),
        ..RequestOptions::default()
    };
    let sent = send_within(&mut calls, get(&server.url()), options);
    // Without the deadline it would wait as long as any request may.
    let result = timeout(limits::OUTBOUND_HEAD_TIMEOUT / 2, sent).await;
    assert_eq!(ending(result.unwrap()).await.0, "ConnectionReadTimeout");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_sent() {
    let server = Server::new(Say::ThenNothing(Vec::new())).await;
    let mut calls = calls_to(&[&server]);
    let bytes = vec![0; limits::OUTBOUND_REQUEST_BYTES_MAX as usize + 1];
    let body = Full::from(bytes).map_err(|never| match never {});
    assert!(body.size_hint().exact().is_some());
    let request = Request::post(server.url())
        .body(body.boxed_unsync())
        .unwrap();
    let (found, _) = ending(send(&mut calls, request).await).await;
    assert_eq!(found, "HttpRequestBodySize(Some(4194304))");
}

#[tokio::test]
async fn an_attempt_makes_so_many_requests_and_the_next_begins_anew() {
    let mut calls = calls(&Outbound::new(), Grants::default());
    let url = "http://api.example/";
    for _ in 0..limits::OUTBOUND_REQUESTS_MAX {
        let refused = send(&mut calls, get(url)).await;
        assert_eq!(ending(refused).await.0, "HttpRequestDenied");
    }
    let refused = send(&mut calls, get(url)).await;
    assert_eq!(ending(refused).await.0, "ConnectionLimitReached");
    let caller = Caller {
        delivery: "mailer.8.abc".into(),
        traceparent: None,
        deadline: Instant::now(),
    };
    calls.begin(caller);
    let refused = send(&mut calls, get(url)).await;
    assert_eq!(ending(refused).await.0, "HttpRequestDenied");
}

#[tokio::test]
async fn more_requests_than_may_be_under_way_wait_for_one_to_end() {
    let server = Server::new(Say::ThenNothing(
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n".into(),
    ))
    .await;
    let mut calls = calls_to(&[&server]);
    assert!(!calls.are_open());
    let mut under_way = Vec::new();
    for _ in 0..limits::OUTBOUND_AT_ONCE_MAX {
        let sent = calls.send_request(get(&server.url()), None, Box::new(async { Ok(()) }));
        under_way.push(Box::into_pin(sent).await.unwrap());
    }
    assert!(calls.are_open());
    let options = RequestOptions {
        connect_timeout: Some(MOMENT),
        ..RequestOptions::default()
    };
    let waited = send_within(&mut calls, get(&server.url()), options).await;
    assert_eq!(ending(waited).await.0, "ConnectionTimeout");
    under_way.pop();
    send(&mut calls, get(&server.url())).await.unwrap();
    under_way.clear();
}

#[tokio::test]
async fn what_is_no_request_to_one_host_is_refused() {
    let check = async |request: Request<WasiBody>, expected: &str| {
        let mut calls = calls(&Outbound::new(), grants(&["api.example:80"], &[]));
        assert_eq!(ending(send(&mut calls, request).await).await.0, expected);
    };
    let user = get("http://api.example:80@attacker.example/");
    check(user, "HttpRequestUriInvalid").await;
    let mut tunnel = get("http://api.example/");
    *tunnel.method_mut() = Method::CONNECT;
    check(tunnel, "HttpRequestMethodInvalid").await;
}

mod secure {
    //! A server with a certificate of its own.

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

    use super::*;

    /// A server that is `api.example`, and what trusts it.
    async fn server() -> (u16, RootCertStore) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["api.example".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let provider = Arc::new(crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that trusts nobody hangs up.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
                stream.write_all(answer).await.unwrap();
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
            }
        });
        (port, roots)
    }

    #[tokio::test]
    async fn the_other_side_must_prove_that_it_is_the_granted_host() {
        let (port, roots) = server().await;
        let check = async |name: &str, roots: RootCertStore, expected: &str| {
            let mut outbound = Outbound::with_lookup(Answers::new(&["127.0.0.1"]));
            outbound.tls = Arc::new(Tls::trusting(roots));
            let authority = format!("{name}:{port}");
            let mut calls = calls(&outbound, grants(&[&authority], &["127.0.0.0/8"]));
            let result = send(&mut calls, get(&format!("https://{authority}/"))).await;
            let code = match result {
                Err(Error::Tls(error)) => format!("{:?}", calls.p2_error_from_tls(&error)),
                other => ending(other).await.0,
            };
            assert!(code.contains(expected), "{name}: {code}");
        };
        check("api.example", roots.clone(), "ok").await;
        check("other.example", roots, "TlsCertificateError").await;
        check("api.example", RootCertStore::empty(), "TlsCertificateError").await;
    }
}
