// System calls that failed while a server was being started: which one, on what, and why.

import Glibc

/// A failed system call.
public struct SocketError: Error, CustomStringConvertible {
    /// The call, e.g. "bind".
    public let call: String
    /// What it was about, e.g. "127.0.0.1:8080".
    public let subject: String
    public let errno: Int32

    init(_ call: String, _ subject: String) {
        self.call = call
        self.subject = subject
        self.errno = Glibc.errno
    }

    public var description: String {
        "\(call) failed for \(subject): \(String(cString: strerror(errno)))"
    }
}
