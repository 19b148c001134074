//! "Did you mean".

/// The word among `known` that `unknown` was most likely meant to be, if any is
/// close: at most a third of its letters differ, or two.
pub fn did_you_mean<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let bound = (unknown.chars().count() / 3).max(2);
    known
        .into_iter()
        .map(|word| (strsim::osa_distance(unknown, word), word))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
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
    }
}
