//! LicenseSpring's server side, imitated as far as its documents reach: the Management API under
//! `/api/v1/`, the License API calls that activate, check and deactivate devices under
//! `/api/v4/`, and, on a second port, a control API to seed it, move its clock and make it fail.
//!
//! It serves the demo, the tests and users' dry runs, and knows nothing of the rest of the
//! crate. Where LicenseSpring's documents leave an answer open there is a switch
//! (`switches.rs`), so that a client can be tried against every plausible answer.
//!
//! ```text
//! http ▶ limits ▶ faults ▶ management | license_api ▶ store ▶ look ▶ request_log ▶ answer
//! ```
//!
//! One lock around all of it: a request is decided, committed and logged in one go, so the order
//! of the log is the order in which things happened. Only delays and broken connections happen
//! outside the lock.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use tokio::task::JoinHandle;

mod answer;
mod call;
mod clock;
mod control;
mod create_order;
mod custom_fields;
mod customers;
mod devices;
mod faults;
mod features;
mod fields;
mod filters;
mod http;
mod lag;
mod license_api;
mod license_auth;
mod license_draft;
mod license_owner;
mod license_users;
mod license_view;
mod licenses;
mod limits;
mod listing;
mod look;
mod management;
mod orders;
mod record;
mod request_log;
mod saving;
mod seed;
mod shared;
mod status;
mod store;
mod switches;
mod vendor_edit;
mod view;
mod world;

#[cfg(test)]
mod tests;

use saving::Saver;
use shared::Shared;

/// The Management API key that a sandbox accepts unless told otherwise.
pub const MANAGEMENT_KEY: &str = "sandbox.management-key";
/// The License API key (a public id) that a sandbox accepts unless told otherwise.
pub const LICENSE_API_KEY: &str = "5b0c7a3e-0000-4000-8000-5a4db0c50001";
/// The shared key that signs License API calls unless told otherwise.
pub const LICENSE_SHARED_KEY: &str = "sandbox.shared-key";
/// Where the sandbox listens unless told otherwise.
pub const LISTEN: &str = "127.0.0.1:8081";

/// How to run a sandbox.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// Address of both LicenseSpring APIs; port 0 takes any free one.
    pub listen: String,
    /// Address of the control API; absent: the same host, the next port.
    pub control: Option<String>,
    /// A JSON file that keeps the state across restarts; absent: memory only.
    pub data: Option<PathBuf>,
    /// What `Authorization: Api-Key …` must hold on the Management API.
    pub management_key: String,
    /// What `apikey="…"` must hold on the License API.
    pub license_api_key: String,
    /// What signs the date on the License API.
    pub license_shared_key: String,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            listen: LISTEN.to_owned(),
            control: None,
            data: None,
            management_key: MANAGEMENT_KEY.to_owned(),
            license_api_key: LICENSE_API_KEY.to_owned(),
            license_shared_key: LICENSE_SHARED_KEY.to_owned(),
        }
    }
}

/// Why a sandbox did not start, or could not keep its state.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Somebody else listens there.
    #[error(
        "cannot listen on {address}: the port is taken; stop what listens there or choose another with --listen or --control"
    )]
    PortTaken {
        /// The address asked for.
        address: String,
    },
    /// Any other reason why an address cannot be used.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address asked for.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The data file is there, and is not one of ours or is broken.
    #[error("cannot read the sandbox state in {}: {reason}; move the file away to start empty", path.display())]
    DataUnreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The data file cannot be written.
    #[error("cannot write the sandbox state to {}: {source}", path.display())]
    DataUnwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A running sandbox. Dropping it ends the servers without a last save; [`Sandbox::stop`] saves.
#[derive(Debug)]
pub struct Sandbox {
    api: SocketAddr,
    control: SocketAddr,
    shared: Arc<Shared>,
    handles: [ServerHandle; 2],
    tasks: Vec<JoinHandle<io::Result<()>>>,
    saver: Option<Saver>,
}

/// Binds both ports, loads the data file and serves until [`Sandbox::stop`].
///
/// # Errors
/// When an address cannot be bound, or the data file cannot be read or written.
pub async fn start(options: SandboxOptions) -> Result<Sandbox, SandboxError> {
    let api_listener = bind(&options.listen)?;
    let api = address_of(&api_listener, &options.listen)?;
    let control_address = options.control.clone().unwrap_or_else(|| next_port(&options.listen, api));
    let control_listener = bind(&control_address)?;
    let control = address_of(&control_listener, &control_address)?;

    let shared = Arc::new(Shared::load(&options)?);
    let saver = options.data.clone().map(|path| Saver::start(path, Arc::clone(&shared))).transpose()?;
    let api_server = http::serve_api(api_listener, Arc::clone(&shared)).map_err(|e| bind_error(&options.listen, e))?;
    let control_server =
        http::serve_control(control_listener, Arc::clone(&shared)).map_err(|e| bind_error(&control_address, e))?;
    let handles = [api_server.handle(), control_server.handle()];
    let tasks = vec![tokio::spawn(api_server), tokio::spawn(control_server)];
    tracing::debug!(%api, %control, "sandbox listens");
    Ok(Sandbox { api, control, shared, handles, tasks, saver })
}

impl Sandbox {
    /// Where both LicenseSpring APIs are served.
    #[must_use]
    pub fn api_addr(&self) -> SocketAddr {
        self.api
    }

    /// Where the control API is served.
    #[must_use]
    pub fn control_addr(&self) -> SocketAddr {
        self.control
    }

    /// Ends both servers at once, cutting what is still being answered, and saves the state.
    ///
    /// # Errors
    /// When the data file cannot be written.
    pub async fn stop(mut self) -> Result<(), SandboxError> {
        for handle in &self.handles {
            handle.stop(false).await;
        }
        for task in std::mem::take(&mut self.tasks) {
            // A server that has been told to stop ends with `Ok`, or with the error of a
            // listener that is being closed anyway: neither changes what is left to do.
            drop(task.await);
        }
        match self.saver.take() {
            Some(saver) => saver.finish(Arc::clone(&self.shared)).await,
            None => Ok(()),
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        for handle in &self.handles {
            // The order to stop is sent by the call itself; the future only waits for the end.
            drop(handle.stop(false));
        }
    }
}

fn bind(address: &str) -> Result<TcpListener, SandboxError> {
    TcpListener::bind(address).map_err(|e| bind_error(address, e))
}

fn address_of(listener: &TcpListener, asked: &str) -> Result<SocketAddr, SandboxError> {
    listener.local_addr().map_err(|e| bind_error(asked, e))
}

fn bind_error(address: &str, source: io::Error) -> SandboxError {
    let address = address.to_owned();
    match source.kind() {
        io::ErrorKind::AddrInUse => SandboxError::PortTaken { address },
        _ => SandboxError::Bind { address, source },
    }
}

/// The control address where none is given: next to the API, or any port where that was any.
fn next_port(listen: &str, api: SocketAddr) -> String {
    let any_port = listen.rsplit(':').next() == Some("0");
    let port = if any_port { 0 } else { api.port().checked_add(1).unwrap_or(0) };
    SocketAddr::new(api.ip(), port).to_string()
}
