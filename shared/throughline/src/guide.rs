//! The guide: each page says how to do one thing, and its code is compiled and run by the tests.
//!
//! - To write functions: [handlers], [add a function](add_a_function), [messages], [sagas], [projections]
//! - To run them: [a day with the shop](a_day), [operate], [logs, metrics and traces](observability)
//! - Where they run: [two local clouds](local_clouds), [on AWS](aws)
//! - To judge them: [costs], [limits], [proof]
//!
//! The pages are the files in `docs/`, so that they can be read without rustdoc, too.

/// Makes a module of each page. A page links to others by file, as `[operate]: operate.md`. The first definition of a
/// link counts, so these lead to the modules instead.
macro_rules! pages {
    ($($(#[$attribute:meta])* $module:ident = $file:literal),* $(,)?) => { $(
        $(#[$attribute])*
        #[doc = concat!(
            "[a-day]: crate::guide::a_day\n",
            "[add-a-function]: crate::guide::add_a_function\n",
            "[aws]: crate::guide::aws\n",
            "[costs]: crate::guide::costs\n",
            "[handlers]: crate::guide::handlers\n",
            "[limits]: crate::guide::limits\n",
            "[local-clouds]: crate::guide::local_clouds\n",
            "[messages]: crate::guide::messages\n",
            "[observability]: crate::guide::observability\n",
            "[operate]: crate::guide::operate\n",
            "[projections]: crate::guide::projections\n",
            "[proof]: crate::guide::proof\n",
            "[sagas]: crate::guide::sagas\n",
        )]
        #[doc = include_str!(concat!("../docs/", $file))]
        pub mod $module {}
    )* };
}

pages! {
    a_day = "a-day.md",
    #[expect(clippy::test_attr_in_doctest, reason = "the page shows a whole file, with its tests; `scripts/test` runs them")]
    add_a_function = "add-a-function.md",
    aws = "aws.md",
    costs = "costs.md",
    handlers = "handlers.md",
    limits = "limits.md",
    local_clouds = "local-clouds.md",
    messages = "messages.md",
    observability = "observability.md",
    operate = "operate.md",
    projections = "projections.md",
    proof = "proof.md",
    sagas = "sagas.md",
}
