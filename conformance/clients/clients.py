"""Runs the clients of Hugging Face, infinity and Triton against kenserve; see run.
Each test is a function that raises if it fails."""

import grpc
import numpy as np
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from infinity_client import AuthenticatedClient, Client
from infinity_client.api.default import classify as infinity_classify
from infinity_client.models import ClassifyInput, ClassifyResult
from tritonclient.utils import InferenceServerException

from checks import GRPC, GRPC_ADMIN, GRPC_KEY, ADMIN, KEY, KNOWN, LONG, TEXTS, URL, fails, native, run_all, same

# Hugging Face

def hub(task, token="use-key"):
    return InferenceClient(model=f"{URL}/models/{task}", token=token)


def huggingface_labels_and_scores():
    for task, text, label in KNOWN:
        rows = hub(task).text_classification(text)
        want = native(task, [text])[0]
        assert rows[0].label == label, rows
        assert [r.score for r in rows] == sorted((r.score for r in rows), reverse=True)
        same({r.label: r.score for r in rows}, want)


def huggingface_top_k():
    rows = hub("trec").text_classification(KNOWN[0][1], top_k=2)
    assert len(rows) == 2 and rows[0].label == "LOC", rows


def huggingface_functions():
    text = KNOWN[0][1]
    raw = native("trec", [text], raw_scores=True)[0]
    none = {r.label: r.score for r in hub("trec").text_classification(text, function_to_apply="none")}
    same(none, raw)
    sigmoid = {r.label: r.score for r in hub("trec").text_classification(text, function_to_apply="sigmoid")}
    same(sigmoid, {label: 1 / (1 + np.exp(-v)) for label, v in raw.items()})
    softmax = {r.label: r.score for r in hub("trec").text_classification(text, function_to_apply="softmax")}
    same(softmax, native("trec", [text])[0])


def huggingface_long_text():
    assert len(hub("sst2").text_classification(LONG)) == 2


def huggingface_errors():
    fails(HfHubHTTPError, ("404", 'there is no task "nothing"'), lambda: hub("nothing").text_classification("a"))
    fails(HfHubHTTPError, ("422", "function_to_apply"), lambda: hub("trec").text_classification("a", function_to_apply="tanh"))
    fails(HfHubHTTPError, ("422", "top_k"), lambda: hub("trec").text_classification("a", top_k=0))
    fails(HfHubHTTPError, "401", lambda: hub("trec", "wrong").text_classification("a"))


# infinity

def infinity(token="use-key"):
    return AuthenticatedClient(base_url=URL, token=token, raise_on_unexpected_status=True)


def infinity_labels_and_scores():
    for task, texts in TEXTS.items():
        result = infinity_classify.sync(client=infinity(), body=ClassifyInput(input_=texts, model=task))
        assert isinstance(result, ClassifyResult), result
        assert result.model == task and result.usage.total_tokens > 0
        for rows, want in zip(result.data, native(task, texts), strict=True):
            same({r.label: r.score for r in rows}, want)


def infinity_raw_scores():
    text = KNOWN[3][1]
    result = infinity_classify.sync(client=infinity(), body=ClassifyInput(input_=[text], model="sst2", raw_scores=True))
    same({r.label: r.score for r in result.data[0]}, native("sst2", [text], raw_scores=True)[0])


def infinity_errors():
    from infinity_client.errors import UnexpectedStatus
    ask = lambda client, task: infinity_classify.sync(client=client, body=ClassifyInput(input_=["a"], model=task))
    fails(UnexpectedStatus, "404", lambda: ask(infinity(), "nothing"))
    fails(UnexpectedStatus, "401", lambda: ask(Client(base_url=URL, raise_on_unexpected_status=True), "sst2"))
    too_many = infinity_classify.sync_detailed(client=infinity(), body=ClassifyInput(input_=["a"] * 9, model="sst2"))
    assert too_many.status_code == 422 and "at most 8" in too_many.parsed.additional_properties["error"]["message"]


# Triton, over HTTP and gRPC

