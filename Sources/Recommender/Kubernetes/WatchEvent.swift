// One line of a watch.

/// What happened to an object, or where the stream stands.
enum WatchEvent: Equatable {
    case stored(JSON, version: String)
    case deleted(JSON, version: String)
    /// Everything up to this version was sent.
    case bookmark(version: String)
    case failed(KubernetesError)

    init(_ line: [UInt8]) throws {
        let document = try JSON.parse(line)
        guard let type = document["type"]?.string, let object = document["object"] else {
            throw JSON.Malformed(description: "a watch event without type and object")
        }
        let version = object["metadata"]?["resourceVersion"]?.string ?? ""
        switch type {
        case "ADDED", "MODIFIED": self = .stored(object, version: version)
        case "DELETED": self = .deleted(object, version: version)
        case "BOOKMARK": self = .bookmark(version: version)
        case "ERROR": self = .failed(KubernetesError(status: object["code"]?.integer ?? 500, body: object))
        default: throw JSON.Malformed(description: "a watch event of type \(type.prefix(20))")
        }
    }
}
