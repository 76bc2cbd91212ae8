//! The load: keep-alive connections that send requests made beforehand. The thinnest HTTP/1.1
//! client there can be, on one thread, so that it leaves the cores to what is measured.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came of a load.
pub struct Load {
    pub acknowledged: usize,
    pub took: Duration,
    /// Sorted.
    waits: Vec<Duration>,
}

impl Load {
    pub fn per_second(&self) -> f64 {
        self.acknowledged as f64 / self.took.as_secs_f64()
    }

    /// In ms: so many of a hundred acknowledgements took at most this.
    pub fn percentile_ms(&self, percent: usize) -> f64 {
        let at = (self.waits.len() - 1) * percent / 100;
        self.waits[at].as_secs_f64() * 1_000.0
    }
}

/// A request, byte for byte.
pub fn request(path: &str, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// Sends the requests, each once, over so many connections, until the time is up or none is
/// left. Every answer must be a 200.
pub fn send(address: &str, connections: usize, lasting: Duration, mut requests: Vec<Vec<u8>>) -> Load {
    requests.reverse(); // the next is taken from the end
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let queue = Rc::new(RefCell::new(requests));
        let mut streams = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            streams.push(stream);
        }
        let started = Instant::now();
        let tasks: Vec<_> = streams
            .into_iter()
            .map(|s| tokio::task::spawn_local(connection(s, queue.clone(), started + lasting)))
            .collect();
        let mut waits = Vec::new();
        for task in tasks {
            waits.extend(task.await.unwrap());
        }
        let took = started.elapsed();
        waits.sort_unstable();
        Load { acknowledged: waits.len(), took, waits }
    })
}

async fn connection(mut stream: TcpStream, queue: Rc<RefCell<Vec<Vec<u8>>>>, until: Instant) -> Vec<Duration> {
    let (mut waits, mut answer) = (Vec::with_capacity(4_096), Vec::with_capacity(1_024));
    loop {
        let sent = Instant::now();
        let request = if sent < until { queue.borrow_mut().pop() } else { None };
        let Some(request) = request else { return waits };
        stream.write_all(&request).await.unwrap();
        answer.clear();
        while !is_whole(&answer) {
            let read = stream.read_buf(&mut answer).await.unwrap();
            assert!(read > 0, "the connection was closed");
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        waits.push(sent.elapsed());
    }
}

fn is_whole(answer: &[u8]) -> bool {
    const LENGTH: &[u8] = b"content-length: ";
    let Some(end) = find(answer, b"\r\n\r\n") else { return false };
    let length = find(&answer[..end], LENGTH).map_or(0, |at| {
        let digits = answer[at + LENGTH.len()..].iter().take_while(|b| b.is_ascii_digit());
        digits.fold(0, |n, digit| n * 10 + usize::from(digit - b'0'))
    });
    answer.len() >= end + 4 + length
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|w| w == what)
}
