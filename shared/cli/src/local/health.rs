//! The health check of a cloud, which needs no SDK client.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    time::Duration,
};

const TO_CONNECT: Duration = Duration::from_secs(1);
const TO_ANSWER: Duration = Duration::from_secs(3);

/// Returns whether `GET path` is answered with 200 at an address such as `http://127.0.0.1:4566`.
pub(crate) fn is_ok(endpoint: &str, path: &str) -> bool {
    ask(endpoint, path).unwrap_or(false)
}

fn ask(endpoint: &str, path: &str) -> io::Result<bool> {
    let host = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let address = host.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut stream = TcpStream::connect_timeout(&address, TO_CONNECT)?;
    stream.set_read_timeout(Some(TO_ANSWER))?;
    // The request is written in one piece: a server that answers the first of several pieces and closes resets the
    // connection.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(answer.ends_with(b" 200"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::TcpListener, thread};

    fn answering(status: &'static str) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            _ = stream.read(&mut [0; 512]);
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
        });
        format!("http://{address}/")
    }

    #[test]
    fn well_is_who_answers_that_it_is() {
        assert!(is_ok(&answering("200 OK"), "/health"));
        assert!(!is_ok(&answering("404 Not Found"), "/health"));
    }

    #[test]
    fn nobody_is_not_well() {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        assert!(!is_ok(&format!("http://127.0.0.1:{port}"), "/health"));
        assert!(!is_ok("nowhere at all", "/health"));
    }
}
