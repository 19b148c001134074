//! Calls of other hosts, by a guest, to servers that are well-behaved or not.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use waystation_core::{Code, Grants, Instances, Outcome, limits};

use waystation_runtime::Ended;

use crate::reaching::{Given, Reaching, answers};
use crate::trial::HANG;

/// A server at an address of its own.
struct Server {
    authority: String,
    accepting: JoinHandle<()>,
    /// Closed when the last connection ended.
    connections: mpsc::Receiver<()>,
}

impl Server {
    /// Says `first` to each client, then `again` and again; nothing if it is
    /// empty. A connection ends when the client ends it.
    async fn new(first: &'static str, again: &str) -> Self {
        let again: Arc<str> = again.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let (open, connections) = mpsc::channel(1);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (open, again) = (open.clone(), again.clone());
                tokio::spawn(async move {
                    serve(stream, first, &again).await;
                    drop(open);
                });
            }
        });
        Self {
            authority,
            accepting,
            connections,
        }
    }

    /// A step that calls it.
    fn call(&self) -> String {
        format!(r#"{{"http":"{}"}}"#, self.authority)
    }

    /// Waits until each client ended its connection.
    async fn ended(mut self) {
        self.accepting.abort();
        let ended = timeout(HANG, self.connections.recv()).await;
        assert_eq!(ended, Ok(None), "a connection outlived its attempt");
    }
}

