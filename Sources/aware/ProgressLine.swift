// How far a command is and how long it will still take, on standard error.

import Foundation
import Synchronization

/// Progress on standard error: a bar with the time left on a terminal, a plain line every ten percent elsewhere.
final class ProgressLine: Sendable {
    private struct State {
        var title = ""
        var total = 0
        var done = 0
        var shown = -1
        var start = Date()
    }

    private let state = Mutex(State())
    private let isTerminal = isatty(STDERR_FILENO) == 1

    func begin(_ title: String, total: Int) {
        state.withLock { $0 = State(title: title, total: max(1, total), start: Date()) }
    }

    func advance(by count: Int) {
        state.withLock { state in
            state.done += count
            let percent = min(100, state.done * 100 / state.total)
            guard percent / (isTerminal ? 1 : 10) != state.shown else { return }
            state.shown = percent / (isTerminal ? 1 : 10)
            let elapsed = -state.start.timeIntervalSinceNow
            let left = elapsed / Double(max(1, state.done)) * Double(max(0, state.total - state.done))
            let text = "\(state.title) \(percent) %, \(Int(left.rounded(.up))) s left"
            let bar = String(repeating: "#", count: percent / 4).padding(toLength: 25, withPad: ".", startingAt: 0)
            write(isTerminal ? "\r[\(bar)] \(text)   " : text + "\n")
        }
    }

    func say(_ text: String) { write((isTerminal ? "\n" : "") + "aware: " + text + "\n") }

    func finish() { if isTerminal { write("\n") } }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
