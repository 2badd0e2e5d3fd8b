"""Runs KServe's client against kenserve; see run. It is a separate program because
its protobuf messages have the same names as those of Triton's client."""

import asyncio

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

from checks import KEY, TEXTS, URL, fails, native, run_all


def kserve(action):
    async def run():
        client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30))
        return await action(client)
    return asyncio.run(run())


def kserve_request(task, texts, binary=False):
    tensor = InferInput("text", [len(texts)], "BYTES", data=None if binary else texts)
    if binary:
        tensor.set_data_from_numpy(np.array([t.encode() for t in texts], dtype=np.object_), binary_data=True)
    return InferRequest(infer_inputs=[tensor], model_name=task)


def kserve_health():
    async def ask(client):
        assert await client.is_server_live(URL) is True
        assert await client.is_server_ready(URL) is True
        assert await client.is_model_ready(URL, "trec", headers=KEY) is True
    kserve(ask)


def kserve_infer():
    for task, texts in TEXTS.items():
        for binary in (False, True):
            result = kserve(lambda c: c.infer(URL, kserve_request(task, texts, binary), model_name=task, headers=dict(KEY)))
            outputs = {o.name: o for o in result.outputs}
            rows = np.array(outputs["probabilities"].as_numpy()).reshape(len(texts), -1)
            for row, label, want in zip(rows, outputs["label"].as_numpy().ravel(), native(task, texts), strict=True):
                label = label.decode() if isinstance(label, bytes) else str(label)
                assert want[label] == max(want.values())
                assert np.allclose(sorted(row), sorted(want.values()), atol=1e-6)


def kserve_errors():
    ask = lambda task, texts, headers: lambda: kserve(lambda c: c.infer(URL, kserve_request(task, texts), model_name=task, headers=dict(headers)))
    fails(httpx.HTTPStatusError, ("404", 'there is no task "nothing"'), ask("nothing", ["a"], KEY))
    fails(httpx.HTTPStatusError, ("400", "more than 8 texts"), ask("trec", ["a"] * 9, KEY))
    fails(httpx.HTTPStatusError, ("401", "a key is needed"), ask("trec", ["a"], {}))


run_all((test.__name__, test) for test in (kserve_health, kserve_infer, kserve_errors))
