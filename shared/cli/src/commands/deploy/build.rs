//! From source to what a cloud takes a function's code in: a zip file.

use super::error::{DeployError, file};
use crate::project::{
    Project,
    build::{built, cargo_build},
};
use clap::ValueEnum;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// The builder of the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Builder {
    /// Plain cargo, for functions that run on this machine
    Cargo,
    /// cargo-lambda, for Lambda: optimised, linked against an old enough C library, zipped
    CargoLambda,
}

/// The build of functions.
#[derive(Debug, Clone)]
pub struct Build {
    /// With what.
    pub builder: Builder,
    /// With which cargo profile.
    pub profile: String,
}

/// A function's code, built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// The zip file with the program in it.
    pub zip: PathBuf,
    /// The SHA-256 of that file, in hexadecimal digits.
    pub digest: String,
}

impl Build {
    /// Builds functions, and says where the code of each is. What builds them tells its progress itself.
    ///
    /// # Errors
    /// [`DeployError`].
    pub fn run(
        &self,
        project: &Project,
        functions: &[String],
    ) -> Result<BTreeMap<String, Code>, DeployError> {
        match self.builder {
            _ if functions.is_empty() => {}
            Builder::Cargo => self.with_cargo(project, functions)?,
            Builder::CargoLambda => self.with_cargo_lambda(project, functions)?,
        }
        let code = functions.iter().map(|name| {
            let zip = match self.builder {
                Builder::Cargo => zipped(project, name)?,
                Builder::CargoLambda => folder(project, name).join("bootstrap.zip"),
            };
            let digest = digest_of_file(&zip)?;
            Ok((name.clone(), Code { zip, digest }))
        });
        code.collect()
    }

    fn with_cargo(&self, project: &Project, functions: &[String]) -> Result<(), DeployError> {
        let mut cargo = cargo_build(project, &self.profile);
        // Not `--bins`: the command, which depends on the shop, takes longer to compile than all functions.
        cargo.args(functions.iter().flat_map(|name| ["--bin", name]));
        run(project, cargo, "cargo")?;
        let built = built(project, &self.profile);
        for name in functions {
            let (program, bootstrap) = (built.join(name), folder(project, name).join("bootstrap"));
            let folder = folder(project, name);
            fs::create_dir_all(&folder).map_err(file(&folder))?;
            if !is_copy(&program, &bootstrap) {
                copy(&program, &bootstrap).map_err(file(&program))?;
            }
        }
        Ok(())
    }

    fn with_cargo_lambda(&self, project: &Project, functions: &[String]) -> Result<(), DeployError> {
        let mut cargo = cargo_lambda(project)?;
        cargo.args([
            "build",
            "--locked",
            "--profile",
            &self.profile,
            "--output-format",
            "zip",
            "--lambda-dir",
        ]);
        cargo.arg(project.root().join(FOLDER));
        cargo.args(functions.iter().flat_map(|name| ["--package", name, "--bin", name]));
        run(project, cargo, "cargo-lambda")
    }
}

/// `cargo lambda`, the one that `scripts/setup cargo-lambda` installed.
pub(super) fn cargo_lambda(project: &Project) -> Result<Command, DeployError> {
    let bin = project.root().join(".throughline/cargo-lambda/bin");
    if !bin.join("cargo-lambda").is_file() {
        let advice =
            format!("cargo-lambda is not installed at {}: run scripts/setup cargo-lambda", bin.display());
        return Err(DeployError::NotSetUp(advice));
    }
    // It asks the first Python for Zig.
    let others = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(std::iter::once(bin.clone()).chain(env::split_paths(&others)))
        .map_err(|error| DeployError::NotSetUp(format!("PATH cannot be set: {error}")))?;
    let mut command = Command::new(bin.join("cargo-lambda"));
    command.arg("lambda").env("PATH", path);
    Ok(command)
}

