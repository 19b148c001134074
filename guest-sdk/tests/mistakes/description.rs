use waystation_sdk::{Context, Event, HandlerError, handler};

#[handler(on = "com.example.paid.v1")]
fn ship(_: Event<String>, _: &mut Context) -> Result<(), HandlerError> {
    Ok(())
}

fn main() {}
