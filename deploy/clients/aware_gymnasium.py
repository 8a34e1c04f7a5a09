#!/usr/bin/env python3
"""A service to scale, as an environment of Gymnasium: any learner acts in it, and aware learns from what it does.

    import aware_gymnasium
    environment = aware_gymnasium.ShopEnv("http://127.0.0.1:8080")
    observation, info = environment.reset(seed=1)
    observation, reward, terminated, truncated, info = environment.step(environment.action_space.sample())

Without a URL nothing is sent. With one, `info["aware"]` is what aware would have done (a dry run), and each finished episode
is sent to it as experience; start the server with `aware serve --clock observed`. Gymnasium and NumPy are used where they are
installed: then `gymnasium.utils.env_checker.check_env` passes, and `gymnasium.make("aware/Shop-v0")` knows it. Without them observations are lists
and the spaces have `n` or `low`, `high` and `shape`, `contains` and `sample`.

    aware_gymnasium.py URL [EPISODES]     random actions; prints the return of each episode
"""
import math
import random
import sys

from aware_client import Aware
from aware_environment import Recorded, Shop

try:
    import gymnasium
    import numpy
    Base, Discrete, Box = gymnasium.Env, gymnasium.spaces.Discrete, gymnasium.spaces.Box
except ImportError:
    gymnasium = numpy = None
    Base = object

    class Discrete:
        """Whole numbers from 0 to n - 1."""

        def __init__(self, n):
            self.n, self.random = n, random.Random(0)

        def sample(self):
            return self.random.randrange(self.n)

        def contains(self, value):
            return isinstance(value, int) and 0 <= value < self.n

    class Box:
        """Vectors between two numbers."""

        def __init__(self, low, high, shape):
            self.low, self.high, self.shape, self.random = low, high, shape, random.Random(0)

        def sample(self):
            return [self.random.uniform(self.low, self.high) for _ in range(self.shape[0])]

        def contains(self, value):
            return len(value) == self.shape[0] and all(self.low <= number <= self.high for number in value)


class ShopEnv(Base):
    """Observations: replicas / 20, CPU use, latency / objective / 10, requests a second / 500, sine and cosine of the time of day.
    Actions: replicas -2, -1, 0, +1, +2. Reward: of aware, 0 to 1. An episode is never terminated; it is truncated at its end."""

    metadata = {"render_modes": []}
    changes = (-2, -1, 0, 1, 2)
    largest = 20

    def __init__(self, url=None, application="gymnasium", length=100, render_mode=None):
        self.render_mode = render_mode
        self.action_space = Discrete(len(self.changes))
        self.observation_space = Box(-1.0, 10.0, shape=(6,))
        self.shop = Shop()
        self.shop.length = length
        self.aware, self.application = None, application
        self.environment = self.shop
        if url is not None:
            self.aware = Aware(url)
            self.aware.send("PUT", f"/v1/applications/{application}",
                            {"slo": {"latencySeconds": Shop.objective}, "replicas": {"min": 1, "max": self.largest}})
            self.environment = Recorded(self.shop, self.aware, application, controller="gymnasium")

    def reset(self, *, seed=None, options=None):
        if gymnasium:
            super().reset(seed=seed)
        if seed is not None:
            self.phase = random.Random(seed).randrange(self.shop.length)
        seen, _ = self.environment.reset(seed=getattr(self, "phase", 0))
        return self._vector(seen), self._info(seen)

    def step(self, action):
        wanted = min(self.largest, max(1, self.shop.replicas + self.changes[int(action)]))
        seen, reward, terminated, truncated, _ = self.environment.step(wanted)
        return self._vector(seen), float(reward), terminated, truncated, self._info(seen)

    def _vector(self, seen):
        turn = 2 * math.pi * self.shop.time / self.shop.length
        values = [seen["replicas"] / self.largest, seen["cpuUtilization"], min(10.0, seen["latencySeconds"] / Shop.objective / 10),
                  seen["requestRate"] / 500, math.sin(turn), math.cos(turn)]
        return numpy.array(values, dtype=numpy.float32) if numpy else values

    def _info(self, seen):
        """What was measured, and what aware would have done."""
        info = {"observation": seen}
        if self.aware is not None:
            info["aware"] = self.aware.send("POST", f"/v1/applications/{self.application}/decisions?dryRun=true", seen)["desired"]
        return info


if gymnasium:
    gymnasium.register(id="aware/Shop-v0", entry_point=ShopEnv)

if __name__ == "__main__":
    environment = ShopEnv(sys.argv[1] if len(sys.argv) > 1 else None)
    for episode in range(int(sys.argv[2]) if len(sys.argv) > 2 else 3):
        _, info = environment.reset(seed=episode)
        total, truncated = 0.0, False
        while not truncated:
            _, reward, _, truncated, info = environment.step(environment.action_space.sample())
            total += reward
        advice = f", aware would have {info['aware']['replicas']} replicas" if "aware" in info else ""
        print(f"episode {episode + 1}: return {total:.1f}{advice}")
