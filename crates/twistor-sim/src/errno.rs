//! The error numbers that scripts name, as this system numbers them: the standard library keeps its own to itself.

macro_rules! errnos {
    ($($name:ident = $linux:literal, $bsd:literal, $what:literal;)*) => {
        $(
            #[doc = $what]
            #[cfg(any(target_os = "linux", target_os = "android"))]
            pub const $name: i32 = $linux;
            #[doc = $what]
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            pub const $name: i32 = $bsd;
        )*

        /// The number that Linux has for an error of this system's: the same on every machine. Unknown ones are left alone.
        pub(crate) const fn canonical(code: i32) -> i32 {
            match code {
                $($name => $linux,)*
                other => other,
            }
        }

        /// The name of an error, for people.
        pub(crate) const fn name(code: i32) -> Option<&'static str> {
            match code {
                $($name => Some(stringify!($name)),)*
                _ => None,
            }
        }
    };
}

// Linux as on x86, ARM and RISC-V; the other column is that of macOS and the BSDs.
errnos! {
    EPERM = 1, 1, "Not permitted.";
    ENOENT = 2, 2, "No such thing.";
    EINTR = 4, 4, "A signal came in between: try again at once.";
    EIO = 5, 5, "Input or output failed.";
    EBADF = 9, 9, "Not an open descriptor.";
    EAGAIN = 11, 35, "Nothing to do now: wait for an event.";
    ENOMEM = 12, 12, "Out of memory.";
    EACCES = 13, 13, "Not allowed, as for a port below 1024.";
    EEXIST = 17, 17, "Exists already.";
    EINVAL = 22, 22, "The argument makes no sense.";
    ENFILE = 23, 23, "The system has no more descriptors.";
    EMFILE = 24, 24, "The process has no more descriptors.";
    EPIPE = 32, 32, "The outgoing direction is closed.";
    EADDRINUSE = 98, 48, "The address is in use.";
    EADDRNOTAVAIL = 99, 49, "The address is not one of this machine's.";
    ENETUNREACH = 101, 51, "There is no route to the network.";
    ECONNABORTED = 103, 53, "The connection ended before it was accepted.";
    ECONNRESET = 104, 54, "The peer reset the connection.";
    ENOBUFS = 105, 55, "No buffers now; no event will say when there are.";
    ENOTCONN = 107, 57, "Not connected, or not any more.";
    ETIMEDOUT = 110, 60, "The peer did not answer for too long.";
    ECONNREFUSED = 111, 61, "Nobody listens there.";
    EHOSTUNREACH = 113, 65, "There is no route to the host.";
}
