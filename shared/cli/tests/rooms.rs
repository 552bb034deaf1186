//! The rooms of the command and their imports, read from the source, so that a new import between rooms is noticed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The rooms, from the top floor to the ground: each imports only from floors below its own.
const FLOORS: [&[&str]; 7] = [
    &["main"],
    &["commands"],
    &["line", "letters", "resend", "figures"],
    // A stack may be on a local cloud, whose state tells whether it runs: so it stands above `local`.
    &["cloud"],
    &["local"],
    &["project", "terminal"],
    // Ports and words that know nobody: engines and the screen both speak through them.
    &["time", "progress"],
];

/// The floor of the engines.
const ENGINES: &[&str] = FLOORS[2];

/// The names that no engine uses: of the command line, the screen, and the commands.
const NOT_IN_AN_ENGINE: [&str; 8] =
    ["clap", "commands", "eprint", "eprintln", "print", "println", "terminal", "Terminal"];

/// A file of the command's source, without its comments and texts.
struct Source {
    /// Its path below `src`.
    path: PathBuf,
    /// Its module, such as `["letters", "redrive"]`.
    module: Vec<String>,
    code: String,
}

/// A path that a file names, such as `crate::letters::pass::Pass`, and in which line.
struct Import {
    line: usize,
    /// Without `crate`.
    path: Vec<String>,
}

impl Source {
    /// The room that it is in.
    fn room(&self) -> &str {
        &self.module[0]
    }

    /// The word of the command that it belongs to, if it belongs to one.
    fn word(&self) -> Option<&str> {
        (self.module[0] == "commands").then(|| self.module.get(1).map(String::as_str))?
    }

    /// The paths of this crate that it names.
    fn imports(&self) -> Vec<Import> {
        let mut imports = Vec::new();
        for (start, root) in
            ["crate::", "throughline_cli::", "super::"].iter().flat_map(|root| self.code.match_indices(root))
        {
            let before = self.code[..start].chars().next_back();
            if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':') {
                continue;
            }
            let line = 1 + self.code[..start].matches('\n').count();
            let mut rest = &self.code[start + root.len()..];
            let mut base = Vec::new();
            if root == "super::" {
                base.clone_from(&self.module);
                // In a module inside the file, the first `super` is the file.
                let is_inside = self.code[..start].rsplit('\n').next().is_some_and(|it| it.starts_with(' '));
                if !is_inside {
                    base.pop();
                }
                while let Some(further) = rest.strip_prefix("super::") {
                    base.pop();
                    rest = further;
                }
            }
            let mut paths = Vec::new();
            read_path(rest, base, &mut paths);
            imports.extend(paths.into_iter().map(|path| Import { line, path }));
        }
        imports
    }

    fn at(&self, line: usize) -> String {
        format!("src/{}:{line}", self.path.display())
    }
}

/// Reads a path with its groups, such as `a::{b, c::d}`, and returns what follows it.
fn read_path<'a>(text: &'a str, mut base: Vec<String>, paths: &mut Vec<Vec<String>>) -> &'a str {
    let mut rest = text.trim_start();
    loop {
        if let Some(mut inside) = rest.strip_prefix('{') {
            loop {
                inside = inside.trim_start_matches(|letter: char| letter.is_whitespace() || letter == ',');
                if let Some(after) = inside.strip_prefix('}') {
                    return after;
                }
                let after = read_path(inside, base.clone(), paths);
                if after.len() == inside.len() {
                    return after; // no path begins here
                }
                inside = after;
            }
        }
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        if end > 0 {
            base.push(rest[..end].to_owned());
        }
        rest = &rest[end..];
        match rest.strip_prefix("::") {
            Some(further) => rest = further,
            None => break,
        }
    }
    if let Some(renamed) = rest.strip_prefix(" as ") {
        let end = renamed.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
        rest = &renamed[end.unwrap_or(renamed.len())..];
    }
    paths.push(base);
    rest.strip_prefix('*').unwrap_or(rest)
}

/// Source without its comments and without what is in its texts; its lines stay where they are.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let hidden = match letter {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            'r' if rest.starts_with("r#\"") => rest.find("\"#").map_or(rest.len(), |end| end + 2),
            '"' => text_length(rest),
            '\'' if rest.starts_with("'\"'") => 3,
            '\'' if rest.starts_with("'\\") => rest[2..].find('\'').map_or(1, |end| end + 3),
            _ => 0,
        };
        let taken = if hidden > 0 { hidden } else { letter.len_utf8() };
        if hidden > 0 {
            code.extend(rest[..taken].chars().filter(|letter| *letter == '\n'));
        } else {
            code.push(letter);
        }
        rest = &rest[taken..];
    }
    code
}

/// Returns the length of the text that begins here, with its quotation marks.
fn text_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let code = code_of(&fs::read_to_string(&path).unwrap());
                let path = path.strip_prefix(&root).unwrap().to_owned();
                let module = path.with_extension("");
                let mut module: Vec<String> =
                    module.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
                if module == ["runbooks"] {
                    module.insert(0, "main".into()); // the program's own module
                }
                sources.push(Source { path, module, code });
            }
        }
    }
    sources.retain(|source| source.module != ["lib"]);
    assert!(sources.len() > 100, "the source is not where it was");
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}

