use waystation_sdk::{Context, Event, HandlerError, handler};

struct Paid;

/// Ships.
#[handler(on = "com.example.paid.v1")]
fn ship(_: Event<Paid>, _: &mut Context) -> Result<(), HandlerError> {
    Ok(())
}

fn main() {}
