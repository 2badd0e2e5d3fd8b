// Runs Hugging Face's JavaScript client against kenserve; see run.
import assert from "node:assert/strict";
import { InferenceClient } from "@huggingface/inference";

const url = process.argv[2];
const text = "Where is the Eiffel Tower?";

async function native(task, input) {
  const answer = await fetch(url + "/classify", {
    method: "POST", headers: { authorization: "Bearer use-key" }, body: JSON.stringify({ model: task, input }),
  });
  assert.equal(answer.status, 200);
  return (await answer.json()).data[0];
}

const client = (task, key = "use-key") => new InferenceClient(key, { endpointUrl: `${url}/models/${task}` });

const tests = {
  async javascript_labels_and_scores() {
    assert.deepEqual(await client("trec").textClassification({ inputs: text }), await native("trec", text));
    const rows = await client("sst2").textClassification({ inputs: "a gorgeous, witty, seductive movie" });
    assert.equal(rows[0].label, "positive");
    assert.ok(rows[0].score > 0.9);
  },
  async javascript_top_k() {
    const rows = await client("trec").textClassification({ inputs: text, parameters: { top_k: 2 } });
    assert.deepEqual(rows, (await native("trec", text)).slice(0, 2));
    assert.equal(rows[0].label, "LOC");
  },
  async javascript_errors() {
    const status = (n, part) => (e) => {
      assert.equal(e.httpResponse?.status, n, String(e));
      assert.match(JSON.stringify(e.httpResponse.body) + e.message, part);
      return true;
    };
    await assert.rejects(client("nothing").textClassification({ inputs: "a" }), status(404, /there is no task/));
    await assert.rejects(client("trec").textClassification({ inputs: "a", parameters: { top_k: 0 } }), status(422, /top_k/));
    await assert.rejects(client("trec", "wrong").textClassification({ inputs: "a" }), status(401, /a key is needed/));
  },
};

for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    console.log("ok", name);
  } catch (e) {
    process.exitCode = 1;
    console.log("FAIL", name);
    console.error(e);
  }
}
