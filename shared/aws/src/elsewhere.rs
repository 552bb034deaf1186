//! Requests to somewhere that is not AWS, by the client that speaks to AWS: a function carries one.

use aws_sdk_sqs::config::http::HttpRequest;
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use http_body_util::{BodyExt as _, Limited};
use throughline_core::BoxError;

/// The most of an answer that is read.
const MOST_ANSWER_BYTES: usize = 64 << 10;

/// A place that takes requests.
///
/// ```no_run
/// # async fn example() -> Result<(), throughline_core::BoxError> {
/// let collector = throughline_aws::elsewhere::Elsewhere::new("http://localhost:4318/v1/traces");
/// let answer = collector.post(&[("content-type", "application/json")], b"{}".to_vec()).await?;
/// assert_eq!(answer.status, 200);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Elsewhere {
    url: String,
    connector: SharedHttpConnector,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Elsewhere {
    /// Connects nowhere yet. The trusted certificates are read only if the URL is an `https` one.
    pub fn new(url: impl Into<String>) -> Self {
        let url = url.into();
        let is_secure = url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
        let connector = if is_secure {
            Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build()
        } else {
            Connector::builder().build_http()
        };
        Self { url, connector: SharedHttpConnector::new(connector) }
    }

    /// Returns whether requests can be made to a URL: one of HTTP that names a host.
    pub fn is_url(url: &str) -> bool {
        let is_of =
            |scheme: &&&str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        let scheme = ["http://", "https://"].iter().find(is_of).map_or(url.len(), |scheme| scheme.len());
        let authority = url[scheme..].split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let is_host = !host.is_empty() && !host.starts_with(':');
        is_host && HttpRequest::new(Vec::new().into()).set_uri(url).is_ok()
    }

    /// Returns whether a header can be sent.
    pub fn is_header(name: &str, value: &str) -> bool {
        let mut request = HttpRequest::new(Vec::new().into());
        request.headers_mut().try_insert(name.to_owned(), value.to_owned()).is_ok()
    }

    /// Sends something, and waits for the answer for as long as it takes.
    ///
    /// # Errors
    /// If there was none, or if the URL or a header cannot be sent.
    pub async fn post(&self, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Answer, BoxError> {
        let mut request = HttpRequest::new(body.into());
        request.set_method("POST")?;
        request.set_uri(self.url.as_str())?;
        for &(name, value) in headers {
            request.headers_mut().try_insert(name.to_owned(), value.to_owned())?;
        }
        let answer = self.connector.call(request).await?;
        let status = answer.status().as_u16();
        // To its end: only then does the connection take another request.
        let body = Limited::new(answer.into_body(), MOST_ANSWER_BYTES).collect().await?;
        Ok(Answer { status, body: body.to_bytes().to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        thread,
    };

    #[tokio::test]
    async fn what_is_posted_arrives_and_what_is_answered_comes_back() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let elsewhere = Elsewhere::new(format!("http://{}/here", listener.local_addr().unwrap()));
        let server = thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut seen = vec![0; 1024];
            let mut length = 0;
            while !seen[..length].ends_with(b"hello") {
                length += connection.read(&mut seen[length..]).unwrap();
            }
            connection.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 3\r\n\r\nyes").unwrap();
            String::from_utf8_lossy(&seen[..length]).into_owned()
        });
        let answer = elsewhere.post(&[("x-key", "k")], b"hello".to_vec()).await.unwrap();
        assert_eq!(answer, Answer { status: 202, body: b"yes".to_vec() });
        let seen = server.join().unwrap();
        assert!(seen.starts_with("POST /here HTTP/1.1\r\n") && seen.contains("x-key: k\r\n"), "{seen}");
    }

    #[test]
    fn urls_and_headers_are_known_before_they_are_used() {
        for url in [
            "http://localhost:4318",
            "HTTPS://collector.example/otlp/",
            "http://[::1]:4318/v1",
            "http://me:pw@host",
        ] {
            assert!(Elsewhere::is_url(url), "{url}");
        }
        for url in [
            "",
            "localhost:4318",
            "//host",
            "unix:///run",
            "http://",
            "https:///x",
            "http:// x",
            "http://:80",
            "http://a@",
            "http://[::1",
        ] {
            assert!(!Elsewhere::is_url(url), "{url}");
        }
        assert!(Elsewhere::is_header("Authorization", "Basic a2V5"));
        for (name, value) in [("api key", "x"), ("", "x"), ("key", "x\ny"), ("kéy", "x")] {
            assert!(!Elsewhere::is_header(name, value), "{name}: {value}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_sent_is_an_error() {
        assert!(Elsewhere::new("no url").post(&[], Vec::new()).await.is_err());
        let elsewhere = Elsewhere::new("http://127.0.0.1:1");
        assert!(elsewhere.post(&[("a header", "x")], Vec::new()).await.is_err());
        assert!(elsewhere.post(&[], Vec::new()).await.is_err());
    }
}
