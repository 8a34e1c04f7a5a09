"""Controllers of the double: deployments get pods, kubelets start and resize them, VPA's updater acts on statuses by its
own rules, and applications under load use CPU and memory, are slow, and are killed."""

import hashlib
import json
import math
import threading
import time

from api_server import amount
from objects import Refused, stamp

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def word(seed, length):
    digest = hashlib.sha256(seed.encode()).digest()
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:length])


class Application:
    """What a workload's requests cost, and how many come."""

    def __init__(self, namespace, name, rate, cores_per_request=0.02, base_memory=120 << 20, memory_per_request=2 << 20):
        self.namespace, self.name = namespace, name
        self.rate = rate  # function of seconds
        self.cores_per_request, self.base_memory, self.memory_per_request = cores_per_request, base_memory, memory_per_request
        self.requests = 0.0
        self.slow = 0.0  # requests over the objective
        self.buckets = {}
        self.kills = 0


class World:
    """Advances everything a few times a second."""

    STARTUP = 1.0
    BOUNDS = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, math.inf]  # milliseconds

    def __init__(self, cluster, applications=(), vpa_interval=1.0):
        self.cluster, self.objects = cluster, cluster.objects
        self.applications = {(a.namespace, a.name): a for a in applications}
        self.vpa_interval = vpa_interval
        self.usage = {}  # (namespace, pod) -> {"cpu": seconds, "memory": bytes, "periods": n, "throttled": n}
        self.last = time.time()
        self.serial = 0
        self.resizes = 0
        self.is_silent = False  # the exporter answers nothing
        self.is_frozen = False  # counters stand still
        self.next_vpa = 0.0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                with self.objects.lock:
                    self.advance()
            except Refused:
                pass
            time.sleep(0.1)

    def advance(self):
        now = time.time()
        seconds, self.last = now - self.last, now
        pods = {}
        for pod in self.objects.list(self.cluster.kind("pods")):
            owner = pod["metadata"].get("labels", {}).get("app")
            pods.setdefault((pod["metadata"]["namespace"], owner), []).append(pod)
        for deployment in self.objects.list(self.cluster.kind("deployments")):
            key = (deployment["metadata"]["namespace"], deployment["metadata"]["name"])
            own = self.reconcile(deployment, pods.get(key, []))
            if key in self.applications and not self.is_frozen:
                self.load(self.applications[key], own, now, seconds)
        if now >= self.next_vpa:
            self.next_vpa = now + self.vpa_interval
            self.update_by_vpa(pods)

    # Deployments and kubelets

    def reconcile(self, deployment, pods):
        metadata, spec = deployment["metadata"], deployment["spec"]
        namespace, name = metadata["namespace"], metadata["name"]
        template = spec["template"]
        digest = word(json.dumps(template, sort_keys=True), 9)
        wanted = spec.get("replicas", 1)
        kind = self.cluster.kind("pods")
        current = [pod for pod in pods if pod["metadata"]["labels"].get("pod-template-hash") == digest]
        for pod in [pod for pod in pods if pod not in current] + sorted(current, key=lambda p: p["metadata"]["name"])[wanted:]:
            self.objects.delete(kind, namespace, pod["metadata"]["name"])
            pods.remove(pod)
        current = [pod for pod in current if pod in pods]
        for _ in range(wanted - len(current)):
            self.serial += 1
            pod = {"metadata": {"name": f"{name}-{digest}-{word(str(self.serial), 5)}",
                                "labels": {**template.get("metadata", {}).get("labels", {}), "app": name, "pod-template-hash": digest},
                                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{name}-{digest}",
                                                     "uid": digest, "controller": True}]},
                   "spec": json.loads(json.dumps(template["spec"])),
                   "status": {"phase": "Pending", "startTime": stamp(), "started": time.time()}}
            pods.append(self.objects.create(kind, namespace, pod))
        ready = 0
        for index, pod in enumerate(pods):
            pods[index] = self.kubelet(pod)
            ready += any(c["type"] == "Ready" and c["status"] == "True" for c in pods[index]["status"].get("conditions", []))
        status = {"observedGeneration": metadata["generation"], "replicas": len(pods), "updatedReplicas": len(pods),
                  "readyReplicas": ready, "availableReplicas": ready}
        if status != deployment.get("status"):
            deployment["status"] = status
            deployment["metadata"].pop("resourceVersion")
            self.objects.replace(self.cluster.kind("deployments"), namespace, name, deployment, "status")
        return pods

    def kubelet(self, pod):
        """Starts containers after a while and carries out resizes at once."""
        status = json.loads(json.dumps(pod["status"]))
        is_ready = time.time() - status.get("started", 0) >= self.STARTUP
        status["phase"] = "Running" if is_ready else "Pending"
        old = {c["name"]: c for c in status.get("containerStatuses", [])}
        status["containerStatuses"] = []
        for container in pod["spec"]["containers"]:
            before = old.get(container["name"], {"name": container["name"], "restartCount": 0, "state": {"running": {}}, "lastState": {}})
            resources = container.get("resources", {})
            if before.get("resources") not in (None, resources):
                self.resizes += 1
            status["containerStatuses"].append({**before, "resources": resources, "ready": is_ready})
        status["conditions"] = [{"type": "Ready", "status": "True" if is_ready else "False"}]
        if status == pod["status"]:
            return pod
        pod["status"] = status
        pod["metadata"].pop("resourceVersion", None)
        return self.objects.replace(self.cluster.kind("pods"), pod["metadata"]["namespace"], pod["metadata"]["name"], pod, "status")

    # Load

    def load(self, application, pods, now, seconds):
        ready = [pod for pod in pods if pod["status"]["phase"] == "Running"]
        rate = application.rate(now)
        application.requests += rate * seconds
        if not ready:
            application.buckets[10000] = application.buckets.get(10000, 0) + rate * seconds
            return
        share = rate / len(ready)
        for pod in ready:
            main = pod["spec"]["containers"][0]
            limits = main.get("resources", {}).get("limits", {})
            limit = amount(limits.get("cpu", "64"))
            wanted = share * application.cores_per_request
            used = min(wanted, limit)
            usage = self.usage.setdefault((pod["metadata"]["namespace"], pod["metadata"]["name"], main["name"]),
                                          {"cpu": 0.0, "memory": 0.0, "periods": 0.0, "throttled": 0.0})
            usage["cpu"] += used * seconds
            usage["periods"] += 10 * seconds
            usage["throttled"] += 10 * seconds * max(0.0, min(1.0, (wanted / limit - 0.8) / 0.4))
            usage["memory"] = application.base_memory + share * application.memory_per_request
            utilization = min(wanted / limit, 0.999)
            latency = 20 + 30 / (1 - utilization) if wanted < limit else 5000
            bound = next(bound for bound in self.BOUNDS if latency <= bound)
            application.buckets[bound] = application.buckets.get(bound, 0) + share * seconds
            memory_limit = limits.get("memory")
            if memory_limit and usage["memory"] > amount(memory_limit):
                self.kill(application, pod, main["name"])

    def kill(self, application, pod, container):
        application.kills += 1
        for status in pod["status"]["containerStatuses"]:
            if status["name"] == container:
                status["restartCount"] += 1
                status["lastState"] = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": stamp(),
                                                      "containerID": f"c-{application.kills}"}}
        pod["status"]["started"] = time.time()
        pod["metadata"].pop("resourceVersion", None)
        self.objects.replace(self.cluster.kind("pods"), pod["metadata"]["namespace"], pod["metadata"]["name"], pod, "status")

    # VPA's updater (pkg/updater, priority calculator): a pod is touched while a request lies outside the bounds

    def update_by_vpa(self, pods):
        for vpa in self.objects.list(self.cluster.kind("verticalpodautoscalers")):
            mode = vpa["spec"].get("updatePolicy", {}).get("updateMode", "Recreate")
            recommendation = vpa.get("status", {}).get("recommendation", {}).get("containerRecommendations", [])
            if mode not in ("InPlaceOrRecreate", "Recreate", "Auto") or not recommendation:
                continue
            by_name = {item["containerName"]: item for item in recommendation}
            own = pods.get((vpa["metadata"]["namespace"], vpa["spec"]["targetRef"]["name"]), [])
            live = [pod for pod in own if pod["status"].get("phase") == "Running"]
            if len(live) < 2:  # --min-replicas
                continue
            for pod in live[: max(1, len(live) // 2)]:  # --eviction-tolerance 0.5
                self.resize_by_vpa(pod, by_name)

    def resize_by_vpa(self, pod, by_name):
        changed = False
        for container in pod["spec"]["containers"]:
            item = by_name.get(container["name"])
            if item is None:
                continue
            resources = container.setdefault("resources", {})
            requests = resources.setdefault("requests", {})
            outside = any(
                name not in requests or amount(requests[name]) < amount(item["lowerBound"][name])
                or amount(requests[name]) > amount(item["upperBound"][name]) for name in item["target"])
            if not outside:
                continue
            for name, target in item["target"].items():
                old, limit = requests.get(name), resources.get("limits", {}).get(name)
                if limit and old:
                    scaled = amount(limit) * amount(target) / amount(old)
                    resources["limits"][name] = f"{round(scaled * 1000)}m" if name == "cpu" else str(round(scaled))
                requests[name] = target
            changed = True
        if changed:
            pod["metadata"].pop("resourceVersion", None)
            self.objects.replace(self.cluster.kind("pods"), pod["metadata"]["namespace"], pod["metadata"]["name"], pod)

    # What cAdvisor and Istio would export

    def metrics(self):
        if self.is_silent:
            return ""
        lines = []
        with self.objects.lock:
            alive = {(p["metadata"]["namespace"], p["metadata"]["name"]) for p in self.objects.list(self.cluster.kind("pods"))}
            for (namespace, pod, container), usage in self.usage.items():
                if (namespace, pod) not in alive:
                    continue
                labels = f'{{namespace="{namespace}",pod="{pod}",container="{container}",image="x"}}'
                lines += [f"container_cpu_usage_seconds_total{labels} {usage['cpu']}",
                          f"container_memory_working_set_bytes{labels} {usage['memory']}",
                          f"container_cpu_cfs_periods_total{labels} {usage['periods']}",
                          f"container_cpu_cfs_throttled_periods_total{labels} {usage['throttled']}"]
            for application in self.applications.values():
                labels = (f'reporter="destination",destination_workload="{application.name}",'
                          f'destination_workload_namespace="{application.namespace}",response_code="200"')
                lines.append(f"istio_requests_total{{{labels}}} {application.requests}")
                total = 0.0
                for bound in self.BOUNDS:
                    total += application.buckets.get(bound, 0.0)
                    text = "+Inf" if bound == math.inf else str(bound)
                    lines.append(f'istio_request_duration_milliseconds_bucket{{{labels},le="{text}"}} {total}')
        return "\n".join(lines) + "\n"
