// A value that is computed when it is first needed, once, whoever asks.

import Synchronization

/// Shared by threads; the others wait while one computes.
final class Once<Value: Sendable>: Sendable {
    private let stored: Mutex<Value?>
    private let make: @Sendable () -> Value

    init(_ make: @escaping @Sendable () -> Value) {
        stored = Mutex(nil)
        self.make = make
    }

    var value: Value {
        stored.withLock { value in
            if let value { return value }
            let new = make()
            value = new
            return new
        }
    }
}
