package oip

import (
	"encoding/json"
	"maps"
	"slices"

	"kenserve/internal/settings"
	pb "kenserve/server/inferencepb"
	"kenserve/server/internal/problem"
)

// The tables have members of the protocol, of Triton's extensions, of KServe's and
// MLServer's requests, and of other APIs' requests, that the wire types do not have.
var (
	otherMembers = settings.Table(slices.Concat(
		settings.Harmless("the path names them", "model_name", "model_version"),
		settings.RefusedAll("the texts belong in the tensor text of \"inputs\"", nil, "input", "text", "texts", "text_input", "instances", "prompt", "messages", "data", "query", "documents"),
		settings.RefusedAll("it belongs in \"parameters\"", nil, "raw_scores", "truncate", "binary_data_output"),
		settings.RefusedAll("name the output probabilities with the parameter classification", nil, "top_k", "labels", "candidate_labels"),
		settings.RefusedAll("every label's score is in the output probabilities; compare them with a threshold of your own", nil, "threshold"),
		settings.RefusedAll("use the parameter raw_scores", nil, "function_to_apply", "use_activation", "activation", "softmax"),
		settings.RefusedAll("use the parameter truncate", nil, "truncation", "truncate_prompt_tokens", "max_length"),
	))

	otherParameters = settings.Table(slices.Concat(
		settings.Harmless("it decides the order and the patience of a queue; the server's own limits hold, as in Triton by default", "priority", "timeout"),
		settings.Harmless("an answer comes as a whole", "triton_enable_empty_final_response"),
		settings.Harmless("headers are read from the request itself", "headers"),
		settings.Harmless("tasks have no state, so an answer does not depend on earlier requests", "sequence_id", "sequence_start", "sequence_end"),
		settings.RefusedAll("the only content type is text", []string{`"str"`}, "content_type"),
		settings.RefusedAll("the output probabilities has the parameter classification", nil, "classification", "top_k", "return_all_scores"),
		settings.RefusedAll("every label's score is in the output probabilities; compare them with a threshold of your own", nil, "threshold"),
		settings.RefusedAll("a task has labels of its own", nil, "labels", "candidate_labels", "hypothesis_template", "multi_label"),
		settings.RefusedAll("use \"raw_scores\": true for logits", nil, "function_to_apply", "use_activation", "activation", "softmax"),
		settings.RefusedAll("use \"truncate\"; inputs are cut at the model's limit only", nil, "truncation", "truncate_prompt_tokens", "max_length"),
		settings.RefusedAll("inputs are cut at the side that the tokenizer's files say, by default the end", nil, "truncation_side", "truncation_direction"),
		settings.RefusedAll("special tokens are always added", []string{"true"}, "add_special_tokens"),
	))

	otherInputMembers = settings.Table(slices.Concat(
		settings.Harmless("the elements are in data", "contents"),
		settings.RefusedAll("the elements belong in \"data\"", nil, "text", "texts", "values", "raw"),
	))

	otherInputParameters = settings.Table(slices.Concat(
		settings.RefusedAll("there is no shared memory; send the texts in the request", nil, "shared_memory_region"),
		settings.RefusedAll("there is no shared memory; send the texts in the request", []string{"0"}, "shared_memory_offset", "shared_memory_byte_size"),
		settings.RefusedAll("the only content type is text", []string{`"str"`}, "content_type"),
		settings.Harmless("headers are read from the request itself", "headers"),
	))

	otherOutputMembers = settings.Table(slices.Concat(
		settings.Harmless("an output has one type and one shape", "datatype", "shape"),
		settings.Harmless("only answers have data", "data"),
	))

	otherOutputParameters = settings.Table(slices.Concat(
		settings.RefusedAll("there is no shared memory; read the answer", nil, "shared_memory_region"),
		settings.RefusedAll("there is no shared memory; read the answer", []string{"0"}, "shared_memory_offset", "shared_memory_byte_size"),
		settings.RefusedAll("the output probabilities has the parameter classification", nil, "top_k"),
		settings.RefusedAll("the only content type is text", []string{`"str"`}, "content_type"),
		settings.Harmless("headers are read from the request itself", "headers"),
	))
)

// checkParameters refuses parameters of a message that a table refuses. The error is
// a *[problem.Problem].
func checkParameters(at problem.Path, parameters map[string]*pb.InferParameter, table settings.Table) error {
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		setting, ok := table.Find(name)
		if !ok || setting.Refused == "" {
			continue
		}
		var value any
		switch v := parameters[name].GetParameterChoice().(type) {
		case *pb.InferParameter_BoolParam:
			value = v.BoolParam
		case *pb.InferParameter_Int64Param:
			value = v.Int64Param
		case *pb.InferParameter_StringParam:
			value = v.StringParam
		case *pb.InferParameter_DoubleParam:
			value = v.DoubleParam
		case *pb.InferParameter_Uint64Param:
			value = v.Uint64Param
		}
		if b, err := json.Marshal(value); err != nil || !setting.Allows(b) {
			return problem.Invalid(at.Member(setting.Name), "is not supported here: %s", setting.Refused)
		}
	}
	return nil
}
