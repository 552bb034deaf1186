"""A document that leads nowhere, names what is not there, or says too much, is found, and a right one is not."""

import tempfile
import unittest
from pathlib import Path

from documents import Page, problems, slug

ARCHITECTURE = """\
# Architecture

## Glossary

| ours | the field's word | why ours |
|---|---|---|
| letter | dead letter | a message in a dead-letter queue |

## The table
"""

README = """\
# Framework

[Architecture](ARCHITECTURE.md#the-table), [how to operate it](shared/framework/docs/operate.md).
The code is in `shared/framework/src/guide.rs`, the rest in `shared/*/docs`.

```rust
let line = 1;
assert_eq!(line, 1);
```
"""

OPERATE = """\
# Operate it

See [handlers][handlers].

[handlers]: handlers.md
"""

HANDLERS = """\
# Handlers

```rust
# use everything::*;
let line = 1;
# let hidden = 2;
assert_eq!(line, 1);
# }
```
"""

GUIDE = """\
concat!(
    "[handlers]: crate::guide::handlers\\n",
    "[operate]: crate::guide::operate\\n",
)
pages! {
    handlers = "handlers.md",
    operate = "operate.md",
}
"""

RIGHT = {
    "README.md": README,
    "ARCHITECTURE.md": ARCHITECTURE,
    "CHANGELOG.md": "# Changelog\n\n- `shared/gone/src/lib.rs` is gone.\n",
    "shared/framework/docs/operate.md": OPERATE,
    "shared/framework/docs/handlers.md": HANDLERS,
    "shared/framework/src/guide.rs": GUIDE,
}


class Documents(unittest.TestCase):
    def found(self, **changes):
        """The problems of the right documents with some of them replaced; `readme_md` stands for `README.md`."""
        names = {name.replace("/", "_").replace(".", "_").lower(): name for name in RIGHT}
        texts = RIGHT | {names[change]: text for change, text in changes.items()}
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for name, text in texts.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            pages = {name: Page(name, text) for name, text in texts.items() if name.endswith(".md")}
            return list(problems(pages, root))

    def only(self, sentence, **changes):
        found = self.found(**changes)
        self.assertEqual(len(found), 1, found)
        self.assertIn(sentence, found[0])

    def test_documents_whose_links_and_names_lead_somewhere_are_right(self):
        self.assertEqual(self.found(), [])

    def test_a_link_to_a_file_that_is_not_there_is_found_with_its_line(self):
        self.only("README.md:10: `docs/gone.md` leads to nothing", readme_md=README + "[Gone](docs/gone.md)\n")

    def test_a_link_out_of_the_repository_is_found(self):
        self.only("`../..` leads to nothing", readme_md=README + "[Up](../..)\n")

    def test_a_link_to_a_heading_that_is_not_there_is_found(self):
        self.only(
            "`ARCHITECTURE.md` has no heading `#the-chair`; it has: architecture, glossary, the-table",
            readme_md=README.replace("#the-table", "#the-chair"),
        )

    def test_a_link_that_is_code_is_no_link(self):
        self.assertEqual(self.found(readme_md=README + "`[text](gone.md)`\n\n```text\n[text](gone.md)\n```\n"), [])

    def test_a_link_whose_name_is_not_defined_is_found(self):
        self.only("the link `nowhere` is not defined", readme_md=README + "[Nowhere][nowhere]\n")

    def test_a_file_that_is_named_and_not_there_is_found_but_in_the_changelog(self):
        self.only("there is no `shared/framework/src/gone.rs`", readme_md=README + "`shared/framework/src/gone.rs`\n")
        self.only("there is no `infra/*.json`", readme_md=README + "`infra/*.json`\n")

    def test_code_of_the_readme_that_no_test_compiles_is_found(self):
        self.only("begins `let line = 1;` is in no page", readme_md=README.replace("(line, 1)", "(line, 2)"))

    def test_a_page_that_rustdoc_does_not_show_is_found(self):
        self.only("`operate.md` is a page or a module", shared_framework_src_guide_rs=GUIDE.replace('    operate = "operate.md",\n', ""))

    def test_a_link_between_pages_that_leads_nowhere_in_rustdoc_is_found(self):
        self.only(
            "the link `handlers` leads to a page, or is overridden",
            shared_framework_src_guide_rs=GUIDE.replace('    "[handlers]: crate::guide::handlers\\n",\n', ""),
        )
        self.only("`handlers.md` would lead nowhere in rustdoc", shared_framework_docs_operate_md="# Operate it\n\n[handlers](handlers.md)\n")

    def test_a_readme_that_is_no_first_look_is_found(self):
        self.only("README.md: it has 151 lines", readme_md=README + "\n" * (151 - len(README.splitlines())))

    def test_an_architecture_that_takes_longer_than_ten_minutes_is_found(self):
        self.only("words, and 1800 are ten minutes", architecture_md=ARCHITECTURE + "word " * 1800)

    def test_a_glossary_of_too_many_terms_or_too_few_columns_is_found(self):
        row = "| letter | dead letter | a message in a dead-letter queue |\n"
        self.only("the glossary has 26 terms", architecture_md=ARCHITECTURE.replace(row, row * 26))
        self.only("the term `letter` has no three columns", architecture_md=ARCHITECTURE.replace(row, "| letter | dead letter |\n"))
        self.only("there is no glossary", architecture_md=ARCHITECTURE.replace(row, ""))


class Anchors(unittest.TestCase):
    def test_they_are_what_github_makes_of_headings(self):
        self.assertEqual(slug("What is proven, and what is not"), "what-is-proven-and-what-is-not")
        self.assertEqual(slug("A `serde_json` scanner: 1.0"), "a-serde_json-scanner-10")
        self.assertEqual(slug("[Unreleased](https://example.org)"), "unreleased")
        page = Page("page.md", "# One\n## One\n```text\n# Two\n```\n")
        self.assertEqual(page.anchors(), {"one", "one-1"})


if __name__ == "__main__":
    unittest.main()
