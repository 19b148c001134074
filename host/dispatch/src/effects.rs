//! From drafts to events.

use waystation_core::{
    Code, DeliveryId, Draft, Failure, Settings, Timestamp, TypePattern, did_you_mean_type, limits,
};
use waystation_journal::{Entry, Proposal};

/// What the source of an event that a handler published begins with; the name
/// of the handler follows.
pub const SOURCE_PREFIX: &str = "/waystation/handlers/";

/// Extension attributes that the host gives, so that no handler can forge a cause.
const CORRELATION: &str = "correlationid";
const CAUSATION: &str = "causationid";
/// Of the CloudEvents extension for distributed tracing.
const TRACE_PARENT: &str = "traceparent";

/// The events that an attempt publishes, or why it may not.
///
/// # Errors
/// A draft that is no event, or one that the handler may not publish.
pub fn published(
    drafts: Vec<Draft>,
    cause: &Entry,
    delivery: &DeliveryId,
    settings: &Settings,
    now: Timestamp,
) -> Result<Vec<waystation_core::Event>, Failure> {
    let proposals = proposals(drafts, cause, delivery, settings, now)?;
    Ok(proposals
        .into_iter()
        .map(|proposal| proposal.event)
        .collect())
}

/// Completes the drafts of an attempt, or tells which one may not be published.
///
/// An event that follows from another carries the id of its cause
/// (`causationid`), the id of the first cause of all (`correlationid`) and the
/// trace of its cause (`traceparent`, unless the draft has one).
pub(crate) fn proposals(
    drafts: Vec<Draft>,
    cause: &Entry,
    delivery: &DeliveryId,
    settings: &Settings,
    now: Timestamp,
) -> Result<Vec<Proposal>, Failure> {
    if drafts.is_empty() {
        return Ok(Vec::new());
    }
    let depth = cause.depth.saturating_add(1);
    if depth > limits::DEPTH_MAX {
        return Err(Failure::new(
            Code::Depth,
            format!(
                "this event is the end of a chain of {} events that caused each other, and no \
                 chain may be longer; do handlers answer each other for ever?",
                limits::DEPTH_MAX
            ),
        ));
    }
    drafts
        .into_iter()
        .enumerate()
        .map(|(index, draft)| {
            let event = proposal(index, draft, cause, delivery, settings, now)
                .map_err(|why| Failure::new(Code::Draft, format!("draft {index}: {why}")))?;
            Ok(Proposal { event, depth })
        })
        .collect()
}

fn proposal(
    index: usize,
    draft: Draft,
    cause: &Entry,
    delivery: &DeliveryId,
    settings: &Settings,
    now: Timestamp,
) -> Result<waystation_core::Event, String> {
    if !settings.may_publish(&draft.event_type) {
        return Err(refused(&draft.event_type, &settings.publishes));
    }
    for name in [CORRELATION, CAUSATION] {
        if draft.extensions.contains_key(name) {
            return Err(format!("`{name}` is given by the host"));
        }
    }
    let mut event = draft.into_event(
        delivery.draft_id(index),
        format!("{SOURCE_PREFIX}{}", delivery.handler),
        now.to_string(),
    );
    let inherited = &cause.event.extensions;
    let correlation = inherited.get(CORRELATION).unwrap_or(&cause.event.id);
    event
        .extensions
        .insert(CORRELATION.into(), correlation.clone());
    event
        .extensions
        .insert(CAUSATION.into(), cause.event.id.clone());
    if let Some(trace) = inherited.get(TRACE_PARENT) {
        event
            .extensions
            .entry(TRACE_PARENT.into())
            .or_insert_with(|| trace.clone());
    }
    event.check().map_err(|error| error.to_string())?;
    Ok(event)
}

/// What to change, for whoever wrote the handler and for the operator.
fn refused(event_type: &str, publishes: &[TypePattern]) -> String {
    let known: Vec<String> = publishes.iter().map(ToString::to_string).collect();
    let hint = match did_you_mean_type(event_type, known.iter().map(String::as_str)) {
        Some(known) => format!("; did you mean `{known}`?"),
        None => String::new(),
    };
    format!(
        "this handler may not publish `{}`, only {}: its `publishes` must name the type, and \
         [grants] in its sidecar allow it{hint}",
        event_type.escape_debug(),
        allowed(publishes)
    )
}

fn allowed(publishes: &[TypePattern]) -> String {
    if publishes.is_empty() {
        return "nothing".into();
    }
    publishes
        .iter()
        .map(|pattern| format!("`{pattern}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_slip_of_the_pen_is_taken_for_a_type() {
        let known = "shop.payment-completed.v1".to_owned();
        let publishes = [TypePattern::try_from(known).unwrap()];
        let told = refused("shop.payment-complete.v1", &publishes);
        assert!(
            told.ends_with("; did you mean `shop.payment-completed.v1`?"),
            "{told}"
        );
        let told = refused("shop.payment-refused.v1", &publishes);
        assert!(!told.contains("did you mean"), "{told}");
    }
}
