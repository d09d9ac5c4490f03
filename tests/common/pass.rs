//! Handing a descriptor to another process over a Unix socket (`SCM_RIGHTS`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Room for one descriptor's control message, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Sends `fd` with one byte of company.
pub fn send(socket: &UnixStream, fd: BorrowedFd<'_>) {
    let mut byte = [1u8];
    let mut control = Control([0; 64]);
    with_message(&mut byte, &mut control, |message| {
        // SAFETY: the control buffer is live, aligned and larger than CMSG_SPACE(4); the header written is
        // the first one, inside it.
        unsafe {
            message.msg_controllen = libc::CMSG_SPACE(4) as _;
            let header = libc::CMSG_FIRSTHDR(message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(4) as _;
            libc::CMSG_DATA(header)
                .cast::<i32>()
                .write_unaligned(fd.as_raw_fd());
        }
        // SAFETY: a live socket and a message whose pointers are all live.
        let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), message, 0) };
        assert_eq!(sent, 1, "sendmsg: {}", io::Error::last_os_error());
    });
}

/// Receives one descriptor.
pub fn receive(socket: &UnixStream) -> OwnedFd {
    let mut byte = [0u8];
    let mut control = Control([0; 64]);
    with_message(&mut byte, &mut control, |message| {
        // SAFETY: a live socket and a message whose pointers are all live and writable.
        let got = unsafe { libc::recvmsg(socket.as_raw_fd(), message, libc::MSG_CMSG_CLOEXEC) };
        assert_eq!(got, 1, "recvmsg: {}", io::Error::last_os_error());
        // SAFETY: the kernel filled the control buffer and its length; the header is inside it or null.
        let header = unsafe { libc::CMSG_FIRSTHDR(message) };
        assert!(!header.is_null(), "a descriptor came along");
        // SAFETY: a whole header of rights with one descriptor, which is now ours alone.
        unsafe {
            assert_eq!((*header).cmsg_type, libc::SCM_RIGHTS);
            OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<i32>().read_unaligned())
        }
    })
}

fn with_message<R>(
    byte: &mut [u8; 1],
    control: &mut Control,
    then: impl FnOnce(&mut libc::msghdr) -> R,
) -> R {
    let mut part = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    // SAFETY: integers and pointers, for which zero is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    then(&mut message)
}
