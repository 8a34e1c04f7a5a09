// A profile as it is stored: the same JSON.

import HTTPServer
import Operations
import Scaling

extension ProfileCodec {
    /// How a profile is kept.
    public static let text = ProfileText(
        encode: { String(decoding: encode($0), as: UTF8.self) },
        decode: { text in
            let (profile, errors) = try JSONParser().withDocument(text, decode)
            if let error = errors.first {
                throw StoredDamage(description: "profile\(error.pointer): \(error.detail)")
            }
            return profile
        })
}
