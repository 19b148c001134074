//! Between the words of the core and the types of the WIT contract.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use waystation_core::{
    Capability, Code, Descriptor, Draft, Event, Failure, Filter, Instances, Order, Outcome,
    TypePattern, limits,
};

use crate::bindings::types;
use crate::scrub::Scrub;

/// The event as a guest sees it. Borrows everything but the list of extensions.
pub(crate) fn event<'a>(
    event: &'a Event,
    extensions: &'a [(&'a str, &'a str)],
) -> types::Event<'a> {
    types::Event {
        id: &event.id,
        source: &event.source,
        type_: &event.event_type,
        subject: event.subject.as_deref(),
        time: event.time.as_deref(),
        data_content_type: event.data_content_type.as_deref(),
        data_schema: event.data_schema.as_deref(),
        extensions,
        data: event.data.as_deref(),
    }
}

/// What a guest wants to publish, or why it is none.
pub(crate) fn drafts(drafts: Vec<types::Draft>) -> Result<Vec<Draft>, Failure> {
    if drafts.len() > limits::DRAFTS_MAX {
        return Err(Failure::new(
            Code::Draft,
            format!(
                "{} drafts from one attempt; at most {}",
                drafts.len(),
                limits::DRAFTS_MAX
            ),
        ));
    }
    drafts
        .into_iter()
        .enumerate()
        .map(|(index, draft)| self::draft(index, draft))
        .collect()
}

fn draft(index: usize, draft: types::Draft) -> Result<Draft, Failure> {
    let count = draft.extensions.len();
    let extensions: BTreeMap<String, String> = draft.extensions.into_iter().collect();
    if extensions.len() < count {
        return Err(Failure::new(
            Code::Draft,
            format!("draft {index}: an extension attribute is there twice"),
        ));
    }
    Ok(Draft {
        event_type: draft.type_,
        subject: draft.subject,
        data_content_type: draft.data_content_type,
        data_schema: draft.data_schema,
        extensions,
        data: draft.data.map(Bytes::from),
    })
}

/// What a guest says of its failure, without secrets.
pub(crate) fn failure(failure: types::Failure, scrub: &Scrub) -> Outcome {
    match failure {
        types::Failure::Retry(retry) => Outcome::Retry(
            Failure::new(Code::Retry, scrub.reason(retry.reason))
                .with_after(retry.after_ms.map(Duration::from_millis)),
        ),
        types::Failure::Reject(reason) => {
            Outcome::Reject(Failure::new(Code::Reject, scrub.reason(reason)))
        }
    }
}

/// What a guest says of itself, or what is wrong with it.
pub(crate) fn descriptor(descriptor: types::Descriptor) -> Result<Descriptor, String> {
    let subscriptions = bounded("subscriptions", descriptor.subscriptions)?;
    let types: usize = subscriptions.iter().map(|one| one.types.len()).sum();
    if types > limits::SUBSCRIPTION_TYPES_MAX {
        return Err(format!(
            "subscriptions: {types} types in all; at most {}",
            limits::SUBSCRIPTION_TYPES_MAX
        ));
    }
    Ok(Descriptor {
        description: one_line(descriptor.description),
        subscriptions: subscriptions
            .into_iter()
            .map(filter)
            .collect::<Result<_, _>>()?,
        publishes: patterns("publishes", descriptor.publishes)?,
        capabilities: bounded("capabilities", descriptor.capabilities)?
            .into_iter()
            .map(capability)
            .collect(),
        order: match descriptor.order {
            types::Order::None => Order::None,
            types::Order::Key => Order::Key,
        },
        instances: match descriptor.instances {
            types::Instances::Fresh => Instances::Fresh,
            types::Instances::Reused => Instances::Reused,
        },
    })
}

fn filter(subscription: types::Subscription) -> Result<Filter, String> {
    if subscription.types.is_empty() {
        return Err("a subscription without types".into());
    }
    for (name, value) in [
        ("source", &subscription.source),
        ("subject", &subscription.subject),
    ] {
        if value
            .as_ref()
            .is_some_and(|value| value.len() > limits::ATTRIBUTE_BYTES_MAX)
        {
            return Err(format!(
                "subscriptions: a {name} of more than {} bytes",
                limits::ATTRIBUTE_BYTES_MAX
            ));
        }
    }
    Ok(Filter {
        types: patterns("subscriptions", subscription.types)?,
        source: subscription.source,
        subject: subscription.subject,
    })
}

fn patterns(place: &str, texts: Vec<String>) -> Result<Vec<TypePattern>, String> {
    bounded(place, texts)?
        .into_iter()
        .map(|text| TypePattern::try_from(text).map_err(|error| format!("{place}: {error}")))
        .collect()
}

fn bounded<T>(place: &str, list: Vec<T>) -> Result<Vec<T>, String> {
    if list.len() > limits::SUBSCRIPTIONS_MAX {
        return Err(format!(
            "{place}: {} entries; at most {}",
            list.len(),
            limits::SUBSCRIPTIONS_MAX
        ));
    }
    Ok(list)
}

fn capability(capability: types::Capability) -> Capability {
    match capability {
        types::Capability::Http(host) => Capability::Http(host),
        types::Capability::Config(key) => Capability::Config(key),
        types::Capability::Secret(name) => Capability::Secret(name),
        types::Capability::State(namespace) => Capability::State(namespace),
    }
}

fn one_line(text: String) -> String {
    Failure::new(Code::Host, text).reason.replace('\n', " ")
}
