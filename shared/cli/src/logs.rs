//! `throughline logs`: what the functions logged, from CloudWatch Logs.

use crate::{deploy::DeployError, project::Project};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

/// What the functions of a stack logged, one line of JSON each, in the order of their times; only the lines
/// that contain `text`, if given.
///
/// # Errors
/// If nothing is deployed, or the logs cannot be read.
pub fn run(project: &Project, port: u16, endpoint: &str, text: Option<&str>) -> Result<String, DeployError> {
    let aws = project.tool("aws").map_err(DeployError::NotSetUp)?;
    let path = project.outputs(port);
    let outputs = fs::read_to_string(&path).map_err(|_| {
        DeployError::NotSetUp(format!(
            "nothing is deployed ({} is missing): run `throughline deploy`",
            path.display()
        ))
    })?;
    let outputs: Value = serde_json::from_str(&outputs).unwrap_or_default();
    let functions = outputs.as_object().into_iter().flatten().filter(|(name, _)| name.ends_with("Function"));
    // All at once: each takes most of a second to start.
    let readers: Vec<(String, Child)> = functions
        .filter_map(|(_, name)| Some(format!("/aws/lambda/{}", name.as_str()?)))
        .map(|group| start(&aws, endpoint, &group).map(|child| (group, child)))
        .collect::<Result<_, _>>()?;
    let mut lines = Vec::new();
    for (group, reader) in readers {
        lines.extend(finish(&group, reader)?);
    }
    lines.sort();
    let wanted =
        lines.into_iter().map(|(_, line)| line).filter(|line| text.is_none_or(|text| line.contains(text)));
    Ok(wanted.map(|line| line + "\n").collect())
}

fn start(aws: &Path, endpoint: &str, group: &str) -> Result<Child, DeployError> {
    crate::project::without_real_credentials(&mut Command::new(aws))
        .args(["logs", "filter-log-events", "--output", "json", "--log-group-name", group])
        .env("AWS_ENDPOINT_URL", endpoint)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| DeployError::File { path: aws.display().to_string(), source })
}

/// The lines of a group that are ours, with their times.
fn finish(group: &str, reader: Child) -> Result<Vec<(String, String)>, DeployError> {
    let step = || format!("reading the logs {group}");
    let output =
        reader.wait_with_output().map_err(|source| DeployError::File { path: group.to_owned(), source })?;
    if !output.status.success() {
        let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        // A function that never ran has no logs yet.
        return if output.contains("ResourceNotFound") {
            Ok(Vec::new())
        } else {
            Err(DeployError::Step { step: step(), output })
        };
    }
    let answer: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| DeployError::Step { step: step(), output: error.to_string() })?;
    let messages =
        answer["events"].as_array().into_iter().flatten().filter_map(|event| event["message"].as_str());
    let lines = messages.flat_map(str::lines).filter_map(|line| {
        let fields: Value = serde_json::from_str(line).ok()?;
        Some((fields["timestamp"].as_str()?.to_owned(), line.to_owned()))
    });
    Ok(lines.collect())
}
