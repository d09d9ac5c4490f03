//! Where streams come from and go to: files, pipes, terminals. Every wait here can be interrupted by a stop signal.

use super::{Stop, TICK};
use crate::exit::{Failure, Kind};
use crate::sys::{self, Wish};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

/// Whether the command line means stdin or stdout.
fn standard(path: Option<&Path>) -> Option<&Path> {
    path.filter(|path| path.as_os_str() != "-")
}

fn stop_if_told() -> Result<(), Stop> {
    match sys::stop_signal() {
        Some(signal) => Err(Stop::Signal(signal)),
        None => Ok(()),
    }
}

/// What is sent.
pub struct Input {
    file: File,
    /// Reading never waits for anybody.
    regular: bool,
    size: Option<u64>,
}

impl Input {
    /// Opens `path`, or stdin.
    pub fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let named = standard(path);
        let failed = |e: io::Error| {
            let name = named.map_or_else(|| "stdin".to_owned(), |p| p.display().to_string());
            Failure::new(Kind::Failed, format!("{name}: {e}"))
        };
        let file = match named {
            Some(path) => File::open(path),
            None => io::stdin().as_fd().try_clone_to_owned().map(File::from),
        }
        .map_err(failed)?;
        let facts = file.metadata().map_err(failed)?;
        if facts.is_dir() {
            return Err(failed(ErrorKind::IsADirectory.into()));
        }
        Ok(Self {
            file,
            regular: facts.is_file(),
            size: (facts.is_file() && named.is_some()).then_some(facts.len()),
        })
    }

    /// How much there is, where that is known.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Fills `buffer` as far as there is something now, at least one byte; 0 at the end. While there is nothing, calls
    /// `idle` every [`TICK`].
    pub fn read(
        &mut self,
        buffer: &mut [u8],
        mut idle: impl FnMut() -> Result<(), Stop>,
    ) -> Result<usize, Stop> {
        let mut filled = 0;
        while filled < buffer.len() {
            if !self.regular {
                let patience = if filled == 0 { TICK } else { Duration::ZERO };
                if !sys::is_ready(self.file.as_fd(), Wish::Read, patience).map_err(Stop::Input)? {
                    if filled > 0 {
                        break;
                    }
                    idle()?;
                    continue;
                }
            }
            match self.file.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if [ErrorKind::Interrupted, ErrorKind::WouldBlock].contains(&e.kind()) => {
                    stop_if_told()?;
                }
                Err(e) => return Err(Stop::Input(e)),
            }
        }
        Ok(filled)
    }
}

/// Where it goes.
pub struct Output {
    file: File,
    regular: bool,
    /// A file of ours whose old content is still there.
    stale: bool,
}

impl Output {
    /// Opens `path`, or stdout. What a file held stays until the first write.
    pub fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let named = standard(path);
        let failed = |e: io::Error| {
            let name = named.map_or_else(|| "stdout".to_owned(), |p| p.display().to_string());
            Failure::new(Kind::Failed, format!("{name}: {e}"))
        };
        let file = match named {
            Some(path) => File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(path),
            None => io::stdout().as_fd().try_clone_to_owned().map(File::from),
        }
        .map_err(failed)?;
        let regular = file.metadata().map_err(failed)?.is_file();
        Ok(Self {
            file,
            regular,
            stale: regular && named.is_some(),
        })
    }

    /// Empties a file that held something. To be called when there is a stream to put there.
    pub fn begin(&mut self) -> Result<(), Stop> {
        if std::mem::take(&mut self.stale) {
            self.file.set_len(0).map_err(Stop::Output)?;
        }
        Ok(())
    }

    /// Writes all of `bytes`.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        while !bytes.is_empty() {
            if !self.regular
                && !sys::is_ready(self.file.as_fd(), Wish::Write, TICK).map_err(Stop::Output)?
            {
                stop_if_told()?;
                continue;
            }
            match self.file.write(bytes) {
                Ok(0) => return Err(Stop::Output(ErrorKind::WriteZero.into())),
                Ok(n) => bytes = &bytes[n..],
                Err(e) if [ErrorKind::Interrupted, ErrorKind::WouldBlock].contains(&e.kind()) => {
                    stop_if_told()?;
                }
                Err(e) => return Err(Stop::Output(e)),
            }
        }
        Ok(())
    }
}
