//! A client that sends what it is told and no more, to try what servers do with it.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use pxkit_tests::pbs::Server;
use pxkit_tests::pbs::access::User;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A connection over which nothing went yet, or requests of HTTP/1.1.
pub struct Raw {
    runtime: Runtime,
    io: TlsStream<TcpStream>,
    /// Headers that let it in.
    auth: String,
}

/// An answer: its status and body.
pub type Answer = (u16, Vec<u8>);

/// The status and the text.
pub fn text(answer: Answer) -> (u16, String) {
    (answer.0, String::from_utf8_lossy(&answer.1).into_owned())
}

impl Raw {
    /// Connects as a token.
    pub fn new(server: &Server, user: &User) -> Self {
        Self::with(server, &format!("authorization: PBSAPIToken {}:{}\r\n", user.auth_id, user.secret))
    }

    /// Connects, and sends these headers with each request.
    pub fn with(server: &Server, auth: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let mut roots = RootCertStore::empty();
        let root = tokio_rustls::rustls::pki_types::CertificateDer::from_pem_slice(
            server.root_certificate().as_bytes(),
        );
        roots.add(root.expect("a certificate")).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let io = runtime.block_on(async {
            let socket = TcpStream::connect(server.address()).await.expect("a connection");
            let name = ServerName::try_from("localhost").expect("a name");
            TlsConnector::from(Arc::new(config)).connect(name, socket).await.expect("TLS")
        });
        Self { runtime, io, auth: auth.to_owned() }
    }

    fn send(&mut self, call: &str, headers: &str, body: &[u8]) -> (u16, String) {
        let head = format!(
            "{call} HTTP/1.1\r\nhost: localhost\r\n{}{headers}content-length: {}\r\n\r\n",
            self.auth,
            body.len()
        );
        let io = &mut self.io;
        self.runtime.block_on(async {
            io.write_all(head.as_bytes()).await.expect("sent");
            io.write_all(body).await.expect("sent");
            io.flush().await.expect("sent");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(io.read_u8().await.expect("a reply"));
            }
            let head = String::from_utf8(head).expect("text");
            let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
            (status, head)
        })
    }

    /// A request to the REST interface; the body is JSON if there is one.
    pub fn rest(&mut self, call: &str, body: Option<&Value>) -> Answer {
        let (headers, body) = match body {
            Some(body) => ("content-type: application/json\r\n", body.to_string().into_bytes()),
            None => ("", Vec::new()),
        };
        self.request(call, headers, &body)
    }

    /// A request to the REST interface.
    pub fn request(&mut self, call: &str, headers: &str, body: &[u8]) -> Answer {
        let (status, head) = self.send(call, headers, body);
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let io = &mut self.io;
        let body = self.runtime.block_on(async {
            let mut body = Vec::new();
            if let Some(length) = length {
                body.resize(length.parse().expect("a length"), 0);
                io.read_exact(&mut body).await.expect("a body");
                return body;
            }
            loop {
                let mut line = Vec::new();
                while !line.ends_with(b"\r\n") {
                    line.push(io.read_u8().await.expect("a chunk"));
                }
                let line = String::from_utf8(line).expect("text");
                let len = usize::from_str_radix(line.trim(), 16).expect("a length");
                let mut chunk = vec![0; len + 2];
                io.read_exact(&mut chunk).await.expect("a chunk");
                if len == 0 {
                    return body;
                }
                body.extend_from_slice(&chunk[..len]);
            }
        });
        (status, body)
    }

    /// The `data` of a reply that must be good.
    #[track_caller]
    pub fn data(&mut self, call: &str, body: Option<&Value>) -> Value {
        let (status, body) = self.rest(call, body);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        let json: Value = serde_json::from_slice(&body).expect("JSON");
        json["data"].clone()
    }

    /// Asks for a session until the lock of the one before is gone, which goes with its connection.
    pub fn upgrade_patiently(server: &Server, call: &str, protocol: &str) -> Session {
        loop {
            match Self::new(server, server.token()).upgrade(call, protocol) {
                Ok(session) => return session,
                Err((_, why)) if why.contains("lock") => std::thread::yield_now(),
                Err(refusal) => panic!("{refusal:?}"),
            }
        }
    }

    /// Asks for a session; the refusal if there is one.
    pub fn upgrade(self, call: &str, protocol: &str) -> Result<Session, (u16, String)> {
        self.upgrade_with(call, &format!("connection: upgrade\r\nupgrade: {protocol}\r\n"))
    }

    /// Asks for a session with these headers.
    pub fn upgrade_with(mut self, call: &str, headers: &str) -> Result<Session, (u16, String)> {
        let (status, head) = self.send(call, headers, b"");
        if status != 101 {
            let length = head.to_ascii_lowercase();
            let length =
                length.lines().find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned));
            let mut body = vec![0; length.and_then(|length| length.parse().ok()).unwrap_or(0)];
            self.runtime.block_on(self.io.read_exact(&mut body)).expect("a body");
            return Err((status, String::from_utf8_lossy(&body).into_owned()));
        }
        let (sender, driver) = self.runtime.block_on(async {
            let (sender, connection) = h2::client::Builder::new()
                .initial_window_size(16 << 20)
                .initial_connection_window_size(16 << 20)
                .handshake::<_, Bytes>(self.io)
                .await
                .expect("HTTP/2");
            let driver = tokio::spawn(async move { drop(connection.await) });
            (sender, driver)
        });
        Ok(Session { runtime: self.runtime, sender, driver })
    }
}

