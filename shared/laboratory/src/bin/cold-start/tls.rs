//! TLS before a server that has none: what a function meets in AWS.

use std::{
    env, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process,
    sync::Arc,
};
use throughline_laboratory::Trouble;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

/// The files of certificates that a system trusts: Debian's and Fedora's.
const SYSTEM_CERTIFICATES: [&str; 2] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// A port of 127.0.0.1 that speaks TLS and passes on what it hears. It ends with the value.
#[derive(Debug)]
pub(crate) struct TlsFront {
    address: SocketAddr,
    certificates: PathBuf,
    task: JoinHandle<()>,
}

impl TlsFront {
    /// Before the server at this address.
    pub(crate) async fn start(behind: SocketAddr) -> Result<Self, Trouble> {
        let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let key = PrivateKeyDer::Pkcs8(identity.signing_key.serialize_der().into());
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![identity.cert.der().clone()], key)?;
        // What DynamoDB offers.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let certificates = env::temp_dir().join(format!("throughline-certificates-{}.pem", process::id()));
        fs::write(&certificates, system_certificates()? + &identity.cert.pem())?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), behind));
        Ok(Self { address, certificates, task })
    }

    /// Its URL.
    pub(crate) fn endpoint(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// A file of the system's certificates and its own: as many as a function in AWS has to read.
    pub(crate) fn certificates(&self) -> &Path {
        &self.certificates
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
        // It is a temporary file: somebody may have cleared it away.
        _ = fs::remove_file(&self.certificates);
    }
}

fn system_certificates() -> Result<String, Trouble> {
    let found = SYSTEM_CERTIFICATES.into_iter().find_map(|path| fs::read_to_string(path).ok());
    found.ok_or_else(|| "this system's certificates are at neither of the usual places".into())
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, behind: SocketAddr) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A function that is killed leaves its connection half done.
            _ = pass_on(stream, acceptor, behind).await;
        });
    }
}

async fn pass_on(stream: TcpStream, acceptor: TlsAcceptor, behind: SocketAddr) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut function = acceptor.accept(stream).await?;
    let mut server = TcpStream::connect(behind).await?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut function, &mut server).await?;
    Ok(())
}
