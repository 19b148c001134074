use waystation_sdk::{Context, Event, HandlerError, handler};

/// Ships.
#[handler(on = "com.example.paid.v1")]
fn ship(_: Event<String>, _: &mut Context) -> Result<(), String> {
    Ok(())
}

fn main() {}
