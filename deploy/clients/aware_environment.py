#!/usr/bin/env python3
"""Simulators and learners meet aware through reset() and step(), the interface of Gymnasium.

`Agent` lets aware act in anybody's environment: it turns observations into actions and closes episodes.
`Recorded` lets anybody act in an environment, and aware learn from it.
`Shop` is such an environment: a service whose latency rises with the load of its replicas.

    aware_environment.py URL [EPISODES]         aware plays episodes of it; prints their rewards
    aware_environment.py URL EPISODES teach     a rule of our own plays them, and aware is told
"""
import datetime
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


class Recorded:
    """Wraps an environment: each episode that somebody else played in it is sent to aware as experience."""

    def __init__(self, environment, aware, application, controller="outside", seconds=60):
        self.environment, self.aware, self.application = environment, aware, application
        self.controller, self.step_length = controller, datetime.timedelta(seconds=seconds)
        self.time, self.sent = datetime.datetime.now(datetime.timezone.utc), 0

    def reset(self, seed=0):
        self.transitions, self.time = [], self.time + self.step_length
        observation, info = self.environment.reset(seed=seed)
        self.observation = self._stamped(observation)
        return observation, info

    def step(self, replicas):
        observation, reward, terminated, truncated, info = self.environment.step(replicas)
        self.time += self.step_length
        before, self.observation = self.observation, self._stamped(observation)
        self.transitions.append({"observation": before, "desired": {"replicas": replicas}, "reward": reward,
                                 "next": self.observation})
        if terminated or truncated:
            answer = self.aware.send("POST", f"/v1/applications/{self.application}/transitions",
                                     {"controller": self.controller, "transitions": self.transitions})
            self.sent += answer["new"]
        return observation, reward, terminated, truncated, info

    def _stamped(self, observation):
        return observation | {"time": self.time.isoformat().replace("+00:00", "Z")}


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


class Rule:
    """A learner of our own, or what stands for one: enough replicas for two thirds of their capacity."""

    reward = None

    def act(self, observation, done=False):
        return math.ceil(observation["requestRate"] / Shop.capacity / 0.67)


if __name__ == "__main__":
    aware = Aware(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080")
    episodes, teaches = int(sys.argv[2]) if len(sys.argv) > 2 else 5, sys.argv[3:] == ["teach"]
    aware.send("PUT", "/v1/applications/shop-environment", {"slo": {"latencySeconds": 0.5}, "episodeSteps": 100})
    environment = Recorded(Shop(), aware, "shop-environment") if teaches else Shop()
    agent = Rule() if teaches else Agent(aware, "shop-environment")
    for episode in range(episodes):
        print(f"episode {episode + 1}: mean reward {play(agent, environment, episode):.3f}")
    if teaches:
        print(f"aware has {environment.sent} new steps to learn from")
