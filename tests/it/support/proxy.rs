//! A wire that can be cut: passes bytes on to a port or a socket, slowly or not at all.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// Where a wire leads.
#[derive(Clone)]
pub enum Upstream {
    Tcp(String),
    Unix(PathBuf),
}

impl Upstream {
    /// The socket of a Postgres URL that names one.
    pub fn of_postgres(url: &str) -> Self {
        let config: tokio_postgres::Config = url.parse().unwrap();
        match &config.get_hosts()[0] {
            tokio_postgres::config::Host::Unix(directory) => {
                let port = config.get_ports().first().copied().unwrap_or(5432);
                Self::Unix(directory.join(format!(".s.PGSQL.{port}")))
            }
            tokio_postgres::config::Host::Tcp(host) => Self::Tcp(format!("{host}:{}", config.get_ports()[0])),
        }
    }
}

pub struct Proxy {
    pub port: u16,
    refuses: Arc<AtomicBool>,
    delay_ms: Arc<AtomicU64>,
    cut: watch::Sender<u64>,
}

impl Proxy {
    pub async fn start(upstream: Upstream) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Self {
            port,
            refuses: Arc::new(AtomicBool::new(false)),
            delay_ms: Arc::new(AtomicU64::new(0)),
            cut: watch::channel(0).0,
        };
        let (refuses, delay, cut) = (proxy.refuses.clone(), proxy.delay_ms.clone(), proxy.cut.subscribe());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if !refuses.load(Ordering::Relaxed) {
                    tokio::spawn(pass(stream, upstream.clone(), delay.clone(), cut.clone()));
                }
            }
        });
        proxy
    }

    /// Every connection breaks; new ones are taken.
    pub fn cut(&self) {
        self.cut.send_modify(|n| *n += 1);
    }

    /// Every connection breaks, and none is taken until [`Proxy::mend`].
    pub fn refuse(&self) {
        self.refuses.store(true, Ordering::Relaxed);
        self.cut();
    }

    /// Each piece waits so long.
    pub fn delay(&self, ms: u64) {
        self.delay_ms.store(ms, Ordering::Relaxed);
    }

    pub fn mend(&self) {
        self.refuses.store(false, Ordering::Relaxed);
        self.delay(0);
    }
}

async fn pass(near: TcpStream, upstream: Upstream, delay: Arc<AtomicU64>, mut cut: watch::Receiver<u64>) {
    cut.mark_unchanged();
    let _ = near.set_nodelay(true);
    let (near_in, near_out) = near.into_split();
    let both = async {
        match upstream {
            Upstream::Tcp(address) => {
                let Ok(far) = TcpStream::connect(address).await else { return };
                let (far_in, far_out) = far.into_split();
                tokio::join!(copy(near_in, far_out, &delay), copy(far_in, near_out, &delay));
            }
            Upstream::Unix(path) => {
                let Ok(far) = UnixStream::connect(path).await else { return };
                let (far_in, far_out) = far.into_split();
                tokio::join!(copy(near_in, far_out, &delay), copy(far_in, near_out, &delay));
            }
        }
    };
    tokio::select! {
        () = both => {}
        _ = cut.changed() => {}
    }
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: &AtomicU64) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        let wait = delay.load(Ordering::Relaxed);
        if wait > 0 {
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
