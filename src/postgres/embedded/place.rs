//! Where the cluster lives and as whom it runs: directories, owners and modes.

use std::fs::{DirBuilder, Metadata, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::EmbeddedError;

/// What fits into `sun_path`, without its closing NUL.
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// Postgres names its socket after the port, which nothing else uses here.
pub(super) const SOCKET_NAME: &str = ".s.PGSQL.5432";
/// Where sockets go when the data directory's path is too long. Not `XDG_RUNTIME_DIR`: a verb run
/// from cron has none, and would look elsewhere than `serve`.
const SHORT_ROOT: &str = "/tmp";
/// Enough of a hash to tell the data directories of one machine apart.
const HASH_CHARS: usize = 16;

/// Who Postgres runs as when we are root: it refuses to be.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// The unprivileged user that a root process starts Postgres as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// The paths of one data directory, all absolute.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) data_dir: PathBuf,
    pub(super) cluster: PathBuf,
    pub(super) socket_dir: PathBuf,
    pub(super) log: PathBuf,
    /// `None`: Postgres runs as we do.
    pub(super) user: Option<User>,
}

impl Place {
    /// Makes what is missing, and refuses what would fail later with a longer message.
    pub(super) fn prepare(data_dir: &Path) -> Result<Self, EmbeddedError> {
        let data_dir = std::path::absolute(data_dir).map_err(|e| io("cannot find", data_dir, e))?;
        make_private_dir(&data_dir)?;
        let data_dir = std::fs::canonicalize(&data_dir).map_err(|e| io("cannot find", &data_dir, e))?;
        if data_dir.to_str().is_none() {
            return Err(EmbeddedError::Path(data_dir.display().to_string()));
        }
        let cluster = data_dir.join("postgres");
        let user = user_for(&cluster)?;
        if let Some(user) = &user {
            open_to(&data_dir, user)?;
        }
        let place =
            Self { socket_dir: socket_dir(&data_dir), log: data_dir.join("postgres.log"), data_dir, cluster, user };
        place.make_owned_dir(&place.socket_dir)?;
        Ok(place)
    }

    /// Makes a 0700 directory that belongs to Postgres' user, or checks that it is one: in `/tmp`
    /// anybody could have made it before us.
    pub(super) fn make_owned_dir(&self, path: &Path) -> Result<(), EmbeddedError> {
        make_private_dir(path)?;
        let found = path.symlink_metadata().map_err(|e| io("cannot look at", path, e))?;
        let me = rustix::process::geteuid().as_raw();
        let uid = self.user.as_ref().map_or(me, |user| user.uid);
        if !found.is_dir() || (found.uid() != uid && found.uid() != me) {
            return Err(EmbeddedError::NotYours { path: path.display().to_string(), uid: found.uid() });
        }
        if let Some(user) = &self.user {
            chown(path, Some(user.uid), Some(user.gid)).map_err(|e| io("cannot give away", path, e))?;
        }
        std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(|e| io("cannot close", path, e))
    }

    /// A command that runs as Postgres' user, in a directory it can be in, with nothing of our
    /// environment that would change what it does.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.data_dir).env("LC_ALL", "C").env("TZ", "UTC");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        if let Some(user) = &self.user {
            // Drops the supplementary groups too.
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    pub(super) fn url(&self, role: &str, database: &str) -> String {
        format!(
            "postgres://{}@/{}?host={}",
            encoded(role.as_bytes()),
            encoded(database.as_bytes()),
            self.encoded_host()
        )
    }

    fn encoded_host(&self) -> String {
        encoded(self.socket_dir.as_os_str().as_bytes())
    }
}

/// The directory and its parents, 0700; an existing one is left as it is.
fn make_private_dir(path: &Path) -> Result<(), EmbeddedError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        // Parents are ordinary directories: only what is ours is closed.
        std::fs::create_dir_all(parent).map_err(|e| io("cannot make", parent, e))?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(io("cannot make", path, e)),
        _ => Ok(()),
    }
}

/// As whom the cluster runs: an existing one as its owner.
fn user_for(cluster: &Path) -> Result<Option<User>, EmbeddedError> {
    let me = rustix::process::geteuid();
    let owner = cluster.metadata().ok();
    match (me.is_root(), owner) {
        (false, Some(found)) if found.uid() != me.as_raw() => {
            Err(EmbeddedError::NotYours { path: cluster.display().to_string(), uid: found.uid() })
        }
        (false, _) => Ok(None),
        (true, Some(found)) if found.uid() != 0 => {
            let name = name_of(found.uid()).unwrap_or_else(|| format!("with id {}", found.uid()));
            Ok(Some(User { name, uid: found.uid(), gid: found.gid() }))
        }
        (true, _) => Ok(Some(unprivileged())),
    }
}

