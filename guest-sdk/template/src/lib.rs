//! Handles events of the type `{{on}}`.

// {{#publishes}}
use serde::{Deserialize, Serialize};
use waystation_sdk::{Context, Event, HandlerError, handler};
// {{/publishes}}
// {{^publishes}}
use serde::Deserialize;
use waystation_sdk::{Context, Event, HandlerError, handler, tracing};
// {{/publishes}}

/// What this handler reads of an event's data. Other members may be there.
#[derive(Deserialize)]
struct Received {
    name: String,
}

// {{#publishes}}
/// The data of the event that it publishes.
#[derive(Serialize)]
struct Published {
    greeting: String,
}

/// Greets whoever an event names.
#[handler(on = "{{on}}", publishes = "{{publishes}}")]
fn handle(event: Event<Received>, ctx: &mut Context) -> Result<(), HandlerError> {
    let greeting = format!("Hello, {}!", event.data.name);
    ctx.publish("{{publishes}}", &Published { greeting })?;
    Ok(())
}
// {{/publishes}}
// {{^publishes}}
/// Greets whoever an event names, in the log.
#[handler(on = "{{on}}")]
fn handle(event: Event<Received>, _ctx: &mut Context) -> Result<(), HandlerError> {
    tracing::info!("Hello, {}!", event.data.name);
    Ok(())
}
// {{/publishes}}

#[cfg(test)]
mod tests {
    use waystation_sdk::testing::{self, Outcome};

    use super::*;

    const FIRST: &str = include_str!("../cases/first/event.json");

    #[test]
    fn the_first_case_is_handled() {
        let attempt = testing::deliver::<handle>(testing::parse(FIRST));
        assert_eq!(attempt.outcome, Outcome::Ack);
        // {{#publishes}}
        let draft = attempt.only_draft();
        assert_eq!(draft.event_type, "{{publishes}}");
        // {{/publishes}}
    }
}
