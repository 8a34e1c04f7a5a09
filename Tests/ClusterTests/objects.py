"""The objects of the API server double: kinds, versions, patches, and the log of changes that watches read."""

import copy
import json
import threading
import time
import uuid


class Refused(Exception):
    """A request that the API server refuses, with its Status."""

    def __init__(self, code, reason, message, causes=None, retry=None):
        super().__init__(message)
        self.code, self.reason, self.message, self.causes, self.retry = code, reason, message, causes or [], retry

    def status(self):
        details = {}
        if self.causes:
            details["causes"] = self.causes
        if self.retry is not None:
            details["retryAfterSeconds"] = self.retry
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
                "reason": self.reason, "details": details, "code": self.code}


class Kind:
    def __init__(self, group, version, plural, kind, subresources=()):
        self.group, self.version, self.plural, self.kind = group, version, plural, kind
        self.subresources = set(subresources)

    @property
    def api(self):
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def is_custom(self):
        return "." in self.group and not self.group.endswith(".k8s.io") or self.group == "autoscaling.k8s.io"


KINDS = [
    Kind("", "v1", "pods", "Pod", ["status", "resize"]),
    Kind("", "v1", "events", "Event"),
    Kind("", "v1", "namespaces", "Namespace"),
    Kind("apps", "v1", "deployments", "Deployment", ["status", "scale"]),
    Kind("apps", "v1", "replicasets", "ReplicaSet", ["status", "scale"]),
    Kind("apps", "v1", "statefulsets", "StatefulSet", ["status", "scale"]),
    Kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", ["status"]),
    Kind("autoscaling.k8s.io", "v1", "verticalpodautoscalers", "VerticalPodAutoscaler", ["status"]),
    Kind("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject", ["status"]),
    Kind("aware.dev", "v1alpha1", "applications", "Application", ["status"]),
    Kind("coordination.k8s.io", "v1", "leases", "Lease"),
]

# Lists whose elements strategic merge knows by a key (k8s.io/api, patchMergeKey).
MERGE_KEYS = {"containers": "name", "env": "name", "ports": "containerPort", "conditions": "type", "volumes": "name"}


def merge_patch(target, patch):
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def strategic_patch(target, patch, field=""):
    """Merges lists of named elements by their name; everything else as RFC 7386."""
    if isinstance(patch, list) and field in MERGE_KEYS and isinstance(target, list):
        key = MERGE_KEYS[field]
        result = [dict(item) for item in target]
        for item in patch:
            found = next((old for old in result if old.get(key) == item.get(key)), None)
            if found is None:
                result.append(item)
            else:
                found.update(strategic_patch(found, item))
        return result
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = strategic_patch(result.get(key), value, key)
    return result


def json_patch(target, operations):
    """RFC 6902: add, replace, remove, test."""
    result = copy.deepcopy(target)
    for operation in operations:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        parent = result
        for part in parts[:-1]:
            parent = parent[int(part)] if isinstance(parent, list) else parent[part]
        last = parts[-1]
        name = operation["op"]
        if isinstance(parent, list):
            index = len(parent) if last == "-" else int(last)
            if name == "add":
                parent.insert(index, operation["value"])
            elif name == "replace":
                parent[index] = operation["value"]
            else:
                del parent[index]
        elif name in ("add", "replace"):
            if name == "replace" and last not in parent:
                raise Refused(422, "Invalid", f"{operation['path']} does not exist")
            parent[last] = operation["value"]
        elif name == "test":
            if parent.get(last) != operation["value"]:
                raise Refused(422, "Invalid", "the test of a JSON patch failed")
        elif parent.pop(last, None) is None:
            raise Refused(422, "Invalid", f"{operation['path']} does not exist")
    return result


class Objects:
    """All objects, under one lock, with one counter of versions."""

    def __init__(self):
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.version = 100
        self.items = {}  # (plural, namespace, name) -> object
        self.log = []  # (version, plural, type, object)
        self.compacted = 0  # watches from before this version are told 410

    def list(self, kind, namespace=None):
        with self.lock:
            return [copy.deepcopy(item) for (plural, space, _), item in sorted(self.items.items())
                    if plural == kind.plural and namespace in (None, space)]

    def get(self, kind, namespace, name):
        with self.lock:
            item = self.items.get((kind.plural, namespace, name))
            if item is None:
                raise Refused(404, "NotFound", f'{kind.plural} "{name}" not found')
            return copy.deepcopy(item)

    def create(self, kind, namespace, body):
        with self.lock:
            metadata = body.setdefault("metadata", {})
            if not metadata.get("name") and metadata.get("generateName"):
                metadata["name"] = metadata["generateName"] + uuid.uuid4().hex[:5]
            key = (kind.plural, namespace, metadata.get("name"))
            if not key[2]:
                raise Refused(422, "Invalid", "metadata.name: Required value")
            if key in self.items:
                raise Refused(409, "AlreadyExists", f'{kind.plural} "{key[2]}" already exists')
            body.update({"apiVersion": kind.api, "kind": kind.kind})
            metadata.update({"namespace": namespace, "uid": str(uuid.uuid4()), "generation": 1,
                             "creationTimestamp": stamp()})
            metadata.pop("resourceVersion", None)
            if "status" in kind.subresources and kind.plural not in ("pods",):
                body.setdefault("status", {})
            return self._store(key, body, "ADDED")

    def replace(self, kind, namespace, name, body, subresource=None):
        """Replaces an object, or the part of it that a subresource covers."""
        with self.lock:
            key = (kind.plural, namespace, name)
            old = self.items.get(key)
            if old is None:
                raise Refused(404, "NotFound", f'{kind.plural} "{name}" not found')
            wanted = body.get("metadata", {}).get("resourceVersion")
            if wanted and wanted != old["metadata"]["resourceVersion"]:
                raise Refused(409, "Conflict", f'Operation cannot be fulfilled on {kind.plural} "{name}": the object has been'
                              " modified; please apply your changes to the latest version and try again")
            new = copy.deepcopy(old)
            if subresource == "status":
                new["status"] = body.get("status", {})
            else:
                keep = old.get("status")
                new = copy.deepcopy(body)
                for field in ("uid", "creationTimestamp", "namespace", "name", "generation"):
                    if field in old["metadata"]:
                        new["metadata"][field] = old["metadata"][field]
                new.update({"apiVersion": kind.api, "kind": kind.kind})
                if "status" in kind.subresources and keep is not None:
                    new["status"] = keep
                if new.get("spec") != old.get("spec"):
                    new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
            if comparable(new) == comparable(old):
                return copy.deepcopy(old)
            return self._store(key, new, "MODIFIED")

    def delete(self, kind, namespace, name):
        with self.lock:
            key = (kind.plural, namespace, name)
            item = self.items.pop(key, None)
            if item is None:
                raise Refused(404, "NotFound", f'{kind.plural} "{name}" not found')
            self.version += 1
            item["metadata"]["resourceVersion"] = str(self.version)
            self.log.append((self.version, kind.plural, "DELETED", item))
            self.changed.notify_all()
            return item

    def _store(self, key, body, event):
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        self.items[key] = body
        self.log.append((self.version, key[0], event, copy.deepcopy(body)))
        self.changed.notify_all()
        return copy.deepcopy(body)

    def compact(self):
        """Forgets the log, as etcd does after some minutes."""
        with self.lock:
            self.compacted = self.version
            self.log = []
            self.changed.notify_all()


def comparable(item):
    item = json.loads(json.dumps(item))
    item["metadata"].pop("resourceVersion", None)
    item["metadata"].pop("managedFields", None)
    return item


def stamp(seconds=None):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
