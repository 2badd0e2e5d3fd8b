// Package server serves an engine over HTTP and gRPC.
//
// A handler reads the whole body within limits, parses it strictly, calls the
// engine, and writes the answer from one buffer. Nothing of a request stays in
// memory after it, and no input makes the server use more memory than its limits
// allow.
//
// # Packages
//
// This package has the life of the server, and what surrounds every request: keys,
// TLS, limits, logs, metrics, traces. The rest is below internal, each package
// above those that it imports:
//
//	api/native, api/tei, api/huggingface, api/vllm, api/oip
//	            one API each: parse a request, ask the core, encode the answer
//	dashboard   the web page, its statistics, KENviz
//	openapi     the OpenAPI document of all operations
//	route       the table of operations; writing answers
//	wire        JSON that several APIs share: texts, pairs, names of tasks, scores
//	core        find a task, classify, keep the state of a request
//	jsonbody    strict JSON reader and writer
//	httpbody    reading bodies within limits
//	problem     errors that clients see
//
// Each API contributes its operations to one table, from which both the routes and
// the OpenAPI document are made (operations.go). An error is a [problem.Problem]
// until the API that owns the path encodes it.
//
// # Routes
//
//	POST /classify      scores of texts under one task or several
//	GET  /tasks         the tasks of the store
//	GET  /tasks/{name}  one task
//	PUT, DELETE /tasks/{name}              change it; needs the admin key
//	POST /tasks/{name}/load, .../unload    move it into or out of memory; likewise
//	GET  /tasks/{name}/viz, .../viz/{view} KENviz: draw its delta
//	GET  /healthz       200 while the process runs
//	GET  /readyz        200 while the server can answer requests, 503 otherwise
//	GET  /metrics       Prometheus text
//	GET  /stats         statistics of the last two minutes
//	GET  /              the web page
//	GET  /openapi.json  the OpenAPI document
//	GET  /docs          the OpenAPI document as a page
//
// Clients of other services find their API:
//
//	POST /tei/{task}/predict   Text Embeddings Inference; also info and health
//	POST /models/{task}        Hugging Face's text classification
//	POST /vllm/classify        vLLM
//	GET  /v2, POST /v2/...     Open Inference Protocol (KServe, Triton), with
//	                           binary tensor data, classification, repository
//
// [Server.ServeGRPC] serves the Open Inference Protocol over gRPC. docs/http.md
// describes all APIs for their users.
//
// HEAD works where GET does. OPTIONS answers 204 with the header Allow.
//
// # Classify
//
// A request for POST /classify is a JSON object:
//
//	model       the name of a task, or a list of different names
//	input       a text, an object {"text", "text_pair"} with an optional
//	            text_pair, or a list of those
//	top_k       number of labels to return, best first; default: all
//	raw_scores  return logits instead of probabilities; default: false
//	truncate    cut inputs that are longer than the model takes; default: true
//
// null means absent, except in the required model and input. A text may be empty.
// Members that clients of similar services send without need ("user",
// "encoding_format") change nothing. Others are errors that name them, since a
// misspelt text_pair would silently classify half of the input.
//
// The body must be valid JSON (RFC 8259) in valid UTF-8, whatever its Content-Type
// says: no member twice in an object, no escape that is half a surrogate pair, no
// nesting deeper than 32. It may have the Content-Encoding gzip or deflate. Limits
// apply to the body as sent and as decoded.
//
// The answer has the format of infinity's /classify:
//
//	{"object": "classify", "model": "trec",
//	 "data": [[{"label": "LOC", "score": 0.98}, ...], ...],
//	 "usage": {"prompt_tokens": 12, "total_tokens": 12},
//	 "id": "...", "created": 1764000000}
//
// data has one list for each text, in the order of the input, with scores in
// descending order. If model is a list, an entry of data is an object that maps each
// task to such a list. id is the id of the request, which is in the header
// x-request-id too; the client may choose it with that header. The headers
// x-queue-time-ms, x-inference-time-ms and x-tokens have the cost of the answer.
//
// # Errors
//
// Every error of the native API is {"error": {"message", "type", "field"}}. field is
// the JSON path of the field at fault, such as input[3].text_pair, and null if no
// single field is. Messages name no files and nothing internal.
//
//	400 malformed             the body is not JSON
//	401 unauthorized          the key is missing or wrong
//	403 forbidden             the operation needs the admin key
//	404 not_found             there is no such task or route
//	405 method_not_allowed    the header Allow has the methods of the route
//	408 timeout               the body arrived too slowly
//	413 too_large             the body exceeds the limit
//	415 unsupported_encoding  the Content-Encoding is neither gzip nor deflate
//	422 validation            the body is JSON with a value that is not allowed
//	424 task_unusable         the task's delta cannot be loaded or computed with
//	429 overloaded            too much work is waiting; see Retry-After
//	499 client_closed         the client left before the answer (logs, metrics)
//	500 internal              a fault of the server; other requests go on
//	503 unavailable           not ready, store away, shutting down, or timed out
//	507 no_space              the disk of the store or of the cache is full
package server