fn run(project: &Project, mut command: Command, program: &'static str) -> Result<(), DeployError> {
    // Standard output is for what was asked for.
    command.current_dir(project.root()).stdout(io::stderr());
    let status = command.status().map_err(file(Path::new(program)))?;
    if status.success() { Ok(()) } else { Err(DeployError::NotBuilt { program }) }
}

/// The folder where cargo-lambda puts each function's program, in a folder of its own.
const FOLDER: &str = "target/lambda";

fn folder(project: &Project, function: &str) -> PathBuf {
    project.root().join(FOLDER).join(function)
}

/// A function's program as cargo built it, under the name that Lambda starts.
pub(super) fn bootstrap(project: &Project, function: &str) -> PathBuf {
    folder(project, function).join("bootstrap")
}

/// Same length and not older: cargo writes a new file whenever it builds.
fn is_copy(built: &Path, copied: &Path) -> bool {
    let (Ok(built), Ok(copied)) = (fs::metadata(built), fs::metadata(copied)) else { return false };
    let is_newer =
        matches!((built.modified(), copied.modified()), (Ok(built), Ok(copied)) if copied >= built);
    built.len() == copied.len() && is_newer
}

/// Copies so that nobody ever sees half a file.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let part = to.with_extension("part");
    fs::copy(from, &part)?;
    fs::rename(part, to)
}

/// Zips a function's program, unless that was done. The same program always gives the same file.
fn zipped(project: &Project, function: &str) -> Result<PathBuf, DeployError> {
    let bootstrap = bootstrap(project, function);
    let zip = project.root().join(".throughline/functions").join(format!("{function}.zip"));
    let folder = zip.parent().unwrap_or(&zip);
    fs::create_dir_all(folder).map_err(file(folder))?;
    let is_newer = |zip: &Path| -> io::Result<bool> {
        Ok(fs::metadata(zip)?.modified()? >= fs::metadata(&bootstrap)?.modified()?)
    };
    if !is_newer(&zip).unwrap_or(false) {
        let part = zip.with_extension(format!("part-{}", std::process::id()));
        write_zip(&bootstrap, &part).map_err(file(&part))?;
        fs::rename(&part, &zip).map_err(file(&zip))?;
    }
    Ok(zip)
}

fn write_zip(bootstrap: &Path, zip: &Path) -> io::Result<()> {
    let mut writer = ZipWriter::new(fs::File::create(zip)?);
    let options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o755);
    writer.start_file("bootstrap", options)?;
    writer.write_all(&fs::read(bootstrap)?)?;
    writer.finish()?;
    Ok(())
}

fn digest_of_file(path: &Path) -> Result<String, DeployError> {
    Ok(digest(&[&fs::read(path).map_err(file(path))?]))
}

/// The SHA-256 of pieces, each told from the next, in hexadecimal digits.
pub(super) fn digest(pieces: &[&[u8]]) -> String {
    use std::fmt::Write as _;
    let mut hash = Sha256::new();
    for piece in pieces {
        hash.update(piece.len().to_le_bytes());
        hash.update(piece);
    }
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_told_from_each_other() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_eq!(digest(&[b"ab", b"c"]), digest(&[b"ab", b"c"]));
    }

    #[test]
    fn the_same_program_gives_the_same_zip_with_a_program_in_it_that_runs() {
        let folder = env::temp_dir().join(format!("throughline-zip-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let [program, first, second] = ["program", "1.zip", "2.zip"].map(|name| folder.join(name));
        fs::write(&program, "#!/bin/sh\n").unwrap();
        write_zip(&program, &first).unwrap();
        fs::write(&program, "#!/bin/sh\n").unwrap();
        write_zip(&program, &second).unwrap();
        assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap());
        let mut archive = zip::ZipArchive::new(fs::File::open(&first).unwrap()).unwrap();
        let bootstrap = archive.by_name("bootstrap").unwrap();
        assert_eq!(bootstrap.unix_mode().map(|mode| mode & 0o777), Some(0o755));
        fs::remove_dir_all(folder).unwrap();
    }
}
