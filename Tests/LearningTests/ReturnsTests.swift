// Advantages and returns against their closed forms.

import Learning
import Testing

struct ReturnsTests {
    @Test func constantRewardsHaveGeometricReturns() {
        let returns = discountedReturns(rewards: [1, 1, 1], bootstrap: 0, discount: 0.5)
        #expect(returns == [1.75, 1.5, 1])
        // With the value of an endless task behind the limit, every step is worth the same.
        #expect(discountedReturns(rewards: [1, 1, 1], bootstrap: 2, discount: 0.5) == [2, 2, 2])
    }

    @Test func lambdaOneIsReturnMinusValue() {
        let (rewards, values): ([Float], [Float]) = ([1, -1, 2, 0.5], [0.3, 0.1, -0.2, 0.7])
        let advantages = generalizedAdvantages(
            rewards: rewards, values: values, bootstrap: 0.4, discount: 0.9, lambda: 1)
        let returns = discountedReturns(rewards: rewards, bootstrap: 0.4, discount: 0.9)
        for step in 0..<4 { #expect(abs(advantages[step] - (returns[step] - values[step])) < 1e-6) }
    }

    @Test func lambdaZeroIsOneStepError() {
        let advantages = generalizedAdvantages(
            rewards: [1, 2], values: [0.5, 0.25], bootstrap: 1, discount: 0.5, lambda: 0)
        #expect(advantages == [1 + 0.125 - 0.5, 2 + 0.5 - 0.25])
    }

    @Test func aPerfectCriticLeavesNoAdvantage() {
        let advantages = generalizedAdvantages(
            rewards: [1, 1, 1], values: [2, 2, 2], bootstrap: 2, discount: 0.5, lambda: 0.95)
        #expect(advantages == [0, 0, 0])
        #expect(explainedVariance(values: [1, 2, 3], returns: [1, 2, 3]) == 1)
    }
}