class Triton:
    def __init__(self, module, client, key, admin):
        self.module, self.client, self._key, self._admin = module, client, key, admin

    # Copies, because the client adds headers to the dictionary that it receives.
    key = property(lambda self: dict(self._key))
    admin = property(lambda self: dict(self._admin))

    def input(self, texts, name="text", shape=None, **more):
        array = np.array([t.encode() for t in texts], dtype=np.object_).reshape(shape or [len(texts)])
        out = self.module.InferInput(name, list(array.shape), "BYTES")
        out.set_data_from_numpy(array, **more)
        return out

    def infer(self, task, inputs, **more):
        return self.client.infer(task, inputs, headers=self.key, **more)


HTTP = Triton(triton_http, triton_http.InferenceServerClient(URL.removeprefix("http://")), KEY, ADMIN)
CALLS = Triton(triton_grpc, triton_grpc.InferenceServerClient(GRPC), GRPC_KEY, GRPC_ADMIN)


def check_outputs(t, task, result):
    probabilities = result.as_numpy("probabilities")
    wants = native(task, TEXTS[task])
    assert probabilities.shape == (len(wants), len(wants[0])) and probabilities.dtype == np.float32
    labels = [label.decode() for label in result.as_numpy("label").ravel()]
    assert labels == [label for known, _, label in KNOWN if known == task], labels
    for row, score, label, want in zip(probabilities, result.as_numpy("score").ravel(), labels, wants, strict=True):
        assert abs(score - want[label]) < 1e-6 and abs(row.max() - score) < 1e-6
        assert np.allclose(sorted(row), sorted(want.values()), atol=1e-6)


def triton_health(t):
    assert t.client.is_server_live() and t.client.is_server_ready()
    assert t.client.is_model_ready("trec", headers=t.key)
    assert not t.client.is_model_ready("nothing", headers=t.key)
    assert not t.client.is_model_ready("trec", "2", headers=t.key)


def triton_metadata(t):
    server, model = t.client.get_server_metadata(headers=t.key), t.client.get_model_metadata("trec", headers=t.key)
    name = server["name"] if isinstance(server, dict) else server.name
    inputs = [i["name"] for i in model["inputs"]] if isinstance(model, dict) else [i.name for i in model.inputs]
    outputs = [o["name"] for o in model["outputs"]] if isinstance(model, dict) else [o.name for o in model.outputs]
    assert name == "kenserve" and inputs == ["text"] and outputs == ["label", "score", "probabilities"]


def triton_infer(t):
    for task, texts in TEXTS.items():
        result = t.infer(task, [t.input(texts)], request_id="mine")
        check_outputs(t, task, result)
        response = result.get_response()
        assert (response["id"] if isinstance(response, dict) else response.id) == "mine"
        check_outputs(t, task, t.infer(task, [t.input(texts, shape=[len(texts), 1])], model_version="1"))


def triton_compressed(t):
    option, packings = ("request_compression_algorithm", ("gzip", "deflate")) if t is HTTP else ("compression_algorithm", ("gzip",))
    for packing in packings:
        check_outputs(t, "trec", t.infer("trec", [t.input(TEXTS["trec"])], **{option: packing}))


def triton_pairs(t):
    result = t.infer("sst2", [t.input(["a fine film"]), t.input(["was it good?"], "text_pair")])
    want = native("sst2", [{"text": "a fine film", "text_pair": "was it good?"}])[0]
    same(dict(zip(("negative", "positive"), map(float, result.as_numpy("probabilities")[0]))), want)


def triton_classes(t):
    out = t.module.InferRequestedOutput("probabilities", class_count=2)
    result = t.infer("trec", [t.input(TEXTS["trec"])], outputs=[out]).as_numpy("probabilities")
    assert result.shape == (3, 2)
    for row, want in zip(result, native("trec", TEXTS["trec"], top_k=2), strict=True):
        for entry, (label, score) in zip(row, want.items(), strict=True):
            value, index, name = entry.decode().split(":")
            assert name == label and abs(float(value) - score) < 1e-5 and 0 <= int(index) < 6


