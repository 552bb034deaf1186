//! `throughline deploy`: builds the functions and deploys the stack to the local cloud, with the same
//! template that goes to AWS.

use crate::{
    cloud_error::CloudError,
    gateway::Gateway,
    local_cloud::Kind,
    project::{Project, answers, without_real_credentials},
    stack::outputs_in,
};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

/// Why nothing was deployed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// Something it needs is not there.
    #[error("{0}")]
    NotSetUp(String),
    /// Nothing listens where the cloud should be.
    #[error("no cloud answers at {endpoint}: start one with `throughline up`")]
    NoCloud {
        /// Where it should be.
        endpoint: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {reason}")]
    Malformed {
        /// Which one.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Whether the providers run cannot be known.
    #[error(transparent)]
    Gateway(#[from] CloudError),
    /// A step failed.
    #[error("{step} failed:\n{output}")]
    Step {
        /// Which one.
        step: String,
        /// What it said.
        output: String,
    },
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> DeployError {
    let path = path.display().to_string();
    move |source| DeployError::File { path, source }
}

/// What is deployed, and where.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The project.
    pub project: Project,
    /// The local cloud's port.
    pub port: u16,
    /// The cloud's address.
    pub endpoint: String,
    /// The stack's name.
    pub stack: String,
    /// The cargo profile the functions are built with.
    pub profile: String,
}

const BUCKET: &str = "throughline-deployments";

impl Deployment {
    /// Builds, packages and deploys; writes the stack's outputs beside the local cloud's log. Safe to run
    /// again: what has not changed is left alone.
    ///
    /// # Errors
    /// [`DeployError`], with what the failed step said.
    pub fn run(&self) -> Result<(), DeployError> {
        let functions = self.project.functions().map_err(DeployError::NotSetUp)?;
        let aws = self.project.tool("aws").map_err(DeployError::NotSetUp)?;
        if !answers(&self.endpoint) {
            return Err(DeployError::NoCloud { endpoint: self.endpoint.clone() });
        }
        let state = self.project.state(self.port);
        fs::create_dir_all(&state).map_err(file(&state))?;
        self.build(&functions)?;
        let template = self.project.root().join("infra/template.yaml");
        let packaged = state.join("packaged.yaml");
        Self::step("packaging the functions", || {
            if self.aws(&aws, ["s3api", "head-bucket", "--bucket", BUCKET]).is_err() {
                self.aws(&aws, ["s3api", "create-bucket", "--bucket", BUCKET])?;
            }
            let (template, packaged) = (template.as_os_str(), packaged.as_os_str());
            let options = ["cloudformation", "package", "--s3-bucket", BUCKET].map(OsStr::new);
            let files = ["--template-file".as_ref(), template, "--output-template-file".as_ref(), packaged];
            self.aws(&aws, options.into_iter().chain(files))
        })?;
        let parameters = self.parameters()?;
        Self::step(&format!("deploying the stack `{}`", self.stack), || {
            let options =
                ["cloudformation", "deploy", "--no-fail-on-empty-changeset", "--stack-name", &self.stack];
            let rights =
                ["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND", "--parameter-overrides"];
            let arguments =
                options.iter().chain(&rights).copied().chain(parameters.iter().map(String::as_str));
            // A template of more than 51,200 bytes is taken from a bucket only.
            let template = ["--s3-bucket", BUCKET, "--template-file"].map(OsStr::new);
            self.aws(&aws, arguments.map(OsStr::new).chain(template).chain([packaged.as_os_str()]))
        })?;
        let described = self.aws(
            &aws,
            ["cloudformation", "describe-stacks", "--output", "json", "--stack-name", &self.stack],
        )?;
        let outputs = self.project.outputs(self.port);
        let text = serde_json::to_string_pretty(&outputs_in(&described)).unwrap_or_default();
        fs::write(&outputs, text).map_err(file(&outputs))?;
        println!("Deployed; the stack's outputs are in {}.", outputs.display());
        Ok(())
    }

    /// Builds the functions for this machine and lays them where the template looks for them: in the folder
    /// and under the name that cargo-lambda gives them.
    fn build(&self, functions: &[String]) -> Result<(), DeployError> {
        println!("building {} functions …", functions.len());
        let mut cargo = Command::new("cargo");
        cargo.current_dir(self.project.root()).args(["build", "--locked", "--profile", &self.profile]);
        // The selection decides which features the dependencies get. This is the one scripts/setup builds
        // the command with: another would build the AWS SDK a second time.
        cargo.args([
            "--workspace",
            "--exclude",
            "throughline-testing",
            "--exclude",
            "throughline-laboratory",
            "--exclude",
            "throughline-gateway",
            "--bins",
        ]);
        let status = cargo.status().map_err(file(Path::new("cargo")))?;
        if !status.success() {
            let output = "cargo says why above".into();
            return Err(DeployError::Step { step: "building the functions".into(), output });
        }
        let target = self.target_folder();
        let folder = if self.profile == "dev" { "debug" } else { &self.profile };
        for name in functions {
            let built = target.join(folder).join(name);
            let bootstrap = self.project.root().join("target/lambda").join(name).join("bootstrap");
            let parent = bootstrap.parent().unwrap_or(&bootstrap);
            fs::create_dir_all(parent).map_err(file(parent))?;
            if !is_same_file(&built, &bootstrap) {
                fs::copy(&built, &bootstrap).map_err(file(&built))?;
            }
        }
        Ok(())
    }

    fn target_folder(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.project.root().join("target"), PathBuf::from)
    }

    /// What the file says, but for what is only known now: where the providers answer.
    fn parameters(&self) -> Result<Vec<String>, DeployError> {
        // What is no cloud that we know has ministack's: it leaves out most.
        let kind = Kind::at(&self.endpoint).unwrap_or(Kind::Ministack);
        let path = self.project.root().join(kind.parameters_file());
        let text = fs::read_to_string(&path).map_err(file(&path))?;
        let mut parameters: BTreeMap<String, String> = serde_json::from_str(&text).map_err(|error| {
            DeployError::Malformed { path: path.display().to_string(), reason: error.to_string() }
        })?;
        for (name, value) in Gateway::of(&self.project, self.port).parameters()? {
            parameters.entry(name.to_owned()).and_modify(|written| *written = value);
        }
        Ok(parameters.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
    }

    fn step(name: &str, run: impl FnOnce() -> Result<String, DeployError>) -> Result<(), DeployError> {
        println!("{name} …");
        let started = Instant::now();
        run().map_err(|error| match error {
            DeployError::Step { output, .. } => DeployError::Step { step: name.to_owned(), output },
            error => error,
        })?;
        println!("{name}: {:.1} s", started.elapsed().as_secs_f32());
        Ok(())
    }

    fn aws<S: AsRef<OsStr>>(
        &self,
        program: &Path,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<String, DeployError> {
        let output = without_real_credentials(&mut Command::new(program))
            .args(arguments)
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .stdin(Stdio::null())
            .output()
            .map_err(file(program))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Err(DeployError::Step { step: "aws".into(), output: said.trim().to_owned() })
    }
}

/// Same length and not older: cargo writes a new file whenever it builds.
fn is_same_file(built: &Path, copied: &Path) -> bool {
    let (Ok(built), Ok(copied)) = (fs::metadata(built), fs::metadata(copied)) else { return false };
    let is_newer =
        matches!((built.modified(), copied.modified()), (Ok(built), Ok(copied)) if copied >= built);
    built.len() == copied.len() && is_newer
}
