// Package server is the engine's surface: HTTP, and gRPC.
//
// A request is read whole under a limit, parsed strictly, handed to the engine,
// and its answer written from one buffer. Nothing of a request outlives it, and
// no input makes the server hold more memory than its limits allow.
//
// # Routes
//
//	POST /classify      scores of texts under one task or several
//	GET  /tasks         the tasks of the store
//	GET  /tasks/{name}  one of them
//	PUT, DELETE /tasks/{name}              change it, with the admin key
//	POST /tasks/{name}/load, .../unload    into memory and out of it, likewise
//	GET  /healthz       200 while the process runs
//	GET  /readyz        200 while requests can be answered, 503 otherwise
//	GET  /metrics       Prometheus text
//	GET  /stats         the last two minutes, second by second
//	GET  /              the web page, which asks the routes above
//	GET  /openapi.json  what follows, for programs
//	GET  /docs          and for people
//
// Clients of other services find theirs:
//
//	POST /tei/{task}/predict   Text Embeddings Inference; also info and health
//	POST /models/{task}        Hugging Face's text classification
//	POST /vllm/classify        vLLM
//	GET  /v2, POST /v2/...     Open Inference Protocol (KServe, Triton), with
//	                           binary tensor data, classification, repository
//
// and [Server.ServeGRPC] serves the Open Inference Protocol over gRPC. Each API
// has a parser and a handler in a file of its own, and comes down to a call of
// the same few functions (run.go). What bodies look like is said once, by wire
// types (wire.go) that parsers and the OpenAPI document share; the routes and the
// document are one table (operations.go). An error is a problem value that knows
// nothing of the wire; the API whose path it is writes it in its own shape
// (shape.go). docs/http.md describes all of them for who uses them.
//
// HEAD works where GET does; OPTIONS answers 204 with the Allow header.
//
// # Classify
//
// The request is a JSON object:
//
//	model       a task's name, or a list of different names
//	input       a text, an object {"text", "text_pair"} (text_pair may be left
//	            out), or a list of those, mixed as the caller likes
//	top_k       how many labels to return, best first; all when absent
//	raw_scores  logits instead of probabilities; false when absent
//	truncate    cut what is longer than the model takes; true when absent
//
// null stands for an absent field everywhere but in model and input, which are
// required. An empty text is a text. Unknown members of the request itself are
// ignored, since clients of similar services send extra ones ("user",
// "encoding_format"); in an input object they are refused, since a misspelt
// text_pair would silently classify half of the input.
//
// The body must be valid JSON (RFC 8259) in valid UTF-8, whatever its
// Content-Type says: no member named twice, no escape that is half a surrogate
// pair, nesting of at most 32. A body may be packed by gzip or deflate; it is
// bounded as sent and as unpacked.
//
// The answer follows the shape of infinity's /classify:
//
//	{"object": "classify", "model": "trec",
//	 "data": [[{"label": "LOC", "score": 0.98}, ...], ...],
//	 "usage": {"prompt_tokens": 12, "total_tokens": 12},
//	 "id": "...", "created": 1764000000}
//
// data has one list a text, in the order of the input, and scores fall. When
// model is a list, an entry of data is an object from task to that list. id is
// the request's id, which the header x-request-id carries too; the caller may
// choose it with the same header. x-queue-time-ms, x-inference-time-ms and
// x-tokens tell what the answer cost.
//
// # Errors
//
// Every error is {"error": {"message", "type", "field"}}. field is the JSON
// path of what is wrong (`input[3].text_pair`) and null when the error is about
// nothing in particular. Neither file paths nor internal names are shown.
//
//	400 malformed             the body is not what a JSON parser takes
//	401 unauthorized          no key, or a wrong one
//	403 forbidden             this needs the admin key
//	404 not_found             no such task or route
//	405 method_not_allowed    Allow tells which methods are
//	408 timeout               the body came too slowly
//	413 too_large             the body is over the limit
//	415 unsupported_encoding  a Content-Encoding other than gzip and deflate
//	422 validation            valid JSON that asks for something impossible
//	424 task_unusable         the task's delta cannot be loaded
//	429 overloaded            too much work is waiting; see Retry-After
//	499 client_closed         the client left before the answer (logs, metrics)
//	500 internal              a fault of the server, contained to the request
//	503 unavailable           not ready, shutting down, or no answer in time
package server
