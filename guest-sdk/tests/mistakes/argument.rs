use waystation_sdk::{Context, Event, HandlerError, handler};

/// Ships.
#[handler(on = "com.example.paid.v1", publish = "com.example.shipped.v1")]
fn ship(_: Event<String>, _: &mut Context) -> Result<(), HandlerError> {
    Ok(())
}

fn main() {}
