//! "Did you mean".

use crate::limits;

/// The word among `known` that `unknown` was most likely meant to be, if any is
/// close: at most a third of its letters differ, or two.
pub fn did_you_mean<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if is_long(unknown) {
        return None;
    }
    let bound = (unknown.chars().count() / 3).max(2);
    nearest(known, bound, |word| strsim::osa_distance(unknown, word))
}

/// The event type among `known` that `unknown` was most likely meant to be. Types
/// are long and look alike, so no more than two letters may differ; upper case,
/// hyphens and underscores do not count.
pub fn did_you_mean_type<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if is_long(unknown) {
        return None;
    }
    let letters = |text: &str| text.replace(['-', '_'], "").to_lowercase();
    let unknown = letters(unknown);
    nearest(known, 2, |word| {
        strsim::osa_distance(&unknown, &letters(word))
    })
}

fn nearest<'a>(
    known: impl IntoIterator<Item = &'a str>,
    bound: usize,
    distance: impl Fn(&str) -> usize,
) -> Option<&'a str> {
    known
        .into_iter()
        // A comparison costs the product of the lengths.
        .filter(|word| !is_long(word))
        .map(|word| (distance(word), word))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Whether a word is so long that a comparison would cost more than a hint is worth.
fn is_long(word: &str) -> bool {
    word.len() > limits::HINT_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_close_and_nothing_else() {
        let known = ["timeout", "memory", "concurrency"];
        assert_eq!(did_you_mean("timout", known), Some("timeout"));
        assert_eq!(did_you_mean("concurency", known), Some("concurrency"));
        assert_eq!(did_you_mean("order", known), None);
        let long = "a".repeat(limits::HINT_BYTES_MAX + 1);
        assert_eq!(did_you_mean(&long, [long.as_str()]), None);
    }

    #[test]
    fn types_are_close_when_few_letters_differ() {
        let known = ["a.orders.payment-completed.v1", "a.orders.placed.v1"];
        let meant = |unknown| did_you_mean_type(unknown, known);
        assert_eq!(meant("a.order.payment-completed.v1"), Some(known[0]));
        assert_eq!(meant("a.orders.PaymentCompleted.v1"), Some(known[0]));
        assert_eq!(meant("a.orders.placed.v2"), Some(known[1]));
        assert_eq!(meant("a.orders.paid.v1"), None);
    }
}
