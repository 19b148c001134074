use waystation_sdk::{Context, Event, HandlerError, handler};

/// Ships.
#[handler(on = "com.example.paid.v1")]
fn ship(event: Event<String>, ctx: Context) -> Result<(), HandlerError> {
    Ok(())
}

fn main() {}
