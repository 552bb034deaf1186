//! Events in files, which are replayed without an archive.

use super::{
    request::ReplayRequest,
    work::{Candidate, Location},
};
use crate::project::{
    catalogue::Catalogue,
    sample::{Sample, Wrong, problems},
};
use serde_json::Map;
use std::{fs, path::Path};
use throughline_core::{Attributes, EncodedEnvelope, Timestamp};
use throughline_operations::{json_text::readable, log::TimeRange};

/// An event that was read from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The event as a candidate for sending.
    pub candidate: Candidate,
    attributes: Attributes,
}

/// Reads every `.json` file of a folder, in the order of their names. It reads all of them before it reports a problem.
/// Events of types in the catalogue are checked against it; others may belong to another system.
///
/// # Errors
/// A sentence for each file that is not a CloudEvent, and for each field that violates the catalogue.
pub fn read(folder: &Path, catalogue: &Catalogue) -> Result<Vec<Found>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let (mut found, mut all_wrong) = (Vec::new(), Vec::new());
    for path in paths {
        match event(&path, catalogue) {
            Ok(event) => found.push(event),
            Err(wrong) => all_wrong.extend(wrong),
        }
    }
    if !all_wrong.is_empty() {
        return Err(format!("{}\nso nothing was sent", all_wrong.join("\n")));
    }
    if found.is_empty() {
        return Err(format!("{} holds no .json file", folder.display()));
    }
    Ok(found)
}

fn event(path: &Path, catalogue: &Catalogue) -> Result<Found, Vec<String>> {
    let wrong = |problem: &dyn ToString| vec![format!("{}: {}", path.display(), problem.to_string())];
    let sample = Sample::read(path).map_err(|error| wrong(&error))?;
    let body = sample.body();
    let EncodedEnvelope { attributes, .. } = serde_json::from_str(body).map_err(|error| wrong(&error))?;
    let (detail, _) = readable(body).map_err(|error| wrong(&error))?;
    if catalogue.of_type(&attributes.message_type).next().is_some() {
        let found = problems(&sample, catalogue, None);
        if !found.is_empty() {
            let located = found.into_iter().map(|at| Wrong { path: sample.path.clone(), at }.to_string());
            return Err(located.collect());
        }
    }
    // The path is absolute, so that a replay resumed from another folder still finds the file.
    let path = path.canonicalize().map_err(|error| wrong(&error))?;
    let candidate = Candidate {
        message: Location::File(path),
        id: attributes.id.clone(),
        source: attributes.source.clone(),
        message_type: attributes.message_type.clone(),
        is_sent_alone: true,
        event: Some(Map::from_iter([("detail".to_owned(), detail)])),
    };
    Ok(Found { candidate, attributes })
}

/// Returns the time range that begins with the earliest of these events. An event without a time counts as happening
/// now, as it does for its receiver.
pub(crate) fn range(found: &[Found], now: Timestamp) -> TimeRange {
    let first = found.iter().filter_map(|found| found.attributes.time).min();
    TimeRange { from: first.map_or(now, |first| first.min(now)), until: now }
}

/// Returns whether the event is of a type and a line that were asked for.
pub(crate) fn is_wanted(found: &Found, request: &ReplayRequest) -> bool {
    let Attributes { message_type, correlation_id, .. } = &found.attributes;
    request.has(message_type, Some(correlation_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Project;
    use serde_json::{Value, json};

    /// Returns the number of events that are read from a folder with these events.
    fn read_of(name: &str, events: &[Value]) -> Result<usize, String> {
        found_in(name, events).map(|found| found.len())
    }

    fn found_in(name: &str, events: &[Value]) -> Result<Vec<Found>, String> {
        let folder = std::env::temp_dir().join(format!("throughline-replay-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for (number, event) in events.iter().enumerate() {
            fs::write(folder.join(format!("{number}.json")), event.to_string()).unwrap();
        }
        let catalogue = Catalogue::of(&Project::find().unwrap()).unwrap();
        let found = read(&folder, &catalogue);
        fs::remove_dir_all(&folder).unwrap();
        found
    }

    fn sample() -> Value {
        serde_json::from_str(include_str!("../../../../events/order.placed.v1.json")).unwrap()
    }

    #[test]
    fn events_of_ours_are_held_against_the_catalogue_and_others_are_not() {
        let foreign = json!({
            "specversion": "1.0", "id": "1", "source": "elsewhere", "type": "something.else", "data": 1,
        });
        assert_eq!(read_of("right", &[sample(), foreign]), Ok(2));
    }

    #[test]
    fn a_folder_goes_back_to_the_first_of_its_events() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let from = |name, times: &[Option<&str>]| {
            let event = |time: Option<&str>| {
                let mut event = sample();
                event.as_object_mut().unwrap().remove("time");
                if let Some(time) = time {
                    event["time"] = json!(time);
                }
                event
            };
            let events: Vec<Value> = times.iter().copied().map(event).collect();
            let range = range(&found_in(name, &events).unwrap(), now);
            assert_eq!(range.until, now);
            range.from.to_string()
        };
        let (old, older) = ("2026-11-20T00:00:00Z", "2026-11-19T00:00:00Z");
        assert_eq!(from("times", &[Some(old), None, Some(older)]), older);
        assert_eq!(from("no-times", &[None]), now.to_string());
        assert_eq!(from("later", &[Some("2027-01-01T00:00:00Z")]), now.to_string());
    }

    #[test]
    fn a_candidate_holds_what_rules_ask_about() {
        let found = found_in("whole", &[sample()]).unwrap();
        let event = found[0].candidate.event.as_ref().unwrap();
        assert_eq!(event["detail"]["type"], "order.placed");
    }

    #[test]
    fn everything_wrong_is_told_with_its_field() {
        let mut wrong = sample();
        wrong["data"]["order_id"] = json!(7);
        let said = read_of("wrong", &[sample(), wrong, json!({ "no": "event" })]).unwrap_err();
        assert!(said.contains("1.json:1:") && said.contains("data.order_id"), "{said}");
        assert!(said.contains("2.json: ") && said.ends_with("so nothing was sent"), "{said}");
    }
}
