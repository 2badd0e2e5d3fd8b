package tiny

import (
	"fmt"
	"maps"

	"kenserve/models"
	"kenserve/models/families"
)

// sizes has the values of config.json that differ between the families, by model_type.
var sizes = map[string]map[string]any{
	"bert": bertSizes,
	"bloom": {
		"hidden_size": 24, "n_layer": 2, "n_head": 3, "pad_token_id": 0, "seq_length": maxTokens,
	},
	"deberta": {
		"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40,
		"max_position_embeddings": maxTokens, "relative_attention": true, "pos_att_type": []string{"c2p", "p2c"},
		"position_biased_input": false,
	},
	"deberta-v2": {
		"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40,
		"max_position_embeddings": maxTokens, "relative_attention": true, "pos_att_type": []string{"p2c", "c2p"},
		"position_biased_input": false, "position_buckets": 8, "norm_rel_ebd": "layer_norm", "share_att_key": true,
		"conv_kernel_size": 3, "conv_act": "gelu",
	},
	"distilbert": {
		"dim": 24, "n_layers": 2, "n_heads": 3, "hidden_dim": 40, "max_position_embeddings": maxTokens,
	},
	"electra": merged(bertSizes, map[string]any{"embedding_size": 16}),
	"ernie":   merged(bertSizes, map[string]any{"use_task_id": true, "task_type_vocab_size": 3}),
	"modernbert": {
		"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 20,
		"max_position_embeddings": maxTokens, "local_attention": 8, "global_attn_every_n_layers": 2,
	},
	"roberta":     merged(bertSizes, map[string]any{"max_position_embeddings": maxTokens + 1}),
	"xlm-roberta": merged(bertSizes, map[string]any{"max_position_embeddings": maxTokens + 1}),
}

// maxTokens is the longest input of every model, in tokens.
const maxTokens = 32

// bertSizes are the sizes of BERT and of the families that have its config.json.
var bertSizes = map[string]any{
	"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40,
	"max_position_embeddings": maxTokens, "type_vocab_size": 2,
	"hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0,
}

// merged returns sizes with the values of more added.
func merged(sizes, more map[string]any) map[string]any {
	all := maps.Clone(sizes)
	maps.Copy(all, more)
	return all
}

// familyOf returns the family of a model_type.
func familyOf(modelType string) (models.Family, error) {
	for _, f := range families.All {
		if f.ModelType == modelType && sizes[modelType] != nil {
			return f, nil
		}
	}
	return models.Family{}, fmt.Errorf("tiny: no sizes for model_type %q", modelType)
}
