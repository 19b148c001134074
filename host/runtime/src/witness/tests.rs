//! What is kept of outbound HTTP.

use std::collections::BTreeMap;

use waystation_core::Secret;

use super::*;

const TOKEN: &str = "correct-horse-battery";

fn scrub() -> Scrub {
    Scrub::new(&BTreeMap::from([("token".into(), Secret::new(TOKEN))]))
}

/// A request whose answer begins.
fn begun(witness: &Witness) -> Hearing {
    let url = http::Uri::from_static("http://stock.example/");
    let hearing = witness.hear(&http::Method::GET, &url);
    let (head, ()) = http::Response::new(()).into_parts();
    hearing.head(&head);
    hearing
}

/// What is kept in the end, and whether the attempt saw more.
fn kept(witness: &Witness) -> (Vec<Exchange>, bool) {
    let (_, _, http, is_cut) = witness.take().into_parts(&scrub());
    (http, is_cut)
}

/// The body of an answer that is kept.
fn body(exchange: &Exchange) -> String {
    let body = &exchange.answer.as_ref().unwrap().body;
    String::from_utf8(body.0.to_vec()).unwrap()
}

#[test]
fn a_body_that_breaks_off_shows_no_part_of_a_secret() {
    let check = |end: fn(&Hearing), text: &'static str, expected: (&str, bool)| {
        let witness = Witness::new(None);
        let hearing = begun(&witness);
        hearing.piece(Side::Answer, &Bytes::from_static(text.as_bytes()));
        end(&hearing);
        let (http, is_cut) = kept(&witness);
        assert_eq!((body(&http[0]).as_str(), is_cut), expected, "{text}");
    };
    let lost: fn(&Hearing) = |hearing| hearing.failed("http-response-incomplete");
    let left: fn(&Hearing) = |_| {};
    let over: fn(&Hearing) = |hearing| hearing.ended(Side::Answer);
    let begun_secret = "your key is correct-horse-batt";
    check(lost, begun_secret, ("your key is ", true));
    check(left, begun_secret, ("your key is ", true));
    check(over, begun_secret, (begun_secret, false));
    check(left, "nothing of it", ("nothing of it", false));
    check(left, "correct-horse-battery!", ("[secret token]!", false));
}

#[test]
fn a_request_that_is_given_up_shows_no_part_of_a_secret() {
    let witness = Witness::new(None);
    let hearing = begun(&witness);
    hearing.piece(Side::Request, &Bytes::from_static(b"key=correct-ho"));
    let (http, is_cut) = kept(&witness);
    let body = http[0].request.body.as_ref().unwrap();
    assert_eq!((&body.0[..], is_cut), (&b"key="[..], true));
}

#[test]
fn what_is_left_out_of_a_body_takes_the_begun_secret_along() {
    let witness = Witness::new(None);
    let hearing = begun(&witness);
    let (front, back) = TOKEN.split_at(12);
    let lead = "x".repeat(limits::SEEN_HTTP_BYTES_MAX - 100);
    let first = format!("{lead}{front}");
    hearing.piece(Side::Answer, &Bytes::from(first));
    let second = format!("{back}{}", "y".repeat(100));
    hearing.piece(Side::Answer, &Bytes::from(second));
    hearing.ended(Side::Answer);
    let (http, is_cut) = kept(&witness);
    assert_eq!(body(&http[0]), lead);
    assert!(is_cut);
}

#[test]
fn a_body_that_does_not_fit_has_no_holes_and_ends_with_an_error() {
    let witness = Witness::new(None);
    let large = |byte: u8| Bytes::from(vec![byte; limits::SEEN_HTTP_BYTES_MAX / 2]);
    let hearing = begun(&witness);
    for piece in [large(b'a'), large(b'b'), Bytes::from_static(b"end")] {
        hearing.piece(Side::Answer, &piece);
    }
    hearing.ended(Side::Answer);
    // What is left serves another request.
    let next = begun(&witness);
    next.piece(Side::Answer, &Bytes::from_static(b"short"));
    next.ended(Side::Answer);
    let (http, is_cut) = kept(&witness);
    assert_eq!(body(&http[0]), "a".repeat(limits::SEEN_HTTP_BYTES_MAX / 2));
    assert_eq!(http[0].error.as_deref(), Some("http-response-incomplete"));
    assert_eq!((body(&http[1]).as_str(), &http[1].error), ("short", &None));
    assert!(is_cut);
}

#[test]
fn a_rehearsal_has_more_room() {
    let world = crate::rehearsal::World::default();
    let given = Given::new(&world, &crate::rehearsal::Remarks::default());
    let witness = Witness::new(Some(given));
    let hearing = begun(&witness);
    let large = Bytes::from(vec![b'a'; limits::SEEN_HTTP_BYTES_MAX + 1]);
    hearing.piece(Side::Answer, &large);
    hearing.ended(Side::Answer);
    let sight = witness.take();
    assert!(!sight.is_http_cut());
    let hearing = begun(&witness);
    for _ in 0..limits::REHEARSED_HTTP_BYTES_MAX / large.len() + 1 {
        hearing.piece(Side::Answer, &large);
    }
    assert!(witness.take().is_http_cut());
}

#[test]
fn an_answer_whose_head_does_not_fit_is_a_failure() {
    let witness = Witness::new(None);
    let url = http::Uri::from_static("http://stock.example/");
    let hearing = witness.hear(&http::Method::GET, &url);
    let fill = Bytes::from(vec![0; limits::SEEN_HTTP_BYTES_MAX - 100]);
    hearing.piece(Side::Request, &fill);
    let long = http::Response::builder().header("x-long", "x".repeat(100));
    let (head, ()) = long.body(()).unwrap().into_parts();
    hearing.head(&head);
    hearing.piece(Side::Answer, &Bytes::from_static(b"body"));
    let (http, is_cut) = kept(&witness);
    assert_eq!(http[0].answer, None);
    assert_eq!(http[0].error.as_deref(), Some("http-response-incomplete"));
    assert!(is_cut);
}

#[test]
fn no_secret_is_kept_in_a_method_a_field_or_an_error() {
    let witness = Witness::new(None);
    let url = http::Uri::from_static("http://stock.example/correct-horse-battery");
    let method = http::Method::from_bytes(TOKEN.as_bytes()).unwrap();
    let hearing = witness.hear(&method, &url);
    let response = http::Response::builder()
        .header(TOKEN, "1")
        .header("x-key", TOKEN);
    let (head, ()) = response.body(()).unwrap().into_parts();
    hearing.head(&head);
    hearing.failed(&format!("dns-error: {TOKEN}"));
    let (http, is_cut) = kept(&witness);
    let text = format!("{http:?}");
    assert!(!text.contains(TOKEN), "{text}");
    assert_eq!(http[0].request.method, "[secret token]");
    assert_eq!(http[0].error.as_deref(), Some("dns-error: [secret token]"));
    let fields = &http[0].answer.as_ref().unwrap().headers;
    assert_eq!(*fields, [("x-key".to_owned(), "[secret token]".to_owned())]);
    assert!(is_cut, "a field is missing");
}
