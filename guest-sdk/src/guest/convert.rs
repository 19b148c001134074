//! The contract's types to the SDK's and back.

use super::bindings::exports::waystation::events::handler as contract;
use super::bindings::waystation::events::types;
use crate::{Descriptor, Draft, Event, HandlerError, Instances, Order, RawData};

impl From<contract::Event> for Event<RawData> {
    fn from(event: contract::Event) -> Self {
        Self {
            id: event.id,
            source: event.source,
            event_type: event.type_,
            subject: event.subject,
            time: event.time,
            data_content_type: event.data_content_type,
            data_schema: event.data_schema,
            extensions: event.extensions.into_iter().collect(),
            data: RawData(event.data),
        }
    }
}

impl From<Draft> for contract::Draft {
    fn from(draft: Draft) -> Self {
        Self {
            type_: draft.event_type,
            subject: draft.subject,
            data_content_type: draft.data_content_type,
            data_schema: draft.data_schema,
            extensions: draft.extensions.into_iter().collect(),
            data: draft.data,
        }
    }
}

impl From<HandlerError> for contract::Failure {
    fn from(error: HandlerError) -> Self {
        let reason = error.reason().to_owned();
        if error.is_reject() {
            return Self::Reject(reason);
        }
        // A hint of more than half a billion years is no hint.
        let after_ms = error
            .delay()
            .and_then(|delay| u64::try_from(delay.as_millis()).ok());
        Self::Retry(types::Retry { reason, after_ms })
    }
}

impl From<Descriptor> for contract::Descriptor {
    fn from(descriptor: Descriptor) -> Self {
        let owned = |types: &[&str]| types.iter().map(ToString::to_string).collect();
        Self {
            description: descriptor.description.to_owned(),
            subscriptions: vec![types::Subscription {
                types: owned(descriptor.on),
                source: descriptor.source.map(str::to_owned),
                subject: descriptor.subject.map(str::to_owned),
            }],
            publishes: owned(descriptor.publishes),
            capabilities: capabilities(&descriptor),
            order: match descriptor.order {
                Order::None => types::Order::None,
                Order::Key => types::Order::Key,
            },
            instances: match descriptor.instances {
                Instances::Fresh => types::Instances::Fresh,
                Instances::Reused => types::Instances::Reused,
            },
        }
    }
}

fn capabilities(descriptor: &Descriptor) -> Vec<types::Capability> {
    let kinds: [(&[&str], fn(String) -> types::Capability); 4] = [
        (descriptor.http, types::Capability::Http),
        (descriptor.config, types::Capability::Config),
        (descriptor.secrets, types::Capability::Secret),
        (descriptor.state, types::Capability::State),
    ];
    let of_kind = |(names, make): (&[&str], fn(String) -> types::Capability)| {
        names
            .iter()
            .map(|name| make((*name).to_owned()))
            .collect::<Vec<_>>()
    };
    kinds.into_iter().flat_map(of_kind).collect()
}
