//! Checks that people can run the commands that alarms, the dashboard and `--help` name.

use super::Arguments;
use clap::{Command, CommandFactory as _, Parser as _};
use serde_json::Value;
use throughline_cli::project::template::Template;

/// Every text below a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(values) => values.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// The commands between backquotes in a text, for a stack that is reached with these options.
fn commands(text: &str, options: &str) -> Vec<String> {
    let text = text.replace("${CommandOptions}", options).replace("${AWS::StackName}", "shop");
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|quoted| quoted.starts_with("throughline ")).map(str::to_owned).collect()
}

fn what_cannot_be_run(name: &str, text: &str) -> Vec<String> {
    let commands = ["", "--aws "].into_iter().flat_map(|options| commands(text, options));
    let refused = commands.filter_map(|command| {
        let error = Arguments::try_parse_from(command.split_whitespace()).err()?;
        Some(format!("{name}: `{command}`: {error}"))
    });
    refused.collect()
}

#[test]
fn every_command_that_the_template_tells_people_to_run_exists() {
    let template = Template::parse(include_str!("../../../infra/template.yaml")).unwrap();
    let resources = template.document()["Resources"].as_object().unwrap();
    let told: Vec<(&str, &str)> = resources
        .iter()
        .flat_map(|(name, resource)| {
            let properties = &resource["Properties"];
            let texts = [&properties["AlarmDescription"], &properties["DashboardBody"]].map(texts);
            texts.into_iter().flatten().map(move |text| (name.as_str(), text))
        })
        .collect();
    assert!(told.iter().all(|(_, text)| !commands(text, "").is_empty()), "each says what to do");
    let refused: Vec<String> = told.iter().flat_map(|(name, text)| what_cannot_be_run(name, text)).collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn a_command_that_does_not_exist_is_noticed() {
    let text =
        "Look: `throughline deploy ${CommandOptions}--stack ${AWS::StackName}`, then `throughline mend it`.";
    let refused = what_cannot_be_run("XAlarm", text);
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(refused[0].starts_with("XAlarm: `throughline mend it`"), "{refused:?}");
}

/// The words of the command that do something, each with those before it.
fn words(command: &Command) -> Vec<(String, &Command)> {
    let mut words = Vec::new();
    for word in command.get_subcommands() {
        let below = self::words(word);
        if below.is_empty() {
            words.push((word.get_name().to_owned(), word));
        }
        words.extend(below.into_iter().map(|(name, it)| (format!("{} {name}", word.get_name()), it)));
    }
    words
}

#[test]
fn every_word_ends_its_help_with_examples_that_can_be_run() {
    let command = Arguments::command();
    let words = words(&command);
    assert!(words.len() > 15, "{words:?}");
    for (word, command) in words {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.starts_with("Examples:\n"), "{word} has no examples: {help}");
        for example in help.lines().filter_map(|line| line.strip_prefix("  throughline ")) {
            assert!(example.starts_with(&word), "{word}: {example}");
            let run = example.split(['#', '<']).next().unwrap_or_default();
            let run = run.replace('\'', "");
            let run = std::iter::once("throughline").chain(run.split_whitespace());
            if let Err(error) = Arguments::try_parse_from(run) {
                panic!("{word}: `{example}`: {error}");
            }
        }
    }
}
