// How large a file is and how much room is left beside it.

import Glibc

enum Disk {
    /// 0 when there is no such file.
    static func bytes(of path: String) -> Int {
        var info = stat()
        return stat(path, &info) == 0 ? Int(info.st_size) : 0
    }

    /// Bytes that a process without special rights may still write; `nil` when the file system does not say.
    static func free(at path: String) -> Int? {
        var info = statvfs()
        guard statvfs(path, &info) == 0 else { return nil }
        return Int(info.f_bavail) * Int(info.f_frsize)
    }
}
