"""Doc comments that begin with a question word are counted, and those that may begin so are not."""

import contextlib
import io
import tempfile
import unittest
from pathlib import Path

import words


def riddles(source):
    return [block.line for block in words.blocks(source) if block.is_riddle()]


class Blocks(unittest.TestCase):
    def test_neighbouring_lines_are_one_comment_and_only_its_first_word_counts(self):
        source = "/// The letters.\n/// What is left of them.\nstruct Letters;\n\n/// What is left.\nstruct Left;\n"
        self.assertEqual([block.line for block in words.blocks(source)], [1, 5])
        self.assertEqual(riddles(source), [5])

    def test_each_question_word_counts_in_comments_of_items_and_of_modules(self):
        for word in ["What", "How", "Where", "Who", "Whether"]:
            self.assertEqual(riddles(f"//! {word} it is.\n\nmod one;\n"), [1], word)
            self.assertEqual(riddles(f"    /// **{word}** it is.\n    name: String,\n"), [1], word)

    def test_words_that_only_begin_alike_and_plain_comments_do_not_count(self):
        source = "/// Whatever comes is kept.\nfn one() {}\n// What a plain comment says.\n//// What a line says.\nfn two() {}\n"
        self.assertEqual(riddles(source), [])


class Whether(unittest.TestCase):
    def test_it_is_the_plain_word_for_what_is_a_bool(self):
        for item in [
            "pub is_done: bool,",
            "const ALWAYS: bool = true;",
            "pub(crate) const fn is_done(&self) -> bool {",
            "#[must_use]\n#[expect(dead_code, reason = \"shown, only\")]\npub fn is_done(&self) -> bool {",
            "pub async fn is_done(\n    &self,\n    id: &str,\n) -> bool {",
            "fn is_done(&self) -> Result<bool, Error>;",
            "fn is_done(&self) -> impl Future<Output = bool> + Send;",
        ]:
            self.assertEqual(riddles(f"/// Whether it is done.\n{item}\n"), [], item)

    def test_it_is_a_riddle_elsewhere(self):
        for item in ["pub state: State,", "pub fn state(is_done: bool) -> State {", "struct State { is_done: bool }", ""]:
            self.assertEqual(riddles(f"/// Whether it is done.\n{item}\n"), [1], item)

    def test_no_other_question_word_is_allowed_for_a_bool(self):
        self.assertEqual(riddles("/// What is done.\npub is_done: bool,\n"), [1])


class Limit(unittest.TestCase):
    def run_in(self, source, *arguments):
        said = io.StringIO()
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "shared/core/target").mkdir(parents=True)
            (Path(folder) / "shared/core/lib.rs").write_text(source)
            # Build output is written by no person.
            (Path(folder) / "shared/core/target/built.rs").write_text("/// What was built.\nstruct Built;\n" * 9)
            root, words.ROOT = words.ROOT, Path(folder)
            try:
                with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                    code = words.main([*arguments, "shared"])
            finally:
                words.ROOT = root
        return code, said.getvalue()

    def test_a_share_above_the_limit_fails_and_one_at_it_does_not(self):
        source = "/// What it is.\nstruct One;\n" + "/// It is one.\nstruct Other;\n" * 3
        self.assertEqual(self.run_in(source, "--at-most", "25")[0], 0)
        code, said = self.run_in(source, "--at-most", "24.9")
        self.assertEqual(code, 1)
        self.assertIn("1 of 4 doc comments, 25.0 %", said)
        self.assertIn("shared/core", said)

    def test_each_can_be_listed_with_its_place(self):
        self.assertIn("shared/core/lib.rs:2: What it is.", self.run_in("\n/// What it is.\nstruct One;\n", "--list")[1])

    def test_finding_no_comment_at_all_is_no_success(self):
        self.assertEqual(self.run_in("struct One;\n", "--at-most", "8")[0], 2)


if __name__ == "__main__":
    unittest.main()
