"""Starts the parts of a cluster for tests: the API server double with its world, Prometheus, aware serve, aware recommend."""

import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

from api_server import Cluster
from controllers import World

NAMESPACE = "shop"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def rights():
    """The RBAC rules of the overlay `both`; everything where they cannot be read here."""
    try:
        import yaml
    except ImportError:
        return None
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy", "kubernetes")
    rules = []
    for file in ("base/rbac.yaml", "overlays/both/actuation.yaml"):
        with open(os.path.join(folder, file)) as text:
            rules += [rule for document in yaml.safe_load_all(text) for rule in document.get("rules", [])]
    return rules


def deployment(name, replicas=2, cpu="500m", memory="256Mi", annotations=None, limits=True, sidecar=False):
    resources = {"requests": {"cpu": cpu, "memory": memory}}
    if limits:
        resources["limits"] = {"cpu": cpu, "memory": memory}
    containers = [{"name": "main", "image": "shop/web:1", "resources": resources}]
    if sidecar:
        containers.append({"name": "proxy", "image": "proxy:1", "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}}})
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "annotations": annotations or {}},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}}}}


class Stack:
    def __init__(self, aware, applications=(), vpa_interval=1.0):
        self.aware_binary = aware
        self.folder = tempfile.mkdtemp(prefix="aware-cluster-")
        self.cluster = Cluster()
        # The recommender has the rights of the manifests and no others.
        self.cluster.tokens = {"admin": None, "recommender": rights()}
        certificate, key = (os.path.join(self.folder, name) for name in ("ca.pem", "key.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=double", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                       check=True, capture_output=True)
        self.api = self.cluster.serve(certificate, key)
        self.world = World(self.cluster, applications, vpa_interval)
        self.processes = []
        self.recommenders = []
        self.kubeconfig = os.path.join(self.folder, "kubeconfig")
        for user in ("admin", "recommender"):
            path = self.kubeconfig if user == "recommender" else self.kubeconfig + "-admin"
            with open(path, "w") as file:
                json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "test",
                           "contexts": [{"name": "test", "context": {"cluster": "test", "user": user, "namespace": NAMESPACE}}],
                           "clusters": [{"name": "test", "cluster": {"server": self.api, "certificate-authority": certificate}}],
                           "users": [{"name": user, "user": {"token": user}}]}, file)
        self.exporter = self.serve_metrics()
        self.prometheus_port = free_port()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
        self.cluster.server.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)

    # Parts

    def serve_metrics(self):
        world = self.world

        class Exporter(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                data = world.metrics().encode()
                self.send_response(200 if data else 503)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_address[1]

    def start(self, name, arguments):
        log = open(os.path.join(self.folder, name + ".log"), "ab")
        process = subprocess.Popen(arguments, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def log(self, name):
        with open(os.path.join(self.folder, name + ".log"), errors="replace") as file:
            return file.read()

    def start_prometheus(self):
        configuration = os.path.join(self.folder, "prometheus.yml")
        with open(configuration, "w") as file:
            file.write("global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: world\n  honor_labels: true\n"
                       f"  static_configs: [{{targets: ['127.0.0.1:{self.exporter}']}}]\n")
        self.prometheus = self.start("prometheus", [
            "prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={self.folder}/tsdb",
            f"--web.listen-address=127.0.0.1:{self.prometheus_port}", "--log.level=warn"])
        wait("Prometheus is ready", lambda: self.get(f"http://127.0.0.1:{self.prometheus_port}/-/ready") is not None, 20)

    def start_aware(self):
        if not hasattr(self, "aware_port"):
            self.aware_port = free_port()
        self.aware = self.start("aware", [self.aware_binary, "serve", "--listen", f"127.0.0.1:{self.aware_port}", "--data",
                                          f"{self.folder}/data"])
        wait("aware is ready", lambda: self.get(self.url("/readyz")) is not None, 20)

    def start_recommender(self, *more, interval=2, name="recommend"):
        process = self.start(name, [
            self.aware_binary, "recommend", "--server", self.url(""), "--prometheus", f"http://127.0.0.1:{self.prometheus_port}",
            "--kubeconfig", self.kubeconfig, "--interval", str(interval), "--window", "20", "--listen", "none", *more])
        self.recommenders.append(process)
        return process

    # Looks

    def url(self, path):
        return f"http://127.0.0.1:{self.aware_port}{path}"

    def get(self, url):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                text = answer.read().decode()
                return json.loads(text) if text.startswith(("{", "[")) else text
        except (urllib.error.URLError, OSError):
            return None

    def decisions(self, application):
        return (self.get(self.url(f"/v1/applications/{application}/decisions?limit=500")) or {}).get("items", [])

    def object(self, plural, name):
        return self.cluster.objects.get(self.cluster.kind(plural), NAMESPACE, name)

    def create(self, plural, body):
        return self.cluster.objects.create(self.cluster.kind(plural), NAMESPACE, body)

    def update(self, plural, name, change):
        with self.cluster.objects.lock:
            item = self.object(plural, name)
            change(item)
            item["metadata"].pop("resourceVersion")
            return self.cluster.objects.replace(self.cluster.kind(plural), NAMESPACE, name, item)

    def annotate(self, name, **annotations):
        def change(item):
            own = item["metadata"].setdefault("annotations", {})
            for key, value in annotations.items():
                own["aware.dev/" + key.replace("_", "-")] = value
        self.update("deployments", name, change)

    def replicas(self, name):
        return self.object("deployments", name)["spec"]["replicas"]

    def pods(self, name):
        return [pod for pod in self.cluster.objects.list(self.cluster.kind("pods"), NAMESPACE)
                if pod["metadata"]["labels"]["app"] == name]

    def limits(self, name):
        return [pod["spec"]["containers"][0]["resources"].get("limits", {}) for pod in self.pods(name)]

    def writes(self, text, since=0.0):
        return [write for write in self.cluster.writes if text in write[2] and write[0] >= since]


class Failed(Exception):
    pass


def wait(what, condition, seconds):
    """Looks again and again until `condition` holds."""
    end = time.time() + seconds
    while time.time() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise Failed(f"within {seconds} s it did not come true: {what}")


def check(what, is_so):
    if not is_so:
        raise Failed(what)
