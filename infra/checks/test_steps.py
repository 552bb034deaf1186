import subprocess
import unittest

import documented
import steps


def names(chosen):
    return [step.name for step in chosen]


class WhatIsNamed(unittest.TestCase):
    def test_what_a_step_needs_comes_before_it(self):
        self.assertEqual(names(steps.named(["crash-matrix"])), ["functions", "crash-matrix"])

    def test_one_name_may_stand_for_several_steps(self):
        chosen = names(steps.named(["end-to-end"]))
        self.assertEqual(chosen[-3:], ["ministack", "localstack", "table"])
        self.assertIn("localstack-tools", chosen)

    def test_a_step_that_is_not_there_is_named(self):
        with self.assertRaises(steps.NoSuchStep) as raised:
            steps.named(["format", "unti"])
        self.assertEqual(str(raised.exception), "unti")

    def test_everything_is_every_step_that_can_be_named_and_what_they_need(self):
        self.assertEqual(names(steps.named(steps.asked_for())), names(steps.STEPS))

    def test_every_step_has_its_commands(self):
        with open("infra/checks/steps.sh") as file:
            commands = file.read()
        for step in steps.STEPS:
            self.assertIn(f"\n{step.name}() {{", commands)


class WhatAChangeTouches(unittest.TestCase):
    def test_a_change_of_the_core_touches_nearly_all_of_it(self):
        touched = steps.touched(["shared/core/src/process.rs"])
        self.assertEqual(set(steps.asked_for()) - set(touched), {"features", "template"})

    def test_a_change_of_the_command_touches_no_state_machine(self):
        touched = steps.touched(["shared/cli/src/trace.rs"])
        self.assertEqual(
            list(touched), ["format", "lints", "docs", "unit", "ministack", "localstack", "table", "documents"]
        )
        self.assertEqual(set(touched.values()), {"shared/cli/src/trace.rs"})

    def test_a_rule_about_the_template_touches_the_template_alone(self):
        self.assertEqual(list(steps.touched(["infra/checks/rules/queues.py"])), ["template"])

    def test_a_page_touches_what_reads_pages(self):
        self.assertEqual(list(steps.touched(["ARCHITECTURE.md"])), ["docs", "unit"])
        self.assertIn("documents", steps.touched(["README.md"]))

    def test_how_steps_are_run_touches_every_step(self):
        self.assertEqual(list(steps.touched(["infra/checks/steps.sh"])), steps.asked_for())

    def test_a_file_that_nobody_knows_touches_every_step(self):
        self.assertEqual(list(steps.touched(["new/thing"])), steps.asked_for())

    def test_what_nothing_is_made_of_touches_nothing(self):
        self.assertEqual(steps.touched(["LICENSE-MIT", ".github/workflows/test.yml"]), {})

    def test_every_file_of_the_project_is_known(self):
        listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True)
        if listed.returncode != 0:
            self.skipTest("no git here")
        of_all = [file for file in listed.stdout.splitlines() if list(steps.touched([file])) == steps.asked_for()]
        self.assertEqual(sorted(file for file in of_all if not steps._matches(file, steps.OF_ALL)), [])


class WhosePackageItIs(unittest.TestCase):
    FOLDERS = {"throughline-core": "shared/core", "checkout": "functions/checkout"}

    def test_a_file_belongs_to_the_package_in_whose_folder_it_lies(self):
        files = ["shared/core/src/lib.rs", "functions/checkout/src/main.rs", "README.md"]
        self.assertEqual(steps.packages(files, self.FOLDERS), {"throughline-core", "checkout"})

    def test_a_file_of_no_package_may_matter_to_any(self):
        for file in ["Cargo.lock", "infra/template.yaml", "events/order.json", ".config/nextest.toml"]:
            self.assertIsNone(steps.packages([file, "shared/core/src/lib.rs"], self.FOLDERS), file)

    def test_what_only_tells_people_something_matters_to_none(self):
        self.assertEqual(steps.packages(["README.md", "infra/checks/model.py"], self.FOLDERS), set())


class WhatIsDocumented(unittest.TestCase):
    def test_a_program_with_the_name_of_a_library_is_not(self):
        def package(*targets):
            return {"targets": [{"name": name, "kind": [kind]} for name, kind in targets]}

        packages = [
            package(("place_order", "lib"), ("place-order", "bin")),
            package(("checkout", "bin"), ("orders", "test")),
            package(("throughline_cli", "lib"), ("throughline", "bin")),
            package(("throughline", "lib")),
        ]
        self.assertEqual(documented.programs({"packages": packages}), ["checkout"])


class WhatMayBegin(unittest.TestCase):
    def begin(self, chosen, done=(), running=()):
        return names(steps.next_ones(steps.named(chosen), done, running))

    def test_lanes_run_side_by_side_and_a_lane_has_one_step_at_a_time(self):
        self.assertEqual(self.begin(["lints", "model", "format", "pure"]), ["format", "lints"])
        self.assertEqual(self.begin(["lints", "model", "format"], ["lints"], ["format"]), ["model"])

    def test_a_step_waits_for_what_it_needs(self):
        chosen = ["ministack"]
        self.assertEqual(self.begin(chosen), ["cloud-tools", "functions", "programs"])
        self.assertEqual(self.begin(chosen, ["cloud-tools", "check-tools", "functions"], ["programs"]), [])
        self.assertEqual(self.begin(chosen, ["cloud-tools", "check-tools", "functions", "programs"]), ["ministack"])

    def test_both_clouds_run_at_the_same_time_and_beside_the_compiler(self):
        built = ["nextest", "cloud-tools", "localstack-tools", "check-tools", "functions", "programs"]
        chosen = ["end-to-end", "lints"]
        self.assertEqual(self.begin(chosen, built), ["lints", "ministack", "localstack"])
        self.assertEqual(self.begin(chosen, [*built, "lints", "ministack"], ["localstack"]), [])
        self.assertEqual(self.begin(chosen, [*built, "lints", "ministack", "localstack"]), ["table"])

    def test_the_copy_of_the_project_is_not_built_while_scenarios_build(self):
        built = ["cloud-tools", "localstack-tools", "check-tools", "functions", "programs"]
        chosen = ["documents", "end-to-end"]
        self.assertNotIn("documents", self.begin(chosen, [*built, "ministack"], ["localstack"]))
        self.assertIn("documents", self.begin(chosen, [*built, "ministack", "localstack"]))
        self.assertEqual(self.begin(["documents"], ["cloud-tools", "check-tools", "functions"]), ["documents"])


if __name__ == "__main__":
    unittest.main()
