//! The template and the functions' code, in a bucket, where CloudFormation takes them from.

use super::{
    build::{Code, digest},
    error::{DeployError, file, malformed},
};
use crate::{
    cloud::{aws_command_line::AwsCommandLine, place::Place},
    project::{Project, template::Template},
    terminal::Terminal,
};
use std::{collections::BTreeMap, env, fs, path::Path};

/// The template for this machine's builds, before it is packaged.
#[derive(Debug)]
pub(super) struct Staged {
    /// The template's text, which names files of this machine.
    text: String,
    /// The text of each file that the template includes.
    included: Vec<String>,
}

/// The file with the template as CloudFormation gets it, in JSON.
pub(super) const PACKAGED: &str = "packaged.json";

/// The key of a function's code in a template of SAM, and of a state machine's definition.
const CODE: &str = "CodeUri: ";
const DEFINITION: &str = "DefinitionS3Location: ";

impl Staged {
    /// Puts each function's zip and each included file where the template names it, by its place on this machine.
    pub(super) fn of(project: &Project, code: &BTreeMap<String, Code>) -> Result<Self, DeployError> {
        let path = Template::path(project);
        let text = fs::read_to_string(&path).map_err(file(&path))?;
        let mut staged = Self { text: String::new(), included: Vec::new() };
        for line in text.lines() {
            staged.take(line, &path, code)?;
            staged.text.push('\n');
        }
        Ok(staged)
    }

    fn take(
        &mut self,
        line: &str,
        template: &Path,
        code: &BTreeMap<String, Code>,
    ) -> Result<(), DeployError> {
        let content = line.trim_start();
        let indent = &line[..line.len() - content.len()];
        let place = if let Some(folder) = content.strip_prefix(CODE) {
            let name = folder.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            let found = code.get(name);
            let found = found.ok_or_else(|| {
                malformed(
                    template,
                    format!("CodeUri {folder} is of no function in functions/; name target/lambda/FUNCTION/"),
                )
            })?;
            Some((CODE, found.zip.clone()))
        } else if let Some(name) = content.strip_prefix(DEFINITION) {
            let included = template.with_file_name(name);
            self.included.push(fs::read_to_string(&included).map_err(file(&included))?);
            Some((DEFINITION, included))
        } else {
            None
        };
        match place {
            // A path between quotes of JSON is one in YAML.
            Some((key, place)) => {
                let place = serde_json::to_string(&place.display().to_string()).unwrap_or_default();
                self.text.extend([indent, key, &place]);
            }
            None => self.text += line,
        }
        Ok(())
    }

    /// The texts that the stack is made from.
    pub(super) fn texts(&self) -> Vec<String> {
        std::iter::once(&self.text).chain(&self.included).cloned().collect()
    }

    /// Uploads what is not in the bucket yet, and says where the template is.
    pub(super) fn upload(
        &self,
        aws: AwsCommandLine<'_>,
        folder: &Path,
        bucket: &Bucket,
    ) -> Result<String, DeployError> {
        let [staged, packaged] = ["staged.yaml", PACKAGED].map(|name| folder.join(name));
        fs::create_dir_all(folder).map_err(file(folder))?;
        fs::write(&staged, &self.text).map_err(file(&staged))?;
        let [from, to] = [&staged, &packaged].map(|path| path.display().to_string());
        let what = ["cloudformation", "package", "--template-file", &from, "--use-json"];
        let whereto =
            ["--output-template-file", &to, "--s3-bucket", &bucket.name, "--s3-prefix", "throughline"];
        aws.text([&what[..], &whereto[..]].concat())?;
        let content = fs::read(&packaged).map_err(file(&packaged))?;
        let key = format!("throughline/{}.template", digest(&[&content]));
        let put = ["s3api", "put-object", "--bucket", &bucket.name, "--key", &key, "--body", &to];
        aws.text(put.into_iter().chain(bucket.owner_arguments()))?;
        let bucket = &bucket.name;
        Ok(match aws.place {
            Place::Local { endpoint } => format!("{}/{bucket}/{key}", endpoint.trim_end_matches('/')),
            Place::Aws => format!("https://{bucket}.s3.{}.amazonaws.com/{key}", region(aws)?),
        })
    }
}

/// The destination of uploads.
#[derive(Debug)]
pub(super) struct Bucket {
    name: String,
    /// The account it must belong to. Names of buckets are the whole world's: somebody else may have taken ours.
    owner: Option<String>,
}

impl Bucket {
    fn owner_arguments(&self) -> Vec<&str> {
        self.owner.iter().flat_map(|owner| ["--expected-bucket-owner", owner]).collect()
    }
}

/// The bucket: the one that is named, or one of this account and region, which is made where it is missing.
pub(super) fn bucket(
    aws: AwsCommandLine<'_>,
    named: Option<&str>,
    terminal: Terminal,
) -> Result<Bucket, DeployError> {
    let bucket = match (named, aws.place) {
        // Somebody who names a bucket may well mean another account's.
        (Some(named), _) => Bucket { name: named.to_owned(), owner: None },
        (None, Place::Local { .. }) => Bucket { name: "throughline-deployments".to_owned(), owner: None },
        (None, Place::Aws) => {
            let caller = aws.json(["sts", "get-caller-identity"])?;
            let account = caller["Account"].as_str().unwrap_or_default();
            Bucket {
                name: format!("throughline-{account}-{}", region(aws)?),
                owner: Some(account.to_owned()),
            }
        }
    };
    let name = &bucket.name;
    let head = ["s3api", "head-bucket", "--bucket", name].into_iter().chain(bucket.owner_arguments());
    if aws.text(head).is_ok() {
        return Ok(bucket);
    }
    let mut create = vec!["s3api".to_owned(), "create-bucket".into(), "--bucket".into(), name.clone()];
    if aws.place == &Place::Aws {
        terminal.confirm(&format!("create the bucket `{name}`, for the functions' code"))?;
        let region = region(aws)?;
        // The first region is the one that may not be named.
        if region != "us-east-1" {
            create.extend(["--create-bucket-configuration".into(), format!("LocationConstraint={region}")]);
        }
    }
    aws.text(create)?;
    Ok(bucket)
}

/// The region of the environment, or else of the profile.
fn region(aws: AwsCommandLine<'_>) -> Result<String, DeployError> {
    let named = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(|name| env::var(name).ok());
    let region = match named {
        Some(region) => region,
        None => aws.text(["configure", "get", "region"]).unwrap_or_default().trim().to_owned(),
    };
    if region.is_empty() {
        return Err(DeployError::NotSetUp(
            "no region is chosen: set AWS_REGION, or the profile's `region`".into(),
        ));
    }
    Ok(region)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn staged(line: &str) -> Result<String, DeployError> {
        let code = Code { zip: PathBuf::from("/zips/f.zip"), digest: String::new() };
        let mut staged = Staged { text: String::new(), included: Vec::new() };
        staged.take(line, Path::new("/nowhere/template.yaml"), &BTreeMap::from([("f".to_owned(), code)]))?;
        Ok(staged.text)
    }

    #[test]
    fn a_function_s_code_is_named_by_its_place_on_this_machine() {
        assert_eq!(staged("      CodeUri: ../target/lambda/f/").unwrap(), "      CodeUri: \"/zips/f.zip\"");
        assert_eq!(staged("      Timeout: 5").unwrap(), "      Timeout: 5");
    }

    #[test]
    fn code_of_no_function_is_an_error_that_says_so() {
        let error = staged("      CodeUri: ../target/lambda/g/").unwrap_err().to_string();
        assert!(error.contains("lambda/g/") && error.contains("no function"), "{error}");
    }
}
