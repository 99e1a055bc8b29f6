//! How many descriptors a daemon may hold.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises this process's limit of open descriptors as far as the host allows; what it is then,
/// `None` for none.
///
/// The usual 1024 is there for programs that call `select`. A daemon that runs out can take no
/// connection, and a supervisor with a busy published port holds two descriptors for each one.
/// Processes started from here inherit the limit: who runs foreign programs sets theirs.
///
/// # Errors
/// When the kernel refuses, which it does not for a soft limit below the hard one.
pub fn raise_limit() -> io::Result<Option<u64>> {
    let most = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, raised)?;
    Ok(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let before = getrlimit(Resource::Nofile);
        let lowered = Rlimit {
            current: before.maximum.map(|most| most.min(512)),
            maximum: before.maximum,
        };
        setrlimit(Resource::Nofile, lowered).unwrap();
        assert_eq!(raise_limit().unwrap(), before.maximum);
        assert_eq!(getrlimit(Resource::Nofile).current, before.maximum);
    }
}
