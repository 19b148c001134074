//! What an author reads who makes a mistake in a handler.

#[test]
fn a_mistake_is_shown_where_it_is_with_what_to_do() {
    trybuild::TestCases::new().compile_fail("tests/mistakes/*.rs");
}
