//! One event from arguments.

use anyhow::{Context as _, anyhow};
use serde_json::value::RawValue;
use waystation_core::{Clock as _, Event};

use crate::cli::exit::{Exit, Failure};
use crate::clock::SystemClock;

/// The attributes of an event. Id and time are added.
#[derive(Debug, clap::Args)]
pub struct EventArgs {
    /// What happened, such as com.example.orders.payment-completed.v1
    #[arg(
        id = "event_type",
        long = "type",
        value_name = "TYPE",
        requires = "source",
        conflicts_with = "file"
    )]
    event_type: Option<String>,
    /// The context in which it happened, such as /orders
    #[arg(
        long,
        value_name = "SOURCE",
        conflicts_with = "file",
        requires = "event_type"
    )]
    source: Option<String>,
    /// The payload, as JSON
    #[arg(
        long,
        value_name = "JSON",
        conflicts_with = "file",
        requires = "event_type"
    )]
    data: Option<String>,
    /// What it is about within its source
    #[arg(
        long,
        value_name = "SUBJECT",
        conflicts_with = "file",
        requires = "event_type"
    )]
    subject: Option<String>,
    /// Its id within its source [default: a random one]
    #[arg(
        long,
        value_name = "ID",
        conflicts_with = "file",
        requires = "event_type"
    )]
    id: Option<String>,
    /// An extension attribute; may be there several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value,
          conflicts_with = "file", requires = "event_type")]
    extension: Vec<(String, String)>,
}

/// The event, complete and checked.
pub fn event(args: EventArgs) -> Result<Event, Failure> {
    let id = match args.id {
        Some(id) => id,
        None => random_id()?,
    };
    if let Some(data) = &args.data {
        serde_json::from_str::<&RawValue>(data).map_err(|error| {
            Failure::new(Exit::Usage, anyhow!(error).context("--data is not JSON"))
                .with_hint("quote it for the shell: --data '{\"order_id\": \"1\"}'")
        })?;
    }
    let event = Event {
        id,
        source: args.source.unwrap_or_default(),
        event_type: args.event_type.unwrap_or_default(),
        subject: args.subject,
        time: Some(SystemClock.now().to_string()),
        data_content_type: args.data.is_some().then(|| "application/json".to_owned()),
        data_schema: None,
        extensions: args.extension.into_iter().collect(),
        data: args.data.map(Into::into),
    };
    event.check().map_err(|error| {
        Failure::new(
            Exit::Negative,
            anyhow!(error).context("the event is refused"),
        )
    })?;
    Ok(event)
}

/// 128 random bits. An id that was there before would make the event a
/// duplicate, so they come from the operating system.
pub fn random_id() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("the system gives no random numbers for an id")?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Command {
        file: Option<String>,
        #[command(flatten)]
        event: EventArgs,
    }

    fn compose(arguments: &[&str]) -> Result<Event, (Exit, String)> {
        let required = ["publish", "--type", "paid", "--source", "/orders"];
        let command = Command::parse_from(required.iter().chain(arguments));
        assert_eq!(command.file, None);
        event(command.event).map_err(|failure| failure.parts())
    }

    #[test]
    fn an_event_gets_an_id_and_a_time() {
        let [first, second] = [(); 2].map(|()| compose(&[]).unwrap());
        assert_eq!(first.id.len(), 32);
        assert_ne!(first.id, second.id);
        assert!(first.time.is_some());
        assert_eq!((first.data, first.data_content_type), (None, None));
    }

    #[test]
    fn an_event_has_what_the_arguments_say() {
        let event = compose(&[
            "--data",
            r#"{"a": 1}"#,
            "--id",
            "1",
            "--subject",
            "s",
            "--extension",
            "x=a=b",
            "--extension",
            "y=",
        ])
        .unwrap();
        assert_eq!(
            (event.event_type.as_str(), event.source.as_str()),
            ("paid", "/orders")
        );
        assert_eq!(
            (event.id.as_str(), event.subject.as_deref()),
            ("1", Some("s"))
        );
        assert_eq!(event.data.as_deref(), Some(br#"{"a": 1}"#.as_slice()));
        assert_eq!(event.data_content_type.as_deref(), Some("application/json"));
        assert_eq!(
            event.extensions.into_iter().collect::<Vec<_>>(),
            [
                ("x".to_owned(), "a=b".to_owned()),
                ("y".to_owned(), String::new()),
            ]
        );
    }

    #[test]
    fn a_mistake_is_named_before_anything_is_sent() {
        let (exit, text) = compose(&["--data", "{order: 1}"]).unwrap_err();
        assert_eq!(exit, Exit::Usage);
        assert!(
            text.starts_with("error: --data is not JSON\n  because: key must be"),
            "{text}"
        );
        let (exit, text) = compose(&["--extension", "Bad=1"]).unwrap_err();
        assert_eq!(exit, Exit::Negative);
        let expected = "error: the event is refused\n  because: `Bad` is no attribute name";
        assert!(text.starts_with(expected), "{text}");
    }
}
