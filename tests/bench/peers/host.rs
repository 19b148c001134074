//! The host.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use e2e::guests;
use e2e::host::{BATCH, Host, STRUCTURED, Site};

use super::{Lines, PATIENCE, Peer, event};
use crate::cpu::{Took, Whose};
use crate::wall::pause;

const HANDLER: &str = "measured";
/// How often it is asked how far its handler has come.
const GLANCE: Duration = Duration::from_millis(10);

pub struct Waystation {
    site: Site,
    host: Host,
    address: SocketAddr,
    batch: u64,
}

/// Starts a host without handlers.
pub fn start(batch: u64) -> Waystation {
    let site = Site::below(&guests::scratch());
    let host = site.start();
    let address = host.events_url().strip_prefix("http://").unwrap();
    let address = address.strip_suffix("/events").unwrap().parse().unwrap();
    Waystation {
        site,
        host,
        address,
        batch,
    }
}

impl Peer for Waystation {
    fn pid(&self) -> u32 {
        self.host.pid()
    }

    fn batch(&self) -> u64 {
        self.batch
    }

    fn publisher(&self) -> Box<dyn FnMut(u64) + Send> {
        let (address, batch) = (self.address, self.batch);
        let mut connection = Lines::connect(address);
        Box::new(move |first| {
            let (kind, body) = if batch == 1 {
                (STRUCTURED.1, event(first))
            } else {
                let events: Vec<String> = (first..first + batch).map(event).collect();
                (BATCH.1, format!("[{}]", events.join(",")))
            };
            let request = format!(
                "POST /events HTTP/1.1\r\nhost: {address}\r\ncontent-type: {kind}\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            );
            connection.send(request.as_bytes());
            expect_202(&mut connection);
        })
    }

    fn stored(&mut self) -> u64 {
        newest(&self.host)
    }

    /// From the moment when the handler, which is compiled first, was seen at work.
    fn consume(&mut self, events: u64) -> (u64, Took) {
        self.site.sidecar(HANDLER, "start = 'earliest'\n");
        self.site.drop_in(HANDLER, &guests::component(HANDLER));
        let begun = self.wait_for_cursor(1);
        let span = Whose::Process(self.pid()).begin();
        let end = self.wait_for_cursor(begun + events);
        let took = span.end();
        let row = self.host.handler(HANDLER);
        assert_eq!((&row["dead"], &row["waiting"]), (&0.into(), &0.into()));
        (end - begun, took)
    }
}

impl Waystation {
    /// Waits until the handler's cursor is at least there: where it is.
    fn wait_for_cursor(&mut self, least: u64) -> u64 {
        let end = Instant::now() + PATIENCE;
        loop {
            let cursor = self.host.handler(HANDLER)["cursor"].as_u64();
            match cursor {
                Some(cursor) if cursor >= least => return cursor,
                _ => assert!(Instant::now() < end, "it stays at {cursor:?}"),
            }
            pause(GLANCE);
        }
    }
}

fn newest(host: &Host) -> u64 {
    host.get("/api/events?limit=1")[0]["sequence"]
        .as_u64()
        .unwrap()
}

fn expect_202(connection: &mut Lines) {
    let status = connection.line();
    assert!(status.starts_with("HTTP/1.1 202"), "{status}");
    let mut length = 0;
    loop {
        let line = connection.line();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
    }
    connection.bytes(length);
}
