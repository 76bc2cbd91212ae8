//! The thinnest HTTP/1.1 client there can be, so that the load generator leaves the cores alone.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::with_capacity(16 * 1024) }
    }

    /// Posts a body; answers with the status.
    pub async fn post(&mut self, path: &str, headers: &[(String, String)], body: &[u8]) -> u16 {
        self.buffer.clear();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        );
        self.buffer.extend_from_slice(head.as_bytes());
        for (name, value) in headers {
            self.buffer.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        self.buffer.extend_from_slice(b"\r\n");
        self.buffer.extend_from_slice(body);
        self.stream.write_all(&self.buffer).await.unwrap();
        self.answer().await
    }

    async fn answer(&mut self) -> u16 {
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert!(read > 0, "the connection was closed");
            let text = String::from_utf8_lossy(&self.buffer);
            let Some(end) = text.find("\r\n\r\n") else { continue };
            let head = text[..end].to_ascii_lowercase();
            let length: usize = head
                .split("content-length: ")
                .nth(1)
                .and_then(|l| l.split("\r\n").next())
                .and_then(|l| l.parse().ok())
                .unwrap_or(0);
            if self.buffer.len() >= end + 4 + length {
                return head.split(' ').nth(1).unwrap().parse().unwrap();
            }
        }
    }
}