def triton_errors(t):
    error = InferenceServerException
    texts = TEXTS["trec"]
    fails(error, 'there is no task "nothing"', lambda: t.infer("nothing", [t.input(texts)]))
    fails(error, "there is no version", lambda: t.infer("trec", [t.input(texts)], model_version="7"))
    fails(error, "more than 8 texts", lambda: t.infer("trec", [t.input(["a"] * 9)]))
    fails(error, "logits", lambda: t.infer("trec", [t.input(texts)], outputs=[t.module.InferRequestedOutput("logits")]))
    numbers = t.module.InferInput("text", [2], "FP32")
    numbers.set_data_from_numpy(np.zeros(2, np.float32))
    fails(error, "BYTES", lambda: t.infer("trec", [numbers]))
    fails(error, "a key is needed", lambda: t.client.infer("trec", [t.input(texts)]))


def triton_repository(t):
    def states():
        index = t.client.get_model_repository_index(headers=t.key)
        if isinstance(index, list):
            return {m["name"]: m["state"] for m in index}
        return {m.name: m.state for m in index.models}

    assert {"trec", "sst2"} <= states().keys()
    fails(InferenceServerException, "admin key", lambda: t.client.load_model("trec", headers=t.key))
    fails(InferenceServerException, 'no task "nothing"', lambda: t.client.load_model("nothing", headers=t.admin))
    try:
        t.client.load_model("trec", headers=t.admin)
    except InferenceServerException as e:
        assert "loads tasks when they are asked for" in str(e), e
        return
    assert states()["trec"] == "READY", states()
    t.client.unload_model("trec", headers=t.admin)
    assert states()["trec"] == "UNAVAILABLE", states()
    check_outputs(t, "trec", t.infer("trec", [t.input(TEXTS["trec"])]))


def triton_json_data():
    result = HTTP.infer(
        "trec", [HTTP.input(TEXTS["trec"], binary_data=False)],
        outputs=[triton_http.InferRequestedOutput(n, binary_data=False) for n in ("label", "score", "probabilities")])
    probabilities = result.as_numpy("probabilities")
    assert probabilities.shape == (3, 6) and np.allclose(probabilities.sum(1), 1, atol=1e-5)
    assert [str(label) for label in result.as_numpy("label")] == ["LOC", "NUM", "HUM"]


def triton_http_async():
    calls = [HTTP.client.async_infer("trec", [HTTP.input(TEXTS["trec"])], headers=HTTP.key) for _ in range(8)]
    for call in calls:
        check_outputs(HTTP, "trec", call.get_result())


# gRPC health and reflection, which have no client library

def grpc_health():
    with grpc.insecure_channel(GRPC) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", "inference.GRPCInferenceService"):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=10)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()


def grpc_reflection():
    with grpc.intercept_channel(grpc.insecure_channel(GRPC), WithKey()) as channel:
        names = ProtoReflectionDescriptorDatabase(channel).get_services()
        assert "inference.GRPCInferenceService" in names and "grpc.health.v1.Health" in names, names


class WithKey(grpc.StreamStreamClientInterceptor):
    def intercept_stream_stream(self, continuation, details, requests):
        details = details._replace(metadata=[*(details.metadata or []), *GRPC_KEY.items()])
        return continuation(details, requests)


def main():
    tests = [
        huggingface_labels_and_scores, huggingface_top_k, huggingface_functions, huggingface_long_text, huggingface_errors,
        infinity_labels_and_scores, infinity_raw_scores, infinity_errors,
        grpc_health, grpc_reflection, triton_json_data, triton_http_async,
    ]
    shared = [
        triton_health, triton_metadata, triton_infer, triton_compressed, triton_pairs, triton_classes, triton_errors, triton_repository,
    ]
    runs = [(test.__name__, test) for test in tests]
    for name, t in (("http", HTTP), ("grpc", CALLS)):
        runs += [(f"{test.__name__}_{name}", lambda test=test, t=t: test(t)) for test in shared]
    run_all(runs)


main()
