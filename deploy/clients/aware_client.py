#!/usr/bin/env python3
"""A client for aware with nothing but the standard library.

    aware = Aware("http://127.0.0.1:8080")          # token from AWARE_TOKEN, if there is one
    decision = aware.decide("shop-web", replicas=3, cpuUtilization=0.92, latencySeconds=0.61)
    scale(decision["desired"]["replicas"])
"""
import json
import os
import sys
import urllib.error
import urllib.request


class Problem(Exception):
    """An answer that reports an error (RFC 9457); `.problem` is its document."""

    def __init__(self, problem):
        lines = [problem.get("detail", "")] + [f"{e['pointer']}: {e['detail']}" for e in problem.get("errors", [])]
        super().__init__("\n".join(lines))
        self.problem = problem


class Aware:
    def __init__(self, base="http://127.0.0.1:8080", token=os.environ.get("AWARE_TOKEN"), timeout=10):
        self.base, self.token, self.timeout = base.rstrip("/"), token, timeout

    def send(self, method, path, body=None):
        """One request; the answer's document. Raises Problem."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise Problem(json.loads(error.read() or b"{}")) from None

    def decide(self, application, **observation):
        return self.send("POST", f"/v1/applications/{application}/decisions", observation)


if __name__ == "__main__":
    # aware_client.py URL APPLICATION '{"replicas": 3, "cpuUtilization": 0.92}'
    print(json.dumps(Aware(sys.argv[1]).decide(sys.argv[2], **json.loads(sys.argv[3])), indent=2))