fn floor(room: &str) -> usize {
    let found = FLOORS.iter().position(|rooms| rooms.contains(&room));
    found.unwrap_or_else(|| panic!("the room `{room}` stands on no floor: give it one in tests/rooms.rs"))
}

/// The arrows from room to room.
fn arrows(sources: &[Source]) -> BTreeMap<&str, BTreeSet<String>> {
    let mut arrows: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        let to = arrows.entry(source.room()).or_default();
        let rooms = source.imports().into_iter().filter_map(|import| import.path.into_iter().next());
        to.extend(rooms.filter(|room| room != source.room()));
    }
    arrows
}

#[test]
fn each_room_imports_only_from_the_floors_below_it() {
    let sources = sources();
    let mut wrong = Vec::new();
    for source in &sources {
        for Import { line, path } in source.imports() {
            let Some(to) = path.first().filter(|to| *to != source.room()) else { continue };
            if floor(to) <= floor(source.room()) {
                let at = source.at(line);
                wrong.push(format!(
                    "{at}: `{}` imports `{}`, which is not below it",
                    source.room(),
                    path.join("::")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let arrows = arrows(&sources);
    for (at, rooms) in FLOORS.iter().enumerate() {
        for room in *rooms {
            let to: Vec<&str> = arrows[room].iter().map(String::as_str).collect();
            println!("floor {}  {room:<9} -> {}", FLOORS.len() - at, to.join(", "));
        }
    }
    let count: usize = arrows.values().map(BTreeSet::len).sum();
    println!("{} rooms, {} floors, {count} arrows", arrows.len(), FLOORS.len());
}

#[test]
fn no_command_imports_a_command() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(word) = source.word() else { continue };
        for Import { line, path } in source.imports() {
            if let [room, other, ..] = path.as_slice()
                && room == "commands"
                && other != word
            {
                wrong.push(format!("{}: `{word}` imports `{other}`", source.at(line)));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_engine_names_the_command_line_the_screen_or_a_command() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| ENGINES.contains(&source.room())) {
        for (line, code) in (1..).zip(source.code.lines()) {
            let words = code.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            let is_test = source.path.ends_with("tests.rs");
            let is_wrong = |word: &str| NOT_IN_AN_ENGINE.contains(&word) && !(is_test && word == "println");
            for word in words.filter(|word| is_wrong(word)) {
                wrong.push(format!("{}: an engine names `{word}`", source.at(line)));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The files that a file imports, but for its parent and its children: a parent gives its children their names.
fn neighbours<'a>(source: &Source, sources: &'a [Source]) -> BTreeSet<&'a Path> {
    let file = |path: &[String]| {
        let of = |length: usize| sources.iter().find(|other| other.module == path[..length]);
        (1..=path.len()).rev().find_map(of)
    };
    let is_family =
        |other: &Source| other.module.starts_with(&source.module) || source.module.starts_with(&other.module);
    let imports = source.imports();
    let found = imports.iter().filter_map(|import| file(&import.path));
    found.filter(|other| !is_family(other)).map(|other| other.path.as_path()).collect()
}

#[test]
fn no_files_import_one_another_in_a_circle() {
    let sources = sources();
    let mut left: BTreeMap<&Path, BTreeSet<&Path>> =
        sources.iter().map(|source| (source.path.as_path(), neighbours(source, &sources))).collect();
    // Whoever imports nobody that is left, or is imported by nobody, is in no circle.
    let is_free = |left: &BTreeMap<&Path, BTreeSet<&Path>>, file: &Path| {
        let imports_nobody = left[file].iter().all(|to| !left.contains_key(to));
        imports_nobody || left.values().all(|to| !to.contains(file))
    };
    while let Some(free) = left.keys().copied().find(|file| is_free(&left, file)) {
        left.remove(free);
    }
    let in_circles: Vec<&Path> = left.keys().copied().collect();
    for imported in left.values_mut() {
        imported.retain(|file| in_circles.contains(file));
    }
    assert!(left.is_empty(), "these import one another: {left:#?}");
}

#[test]
fn groups_renames_and_texts_are_read_as_the_compiler_reads_them() {
    let text =
        "use crate::{\n    a::{self, B as C},\n    d::*,\n};\n// use crate::no;\nlet x = \"crate::no\";\n";
    let source = Source { path: "x.rs".into(), module: vec!["x".into(), "y".into()], code: code_of(text) };
    let read: Vec<String> = source.imports().iter().map(|import| import.path.join("::")).collect();
    assert_eq!(read, ["a::self", "a::B", "d"]);
    let source = Source { code: code_of("use super::z::Z;\nmod tests {\n    use super::*;\n}\n"), ..source };
    let read: Vec<(usize, String)> =
        source.imports().iter().map(|import| (import.line, import.path.join("::"))).collect();
    assert_eq!(read, [(1, "x::z::Z".into()), (3, "x::y".into())]);
}
