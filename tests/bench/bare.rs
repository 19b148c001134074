//! The floor of HTTP: the host's own server with a handler that reads the body and
//! answers, in a process of its own.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::routing::post;
use tokio::sync::watch;
use waystation_core::limits;

/// The host's own source.
#[path = "../../host/src/serve"]
mod serve {
    pub mod listener;
}

use serve::listener::Listener;

/// The argument with which this program starts itself as such a server.
pub const SERVE: &str = "bare-server";

/// As long as what the host answers to one event.
const ANSWER: &str = r#"{"accepted":1,"duplicates":0,"sequences":[123456]}"#;

/// A server that runs. It ends when this is dropped, or when this process does.
pub struct Bare {
    child: Child,
    url: String,
    _lives: ChildStdin,
}

impl Bare {
    pub fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut line).unwrap();
        Self {
            _lives: child.stdin.take().unwrap(),
            url: line.trim().to_owned(),
            child,
        }
    }

    /// The URL where it takes anything.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until standard input ends, on a runtime like that of the host.
pub fn serve() {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores)
        .enable_all()
        .build()
        .unwrap();
    let (stop, stopped) = watch::channel(false);
    thread::spawn(move || {
        let ended = io::stdin().read_to_end(&mut Vec::new());
        stop.send_replace(true);
        ended
    });
    runtime.block_on(async {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Listener::bind("", any).await.unwrap();
        println!("http://{}/events", listener.address());
        let listener = listener.with_connections_max(limits::HTTP_CONNECTIONS_MAX);
        let router = Router::new().route("/events", post(answer));
        listener.serve(router, stopped).await;
    });
}

async fn answer(body: Bytes) -> (StatusCode, [(HeaderName, &'static str); 1], &'static str) {
    drop(body);
    (
        StatusCode::ACCEPTED,
        [(CONTENT_TYPE, "application/json")],
        ANSWER,
    )
}