fn passwd() -> String {
    std::fs::read_to_string("/etc/passwd").unwrap_or_default()
}

fn unprivileged() -> User {
    let passwd = passwd();
    // 65534 is `nobody` wherever there is no list of users to look it up in.
    let nobody = User { name: "nobody".to_owned(), uid: 65534, gid: 65534 };
    USERS.iter().find_map(|name| user_in(&passwd, |user| user.name == *name)).unwrap_or(nobody)
}

fn name_of(uid: u32) -> Option<String> {
    user_in(&passwd(), |user| user.uid == uid).map(|user| user.name)
}

/// The first line of `/etc/passwd` that fits; root never does.
fn user_in(passwd: &str, fits: impl Fn(&User) -> bool) -> Option<User> {
    let parse = |line: &str| {
        let mut fields = line.split(':');
        let (name, _, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        Some(User { name: name.to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()? })
    };
    passwd.lines().filter_map(parse).find(|user| user.uid != 0 && fits(user))
}

/// Lets `user` pass through the data directory: itself is ours to open, to that user's group and
/// only for passing; a directory above it is not.
fn open_to(data_dir: &Path, user: &User) -> Result<(), EmbeddedError> {
    let found = data_dir.metadata().map_err(|e| io("cannot look at", data_dir, e))?;
    let private = found.uid() == 0 && found.mode() & 0o077 == 0;
    if private {
        chown(data_dir, None, Some(user.gid)).map_err(|e| io("cannot open", data_dir, e))?;
        let opened = Permissions::from_mode(0o710);
        std::fs::set_permissions(data_dir, opened).map_err(|e| io("cannot open", data_dir, e))?;
    }
    // From the top, so that the message names the first closed door.
    let mut above: Vec<&Path> = data_dir.ancestors().collect();
    above.reverse();
    let closed = above.into_iter().find(|dir| !dir.metadata().is_ok_and(|m| can_pass(&m, user)));
    closed.map_or(Ok(()), |dir| {
        Err(EmbeddedError::Unreachable {
            data_dir: data_dir.display().to_string(),
            user: user.name.clone(),
            closed: dir.display().to_string(),
        })
    })
}

/// The kernel's own order: the first class that fits decides.
fn can_pass(dir: &Metadata, user: &User) -> bool {
    let bit = if dir.uid() == user.uid {
        0o100
    } else if dir.gid() == user.gid {
        0o010
    } else {
        0o001
    };
    dir.mode() & bit != 0
}

/// In the data directory, where that fits; else in a directory named after it.
fn socket_dir(data_dir: &Path) -> PathBuf {
    let inside = data_dir.join("socket");
    let bytes = inside.as_os_str().as_bytes();
    // Postgres splits the setting at commas and quotes.
    let plain = bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(b));
    if plain && bytes.len() + 1 + SOCKET_NAME.len() <= SOCKET_PATH_BYTES_MAX {
        return inside;
    }
    let hash = hex::encode(Sha256::digest(data_dir.as_os_str().as_bytes()));
    Path::new(SHORT_ROOT).join(format!("subledger-{}", hash.get(..HASH_CHARS).unwrap_or(&hash)))
}

/// Percent-encoding of everything that a URL could misread.
fn encoded(bytes: &[u8]) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    bytes.iter().map(|&b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

pub(super) fn io(what: &'static str, path: &Path, source: std::io::Error) -> EmbeddedError {
    EmbeddedError::Io { what, path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_fit_whatever_the_path() {
        assert_eq!(socket_dir(Path::new("/var/lib/x")), Path::new("/var/lib/x/socket"));
        for long in [format!("/{}", "d".repeat(200)), "/with,comma".to_owned(), "/with space".to_owned()] {
            let dir = socket_dir(Path::new(&long));
            assert!(dir.starts_with(SHORT_ROOT) && dir.as_os_str().len() < 40, "{dir:?}");
            assert_eq!(dir, socket_dir(Path::new(&long)), "every process finds the same");
        }
        let longest = format!("/{}", "d".repeat(SOCKET_PATH_BYTES_MAX - SOCKET_NAME.len() - "//socket/".len()));
        assert!(socket_dir(Path::new(&longest)).ends_with("socket"));
        assert!(!socket_dir(Path::new(&format!("{longest}d"))).ends_with("socket"));
    }

    #[test]
    fn users_are_found() {
        let passwd = "root:x:0:0::/root:/bin/sh\nbad line\nnobody:x:65534:65534::/:/bin/false\n";
        assert_eq!(user_in(passwd, |u| u.name == "nobody").unwrap().uid, 65534);
        assert_eq!(user_in(passwd, |u| u.name == "root"), None);
    }

    #[test]
    fn urls_are_encoded() {
        assert_eq!(encoded("/tmp/a b,é".as_bytes()), "%2Ftmp%2Fa%20b%2C%C3%A9");
    }
}
