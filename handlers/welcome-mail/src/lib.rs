//! Welcomes new users: it asks for a mail and leaves the sending to the mail
//! context.

use serde::{Deserialize, Serialize};
use waystation_sdk::{Context, Event, HandlerError, handler};

const USER_REGISTERED: &str = "com.example.users.registered.v1";
const MAIL_REQUESTED: &str = "com.example.mail.mail-requested.v1";

#[derive(Deserialize)]
struct UserRegistered {
    user_id: String,
    name: String,
    email: String,
    /// The language that the user chose, such as `de`.
    #[serde(default)]
    language: Option<String>,
}

#[derive(Serialize)]
struct MailRequested {
    to: String,
    template: &'static str,
    language: String,
    variables: Variables,
}

#[derive(Serialize)]
struct Variables {
    name: String,
}

/// Asks for a welcome mail when a user registers.
#[handler(on = USER_REGISTERED, publishes = MAIL_REQUESTED)]
fn welcome_mail(event: Event<UserRegistered>, ctx: &mut Context) -> Result<(), HandlerError> {
    let user = event.data;
    if !user.email.contains('@') {
        return Err(HandlerError::reject(
            "email is no mail address: it has no @",
        ));
    }
    let mail = MailRequested {
        to: user.email,
        template: "welcome",
        language: user.language.unwrap_or_else(|| "en".to_owned()),
        variables: Variables { name: user.name },
    };
    ctx.publish(MAIL_REQUESTED, &mail)?.subject(user.user_id);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use waystation_sdk::testing::{self, Outcome};

    use super::*;

    #[test]
    fn a_new_user_gets_a_mail_in_their_language() {
        let event = testing::parse(include_str!("../event.json"));
        let attempt = testing::deliver::<welcome_mail>(event);
        assert_eq!(attempt.outcome, Outcome::Ack);
        let expected = json!({
            "to": "ada@example.com",
            "template": "welcome",
            "language": "en",
            "variables": {"name": "Ada"}
        });
        assert_eq!(attempt.only_draft().decode::<Value>().unwrap(), expected);
        assert_eq!(attempt.only_draft().subject.as_deref(), Some("user-1815"));
    }

    #[test]
    fn an_address_that_cannot_be_one_is_rejected_without_telling_it() {
        let data = json!({"user_id": "user-2", "name": "Bob", "email": "bob.example.com"});
        let event = testing::event(USER_REGISTERED, &data);
        let reason = "email is no mail address: it has no @".to_owned();
        assert_eq!(
            testing::deliver::<welcome_mail>(event).outcome,
            Outcome::Reject { reason }
        );
    }
}
