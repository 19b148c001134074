//! Each row names the section of the specification that it comes from.

use super::*;

/// An event with these members after the required ones, each of which ends in a
/// comma.
fn with(members: &str) -> String {
    format!(r#"{{{members}"specversion":"1.0","id":"1","source":"/a","type":"t"}}"#)
}

fn event() -> Event {
    Event {
        id: "1".into(),
        source: "/a".into(),
        event_type: "t".into(),
        ..Event::default()
    }
}

#[track_caller]
fn check(section: &str, body: &str, expected: impl FnOnce(&mut Event)) {
    let mut event = event();
    expected(&mut event);
    assert_eq!(parse(body.as_bytes()), Ok(event), "{section}: {body}");
}

#[track_caller]
fn check_refused(section: &str, body: &str, attribute: Option<&str>, rule: &str) {
    match parse(body.as_bytes()) {
        Ok(event) => panic!("{section}: {body} was taken as {event:?}"),
        Err(error) => assert_eq!(
            (error.attribute(), error.rule()),
            (attribute, rule),
            "{section}: {body}: {error}"
        ),
    }
}

#[test]
fn the_example_of_the_core_specification() {
    let body = r#"{
        "specversion" : "1.0",
        "type" : "com.github.pull_request.opened",
        "source" : "https://github.com/cloudevents/spec/pull",
        "subject" : "123",
        "id" : "A234-1234-1234",
        "time" : "2018-04-05T17:31:00Z",
        "comexampleextension1" : "value",
        "comexampleothervalue" : 5,
        "datacontenttype" : "text/xml",
        "data" : "<much wow=\"xml\"/>"
    }"#;
    let expected = Event {
        id: "A234-1234-1234".into(),
        source: "https://github.com/cloudevents/spec/pull".into(),
        event_type: "com.github.pull_request.opened".into(),
        subject: Some("123".into()),
        time: Some("2018-04-05T17:31:00Z".into()),
        data_content_type: Some("text/xml".into()),
        data_schema: None,
        extensions: BTreeMap::from([
            ("comexampleextension1".into(), "value".into()),
            ("comexampleothervalue".into(), "5".into()),
        ]),
        data: Some("<much wow=\"xml\"/>".into()),
    };
    assert_eq!(parse(body.as_bytes()), Ok(expected));
}