/// A session.
pub struct Session {
    runtime: Runtime,
    sender: SendRequest<Bytes>,
    driver: tokio::task::JoinHandle<()>,
}

impl Session {
    /// A call without a body, with its parameters in the query.
    pub fn call(&self, method: &str, path: &str) -> Answer {
        self.send(method, path, Some("application/x-www-form-urlencoded"), Bytes::new())
    }

    /// A call with a body.
    pub fn send(&self, method: &str, path: &str, kind: Option<&str>, body: Bytes) -> Answer {
        self.try_send(method, path, kind, body).expect("a reply")
    }

    /// A call with a body, which may be reset.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        kind: Option<&str>,
        body: Bytes,
    ) -> Result<Answer, h2::Error> {
        let sender = self.sender.clone();
        let mut request = Request::builder().method(method).uri(format!("https://localhost:8007{path}"));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let request = request.body(()).expect("a request");
        self.runtime.block_on(async {
            let mut sender = sender.ready().await?;
            let (response, mut stream) = sender.send_request(request, body.is_empty())?;
            if !body.is_empty() {
                // The answer may have ended the request already.
                let _ = stream.send_data(body, true);
            }
            let (head, mut body) = response.await?.into_parts();
            let mut all = Vec::new();
            while let Some(data) = body.data().await {
                let data = data?;
                body.flow_control().release_capacity(data.len())?;
                all.extend_from_slice(&data);
            }
            Ok((head.status.as_u16(), all))
        })
    }

    /// Uploads a chunk.
    pub fn chunk(&self, kind: &str, wid: u64, digest: &str, size: usize, body: Vec<u8>) -> Answer {
        let path = format!("/{kind}_chunk?digest={digest}&encoded-size={}&size={size}&wid={wid}", body.len());
        self.send("POST", &path, Some("application/octet-stream"), body.into())
    }

    /// Appends chunks.
    pub fn append(&self, kind: &str, wid: u64, entries: &[(&str, u64)]) -> Answer {
        let digests: Vec<_> = entries.iter().map(|(digest, _)| digest).collect();
        let offsets: Vec<_> = entries.iter().map(|(_, offset)| offset).collect();
        let body = json!({ "wid": wid, "digest-list": digests, "offset-list": offsets }).to_string();
        self.send("PUT", &format!("/{kind}_index"), Some("application/json"), body.into())
    }

    /// Uploads a blob.
    pub fn blob(&self, name: &str, blob: Vec<u8>) -> Answer {
        let path = format!("/blob?encoded-size={}&file-name={name}", blob.len());
        self.send("POST", &path, Some("application/octet-stream"), blob.into())
    }

    /// Closes the connection.
    pub fn close(self) {
        self.driver.abort();
        drop(self.sender);
        self.runtime.shutdown_background();
    }
}

/// The query of a session.
pub fn query(kind: &str, id: &str, time: i64) -> String {
    format!("backup-id={id}&backup-time={time}&backup-type={kind}&store=store1")
}

/// A blob that is neither compressed nor encrypted.
pub fn plain_blob(data: &[u8]) -> Vec<u8> {
    let magic = [0x42, 0xab, 0x38, 0x07, 0xbe, 0x83, 0x70, 0xa1];
    [&magic, &crc32fast::hash(data).to_le_bytes()[..], data].concat()
}

/// Bytes as digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string");
        text
    })
}
