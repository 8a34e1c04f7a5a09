"""A double of the Kubernetes API server, strict where clients go wrong: versions, subresources, patch types, watches,
identity and rights. Faults are switched on by tests through `Faults`."""

import http.server
import json
import random
import re
import socket
import ssl
import threading
import time
import urllib.parse

from objects import KINDS, Objects, Refused, json_patch, merge_patch, strategic_patch

QUANTITY = re.compile(r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")


class Faults:
    """What goes wrong from now on."""

    def __init__(self):
        self.is_down = False
        self.delay = 0.0
        self.answers = []  # [code, count]: the next `count` requests get this status
        self.refuse_patches = set()  # content types that get 415
        self.is_breaking_watches = False

    def next_answer(self):
        while self.answers:
            code, count = self.answers[0]
            if count <= 0:
                self.answers.pop(0)
                continue
            self.answers[0][1] -= 1
            return code
        return None


class Cluster:
    """The double: objects, who may do what, faults, and what was written."""

    def __init__(self):
        self.objects = Objects()
        self.faults = Faults()
        self.tokens = {}  # token -> None for everything, or a list of RBAC rules
        self.writes = []  # (time, method, path, body)
        self.requests = 0
        self.kinds = {(kind.group, kind.version, kind.plural): kind for kind in KINDS}

    def kind(self, plural):
        return next(kind for kind in KINDS if kind.plural == plural)

    def may(self, token, verb, kind, subresource, name):
        rules = self.tokens.get(token)
        if rules is None:
            return True
        resource = kind.plural + ("/" + subresource if subresource else "")
        for rule in rules:
            if (kind.group in rule["apiGroups"] or "*" in rule["apiGroups"]) and resource in rule["resources"] \
                    and verb in rule["verbs"] and (not rule.get("resourceNames") or name in rule["resourceNames"]):
                return True
        return False

    def serve(self, certificate=None, key=None):
        cluster = self

        class Bound(Handler):
            pass

        Bound.cluster = cluster
        self.server = Server(("127.0.0.1", 0), Bound)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            # The handshake is the thread's that serves the connection.
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http{'s' if certificate else ''}://127.0.0.1:{self.server.server_address[1]}"


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, address):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.respond("GET")

    def do_POST(self):
        self.respond("POST")

    def do_PUT(self):
        self.respond("PUT")

    def do_PATCH(self):
        self.respond("PATCH")

    def do_DELETE(self):
        self.respond("DELETE")

    # Answers

    def send(self, code, body, headers=()):
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def respond(self, method):
        cluster = self.cluster
        cluster.requests += 1
        if cluster.faults.is_down:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        if cluster.faults.delay:
            time.sleep(cluster.faults.delay)
        try:
            code = cluster.faults.next_answer()
            if code:
                raise Refused(code, {429: "TooManyRequests", 503: "ServiceUnavailable", 500: "InternalError"}.get(code, ""),
                              "a fault of the test", retry=1)
            self.route(method, body)
        except Refused as refused:
            headers = [("Retry-After", str(refused.retry))] if refused.retry is not None else []
            self.send(refused.code, refused.status(), headers)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except (KeyError, ValueError, TypeError, IndexError) as error:
            self.send(400, Refused(400, "BadRequest", f"{type(error).__name__}: {error}").status())

    # Routes

    def route(self, method, raw):
        url = urllib.parse.urlsplit(self.path)
        query = {key: values[-1] for key, values in urllib.parse.parse_qs(url.query).items()}
        parts = [urllib.parse.unquote(part) for part in url.path.split("/") if part]
        if self.discover(parts):
            return
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if self.cluster.tokens and token not in self.cluster.tokens:
            raise Refused(401, "Unauthorized", "Unauthorized")
        group, version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
        namespace = None
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        kind = self.cluster.kinds.get((group, version, rest[0]))
        if kind is None:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        name = rest[1] if len(rest) > 1 else None
        subresource = rest[2] if len(rest) > 2 else None
        if subresource and subresource not in kind.subresources:
            raise Refused(404, "NotFound", f"{kind.plural} has no subresource {subresource}")
        verb = {"GET": "get" if name else "watch" if query.get("watch") in ("true", "1") else "list", "POST": "create",
                "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[method]
        if not self.cluster.may(token, verb, kind, subresource, name):
            raise Refused(403, "Forbidden", f'{kind.plural} is forbidden: cannot {verb} resource "{kind.plural}'
                          f'{"/" + subresource if subresource else ""}" in API group "{kind.group}"')
        if method == "GET":
            if verb == "watch":
                return self.watch(kind, namespace, query)
            return self.send(200, self.read(kind, namespace, name, subresource, query))
        content = (self.headers.get("Content-Type") or "").split(";")[0]
        body = json.loads(raw) if raw else {}
        self.cluster.writes.append((time.time(), method, url.path, body))
        if method == "DELETE":
            return self.send(200, self.cluster.objects.delete(kind, namespace, name))
        if method == "POST":
            return self.send(201, self.cluster.objects.create(kind, namespace, validated(kind, body)))
        if method == "PATCH":
            return self.send(200, self.patch(kind, namespace, name, subresource, content, body))
        if subresource == "scale":
            return self.send(200, self.scale(kind, namespace, name, body))
        return self.send(200, self.cluster.objects.replace(kind, namespace, name, validated(kind, body), subresource))

    def discover(self, parts):
        if parts == ["version"]:
            self.send(200, {"major": "1", "minor": "36", "gitVersion": "v1.36.0-double"})
        elif parts == ["api"]:
            self.send(200, {"kind": "APIVersions", "versions": ["v1"]})
        elif parts == ["apis"]:
            groups = {}
            for kind in KINDS:
                if kind.group:
                    groups.setdefault(kind.group, kind.version)
            self.send(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
                {"name": group, "versions": [{"groupVersion": f"{group}/{version}", "version": version}],
                 "preferredVersion": {"groupVersion": f"{group}/{version}", "version": version}}
                for group, version in groups.items()]})
        elif (len(parts) == 2 and parts[0] == "api") or (len(parts) == 3 and parts[0] == "apis"):
            group = "" if parts[0] == "api" else parts[1]
            resources = []
            for kind in KINDS:
                if (kind.group, kind.version) != (group, parts[-1]):
                    continue
                resources.append({"name": kind.plural, "singularName": kind.kind.lower(), "namespaced": kind.plural != "namespaces",
                                  "kind": kind.kind, "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"]})
                for subresource in sorted(kind.subresources):
                    own = {"group": "autoscaling", "version": "v1", "kind": "Scale"} if subresource == "scale" else {"kind": kind.kind}
                    resources.append({"name": f"{kind.plural}/{subresource}", "singularName": "", "namespaced": True,
                                      "verbs": ["get", "patch", "update"], **own})
            if not resources:
                raise Refused(404, "NotFound", "the server could not find the requested resource")
            self.send(200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "/".join(parts[1:]), "resources": resources})
        else:
            return False
        return True

    def read(self, kind, namespace, name, subresource, query):
        objects = self.cluster.objects
        if subresource == "scale":
            return scale_of(objects.get(kind, namespace, name))
        if name:
            return objects.get(kind, namespace, name)
        with objects.lock:
            items = objects.list(kind, namespace)
            version = str(objects.version)
        for field in (query.get("fieldSelector") or "").split(","):
            if field.startswith("metadata.name="):
                items = [item for item in items if item["metadata"]["name"] == field.split("=", 1)[1]]
        start = int(query.get("continue") or 0)
        limit = int(query.get("limit") or 0) or len(items)
        metadata = {"resourceVersion": version}
        if start + limit < len(items):
            metadata["continue"] = str(start + limit)
        return {"kind": kind.kind + "List", "apiVersion": kind.api, "metadata": metadata, "items": items[start:start + limit]}

    def patch(self, kind, namespace, name, subresource, content, body):
        objects, faults = self.cluster.objects, self.cluster.faults
        known = {"application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json",
                 "application/apply-patch+yaml"}
        if content not in known or content in faults.refuse_patches or (kind.is_custom and "strategic" in content):
            raise Refused(415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {content}")
        with objects.lock:
            if content == "application/apply-patch+yaml":
                try:
                    old = objects.get(kind, namespace, name)
                except Refused:
                    return objects.create(kind, namespace, validated(kind, body))
                body.get("metadata", {}).pop("managedFields", None)
                return objects.replace(kind, namespace, name, validated(kind, strategic_patch(old, body)), subresource)
            old = objects.get(kind, namespace, name)
            if subresource == "scale":
                scale = scale_of(old)
                new = json_patch(scale, body) if content.startswith("application/json-patch") else merge_patch(scale, body)
                return self.scale(kind, namespace, name, new)
            if content.startswith("application/json-patch"):
                new = json_patch(old, body)
            elif "strategic" in content:
                new = strategic_patch(old, body)
            else:
                new = merge_patch(old, body)
            if isinstance(body, dict) and not body.get("metadata", {}).get("resourceVersion"):
                new["metadata"].pop("resourceVersion", None)
            if subresource == "resize":
                check_resize(old, new)
                return objects.replace(kind, namespace, name, new)
            return objects.replace(kind, namespace, name, validated(kind, new), subresource)

    def scale(self, kind, namespace, name, scale):
        objects = self.cluster.objects
        replicas = scale.get("spec", {}).get("replicas", 0)
        if not isinstance(replicas, int) or replicas < 0:
            raise Refused(422, "Invalid", "spec.replicas: Invalid value", [{"field": "spec.replicas", "reason": "FieldValueInvalid"}])
        with objects.lock:
            item = objects.get(kind, namespace, name)
            wanted = scale.get("metadata", {}).get("resourceVersion")
            if wanted and wanted != item["metadata"]["resourceVersion"]:
                raise Refused(409, "Conflict", f'Operation cannot be fulfilled on {kind.plural} "{name}": the object has been modified')
            item["spec"]["replicas"] = replicas
            item["metadata"].pop("resourceVersion", None)
            return scale_of(objects.replace(kind, namespace, name, item))

    def watch(self, kind, namespace, query):
        objects, faults = self.cluster.objects, self.cluster.faults
        version = int(query.get("resourceVersion") or 0)
        end = time.time() + min(float(query.get("timeoutSeconds") or 60), 600)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

        def line(event):
            data = json.dumps(event).encode() + b"\n"
            # Streams come in pieces of any size.
            cut = random.randrange(1, len(data))
            for piece in (data[:cut], data[cut:]):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()

        bookmark = time.time() + 5
        while time.time() < end:
            if faults.is_down or faults.is_breaking_watches:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            with objects.lock:
                if version < objects.compacted:
                    gone = Refused(410, "Expired", f"too old resource version: {version} ({objects.compacted})").status()
                    events = [("ERROR", gone)]
                else:
                    events = [(event, item) for at, plural, event, item in objects.log if at > version and plural == kind.plural
                              and namespace in (None, item["metadata"]["namespace"])]
                    version = objects.version
                if not events:
                    objects.changed.wait(0.5)
            for event, item in events:
                line({"type": event, "object": item})
                if event == "ERROR":
                    self.wfile.write(b"0\r\n\r\n")
                    return
            if time.time() > bookmark:
                bookmark = time.time() + 5
                line({"type": "BOOKMARK", "object": {"kind": kind.kind, "apiVersion": kind.api,
                                                     "metadata": {"resourceVersion": str(version)}}})
        self.wfile.write(b"0\r\n\r\n")


def scale_of(item):
    labels = item["spec"].get("selector", {}).get("matchLabels", {})
    metadata = {key: item["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": {"replicas": item["spec"].get("replicas", 1)},
            "status": {"replicas": item.get("status", {}).get("replicas", 0),
                       "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items()))}}


def quality(pod):
    """QoS class of a pod."""
    containers = pod["spec"]["containers"]
    lists = [(c.get("resources", {}).get("requests", {}), c.get("resources", {}).get("limits", {})) for c in containers]
    if all(limits.get("cpu") and limits.get("memory") and requests == limits for requests, limits in lists):
        return "Guaranteed"
    return "Burstable" if any(requests or limits for requests, limits in lists) else "BestEffort"


def check_resize(old, new):
    """Only resources of containers may change, and not the QoS class (KEP-1287)."""
    def bare(pod):
        spec = json.loads(json.dumps(pod["spec"]))
        for container in spec["containers"]:
            container.pop("resources", None)
        return spec
    if bare(old) != bare(new):
        raise Refused(422, "Invalid", "spec: Forbidden: only cpu and memory resources are mutable")
    if quality(old) != quality(new):
        raise Refused(422, "Invalid", "Pod QoS Class may not change as a result of resizing",
                      [{"field": "metadata", "reason": "FieldValueInvalid"}])
    for container in new["spec"]["containers"]:
        resources = container.get("resources", {})
        for name in ("cpu", "memory"):
            request, limit = resources.get("requests", {}).get(name), resources.get("limits", {}).get(name)
            if request and limit and amount(request) > amount(limit):
                raise Refused(422, "Invalid", f"requests: Invalid value: must be less than or equal to {name} limit")


def validated(kind, body):
    """The parts of the published schemas that our own client could get wrong."""
    if kind.plural == "verticalpodautoscalers":
        for item in body.get("status", {}).get("recommendation", {}).get("containerRecommendations", []):
            if set(item) - {"containerName", "target", "lowerBound", "upperBound", "uncappedTarget"} or "target" not in item:
                raise Refused(422, "Invalid", f"containerRecommendations: {sorted(item)}")
            for part in ("target", "lowerBound", "upperBound", "uncappedTarget"):
                for value in item.get(part, {}).values():
                    if not QUANTITY.match(str(value)):
                        raise Refused(422, "Invalid", f"{part}: {value} is no quantity")
    for condition in (body.get("status") or {}).get("conditions") or []:
        if condition.get("status") not in ("True", "False", "Unknown") or not condition.get("type"):
            raise Refused(422, "Invalid", f"conditions: {condition}")
    return body


def amount(text):
    """A quantity as a number: cores or bytes."""
    text = str(text)
    for suffix, factor in (("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("Ti", 1 << 40), ("m", 1e-3), ("k", 1e3), ("M", 1e6),
                           ("G", 1e9)):
        if text.endswith(suffix):
            return float(text[: -len(suffix)]) * factor
    return float(text)