async fn serve(mut stream: TcpStream, first: &str, again: &str) {
    let mut sent = stream.write_all(first.as_bytes()).await;
    while sent.is_ok() && !again.is_empty() {
        sent = stream.write_all(again.as_bytes()).await;
    }
    // Whether it ends well or with a reset, it ends.
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

fn granted(servers: &[&Server]) -> Grants {
    Grants {
        http: servers
            .iter()
            .map(|server| server.authority.parse().unwrap())
            .collect(),
        state: vec!["stock".into()],
        ..Grants::default()
    }
}

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_granted_host_answers() {
    let server = Server::new(HELLO, "").await;
    let reaching = Reaching::granted(granted(&[&server])).await;
    reaching
        .check(&format!("[{}]", server.call()), r#"["200 5"]"#)
        .await;
    server.ended().await;
}

/// Makes one attempt, and tells how much memory the process took more than
/// before, at most, in bytes.
async fn measured(reaching: &Reaching, steps: &str) -> (Ended, usize) {
    // Forgets what was taken at most until now (proc(5)).
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS");
    let ended = reaching.attempt(steps).await;
    let grown = status("VmHWM").saturating_sub(before);
    (ended, grown * 1024)
}

/// A number of `/proc/self/status`.
fn status(field: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

/// What an attempt may take beside the memory of its instance, in bytes.
const HOST_BYTES_MAX: usize = 32 * 1024 * 1024;

#[tokio::test]
async fn what_a_server_does_ends_the_call_and_costs_little_memory() {
    let check = async |first, again: &str, expected: &str| {
        let server = Server::new(first, again).await;
        let reaching = Reaching::new(Given {
            grants: granted(&[&server]),
            timeout: Duration::from_secs(2),
            ..Given::default()
        })
        .await;
        let (ended, grown) = measured(&reaching, &format!("[{}]", server.call())).await;
        let answer = answers(&ended);
        assert!(answer.contains(expected), "{answer}");
        assert!(
            grown < limits::MEMORY_BYTES + HOST_BYTES_MAX,
            "{grown} bytes"
        );
        drop(reaching);
        server.ended().await;
    };
    check("", "", "ErrorCode::ConnectionReadTimeout").await;
    check(
        "HTTP/1.1 200 OK\r\n",
        "x: y\r\n",
        "ErrorCode::HttpResponseHeaderSectionSize",
    )
    .await;
    let endless = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let kibibyte = format!("400\r\n{}\r\n", "x".repeat(1024));
    check(endless, &kibibyte, "HTTP response body size").await;
    check(
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        "",
        "302 0",
    )
    .await;
}

#[tokio::test]
async fn a_hoard_of_requests_ends_at_the_bound_of_resources() {
    let reaching = Reaching::granted(Grants::default()).await;
    let (ended, grown) = measured(&reaching, r#"["hoard"]"#).await;
    let Outcome::Retry(failure) = ended.outcome else {
        panic!("{:?}", ended.outcome)
    };
    assert_eq!(failure.code, Code::Trap, "{}", failure.reason);
    assert!(
        grown < limits::MEMORY_BYTES + HOST_BYTES_MAX,
        "{grown} bytes"
    );
}

/// The instance could be reused, and the guest holds on to its call.
#[tokio::test]
async fn a_call_that_a_guest_leaves_ends_with_its_attempt() {
    let left = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let answering = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (a, b) = (left.local_addr().unwrap(), answering.local_addr().unwrap());
    let (accepted, is_accepted) = oneshot::channel();
    let outlived = tokio::spawn(async move {
        let (mut stream, _) = left.accept().await.unwrap();
        accepted.send(()).unwrap();
        stream.read_to_end(&mut Vec::new()).await
    });
    // The attempt cannot end before the call that it leaves is connected.
    tokio::spawn(async move {
        is_accepted.await.unwrap();
        let (stream, _) = answering.accept().await.unwrap();
        serve(stream, HELLO, "").await;
    });
    let reaching = Reaching::new(Given {
        grants: Grants {
            http: vec![
                a.to_string().parse().unwrap(),
                b.to_string().parse().unwrap(),
            ],
            ..Grants::default()
        },
        instances: Instances::Reused,
        ..Given::default()
    })
    .await;
    let steps = format!(r#"[{{"leave":"{a}"}},{{"http":"{b}"}}]"#);
    reaching.check(&steps, r#"["left","200 5"]"#).await;
    let ended = timeout(HANG, outlived)
        .await
        .expect("the call outlived its attempt");
    ended.unwrap().unwrap();
}

/// The attempts that are dropped.
const DROPPED: u64 = 10_000;

/// How many of them run side by side.
const SIDE_BY_SIDE: usize = 64;

/// The longest that one of them runs, in microseconds.
const MICROSECONDS_MAX: u64 = 4_000;

/// The memory that the process may have more after thousands of attempts, for
/// what its allocator keeps, in bytes.
const RESIDENT_GROWTH_MAX: usize = 32 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_dropped_at_any_await_leave_nothing_behind() {
    let (silent, answering) = (Server::new("", "").await, Server::new(HELLO, "").await);
    let reaching = Arc::new(Reaching::granted(granted(&[&silent, &answering])).await);
    let scripts = [
        r#"[{"open":"stock"},{"set":["a","1"]},{"get":"wait"}]"#.to_owned(),
        format!("[{}]", silent.call()),
        format!("[{}]", answering.call()),
        r#"[{"open":"stock"},{"increment":["a",1]}]"#.to_owned(),
    ]
    .map(Arc::<str>::from);
    let drop_some = async |range: std::ops::Range<u64>| {
        let mut tasks = JoinSet::new();
        for index in range {
            if tasks.len() == SIDE_BY_SIDE {
                tasks.join_next().await.unwrap().unwrap();
            }
            let (reaching, script) = (reaching.clone(), scripts[index as usize % 4].clone());
            // The factor is prime, so the points spread over the whole range.
            let limit = Duration::from_micros(index * 7_919 % MICROSECONDS_MAX);
            tasks.spawn(async move { timeout(limit, reaching.attempt(&script)).await.is_ok() });
        }
        tasks.join_all().await;
    };
    // What is made once is there after the first of them.
    drop_some(0..DROPPED / 5).await;
    let (resident, threads) = (status("VmRSS"), status("Threads"));
    drop_some(DROPPED / 5..DROPPED).await;

    silent.ended().await;
    answering.ended().await;
    // Those that the runtime keeps for blocking work may have ended meanwhile.
    assert!(status("Threads") <= threads);
    let grown = status("VmRSS").saturating_sub(resident) * 1024;
    assert!(grown < RESIDENT_GROWTH_MAX, "{grown} bytes");
    let mut held = Vec::new();
    for _ in 0..limits::INSTANCES_MAX {
        let mut attempt = Box::pin(reaching.attempt(&scripts[0]));
        let ended = (&mut attempt).now_or_never();
        assert!(ended.is_none(), "it ended with {ended:?}");
        held.push(attempt);
    }
}
