//! The compiler's errors when the interface is misused. Each file in `compile_errors/` must fail with the
//! words in the `.stderr` beside it; `TRYBUILD=overwrite` writes those anew, to be read before they are
//! committed.

#[test]
fn misuse_is_explained() {
    trybuild::TestCases::new().compile_fail("tests/compile_errors/*.rs");
}
