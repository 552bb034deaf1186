//! The contents of `infra/template.yaml`, read without Python and without a cloud.

use crate::project::Project;
use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Number, Value, json};
use std::{fs, io, path::PathBuf};

/// Why the template could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// There is none, or it may not be read.
    #[error("{path}: {source}")]
    File {
        /// The path where it should be.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// It is no YAML.
    #[error("{path}: {reason}")]
    Malformed {
        /// Its path.
        path: String,
        /// The problem, and its line.
        reason: String,
    },
}

/// A template of CloudFormation or SAM as JSON, its functions in their long form: `!Ref X` is `{"Ref": "X"}`, and
/// `!GetAtt X.Arn` is `{"Fn::GetAtt": ["X", "Arn"]}`. Nothing is resolved, and no macro is applied.
///
/// ```
/// use throughline_cli::project::template::Template;
/// let template = Template::parse("Resources: {Bus: {Type: 'AWS::Events::EventBus', Properties: {Name: !Ref Stack}}}")?;
/// assert_eq!(template.resource("Bus")?["Properties"]["Name"], serde_json::json!({ "Ref": "Stack" }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    document: Value,
}

impl Template {
    /// Returns the path of a project's template.
    pub fn path(project: &Project) -> PathBuf {
        project.root().join("infra/template.yaml")
    }

    /// A project's template.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn of(project: &Project) -> Result<Self, TemplateError> {
        let path = Self::path(project);
        let shown = path.display().to_string();
        let text = fs::read_to_string(&path)
            .map_err(|source| TemplateError::File { path: shown.clone(), source })?;
        Self::parse(&text).map_err(|reason| TemplateError::Malformed { path: shown, reason })
    }

    /// A template of which this is the text.
    ///
    /// # Errors
    /// A sentence, if it is no YAML.
    pub fn parse(text: &str) -> Result<Self, String> {
        let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
        match documents.as_slice() {
            [document] => Ok(Self { document: long_form(document) }),
            _ => Err(format!("it holds {} documents of YAML; a template is one", documents.len())),
        }
    }

    /// All of it.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Its parameters, by name.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.section("Parameters")
    }

    /// Its resources, by logical id; each with `Type`, `Properties` and what else it says.
    pub fn resources(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.section("Resources")
    }

    /// Its resources of a type, such as `AWS::SQS::Queue`, by logical id: their properties.
    pub fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let is_it = move |(_, resource): &(&str, &Value)| resource["Type"] == kind;
        self.resources().filter(is_it).map(|(name, resource)| (name, &resource["Properties"]))
    }

    /// A resource.
    ///
    /// # Errors
    /// A sentence, if there is none with this logical id.
    pub fn resource(&self, logical_id: &str) -> Result<&Value, String> {
        self.document["Resources"]
            .get(logical_id)
            .ok_or_else(|| format!("the template has no resource `{logical_id}`"))
    }

    fn section(&self, name: &str) -> impl Iterator<Item = (&str, &Value)> {
        self.document[name].as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
    }
}

/// YAML as JSON. What JSON cannot say, such as a key that is no text, becomes text.
fn long_form(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Value(scalar) => scalar_value(scalar),
        Yaml::Sequence(items) => items.iter().map(long_form).collect(),
        Yaml::Mapping(entries) => {
            let key = |key: &Yaml<'_>| match long_form(key) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            Value::Object(
                entries.iter().map(|(name, value)| (key(name), long_form(value))).collect::<Map<_, _>>(),
            )
        }
        Yaml::Tagged(tag, node) if !tag.is_yaml_core_schema() => function(&tag.suffix, long_form(node)),
        Yaml::Tagged(_, node) => long_form(node),
        Yaml::Representation(text, ..) => Value::String(text.to_string()),
        Yaml::Alias(_) | Yaml::BadValue => Value::Null,
    }
}

fn scalar_value(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => json!(value),
        Scalar::Integer(value) => json!(value),
        Scalar::FloatingPoint(value) => Number::from_f64(value.0).map_or(Value::Null, Value::Number),
        Scalar::String(text) => Value::String(text.to_string()),
    }
}

/// A function of CloudFormation in its long form.
fn function(name: &str, argument: Value) -> Value {
    let (name, argument) = match (name, argument) {
        ("Ref" | "Condition", argument) => (name.to_owned(), argument),
        ("GetAtt", Value::String(text)) => {
            let (resource, attribute) = text.split_once('.').unwrap_or((&text, ""));
            ("Fn::GetAtt".to_owned(), json!([resource, attribute]))
        }
        (name, argument) => (format!("Fn::{name}"), argument),
    };
    json!({ name: argument })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_functions_are_given_their_long_form() {
        let text = "a: !Ref X\nb: !GetAtt X.Arn\nc: !Sub '${X}-y'\nd: !If [C, !Ref 'AWS::NoValue', [!GetAtt [X, Y]]]\n";
        let expected = json!({
            "a": { "Ref": "X" },
            "b": { "Fn::GetAtt": ["X", "Arn"] },
            "c": { "Fn::Sub": "${X}-y" },
            "d": { "Fn::If": ["C", { "Ref": "AWS::NoValue" }, [{ "Fn::GetAtt": ["X", "Y"] }]] },
        });
        assert_eq!(Template::parse(text).unwrap().document(), &expected);
    }

    #[test]
    fn what_is_quoted_is_text_and_what_is_not_is_what_it_looks_like() {
        let expected = json!({ "a": "1", "b": 1, "c": "true", "d": true, "e": 1.5, "f": "2012-10-17" });
        let text = "a: '1'\nb: 1\nc: \"true\"\nd: true\ne: 1.5\nf: \"2012-10-17\"\n";
        assert_eq!(Template::parse(text).unwrap().document(), &expected);
    }

    #[test]
    fn the_real_template_is_read_whole() {
        let template = Template::parse(include_str!("../../../../infra/template.yaml")).unwrap();
        let queue = template.resource("ReserveStockQueue").unwrap();
        assert_eq!(
            queue["Properties"]["RedrivePolicy"]["deadLetterTargetArn"],
            json!({ "Fn::GetAtt": ["ReserveStockDeadLetterQueue", "Arn"] })
        );
        assert!(template.of_type("AWS::Serverless::Function").any(|(name, _)| name == "PlaceOrderFunction"));
        assert!(
            template
                .parameters()
                .any(|(name, parameter)| name == "PaymentUrl" && parameter["Default"].is_null())
        );
        assert!(template.resource("Nothing").unwrap_err().contains("`Nothing`"));
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_line() {
        let error = Template::parse("a: 1\nb: [1\n").unwrap_err();
        assert!(error.contains("line"), "{error}");
    }
}
