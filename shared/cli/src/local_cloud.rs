//! `throughline up`, `down` and `status`: the local cloud on this machine.

use crate::{
    background::BackgroundProgram,
    cloud_error::{CloudError, system},
    gateway::Gateway,
    project::{Project, endpoint, without_real_credentials},
};
use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};

/// The local cloud on one port, and the stand-in for the services outside that the functions ask.
#[derive(Debug, Clone)]
pub struct LocalCloud {
    project: Project,
    port: u16,
    program: BackgroundProgram,
    gateway: Gateway,
}

impl LocalCloud {
    /// The local cloud of a project on a port. Nothing is started yet.
    pub fn new(project: Project, port: u16) -> Self {
        let state = project.state(port);
        let program = BackgroundProgram {
            name: "ministack",
            pid_file: state.join("pid"),
            log: state.join("cloud.log"),
        };
        Self { port, program, gateway: Gateway::of(&project, port), project }
    }

    /// Its address.
    pub fn endpoint(&self) -> String {
        endpoint(self.port)
    }

    /// Starts it, unless it runs already, and waits until it answers. `functions_endpoint` is where the
    /// functions reach it, if not where everybody does: a recorder may stand in between.
    ///
    /// # Errors
    /// [`CloudError`].
    pub fn up(&self, functions_endpoint: Option<&str>) -> Result<(), CloudError> {
        if let Some(pid) = self.program.pid()? {
            println!("The local cloud runs at {} (pid {pid}).", self.endpoint());
            return self.gateway.up();
        }
        if self.is_listening() {
            return Err(CloudError::PortTaken { port: self.port });
        }
        let program = self.project.tool("ministack").map_err(CloudError::NotSetUp)?;
        let temporary = self.project.state(self.port).join("tmp");
        fs::create_dir_all(&temporary).map_err(system(format!("{} cannot be made", temporary.display())))?;
        self.forget();
        let here = self.endpoint();
        let mut command = Command::new(program);
        without_real_credentials(&mut command)
            .envs([("BIND_HOST", "127.0.0.1"), ("GATEWAY_PORT", &self.port.to_string())])
            // Functions inherit the cloud's environment: this is how they find it.
            .env("AWS_ENDPOINT_URL", functions_endpoint.unwrap_or(&here))
            // It unpacks the functions there; `down` removes them.
            .env("TMPDIR", &temporary)
            // Servers nobody asked for.
            .envs([("IOT_MTLS_ENABLED", "0"), ("SFTP_ENABLED", "0")]);
        let child = self.program.start(&mut command)?;
        self.program.wait_until(child, || self.is_ready())?;
        println!("The local cloud runs at {here} (ministack, log at {}).", self.program.log.display());
        self.gateway.up()
    }

    /// Stops it and every function it runs. Says so if it does not run.
    ///
    /// # Errors
    /// [`CloudError`].
    pub fn down(&self) -> Result<(), CloudError> {
        self.gateway.down()?;
        if !self.program.stop()? {
            println!("No local cloud runs on port {}.", self.port);
            return Ok(());
        }
        self.forget();
        _ = fs::remove_dir_all(self.project.state(self.port).join("tmp"));
        println!("The local cloud on port {} is stopped.", self.port);
        Ok(())
    }

    /// What was deployed to a cloud is gone with it.
    fn forget(&self) {
        _ = fs::remove_file(self.project.outputs(self.port));
    }

    /// Says whether it runs.
    ///
    /// # Errors
    /// If that cannot be known.
    pub fn status(&self) -> Result<(), CloudError> {
        match self.program.pid()? {
            Some(pid) if self.is_ready() => {
                println!("The local cloud runs at {} (pid {pid}).", self.endpoint());
            }
            Some(pid) => println!("The local cloud (pid {pid}) does not answer at {}.", self.endpoint()),
            None => println!("No local cloud runs on port {}: start one with `throughline up`.", self.port),
        }
        self.gateway.status()
    }

    fn is_listening(&self) -> bool {
        TcpStream::connect_timeout(&self.address(), Duration::from_secs(1)).is_ok()
    }

    /// Whether a cloud answers at its address.
    pub fn is_ready(&self) -> bool {
        let ask = || -> io::Result<bool> {
            let mut stream = TcpStream::connect_timeout(&self.address(), Duration::from_secs(1))?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            write!(
                stream,
                "GET /_ministack/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            )?;
            let mut answer = [0; 12];
            stream.read_exact(&mut answer)?;
            Ok(answer.ends_with(b" 200"))
        };
        ask().unwrap_or(false)
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}
