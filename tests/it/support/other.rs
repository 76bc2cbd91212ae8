//! A second instance beside the one a test began with.

use std::path::PathBuf;
use std::process::{Child, Stdio};

use super::service::Service;
use super::{eventually, free_port};

/// Another instance on the same database, with a file of its own.
pub struct Other {
    child: Child,
    pub url: String,
    /// Where it writes what it says.
    pub log: PathBuf,
}

impl Other {
    /// The service's own file with another address and `more` at its end; ready when this returns.
    pub async fn start(service: &Service, more: &str) -> Self {
        let port = free_port();
        let (config, log) = (service.config.with_file_name("other.toml"), service.config.with_file_name("other.log"));
        let address = service.url.trim_start_matches("http://").to_owned();
        let file = std::fs::read_to_string(&service.config).unwrap().replace(&address, &format!("127.0.0.1:{port}"));
        std::fs::write(&config, file + more).unwrap();
        let mut command = service.command();
        command.env("SUBLEDGER_CONFIG", &config).arg("serve").stdout(Stdio::null());
        let child = command.stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let other = Self { child, url, log };
        let ready = format!("{}/readyz", other.url);
        eventually("the other instance is ready", || async {
            service.http.get(&ready).send().await.ok().filter(|a| a.status().is_success()).map(|_| ())
        })
        .await;
        other
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
