// Package distilbert is DistilBERT for sequence classification (Sanh et al.,
// 2019), as Hugging Face's DistilBertForSequenceClassification computes it: a
// BERT without token types. Its head is a dense layer with ReLU on the first
// token and a dense classifier; neither is pre-trained. The epsilon of its layer
// norms is fixed.
package distilbert

import (
	"fmt"
	"slices"

	"kenserve/internal/settings"
	"kenserve/models"
	"kenserve/models/internal/encoder"
	"kenserve/nn"
)

// Family is DistilBERT.
var Family = models.Family{
	ModelType: "distilbert", Class: "DistilBertForSequenceClassification", Build: build,
	Table: slices.Concat(
		settings.Harmless(models.TrainingOnly, "dropout", "attention_dropout", "qa_dropout", "seq_classif_dropout"),
		settings.Harmless("the table of positions is in the checkpoint, however training began", "sinusoidal_pos_embds"),
		// DistilBERT's configurations made from BERT's have these.
		settings.Harmless(models.ReadByNothing, "type_vocab_size", "layer_norm_eps", "intermediate_size", "hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob"),
		[]settings.Setting{encoder.PositionEmbeddingType},
	),
	Aliases: map[string]string{"hidden_size": "dim", "num_attention_heads": "n_heads", "num_hidden_layers": "n_layers"},
	Refuses: []string{
		`"activation":"silu"`,
		`"pruned_heads":{"0":[1]}`,
	},
}

// names are the names of a layer's tensors.
var names = encoder.Names{
	Layer:        "transformer.layer.",
	Query:        ".attention.q_lin",
	Key:          ".attention.k_lin",
	Value:        ".attention.v_lin",
	Output:       ".attention.out_lin",
	OutputNorm:   ".sa_layer_norm",
	Intermediate: ".ffn.lin1",
	Down:         ".ffn.lin2",
	DownNorm:     ".output_layer_norm",

	PlainAttention: true,
}

// sizes is what a configuration says. Sinusoidal positions only tell how
// training began: the table is in the checkpoint like a learned one.
type sizes struct {
	VocabSize             int    `json:"vocab_size"`
	MaxPositionEmbeddings int    `json:"max_position_embeddings"`
	Layers                int    `json:"n_layers"`
	Heads                 int    `json:"n_heads"`
	Dim                   int    `json:"dim"`
	HiddenDim             int    `json:"hidden_dim"`
	Activation            string `json:"activation"`
}

func build(c *models.Config) (models.Architecture, error) {
	s := sizes{
		VocabSize: 30522, MaxPositionEmbeddings: 512, Layers: 6, Heads: 12, Dim: 768, HiddenDim: 3072, Activation: "gelu",
	}
	if err := c.Decode(&s); err != nil {
		return nil, err
	}
	act, err := models.ParseActivation(s.Activation)
	if err != nil {
		return nil, fmt.Errorf("activation: %w", err)
	}
	return encoder.Model{
		Embeddings: encoder.Embeddings{Vocabulary: s.VocabSize, Positions: s.MaxPositionEmbeddings, Width: s.Dim},
		Encoder: encoder.Config{
			Layers: s.Layers, Hidden: s.Dim, Heads: s.Heads, Intermediate: s.HiddenDim, Activation: act, Eps: 1e-12,
		},
		Names:  names,
		Head:   encoder.Head{First: "pre_classifier", Out: "classifier", Activation: nn.ReLU},
		Prefix: "distilbert.",
	}.Architecture()
}