#[test]
fn attributes_are_set_unset_or_canonical() {
    let extension = |value: &'static str| {
        move |e: &mut Event| drop(e.extensions.insert("x".into(), value.into()))
    };
    check("json 3", &with(""), |_| {});
    check(
        "json 2.2, null",
        &with(r#""subject":null,"time":null,"x":null,"#),
        |_| {},
    );
    check(
        "json 2.2, Boolean",
        &with(r#""x":true,"#),
        extension("true"),
    );
    check(
        "json 2.2, Boolean",
        &with(r#""x":false,"#),
        extension("false"),
    );
    check("json 2.2, Integer", &with(r#""x":0,"#), extension("0"));
    check("core, Integer", &with(r#""x":-0,"#), extension("0"));
    check(
        "core, Integer",
        &with(r#""x":2147483647,"#),
        extension("2147483647"),
    );
    check(
        "core, Integer",
        &with(r#""x":-2147483648,"#),
        extension("-2147483648"),
    );
    check("core, String", &with(r#""x":"5.0","#), extension("5.0"));
    check("core, String", &with(r#""x":"","#), extension(""));
    check(
        "core, String",
        &with(r#""x":"\uD83D\uDE00\u00e9","#),
        extension("😀é"),
    );
    check("RFC 8259, 7", &with(r#""\u0078":"y","#), extension("y"));
    check("RFC 8259, 2", &format!("\r\n\t {} ", with("")), |_| {});
}

#[test]
fn the_text_of_a_time_is_kept_as_received() {
    for time in [
        "1990-12-31T23:59:60Z",
        "2026-01-31t12:00:00.123456789z",
        "0000-01-01T00:00:00-00:00",
        "9999-12-31T23:59:59.9+14:00",
    ] {
        check("core, time", &with(&format!(r#""time":"{time}","#)), |e| {
            e.time = Some(time.into());
        });
    }
}

#[test]
fn data_is_the_bytes_of_its_content_type() {
    let typed = |content_type: &'static str, data: &'static str| {
        move |e: &mut Event| {
            e.data_content_type = Some(content_type.into());
            e.data = Some(data.into());
        }
    };
    let json = |data| typed("application/json", data);
    let rows = [
        (
            "json 3.1.2, no type",
            r#""data":{"a" : 1.50},"#,
            json(r#"{"a" : 1.50}"#),
        ),
        ("json 3.1.1, null", r#""data":null,"#, json("null")),
        ("json 3.1.2, string", r#""data":"{}","#, json(r#""{}""#)),
        (
            "json 3.1.2, kept to the byte",
            r#""data": [1e400, "\uD800", {"a":1,"a":2}] ,"#,
            json(r#"[1e400, "\uD800", {"a":1,"a":2}]"#),
        ),
        (
            "json 3.1.1, suffix",
            r#""data":1,"datacontenttype":"a/B+Json","#,
            typed("a/B+Json", "1"),
        ),
        (
            "json 3.1.2, data first",
            r#""data":"\u00e9\n","datacontenttype":"text/plain","#,
            typed("text/plain", "é\n"),
        ),
        (
            "json 3.1.2, data last",
            r#""datacontenttype":"text/plain; charset=UTF-8","data":"","#,
            typed("text/plain; charset=UTF-8", ""),
        ),
        (
            "json 3.1.2, base64",
            r#""data_base64":"e30=","datacontenttype":"application/json","#,
            json("{}"),
        ),
        (
            "json 2.2, null base64",
            r#""data_base64":null,"data":1,"#,
            json("1"),
        ),
    ];
    for (section, members, expected) in rows {
        check(section, &with(members), expected);
    }
    check(
        "json 3.1.2, base64 implies no type",
        &with(r#""data_base64":"/w==","#),
        |e| {
            e.data = Some(Bytes::from_static(b"\xff"));
        },
    );
    check("json 3.1.1, no bytes", &with(r#""data_base64":"","#), |e| {
        e.data = Some(Bytes::new());
    });
    check(
        "core, datacontenttype",
        &with(r#""datacontenttype":"a/b","#),
        |e| {
            e.data_content_type = Some("a/b".into());
        },
    );
}

#[test]
fn a_required_attribute_is_there_and_not_empty() {
    let all = ["specversion", "id", "source", "type"];
    for name in all {
        let others = all.iter().filter(|other| **other != name);
        let others: Vec<_> = others.map(|other| format!(r#""{other}":"1.0""#)).collect();
        let others = others.join(",");
        check_refused(
            "core, REQUIRED",
            &format!("{{{others}}}"),
            Some(name),
            "required",
        );
        let null = format!(r#"{{"{name}":null,{others}}}"#);
        check_refused("json 2.2, null", &null, Some(name), "required");
        let empty = format!(r#"{{"{name}":"",{others}}}"#);
        let rule = if name == "specversion" {
            "version"
        } else {
            "empty"
        };
        check_refused("core, REQUIRED", &empty, Some(name), rule);
    }
}

#[test]
fn specversion_is_1_0() {
    for version in ["0.3", "1", "1.0.2", "1.1", "1.0 "] {
        let body = with("").replace("1.0", version);
        check_refused("core, specversion", &body, Some("specversion"), "version");
    }
    let body = with("").replace("\"1.0\"", "1.0");
    check_refused("json 2.2, String", &body, Some("specversion"), "type");
}

#[test]
fn attributes_that_break_a_rule_are_named() {
    let rows = [
        ("core, attributes", r#""id":"1","#, "id", "duplicate"),
        ("core, attributes", r#""x":1,"x":null,"#, "x", "duplicate"),
        ("core, attributes", r#""x":1,"\u0078":1,"#, "x", "duplicate"),
        (
            "core, attributes",
            r#""data":1,"data":1,"#,
            "data",
            "duplicate",
        ),
        ("core, Naming Conventions", r#""":"y","#, "", "name"),
        ("core, Naming Conventions", r#""X":"y","#, "X", "name"),
        ("core, Naming Conventions", r#""a_b":"y","#, "a_b", "name"),
        ("core, Naming Conventions", r#""a-b":null,"#, "a-b", "name"),
        ("core, Naming Conventions", r#""é":"y","#, "é", "name"),
        ("core, String", r#""x":"a\u0000","#, "x", "character"),
        ("core, String", r#""x":"a\n","#, "x", "character"),
        ("core, String", r#""x":"\u0085","#, "x", "character"),
        ("core, String", r#""x":"\uFFFE","#, "x", "character"),
        ("core, String", r#""x":"\uFDD0","#, "x", "character"),
        ("core, String", r#""x":"\uD83F\uDFFF","#, "x", "character"),
        ("core, String", r#""x":"\uD800","#, "x", "surrogate"),
        ("core, String", r#""x":"\uDEAD","#, "x", "surrogate"),
        ("core, String", r#""x":"\uD800\u0041","#, "x", "surrogate"),
        ("core, Integer", r#""x":2147483648,"#, "x", "integer"),
        ("core, Integer", r#""x":-2147483649,"#, "x", "integer"),
        (
            "core, Integer",
            r#""x":99999999999999999999,"#,
            "x",
            "integer",
        ),
        ("json 2.2, Integer", r#""x":1.0,"#, "x", "type"),
        ("json 2.2, Integer", r#""x":1e3,"#, "x", "type"),
        ("json 2.2", r#""x":[],"#, "x", "type"),
        ("json 2.2", r#""x":{},"#, "x", "type"),
        ("json 2.2, String", r#""subject":5,"#, "subject", "type"),
        (
            "json 2.2, Timestamp",
            r#""time":1769860800,"#,
            "time",
            "type",
        ),
        ("core, subject", r#""subject":"","#, "subject", "empty"),
        ("core, time", r#""time":"","#, "time", "empty"),
        (
            "core, time",
            r#""time":"2026-01-31T12:00:00","#,
            "time",
            "timestamp",
        ),
        (
            "core, dataschema",
            r#""dataschema":"","#,
            "dataschema",
            "empty",
        ),
        (
            "core, dataschema",
            r#""dataschema":"/s","#,
            "dataschema",
            "absolute-uri",
        ),
        (
            "core, datacontenttype",
            r#""datacontenttype":"json","#,
            "datacontenttype",
            "media-type",
        ),
        (
            "core, datacontenttype",
            r#""datacontenttype":"json","data":1,"#,
            "datacontenttype",
            "media-type",
        ),
        (
            "json 3.1.1",
            r#""data":1,"data_base64":"MQ==","#,
            "data_base64",
            "data-twice",
        ),
        (
            "json 3.1.1",
            r#""data":null,"data_base64":"MQ==","#,
            "data_base64",
            "data-twice",
        ),
        (
            "json 3.1.2",
            r#""data":1,"datacontenttype":"text/plain","#,
            "data",
            "data-text",
        ),
        (
            "json 3.1.2",
            r#""data":null,"datacontenttype":"text/plain","#,
            "data",
            "data-text",
        ),
        (
            "json 3.1.2",
            r#""data":"\uD800","datacontenttype":"a/b","#,
            "data",
            "surrogate",
        ),
        (
            "json 3.1.2",
            r#""data":"é","datacontenttype":"text/plain;charset=iso-8859-1","#,
            "data",
            "data-charset",
        ),
        (
            "RFC 4648, 4",
            r#""data_base64":1,"#,
            "data_base64",
            "base64",
        ),
        (
            "RFC 4648, 3.2",
            r#""data_base64":"MQ","#,
            "data_base64",
            "base64",
        ),
        (
            "RFC 4648, 3.3",
            r#""data_base64":"MQ==\n","#,
            "data_base64",
            "base64",
        ),
        (
            "RFC 4648, 3.3",
            r#""data_base64":"M Q==","#,
            "data_base64",
            "base64",
        ),
        (
            "RFC 4648, 3.5",
            r#""data_base64":"MR==","#,
            "data_base64",
            "base64",
        ),
        (
            "RFC 4648, 5",
            r#""data_base64":"_w==","#,
            "data_base64",
            "base64",
        ),
    ];
    for (section, members, attribute, rule) in rows {
        check_refused(section, &with(members), Some(attribute), rule);
    }
    let source = with("").replace("/a", "a b");
    check_refused("core, source", &source, Some("source"), "uri-reference");
}

#[test]
fn what_is_no_json_object_is_refused() {
    for (section, body, rule) in [
        ("json 3", "", "json-object"),
        ("json 3", "null", "json-object"),
        ("json 3", "[]", "json-object"),
        ("json 3", "\"{}\"", "json-object"),
        ("RFC 8259, 2", "{", "json-syntax"),
        ("RFC 8259, 2", "{}{}", "json-syntax"),
        ("RFC 8259, 2", "{} x", "json-syntax"),
        ("RFC 8259, 4", "{\"id\":\"1\",}", "json-syntax"),
        ("RFC 8259, 4", "{id:\"1\"}", "json-syntax"),
        ("RFC 8259, 6", "{\"x\":01}", "json-syntax"),
        ("RFC 8259, 6", "{\"x\":NaN}", "json-syntax"),
        ("RFC 8259, 7", "{\"x\":\"\n\"}", "json-syntax"),
        ("RFC 8259, 7", "{\"x\":\"\\x\"}", "json-syntax"),
        ("RFC 8259, 8.1", "\u{FEFF}{}", "byte-order-mark"),
    ] {
        check_refused(section, body, None, rule);
    }
    let error = parse(b"{\"id\":\"\xff\"}").unwrap_err();
    assert_eq!(error.problem, Problem::NotUtf8 { valid_up_to: 7 });
    // UTF-16, as a byte order mark of its own tells.
    assert_eq!(parse(b"\xff\xfe{\0}\0").unwrap_err().rule(), "utf8");
}

/// Brackets inside strings do not count, and those of data do.
#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| {
        let data = format!("{}\"[[\"{}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        with(&format!(r#""data":{data},"#))
    };
    let deepest = nested(limits::JSON_DEPTH_MAX);
    let too_deep = nested(limits::JSON_DEPTH_MAX + 1);
    assert!(parse(deepest.as_bytes()).is_ok());
    check_refused("own bound", &too_deep, None, "json-depth");
    check_refused("own bound", &"[".repeat(1_000_000), None, "json-depth");

    assert!(parse_batch(format!("[{deepest}]").as_bytes()).is_ok());
    let error = parse_batch(format!("[{too_deep}]").as_bytes()).unwrap_err();
    assert_eq!(error.problem, Problem::Depth);
}

#[test]
fn sizes_are_bounded() {
    let long = "x".repeat(limits::ATTRIBUTE_BYTES_MAX + 1);
    let subject = with(&format!(r#""subject":"{long}","#));
    check_refused("own bound", &subject, Some("subject"), "length");

    let extensions = |count| {
        with(
            &(0..count)
                .map(|n| format!(r#""x{n}":1,"#))
                .collect::<String>(),
        )
    };
    assert!(parse(extensions(limits::EXTENSIONS_MAX).as_bytes()).is_ok());
    for count in [limits::EXTENSIONS_MAX + 1, MEMBERS_MAX, 100_000] {
        check_refused("own bound", &extensions(count), None, "extensions-max");
    }

    let data = with(&format!(
        r#""data":"{}","#,
        "x".repeat(limits::EVENT_BYTES_MAX)
    ));
    check_refused("own bound", &data, None, "event-size");
    let body = " ".repeat(limits::BODY_BYTES_MAX + 1);
    check_refused("own bound", &body, None, "body-size");
}

#[test]
fn a_batch_is_an_array_of_events() {
    assert_eq!(parse_batch(b"[]"), Ok(vec![]));
    assert_eq!(parse_batch(b" [\n] "), Ok(vec![]));
    let two = format!("[{}, {}]", with(""), with(r#""subject":"s","#));
    let second = Event {
        subject: Some("s".into()),
        ..event()
    };
    assert_eq!(parse_batch(two.as_bytes()), Ok(vec![event(), second]));
    for (body, rule) in [
        ("", "json-array"),
        ("{}", "json-array"),
        ("[", "json-syntax"),
        ("[1,]", "json-syntax"),
        ("[][]", "json-syntax"),
    ] {
        let error = parse_batch(body.as_bytes()).unwrap_err();
        assert_eq!((error.index, error.rule()), (None, rule), "{body}");
    }
}

#[test]
fn one_bad_item_refuses_the_batch_with_its_index() {
    let good = with("");
    let bad = with(r#""time":"now","#);
    let error = parse_batch(format!("[{good},{bad},{good}]").as_bytes()).unwrap_err();
    assert_eq!(
        (error.index, error.attribute(), error.rule()),
        (Some(1), Some("time"), "timestamp")
    );
    assert_eq!(
        error.to_string(),
        "item 1 of the batch: `time` must be RFC 3339 with an offset, such as 2026-01-31T12:00:00Z"
    );
    let error = parse_batch(format!("[{good},null]").as_bytes()).unwrap_err();
    assert_eq!(
        (error.index, error.problem),
        (Some(1), Problem::NotAnObject)
    );
}

#[test]
fn a_batch_is_bounded() {
    let batch = |count| format!("[{}]", vec![with(""); count].join(","));
    let longest = parse_batch(batch(limits::BATCH_EVENTS_MAX).as_bytes());
    assert_eq!(
        longest.map(|events| events.len()),
        Ok(limits::BATCH_EVENTS_MAX)
    );
    let count = limits::BATCH_EVENTS_MAX + 2;
    let error = parse_batch(batch(count).as_bytes()).unwrap_err();
    assert_eq!(error.problem, Problem::BatchTooLong { count });
}
