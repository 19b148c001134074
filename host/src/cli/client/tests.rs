//! Clients against listeners that give answers from a list.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use super::*;
use crate::api::Handler;

/// A listener that gives these answers, one a connection, and hands back the
/// requests: the first line and the body of each.
pub fn listener(answers: Vec<String>) -> (Client, JoinHandle<Vec<(String, String)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let served = std::thread::spawn(move || {
        let serve = |answer: String| exchange(listener.accept().unwrap().0, &answer);
        answers.into_iter().map(serve).collect()
    });
    (Client::new(address, "--admin"), served)
}

/// An answer with a status line, headers and a body.
pub fn answer(head: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// The body of a problem.
pub fn problem(status: u16, detail: &str) -> String {
    format!(r#"{{"type":"/problems/x","title":"X","status":{status},"detail":"{detail}"}}"#)
}

fn exchange(mut stream: TcpStream, answer: &str) -> (String, String) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    stream.write_all(answer.as_bytes()).unwrap();
    (head[0].trim().to_owned(), String::from_utf8(body).unwrap())
}

fn check(answer: String, expected: (Exit, &str)) {
    let (client, served) = listener(vec![answer]);
    let address = client.address.to_string();
    let error = client
        .get::<Vec<Handler>>("/api/handlers", &[])
        .unwrap_err();
    served.join().unwrap();
    let (exit, text) = Failure::from(error).parts();
    assert_eq!((exit, text.replace(&address, "ADDRESS").as_str()), expected);
}

#[test]
fn the_answer_decides_the_exit_code() {
    let busy = answer("503 Busy\r\nretry-after: 1", &problem(503, "try again"));
    check(
        busy,
        (
            Exit::Unreachable,
            "error: the host at ADDRESS is busy: try again\n",
        ),
    );
    let missing = answer("404 Not Found", &problem(404, "no such event"));
    check(missing, (Exit::Negative, "error: no such event\n"));
    let stopping = answer("503 Unavailable", &problem(503, "the host is stopping"));
    check(
        stopping,
        (Exit::Unreachable, "error: the host is stopping\n"),
    );
    check(
        answer("200 OK", "<html>"),
        (
            Exit::Unreachable,
            "error: what answers at ADDRESS is no Waystation host of this version: status 200\n  \
             because: expected value at line 1 column 1\n\
             hint: give the address of the host with --admin\n",
        ),
    );
}

#[test]
fn a_host_that_is_not_there_is_named_with_what_to_do() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let client = Client::new(closed.to_string().parse().unwrap(), "--admin");
    let error = client
        .get::<Vec<Handler>>("/api/handlers", &[])
        .unwrap_err();
    let (exit, text) = Failure::from(error).parts();
    assert_eq!(exit, Exit::Unreachable);
    let expected = format!("error: no host answers at http://{closed}\n  because: ");
    assert!(text.starts_with(&expected), "{text}");
    let hint = "hint: is `waystation run` running? give another address with --admin\n";
    assert!(text.ends_with(hint), "{text}");
}

#[test]
fn a_query_is_escaped_and_leaves_out_what_has_no_value() {
    let (client, served) = listener(vec![answer("200 OK", "[]")]);
    let query = [("id", Some("a b&c".to_owned())), ("limit", None)];
    assert_eq!(client.get::<Vec<Handler>>("/api/x", &query).unwrap(), []);
    assert_eq!(
        served.join().unwrap()[0].0,
        "GET /api/x?id=a%20b%26c HTTP/1.1"
    );
}

#[test]
fn an_address_is_a_host_and_a_port() {
    for (text, expected) in [
        ("127.0.0.1:8081", Ok("http://127.0.0.1:8081")),
        ("http://localhost:80/", Ok("http://localhost:80")),
        ("[::1]:8081", Ok("http://[::1]:8081")),
        ("https://a:1", Err(AddressError::Https)),
        ("localhost", Err(AddressError::Syntax)),
        ("localhost:99999", Err(AddressError::Syntax)),
        ("http://a:1/path", Err(AddressError::Syntax)),
        ("me@a:1", Err(AddressError::Syntax)),
        (":8081", Err(AddressError::Syntax)),
        ("", Err(AddressError::Syntax)),
    ] {
        let address = text.parse::<Address>().map(|address| address.to_string());
        assert_eq!(address, expected.map(str::to_owned), "{text}");
    }
}
