"""Every right has its reason, and every reason its right and its code."""

import copy
import dataclasses
import unittest

from model import Template
from mutation import PLACES, Mutation, arn
from rules import reasons


class RightsMutation(Mutation):
    def setUp(self):
        super().setUp()
        self.facts = dataclasses.replace(self.facts, rights=copy.deepcopy(self.facts.rights))

    def entry(self, action):
        return next(entry for entry in self.facts.rights if entry["action"] == action)

    def without(self, action):
        kept = tuple(entry for entry in self.facts.rights if entry["action"] != action)
        self.facts = dataclasses.replace(self.facts, rights=kept)


class Reasons(RightsMutation):
    def test_a_right_that_nobody_explains_is_reported(self):
        self.without("sns:Publish")
        self.assert_reported("NotifyCustomerRole", "no reason for sns:Publish on ${NotificationsTopic}")

    def test_a_right_on_a_resource_that_nobody_explains_is_reported(self):
        self.allow("PlaceOrderRole", "events:PutEvents", arn("EventArchive"))
        self.assert_reported("PlaceOrderRole", "events:PutEvents on ${EventArchive.Arn}")

    def test_a_right_that_is_explained_for_other_functions_is_reported(self):
        self.allow("PlaceOrderRole", "dynamodb:DeleteItem", arn("LedgerTable"))
        self.assert_reported("PlaceOrderRole", "no reason for dynamodb:DeleteItem")

    def test_an_entry_that_no_role_needs_any_more_is_reported(self):
        self.without_statement("NotifyCustomerRole", "Notify")
        self.assert_reported("infra/rights.json", "no role has sns:Publish")

    def test_a_function_of_an_entry_that_lacks_the_right_is_reported(self):
        self.without_action("CheckoutRole", "UseTheLedger", "dynamodb:DeleteItem")
        self.assert_reported("infra/rights.json", "checkout has no dynamodb:DeleteItem")

    def test_an_entry_without_code_is_reported(self):
        del self.entry("sns:Publish")["code"]
        self.assert_reported("infra/rights.json", "sns:Publish names no code")

    def test_code_that_is_gone_is_reported(self):
        for code in ["functions/gone.rs::notify", "functions/notify-customer/src/main.rs::gone"]:
            with self.subTest(code):
                self.setUp()
                self.entry("sns:Publish")["code"] = code
                self.assert_reported("infra/rights.json", code)

    def test_code_that_makes_another_call_is_reported(self):
        self.entry("sns:Publish")["says"] = ".publish_batch()"
        self.assert_reported("infra/rights.json", "does not say .publish_batch()")

    def test_a_function_that_does_not_do_what_needs_the_right_is_reported(self):
        self.entry("dynamodb:DeleteItem")["functions"]["checkout"] = "functions/checkout/src/main.rs::main says leased("
        self.assert_reported("infra/rights.json", "does not say leased(")

    def test_a_place_that_cannot_be_read_is_reported(self):
        self.entry("dynamodb:DeleteItem")["functions"]["checkout"] = "somewhere"
        self.assert_reported("the_code_that_needs_a_right_is_there", "somewhere")

    def test_the_list_holds_every_right_with_who_has_it_and_why(self):
        template = Template(self.template, PLACES["on AWS"], self.facts)
        explained = list(reasons.explained(template))
        self.assertEqual(len(explained), len(list(reasons.rights_of(template))))
        (publish,) = [right for right in explained if right["action"] == "sns:Publish"]
        self.assertEqual(publish["function"], "notify-customer")
        self.assertEqual(publish["code"], "functions/notify-customer/src/main.rs::notify")
        self.assertTrue(all(right["why"] and right["proof"] for right in explained))


class CodeInRustSources(unittest.TestCase):
    SOURCE = "fn first(a: X) -> Y { if b { c() } }\nimpl Z { async fn second() where A: B { d() } fn first() { e() } }"

    def test_a_function_s_body_ends_where_it_ends(self):
        self.assertEqual(list(reasons.bodies_of(self.SOURCE, "second")), ["{ d() }"])

    def test_functions_of_one_name_are_all_looked_at(self):
        self.assertEqual(list(reasons.bodies_of(self.SOURCE, "first")), ["{ if b { c() } }", "{ e() }"])


if __name__ == "__main__":
    unittest.main()
