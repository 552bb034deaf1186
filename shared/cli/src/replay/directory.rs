//! Events in files, to be replayed without an archive.

use super::{Arguments, journal::Kept, plan::Candidate};
use std::{fs, path::Path};
use throughline_core::{Attributes, envelope::EncodedEnvelope};

/// An event in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// What would be sent.
    pub candidate: Candidate,
    attributes: Attributes,
}

/// Reads every `.json` file of a folder, in the order of their names. All of them are looked at before anything is
/// said of one.
///
/// # Errors
/// A sentence for each file that is no CloudEvent.
pub fn read(folder: &Path) -> Result<Vec<Found>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        match event(&path) {
            Ok(event) => found.push(event),
            Err(problem) => problems.push(format!("{}: {problem}", path.display())),
        }
    }
    if !problems.is_empty() {
        return Err(format!("nothing was sent: these are no events:\n{}", problems.join("\n")));
    }
    if found.is_empty() {
        return Err(format!("{} holds no .json file", folder.display()));
    }
    Ok(found)
}

fn event(path: &Path) -> Result<Found, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let EncodedEnvelope { attributes, .. } =
        serde_json::from_str(&text).map_err(|error| error.to_string())?;
    // Resumed from another folder, it must still be found.
    let path = path.canonicalize().map_err(|error| error.to_string())?;
    let candidate = Candidate {
        message: Kept::File(path),
        id: attributes.id.clone(),
        source: attributes.source.clone(),
        message_type: attributes.message_type.clone(),
        is_sent_alone: true,
    };
    Ok(Found { candidate, attributes })
}

/// Whether it is of a type and a line that were asked for.
pub(crate) fn is_wanted(found: &Found, arguments: &Arguments) -> bool {
    let Arguments { types, correlation_id: lines, .. } = arguments;
    let Attributes { message_type, correlation_id, .. } = &found.attributes;
    (types.is_empty() || types.contains(message_type)) && (lines.is_empty() || lines.contains(correlation_id))
}
