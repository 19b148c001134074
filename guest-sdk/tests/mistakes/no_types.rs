use waystation_sdk::{Context, Event, HandlerError, handler};

/// Ships.
#[handler(publishes = "com.example.shipped.v1")]
fn ship(_: Event<String>, _: &mut Context) -> Result<(), HandlerError> {
    Ok(())
}

fn main() {}
