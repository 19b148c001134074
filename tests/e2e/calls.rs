//! A handler that calls another host with the SDK's client, through the real host.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::{Value, json};

use e2e::guests;
use e2e::host::{Host, STRUCTURED, Site};

/// A request as the server saw it: its head in lower case, and its body's length.
struct Seen {
    head: String,
    body: usize,
}

/// A server of this machine that answers what its paths say.
struct Server {
    authority: String,
    seen: Receiver<Seen>,
}

impl Server {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let (tell, seen) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let tell = tell.clone();
                std::thread::spawn(move || serve(stream.unwrap(), &tell));
            }
        });
        Self { authority, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.authority)
    }
}

fn serve(stream: TcpStream, tell: &Sender<Seen>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let head = head.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let body = body.len();
    tell.send(Seen { head, body }).unwrap();
    let (status, more, answer) = match path.split('?').next().unwrap() {
        "/large" => ("200 OK", "", "y".repeat(300_000)),
        "/busy" => ("503 Busy", "retry-after: 3600\r\n", String::new()),
        "/silent" => return wait_for_the_end(reader),
        _ => ("200 OK", "content-type: text/plain\r\n", "hello".to_owned()),
    };
    let mut stream = reader.into_inner();
    let length = answer.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\n{more}content-length: {length}\r\nconnection: close\r\n\r\n{answer}"
    )
    .unwrap();
}

/// Says nothing, until the client gives up.
fn wait_for_the_end(mut reader: BufReader<TcpStream>) {
    // Whether it ends well or with a reset, it ends.
    let _ = reader.read_to_end(&mut Vec::new());
}

/// A host that lets the handler call the server.
fn start(server: &Server) -> (Site, Host) {
    let site = Site::empty();
    site.drop_in("calling", &guests::calling(&server.authority));
    site.sidecar(
        "calling",
        &format!("[grants]\nhttp = ['{}']\n", server.authority),
    );
    let host = site.start();
    (site, host)
}

/// Has the handler make a call.
fn call(host: &Host, id: &str, data: &Value) {
    let event = json!({
        "specversion": "1.0", "id": id, "source": "/test", "type": "test.calling.v1",
        "data": data,
    });
    let (status, body) = host.post(&[STRUCTURED], event.to_string());
    assert_eq!(status, 202, "{body}");
}

/// Waits until an attempt failed, and gives its reason.
fn wait_for_failure(host: &mut Host, id: &str) -> Value {
    host.wait_for_delivery(id, "calling", "waiting")["attempts"][0].clone()
}

#[test]
fn a_handler_calls_a_granted_host_and_publishes_the_answer() {
    let server = Server::new();
    let (_site, mut host) = start(&server);
    call(
        &host,
        "get",
        &json!({"method": "GET", "url": server.url("/hello")}),
    );
    host.wait_for_delivery("get", "calling", "done");
    let seen = server.seen.recv().unwrap();
    let head = &seen.head;
    assert!(
        head.starts_with("get /hello?name=ada%20%26%20co http/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nx-test: calling\r\n"), "{head}");
    assert!(head.contains("\r\nidempotency-key: calling."), "{head}");
    let [called] = host.of_type("test.result.called.v1").try_into().unwrap();
    let expected = json!({
        "status": 200, "content_type": "text/plain", "length": 5, "text": "hello",
    });
    assert_eq!(called["data"], expected);

    // More than fits into one chunk, both ways.
    let data = json!({"method": "POST", "url": server.url("/large"), "send": 500_000});
    call(&host, "post", &data);
    host.wait_for_delivery("post", "calling", "done");
    assert_eq!(server.seen.recv().unwrap().body, 500_000);
    let called = host.of_type("test.result.called.v1");
    assert!(
        called
            .iter()
            .any(|event| event["data"]["length"] == 300_000)
    );
}

#[test]
fn a_call_that_fails_is_a_retry_with_a_readable_reason() {
    let server = Server::new();
    let (_site, mut host) = start(&server);
    let url = server.url("/busy");
    call(&host, "busy", &json!({"method": "GET", "url": url}));
    let failed = wait_for_failure(&mut host, "busy");
    assert_eq!(
        failed["reason"],
        format!("GET {url} answered 503"),
        "{failed}"
    );

    let url = server.url("/silent");
    call(
        &host,
        "silent",
        &json!({"method": "GET", "url": url, "timeout_ms": 50}),
    );
    let failed = wait_for_failure(&mut host, "silent");
    assert_eq!(failed["reason"], format!("GET {url} got no answer in time"));

    // A body that nobody reads does not keep the reason away.
    let data = json!({"method": "POST", "url": "https://other.example/", "send": 500_000});
    call(&host, "other", &data);
    let failed = wait_for_failure(&mut host, "other");
    let reason = failed["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("POST https://other.example/ was refused: this handler may not call"),
        "{reason}"
    );
    assert!(reason.contains("`http = \"other.example\"`"), "{reason}");
}

#[test]
fn only_a_handler_that_calls_imports_what_calls() {
    let imports = |name: &str| {
        let mark = b"wasi:http";
        let component = guests::component(name);
        component.windows(mark.len()).any(|window| window == mark)
    };
    assert!(imports("mail-sender"));
    assert!(!imports("shipping"));
}
