//! A copy of the project in which a handler may be broken.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A copy of the files that belong to the project, their times kept: what was built from them is built already.
pub(crate) struct Workshop {
    project: PathBuf,
    folder: PathBuf,
}

impl Workshop {
    pub(crate) fn open() -> Self {
        let project =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the project");
        let folder = project.join(".throughline/session");
        _ = fs::remove_dir_all(&folder);
        let this = Self { project, folder };
        for file in this.files() {
            let (from, to) = (this.project.join(&file), this.folder.join(&file));
            fs::create_dir_all(to.parent().expect("a folder")).expect("a folder can be made");
            fs::copy(&from, &to).expect("a file can be copied");
            let modified = fs::metadata(&from).and_then(|from| from.modified()).expect("a time");
            let copy = fs::File::options().write(true).open(&to).expect("the copy");
            copy.set_modified(modified).expect("the copy's time can be set");
        }
        for tools in ["cloud", "checks"] {
            let tools = Path::new(".throughline").join(tools);
            fs::create_dir_all(this.folder.join(".throughline")).expect("a folder can be made");
            std::os::unix::fs::symlink(this.project.join(&tools), this.folder.join(&tools)).expect("a link");
        }
        this
    }

    /// What belongs to the project: what git knows, and what it does not know yet and does not ignore.
    fn files(&self) -> Vec<PathBuf> {
        let listed = Command::new("git")
            .current_dir(&self.project)
            .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
            .output()
            .expect("git");
        let listed = String::from_utf8(listed.stdout).expect("names are text");
        let files = listed.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
        files.filter(|file| self.project.join(file).is_file()).collect()
    }

    /// Runs what a person would type, and gives what they would see.
    pub(crate) fn run(&self, command: &str) -> String {
        let target = env::var("CARGO_TARGET_DIR").map_or_else(|_| self.project.join("target"), PathBuf::from);
        let path = env::var("PATH").unwrap_or_default();
        let output = Command::new("bash")
            .current_dir(&self.folder)
            .args(["-c", &format!("exec 2>&1; {command}")])
            .env("PATH", format!("{}:{path}", target.join("local").display()))
            .env("CARGO_TARGET_DIR", &target)
            .env_remove("AWS_ENDPOINT_URL")
            .output()
            .expect("bash");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.code() {
            Some(0) => said,
            code => format!("{said}(exit code {})\n", code.unwrap_or(-1)),
        }
    }
}

impl Drop for Workshop {
    /// Cargo takes what was built from the copy for what is built from the project: files that the session changed
    /// must count as newer there.
    fn drop(&mut self) {
        for file in self.files() {
            let (original, copy) =
                (fs::read(self.project.join(&file)), fs::metadata(self.folder.join(&file)));
            let (Ok(original), Ok(copy)) = (original, copy) else { continue };
            let before = fs::metadata(self.project.join(&file)).and_then(|file| file.modified());
            if copy.modified().ok() != before.ok() {
                // Written anew with what it holds: its time becomes the present one.
                _ = fs::write(self.project.join(&file), original);
            }
        }
        _ = fs::remove_dir_all(&self.folder);
    }
}
