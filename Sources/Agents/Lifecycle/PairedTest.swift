// Finds a small loss: a sequential test on what each episode earned less what the rules would have earned on its load.

import Base
import Foundation

/// What one episode of the policy tells about it and the rules.
public struct PairedOutcome: Sendable, Equatable {
    /// What was measured, less what a replay of the same load says of the rules.
    public var measured: Double
    /// What the replay says of the policy, less what it says of the rules.
    public var replayed: Double
    /// The loss that is looked for, in the same unit.
    public var loss: Double

    public init(measured: Double, replayed: Double, loss: Double) {
        self.measured = measured
        self.replayed = replayed
        self.loss = loss
    }
}

/// A cumulative sum (Page, Biometrika 41, 1954) of paired differences, one an episode, positive where the policy did better.
///
/// It adds up by how much the differences speak for a loss and against none, each over the spread that they were seen to have, and
/// raises an alarm above a bound that quiet episodes reach once in `quietEpisodes` (Siegmund, Sequential Analysis, 1985, equation
/// 2.57). What the replay expects of an episode explains much of that spread: by how much it differs from what it expects
/// otherwise is taken off, as far as the two were seen to go together (a control variate).
struct PairedTest: Sendable, Equatable {
    private var sum = 0.0
    private var count = 0
    private var mean = 0.0
    private var replayedMean = 0.0
    private var squares = 0.0
    private var replayedSquares = 0.0
    private var products = 0.0

    /// Episodes between two false alarms of a policy that is exactly as good as the rules; a better one raises fewer.
    static let quietEpisodes = 2000.0
    /// Differences of episodes that follow each other resemble each other a little, which widens their sum.
    private static let correlation = 1.2
    /// A difference counts as at most so many deviations: one burst is no trend.
    private static let clip = 3.0
    /// Before the spread is known it is taken to be wide, and before the correlation is known there is taken to be none.
    private static let (episodesMin, pairsMin) = (5, 10)

    /// Takes one episode into account.
    /// - Returns: whether the policy is found to lose.
    mutating func add(_ outcome: PairedOutcome) -> Bool {
        let loss = outcome.loss
        guard outcome.measured.isFinite, outcome.replayed.isFinite, loss > 0 else { return false }
        count += 1
        let (difference, expected) = (outcome.measured - mean, outcome.replayed - replayedMean)
        mean += difference / Double(count)
        replayedMean += expected / Double(count)
        squares += difference * (outcome.measured - mean)
        replayedSquares += expected * (outcome.replayed - replayedMean)
        products += difference * (outcome.replayed - replayedMean)
        let share = count >= Self.pairsMin && replayedSquares > 0 ? min(max(products / replayedSquares, 0), 1) : 0
        let rest = squares - 2 * share * products + share * share * replayedSquares
        let seen = max((max(0, rest) / Double(max(1, count - 1))).squareRoot(), 0.75 * loss)
        let deviation = Self.correlation * (count < Self.episodesMin ? max(seen, 2.5 * loss) : seen)
        let drift = loss / 2 / deviation
        let change = (share * (outcome.replayed - replayedMean) - outcome.measured) / deviation
        sum = max(0, sum + min(max(change, -Self.clip), Self.clip) - drift)
        // A sum with drift k stays below b for (exp(2kb) - 2kb - 1) / 2k^2 episodes on average, b being 1.166 above the bound.
        let length = 2 * drift * drift * Self.quietEpisodes
        return sum > log(1 + length + log(1 + length)) / (2 * drift) - 1.166
    }

    /// Whether the policy is ahead of the rules on the same loads: by so much on average, and certainly.
    func isAhead(by lead: Double) -> Bool {
        guard count >= Self.aheadMin, mean >= lead else { return false }
        let deviation = Self.correlation * (squares / Double(count - 1)).squareRoot()
        return mean >= Self.aheadErrors * deviation / Double(count).squareRoot()
    }

    /// Episodes, and standard errors, that a lead must rest on.
    private static let (aheadMin, aheadErrors) = (10, 3.0)

    func encode(into writer: inout ByteWriter) {
        writer.write(Int64(count))
        for value in [sum, mean, replayedMean, squares, replayedSquares, products] { writer.write(value) }
    }

    init() {}

    init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        let stored = try reader.integer(Int64.self)
        sum = try reader.double()
        mean = try reader.double()
        replayedMean = try reader.double()
        squares = try reader.double()
        replayedSquares = try reader.double()
        products = try reader.double()
        guard stored >= 0, stored < 1 << 48, sum >= 0, squares >= 0, replayedSquares >= 0,
            [sum, mean, replayedMean, squares, replayedSquares, products].allSatisfy(\.isFinite)
        else { throw .malformed }
        count = Int(stored)
    }
}
