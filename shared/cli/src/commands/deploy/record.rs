//! The record of the last deployment: code that has not changed since is not deployed again.

use super::{
    build::{Code, digest},
    change_set::StackState,
    error::{DeployError, file},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The record of the last deployment to a stack, kept beside its outputs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The stack, which is another one after it was deleted and made anew.
    pub(super) stack_id: String,
    /// When that was, as CloudFormation says it: somebody else may have deployed since.
    #[serde(default)]
    pub(super) changed_at: String,
    /// The digest of all that it was made from.
    pub(super) inputs: String,
    /// The digest of the code that each function runs, as far as we know.
    pub(super) functions: BTreeMap<String, String>,
    /// Functions that were given other code than the stack's template names.
    pub(super) overridden: BTreeSet<String>,
}

impl Record {
    fn path(folder: &Path, stack: &str) -> PathBuf {
        folder.join(format!("{stack}.deployed.json"))
    }

    /// The last one. One that cannot be read is as good as none: all is deployed again.
    pub(super) fn read(folder: &Path, stack: &str) -> Self {
        let text = fs::read_to_string(Self::path(folder, stack)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub(super) fn write(&self, folder: &Path, stack: &str) -> Result<(), DeployError> {
        let path = Self::path(folder, stack);
        fs::create_dir_all(folder).map_err(file(folder))?;
        fs::write(&path, serde_json::to_string_pretty(self).unwrap_or_default()).map_err(file(&path))
    }

    /// Returns whether the stack is as these inputs would make it.
    pub(super) fn is_of(&self, stack: &StackState, inputs: &str) -> bool {
        let is_same_stack = self.stack_id == stack.id && self.changed_at == stack.changed_at;
        is_same_stack && self.inputs == inputs && self.overridden.is_empty()
    }

    /// A function was given code by itself; whether it runs it is not known yet.
    pub(super) fn override_code(&mut self, function: &str) {
        self.functions.remove(function);
        self.overridden.insert(function.to_owned());
    }

    /// A function runs the code that it was given by itself.
    pub(super) fn confirm_code(&mut self, function: &str, code: &Code) {
        self.functions.insert(function.to_owned(), code.digest.clone());
    }

    /// Functions that CloudFormation believes to be as the template says, and that run something else.
    pub(super) fn strayed(&self, code: &BTreeMap<String, Code>) -> Vec<String> {
        let is_other = |name: &&String| {
            code.get(*name).is_some_and(|code| self.functions.get(*name) != Some(&code.digest))
        };
        self.overridden.iter().filter(is_other).cloned().collect()
    }
}

/// The digest of all that a stack is made from: the template and what it includes, the values of its parameters, the
/// functions' code.
pub(super) fn inputs(
    texts: &[String],
    parameters: &BTreeMap<String, String>,
    code: &BTreeMap<String, Code>,
) -> String {
    let parameters = parameters.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    let code = code.iter().flat_map(|(name, code)| [name.as_bytes(), code.digest.as_bytes()]);
    let pieces: Vec<&[u8]> = texts.iter().map(String::as_bytes).chain(parameters).chain(code).collect();
    digest(&pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(digests: &[(&str, &str)]) -> BTreeMap<String, Code> {
        let code = |digest: &str| Code { zip: PathBuf::new(), digest: digest.into() };
        digests.iter().map(|(name, digest)| ((*name).to_owned(), code(digest))).collect()
    }

    #[test]
    fn any_other_template_value_or_program_is_another_input() {
        let value = |value: &str| BTreeMap::from([("Days".to_owned(), value.to_owned())]);
        let texts = |text: &str| vec![text.to_owned()];
        let of = |text: &str, days: &str, program: &str| {
            inputs(&texts(text), &value(days), &code(&[("f", program)]))
        };
        assert_eq!(of("t", "3", "a"), of("t", "3", "a"));
        for other in [of("u", "3", "a"), of("t", "4", "a"), of("t", "3", "b")] {
            assert_ne!(of("t", "3", "a"), other);
        }
    }

    fn stack(id: &str, changed_at: &str) -> StackState {
        StackState { id: id.into(), changed_at: changed_at.into(), ..StackState::default() }
    }

    fn deployed() -> Record {
        Record {
            stack_id: "s".into(),
            changed_at: "noon".into(),
            inputs: "i".into(),
            functions: [("f".to_owned(), "old".to_owned())].into(),
            ..Record::default()
        }
    }

    #[test]
    fn a_stack_is_as_it_was_left_unless_it_is_another_or_somebody_changed_it() {
        let record = deployed();
        assert!(record.is_of(&stack("s", "noon"), "i"));
        assert!(!record.is_of(&stack("t", "noon"), "i"), "made anew");
        assert!(!record.is_of(&stack("s", "one o'clock"), "i"), "changed by somebody else");
        assert!(!record.is_of(&stack("s", "noon"), "j"), "changed here");
    }

    #[test]
    fn code_given_by_itself_is_put_right_by_the_next_deployment() {
        let mut record = deployed();
        record.override_code("f");
        assert!(!record.is_of(&stack("s", "noon"), "i"));
        assert_eq!(record.strayed(&code(&[("f", "new")])), ["f"], "it may not have come to run it");
        record.confirm_code("f", &code(&[("f", "new")])["f"]);
        // The source went back: CloudFormation sees no change, and the function runs the new code.
        assert_eq!(record.strayed(&code(&[("f", "old")])), ["f"]);
        assert!(record.strayed(&code(&[("f", "new")])).is_empty());
    }
}
