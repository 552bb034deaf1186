"""A feature that a dependency has in tests and not in a deployed function is found, and named."""

import unittest

from features import EXEMPT, differences, read

DEPLOYED = """\
confirm-order v0.1.0 (/somewhere/functions/confirm-order)|
serde_json v1.0.154|default,raw_value,std
tokio v1.54.1|rt,time
serde_json v1.0.154|default,raw_value,std (*)
itoa v1.0.15| (*)
"""
TESTED = DEPLOYED + "axum v0.8.9|json\n"


class Features(unittest.TestCase):
    def found(self, deployed, tested):
        return differences("confirm-order", read(deployed), read(tested))[0]

    def test_what_is_deployed_as_it_is_tested_is_right(self):
        self.assertEqual(self.found(DEPLOYED, TESTED), [])

    def test_a_feature_that_only_tests_have_is_found_with_its_function_and_crate(self):
        tested = TESTED.replace("default,raw_value", "default,float_roundtrip,raw_value")
        (sentence,) = self.found(DEPLOYED, tested)
        self.assertIn("confirm-order: serde_json v1.0.154 ", sentence)
        self.assertIn("`float_roundtrip`", sentence)
        self.assertIn("tested with it and deployed without", sentence)

    def test_a_feature_that_only_the_function_has_is_found(self):
        deployed = DEPLOYED.replace("default,raw_value", "arbitrary_precision,default,raw_value")
        (sentence,) = self.found(deployed, TESTED)
        self.assertIn("`arbitrary_precision`", sentence)
        self.assertIn("deployed with it and tested without", sentence)

    def test_another_version_than_the_tested_one_is_found(self):
        (sentence,) = self.found(DEPLOYED.replace("v1.54.1", "v1.53.0"), TESTED)
        self.assertEqual(sentence, "confirm-order: tokio v1.53.0 is deployed and not tested")

    def test_an_exempt_feature_is_exempt_of_its_crate_only(self):
        tested = TESTED.replace("rt,time", "process,rt,time")
        self.assertEqual(self.found(DEPLOYED, tested), [])
        self.assertEqual(differences("confirm-order", read(DEPLOYED), read(tested))[1], {("tokio", "process")})
        self.assertEqual(len(self.found(DEPLOYED, TESTED.replace("raw_value", "process,raw_value"))), 1)

    def test_what_changes_how_json_is_read_is_never_exempt(self):
        self.assertNotIn("serde_json", EXEMPT)
        self.assertTrue(all(reason for features in EXEMPT.values() for reason in features.values()))


if __name__ == "__main__":
    unittest.main()
