"""Two days of a workload in a real Prometheus, and `aware replay` on them."""

import json
import math
import os
import subprocess
import time
import urllib.request

PODS = ("web-7d9c5b8f6d-x2v4z", "web-7d9c5b8f6d-b8k9m")
DAY = 86400
# CPU seconds and bytes of a request and a pod, and what shares of the requests took at most so long.
WORK, BYTES, FASTER = 0.012, 2.2e8, {"0.1": 0.9, "0.25": 0.985, "0.5": 0.999, "+Inf": 1}


def served(start, moment):
    """Requests since `start`: 60 a second, and 40 more or less with the time of day."""
    turn = DAY / (2 * math.pi)
    return 60 * (moment - start) - 40 * turn * (math.cos(moment / turn) - math.cos(start / turn))


def write(path, start, end):
    """OpenMetrics of what cAdvisor, kube-state-metrics and a client library would have told."""
    def pod(name, more=""):
        return f'{{namespace="shop",pod="{name}",container="app"{more}}}'

    families = [
        ("http_requests", "counter", "_total", [(pod(p), lambda t: served(start, t) / 2) for p in PODS]),
        ("container_cpu_usage_seconds", "counter", "_total", [(pod(p), lambda t: served(start, t) / 2 * WORK) for p in PODS]),
        ("container_memory_working_set_bytes", "gauge", "", [(pod(p), lambda t: BYTES + 1e6 * math.sin(t / 3000)) for p in PODS]),
        ("kube_pod_container_resource_limits", "gauge", "", [
            (pod(p, f',resource="{resource}"'), lambda t, limit=limit: limit)
            for p in PODS for resource, limit in (("cpu", 1), ("memory", 512 << 20))]),
        ("http_request_duration_seconds_bucket", "unknown", "", [
            (pod(p, f',le="{bound}"'), lambda t, share=share: served(start, t) / 2 * share)
            for p in PODS for bound, share in FASTER.items()]),
    ]
    with open(path, "w") as file:
        for name, kind, suffix, series in families:
            file.write(f"# TYPE {name} {kind}\n")
            for labels, value in series:
                for moment in range(start, end, 60):
                    file.write(f"{name}{suffix}{labels} {value(moment):.4f} {moment}\n")
        file.write("# EOF\n")


def replayed(aware, folder, port):
    """What `aware replay` says of that workload, as its JSON document."""
    end = int(time.time()) // 60 * 60
    text, data = os.path.join(folder, "history.txt"), os.path.join(folder, "history")
    write(text, end - 2 * DAY, end)
    subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", text, data], check=True, capture_output=True, timeout=120)
    configuration = os.path.join(folder, "history.yml")
    with open(configuration, "w") as file:
        file.write("global: {scrape_interval: 60s}\n")
    prometheus = subprocess.Popen(
        ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={data}", f"--web.listen-address=127.0.0.1:{port}",
         "--storage.tsdb.retention.time=30d"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(150):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2)
                break
            except OSError:
                time.sleep(0.2)
        done = subprocess.run(
            [aware, "replay", f"http://127.0.0.1:{port}", "--workload", "shop/web", "--last", "2d", "--savings", "0.5", "--json"],
            capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout)
    finally:
        prometheus.terminate()
        prometheus.wait(20)
