//! Hands requested mails to the mail service, over HTTP.
//!
//! A mail may be handed over twice, if the attempt fails after the call. The host
//! sends the same `Idempotency-Key` each time, by which the service knows it.

use serde::{Deserialize, Serialize};
use waystation_sdk::{Context, Event, HandlerError, Response, ResultExt, handler};

const MAIL_REQUESTED: &str = "com.example.mail.mail-requested.v1";
const MAIL_SENT: &str = "com.example.mail.mail-sent.v1";

/// Where mails are handed over.
const MESSAGES: &str = "https://api.mail.example/messages";

#[derive(Deserialize, Serialize)]
struct MailRequested {
    to: String,
    template: String,
    language: String,
    variables: Variables,
}

#[derive(Deserialize, Serialize)]
struct Variables {
    name: String,
}

/// What the mail service answers.
#[derive(Deserialize)]
struct Accepted {
    message_id: String,
}

#[derive(Serialize)]
struct MailSent {
    message_id: String,
}

/// Hands requested mails to the mail service.
#[handler(
    on = MAIL_REQUESTED,
    publishes = MAIL_SENT,
    http = "api.mail.example",
    secrets = "mail_token",
)]
fn mail_sender(event: Event<MailRequested>, ctx: &mut Context) -> Result<(), HandlerError> {
    let token = ctx.secret("mail_token")?;
    let response = ctx
        .http()
        .post_json(MESSAGES, &event.data)
        .bearer(&token)
        .send()?;
    let message_id = accepted(response)?.message_id;
    let sent = ctx.publish(MAIL_SENT, &MailSent { message_id })?;
    if let Some(user) = event.subject {
        sent.subject(user);
    }
    Ok(())
}

/// A mail that the service will never take is not offered again; all else is.
fn accepted(response: Response) -> Result<Accepted, HandlerError> {
    let is_refused = matches!(response.status(), 400 | 413 | 422);
    let response = response.error_for_status();
    let response = if is_refused {
        response.reject()?
    } else {
        response?
    };
    Ok(response.json()?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use waystation_sdk::testing::{self, Outcome, World};

    use super::*;

    fn world() -> World {
        World::new().with_secret("mail_token", "t0ken")
    }

    fn requested() -> Event<waystation_sdk::RawData> {
        testing::parse(include_str!("../event.json"))
    }

    #[test]
    fn a_mail_is_handed_over_and_its_number_published() {
        let mut world = world();
        world
            .http("POST", MESSAGES)
            .answer(202, &json!({"message_id": "m-7"}));
        let attempt = world.deliver::<mail_sender>(requested());
        attempt.assert_ack();
        let sent = attempt.only_draft();
        assert_eq!(
            sent.decode::<Value>().unwrap(),
            json!({"message_id": "m-7"})
        );
        assert_eq!(sent.subject.as_deref(), Some("user-1815"));

        let [call] = attempt.calls.as_slice() else {
            panic!("{attempt}");
        };
        assert_eq!(call.header("authorization"), Some("Bearer t0ken"));
        assert_eq!(call.json::<Value>().unwrap()["to"], "ada@example.com");
    }

    #[test]
    fn a_service_that_is_busy_is_left_alone_for_as_long_as_it_asks() {
        let mut world = world();
        world
            .http("POST", MESSAGES)
            .answer(429, &json!({}))
            .header("retry-after", "30");
        let attempt = world.deliver::<mail_sender>(requested());
        let reason = "POST https://api.mail.example/messages answered 429".to_owned();
        let after = Some(Duration::from_secs(30));
        assert_eq!(attempt.outcome, Outcome::Retry { reason, after });
    }

    #[test]
    fn a_service_that_is_away_is_tried_again() {
        let mut world = world();
        world.http("POST", MESSAGES).time_out();
        let attempt = world.deliver::<mail_sender>(requested());
        attempt.assert_retry("got no answer in time");
    }

    #[test]
    fn a_mail_that_is_never_taken_is_rejected() {
        let mut world = world();
        world.http("POST", MESSAGES).answer(422, &json!({}));
        let attempt = world.deliver::<mail_sender>(requested());
        attempt.assert_reject("answered 422");
    }
}
