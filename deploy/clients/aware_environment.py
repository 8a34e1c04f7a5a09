#!/usr/bin/env python3
"""Simulators and learners meet aware through reset() and step(), the interface of Gymnasium.

`Agent` lets aware act in anybody's environment: it turns observations into actions and closes episodes.
`Shop` is such an environment: a service whose latency rises with the load of its replicas. `python3 aware_environment.py URL`
plays episodes of it and prints their rewards.
"""
import math
import sys

from aware_client import Aware


class Shop:
    """reset() -> observation, info; step(replicas) -> observation, reward, terminated, truncated, info."""

    capacity, objective, length = 50.0, 0.5, 20

    def reset(self, seed=0):
        self.time, self.replicas, self.seed = 0, 3, seed
        return self._observe(), {}

    def step(self, replicas):
        self.time, self.replicas = self.time + 1, max(1, replicas)
        observation = self._observe()
        preserved = min(1.0, self.objective / observation["latencySeconds"])
        reward = 0.7 * preserved + 0.3 * min(1.0, observation["cpuUtilization"])
        return observation, reward, False, self.time >= self.length, {}

    def _observe(self):
        rate = 150 + 100 * math.sin(2 * math.pi * (self.time + self.seed) / self.length)
        load = rate / (self.replicas * self.capacity)
        latency = 0.1 / (1 - load) if load < 0.98 else 5.0
        return {"replicas": self.replicas, "cpuLimit": "500m", "memoryLimit": "512Mi", "cpuUtilization": min(load, 1.5),
                "memoryUtilization": 0.5, "latencySeconds": latency, "requestRate": rate}


class Agent:
    """aware as the acting side. A reward that the environment computes is told with the next observation."""

    def __init__(self, aware, application):
        self.aware, self.application, self.reward = aware, application, None

    def reset(self):
        self.reward = None
        self.aware.send("POST", f"/v1/applications/{self.application}/episodes", {"reason": "reset"})

    def act(self, observation, done=False):
        known = {} if self.reward is None else {"reward": self.reward}
        decision = self.aware.decide(self.application, **observation, **known, done=done)
        return decision["desired"]["replicas"]


def play(agent, environment, seed):
    """One episode; the mean reward of its steps."""
    observation, _ = environment.reset(seed=seed)
    total, steps, done = 0.0, 0, False
    while not done:
        observation, reward, terminated, truncated, _ = environment.step(agent.act(observation))
        done, total, steps, agent.reward = terminated or truncated, total + reward, steps + 1, reward
    agent.act(observation, done=True)
    agent.reward = None
    return total / steps


if __name__ == "__main__":
    aware = Aware(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080")
    aware.send("PUT", "/v1/applications/shop-environment", {"slo": {"latencySeconds": 0.5}, "episodeSteps": 100})
    agent = Agent(aware, "shop-environment")
    for episode in range(int(sys.argv[2]) if len(sys.argv) > 2 else 5):
        print(f"episode {episode + 1}: mean reward {play(agent, Shop(), episode):.3f}")
