//! The Unix socket: commands ask the desk here, one JSON line each way.
//!
//! Who may: root, the account the hub runs under, and members of the socket's group (the file mode
//! is 0660, so the kernel asks before we do; the peer's credentials are only logged). HTTP was not
//! chosen for commands: a file's owner and mode need no passwords.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::counter::{Amiss, Ask, Asked, Reply};

/// Longest line either way, in bytes: ten thousand incidents of a kilobyte, or a full hub's registry
/// ten times over.
pub const SOCKET_LINE_MAX: u64 = 32 << 20;
/// Longest question of any number at once, in bytes: a note with room to spare.
const QUESTION_MAX: u64 = 64 << 10;
/// Questions beyond it, imports, up to [`SOCKET_LINE_MAX`]: one is read at a time, the next waits, so
/// that nobody can fill the memory of a small box with them.
const LONG_QUESTIONS_MAX: usize = 1;
/// Connections at once; the next one waits.
const CONNECTIONS_MAX: usize = 32;
/// How long a connection may say nothing.
const SAYS_WITHIN: Duration = Duration::from_secs(10);
/// How long an answer may take: an answer that moves an incident waits for the disk.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Listens on a socket file; one left over by a killed hub is replaced.
pub(super) fn listen(path: &Path, asks: mpsc::Sender<Asked>) -> io::Result<Listening> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    remove_left_over(path)?;
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    let task = tokio::spawn(serve(listener, asks));
    Ok(Listening { path: path.to_owned(), task })
}

/// Removes a socket that a killed hub left behind; whatever else stands there stays, a socket that
/// somebody answers on above all.
fn remove_left_over(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else stands there"))
        }
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
            Err(io::Error::new(io::ErrorKind::AddrInUse, "another hub answers on it"))
        }
        Ok(_) => std::fs::remove_file(path),
    }
}

/// A socket that is listened on; its file goes with it.
pub(super) struct Listening {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
        // Another start may already have replaced it; a left-over file is replaced at the next one.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(listener: UnixListener, asks: mpsc::Sender<Asked>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let long = Arc::new(Semaphore::new(LONG_QUESTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (asks, long) = (asks.clone(), Arc::clone(&long));
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, asks, &long).await {
                        debug!(%error, "a command went away");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "the command socket accepts nothing for a moment");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(
    stream: UnixStream,
    asks: mpsc::Sender<Asked>,
    long: &Semaphore,
) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let (read, mut write) = stream.into_split();
    let mut line = Vec::new();
    let mut read = BufReader::new(read.take(QUESTION_MAX));
    timeout(SAYS_WITHIN, read.read_until(b'\n', &mut line)).await??;
    // Held until the question is answered and its memory is free.
    let turn = match line.len() as u64 == QUESTION_MAX && !line.ends_with(b"\n") {
        true => timeout(SAYS_WITHIN, long.acquire()).await?.ok(),
        false => None,
    };
    if turn.is_some() {
        read.get_mut().set_limit(SOCKET_LINE_MAX - QUESTION_MAX);
        timeout(SAYS_WITHIN, read.read_until(b'\n', &mut line)).await??;
    }
    let reply = match serde_json::from_slice::<Ask>(&line) {
        Ok(ask) => {
            debug!(uid = peer.uid(), ?ask, "asked");
            pass_on(ask, &asks).await
        }
        Err(_) => {
            refused("the hub does not understand this command: use its own version of anling")
        }
    };
    let mut bytes = serde_json::to_vec(&reply)?;
    bytes.push(b'\n');
    write.write_all(&bytes).await
}

async fn pass_on(ask: Ask, asks: &mpsc::Sender<Asked>) -> Reply {
    let (reply, told) = oneshot::channel();
    if asks.try_send(Asked { ask, reply }).is_err() {
        return refused("the hub is busy or stopping: try again in a moment");
    }
    match timeout(ANSWER_WITHIN, told).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => refused("the hub is stopping: try again when it runs"),
        Err(_) => refused("the hub has not answered: see its log, then try again"),
    }
}

fn refused(why: &str) -> Reply {
    Reply::Refused { why: why.to_owned(), amiss: Amiss::NotNow }
}

/// Asks a running hub from a command.
///
/// # Errors
/// When the socket cannot be reached, or what comes back is no answer.
pub async fn ask(socket: &Path, ask: &Ask) -> io::Result<Reply> {
    let mut stream = UnixStream::connect(socket).await?;
    let mut bytes = serde_json::to_vec(ask)?;
    bytes.push(b'\n');
    stream.write_all(&bytes).await?;
    let mut line = Vec::new();
    let mut stream = BufReader::new(stream.take(SOCKET_LINE_MAX));
    timeout(ANSWER_WITHIN * 2, stream.read_until(b'\n', &mut line)).await??;
    Ok(serde_json::from_slice(&line)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_socket_nobody_answers_on_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sock");
        std::fs::write(&path, "precious").unwrap();
        let (asks, _asked) = mpsc::channel(1);
        assert!(listen(&path, asks.clone()).is_err(), "an ordinary file");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        std::fs::remove_file(&path).unwrap();

        let first = listen(&path, asks.clone()).unwrap();
        assert!(listen(&path, asks.clone()).is_err(), "a living hub's");
        first.task.abort();
        drop(std::os::unix::net::UnixListener::bind(dir.path().join("dead")).unwrap());
        assert!(listen(&dir.path().join("dead"), asks).is_ok(), "a killed hub's");
    }
}
