"""The listing of a public interface shows what a user can name, and finds what a user cannot."""

import unittest

from api import FORMAT, Crate, Types, key, listing, unnameable


def item(number, name, **inner):
    return {"id": number, "name": name, "attrs": [], "inner": inner}


NO_GENERICS = {"params": [], "where_predicates": []}


def function(number, name, inputs, output=None):
    header = {"is_const": False, "is_async": True, "is_unsafe": False}
    signature = {"inputs": inputs, "output": output}
    return item(number, name, function={"sig": signature, "generics": NO_GENERICS, "header": header})


def unit(number, name):
    return item(number, name, struct={"kind": "unit", "generics": NO_GENERICS, "impls": []})


def named(number, path):
    return {"resolved_path": {"id": number, "path": path, "args": None}}


def crate(*items, paths=()):
    """A crate `throughline` whose root holds these items."""
    root = item(0, "throughline", module={"items": [of["id"] for of in items]})
    index = {str(of["id"]): of for of in [root, *items]}
    defined = {str(number): {"path": path.split("::")} for number, path in paths}
    return Crate({"format_version": FORMAT, "index": index, "paths": defined, "root": 0})


class Listing(unittest.TestCase):
    def test_a_line_is_an_item_with_its_signature(self):
        text = {"borrowed_ref": {"lifetime": None, "is_mutable": False, "type": {"primitive": "str"}}}
        send = function(1, "send", [["letter", text]], {"primitive": "bool"})
        self.assertEqual(listing(crate(send)), "async fn throughline::send(letter: &str) -> bool\n")

    def test_a_type_that_nobody_can_name_is_found(self):
        hidden = [(1, "throughline::send"), (7, "throughline::secret::Letter")]
        of = crate(function(1, "send", [["letter", named(7, "Letter")]]), paths=hidden)
        (sentence,) = unnameable({"throughline": of})
        self.assertIn("throughline::send names throughline::secret::Letter", sentence)

    def test_a_type_that_is_exported_under_another_path_is_not(self):
        letter = unit(7, "Letter")
        export = item(8, None, use={"source": "secret::Letter", "name": "Letter", "id": 7, "is_glob": False})
        send = function(1, "send", [["letter", named(7, "Letter")]])
        of = crate(send, export, paths=[(7, "throughline::secret::Letter")])
        of.index["7"] = letter
        again = Crate({"format_version": FORMAT, "index": of.index, "paths": of.paths, "root": 0})
        self.assertEqual(list(unnameable({"throughline": again})), [])
        self.assertIn("struct throughline::Letter\n", listing(again))

    def test_what_may_grow_says_so(self):
        letter = unit(7, "Letter") | {"attrs": ["non_exhaustive"]}
        self.assertEqual(listing(crate(letter)), "struct throughline::Letter (non-exhaustive)\n")

    def test_another_format_of_rustdoc_is_named_with_what_to_do(self):
        with self.assertRaisesRegex(SystemExit, f"format {FORMAT + 1}, and this reads {FORMAT}.*rustdoc-types"):
            Crate({"format_version": FORMAT + 1})

    def test_a_type_stands_before_what_belongs_to_it(self):
        sorted_lines = ["struct a::Letter", "field a::Letter::body: String", "fn a::Letter::new()", "fn a::letter()"]
        self.assertEqual(sorted(reversed(sorted_lines), key=key), sorted_lines)

    def test_a_kind_of_type_that_it_does_not_know_is_not_passed_over(self):
        with self.assertRaisesRegex(ValueError, "kind `tomorrow`"):
            Types().type({"tomorrow": {}})


if __name__ == "__main__":
    unittest.main()
