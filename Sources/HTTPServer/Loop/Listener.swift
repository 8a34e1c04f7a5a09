// A listening socket: bound, non-blocking, and removed from the file system where it has a path.

import CLinux
import Glibc

/// An open listening socket. Owned by one loop after the server has started.
struct Listener: Sendable {
    let descriptor: Int32
    /// As bound, with the real port.
    let address: ListenAddress

    init(_ wanted: ListenAddress, options: ServerOptions) throws {
        var socketAddress: SocketAddress?
        switch wanted {
        case .tcp(let host, let port): socketAddress = SocketAddress(host: host, port: port)
        case .unix(let path):
            socketAddress = SocketAddress(path: path)
            if let socketAddress { try Self.removeStale(path, socketAddress) }
        }
        guard var socketAddress else {
            throw ListenAddressError(
                text: wanted.description, reason: "the host must be a numeric address or localhost")
        }
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let fd = socket(Int32(socketAddress.storage.ss_family), type, 0)
        guard fd >= 0 else { throw SocketError("socket", wanted.description) }
        do {
            if case .tcp = wanted {
                try Self.set(fd, SOL_SOCKET, SO_REUSEADDR, wanted)
                // Accepted sockets inherit it: answers leave in one send and must not wait for acknowledgements.
                try Self.set(fd, Int32(IPPROTO_TCP), TCP_NODELAY, wanted)
                // [::] must not claim the IPv4 port, too: each address is listed by itself.
                if socketAddress.storage.ss_family == sa_family_t(AF_INET6) {
                    try Self.set(fd, Int32(IPPROTO_IPV6), IPV6_V6ONLY, wanted)
                }
            }
            guard socketAddress.withPointer({ bind(fd, $0, $1) }) == 0 else {
                throw SocketError("bind", wanted.description)
            }
            switch wanted {
            case .tcp(let host, _):
                guard socketAddress.withPointer({ getsockname(fd, $0, &$1) }) == 0 else {
                    throw SocketError("getsockname", wanted.description)
                }
                address = .tcp(host: host, port: socketAddress.port)
            case .unix(let path):
                guard chmod(path, mode_t(options.unixSocketMode)) == 0 else { throw SocketError("chmod", path) }
                address = wanted
            }
            // After chmod: nobody may connect before the permissions are right.
            guard listen(fd, options.backlog) == 0 else { throw SocketError("listen", wanted.description) }
        } catch {
            Glibc.close(fd)
            throw error
        }
        descriptor = fd
    }

    /// Begins to turn clients away, so that the queue of those to accept comes to an end: closing the listener resets the
    /// ones in it. Handshakes under way end well, hence some time before `endQueue` on TCP.
    func ignoreHandshakes() {
        if case .tcp = address { _ = clinux_ignore_handshakes(descriptor) }
    }

    /// From now on nobody is queued; those in the queue can be accepted.
    func endQueue() {
        // On a Unix socket to connect is to be queued, and the next one is refused.
        if case .unix = address { shutdown(descriptor, Int32(SHUT_RD)) }
    }

    func close() {
        Glibc.close(descriptor)
        if case .unix(let path) = address { unlink(path) }
    }

    private static func set(_ fd: Int32, _ level: Int32, _ option: Int32, _ subject: ListenAddress) throws {
        var on: Int32 = 1
        guard setsockopt(fd, level, option, &on, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
            throw SocketError("setsockopt", subject.description)
        }
    }

    /// Removes a socket file that a killed server left behind; one that answers is left alone and bind will fail.
    private static func removeStale(_ path: String, _ address: SocketAddress) throws {
        var address = address
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { throw SocketError("socket", path) }
        defer { Glibc.close(probe) }
        if address.withPointer({ connect(probe, $0, $1) }) != 0, errno == ECONNREFUSED { unlink(path) }
    }
}
