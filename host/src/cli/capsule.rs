//! `waystation deliveries capsule`: a failed attempt in one file.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::value::RawValue;
use waystation_core::DeliveryId;

use super::client::Asking;
use super::exit::Failure;
use super::{clean, output, private, shell};

/// Write the newest failed attempt of a delivery into one file, to make it again
/// with `waystation invoke --capsule`
///
/// It holds the event, what the attempt saw of state, HTTP, time and chance, what it
/// logged and how it ended. Secrets are in it by name only.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The delivery
    #[arg(value_name = "DELIVERY_ID", value_parser = delivery)]
    id: DeliveryId,
    /// Put the component into it too, if it is still in the handlers folder
    #[arg(long)]
    with_component: bool,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    asking: Asking,
}

fn delivery(text: &str) -> Result<DeliveryId, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// Asks for the capsule and writes it.
pub fn run(args: &Args) -> Result<(), Failure> {
    let query = [
        ("id", Some(args.id.to_string())),
        (
            "with_component",
            args.with_component.then(|| "true".to_owned()),
        ),
    ];
    let client = args.asking.client()?;
    let capsule: Box<RawValue> = client.get("/api/deliveries/capsule", &query)?;
    let Some(out) = &args.out else {
        // A file keeps every byte; a terminal must not be steered.
        let text = capsule.get();
        return match io::stdout().is_terminal() {
            true => output::print(&format!("{}\n", clean::json(text))),
            false => output::print(&format!("{text}\n")),
        };
    };
    let cannot = || format!("cannot write `{}`", out.display());
    private::write(out, capsule.get().as_bytes()).with_context(cannot)?;
    let handler = &args.id.handler;
    output::note(&format!(
        "wrote `{}`; to make the attempt again:",
        out.display()
    ));
    let out = shell::word(out);
    let component = if args.with_component {
        String::new()
    } else {
        format!(" {handler}.wasm")
    };
    output::note(&format!("waystation invoke --capsule {out}{component}"));
    Ok(())
}
