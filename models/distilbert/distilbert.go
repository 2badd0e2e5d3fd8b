// Package distilbert is DistilBERT for sequence classification (Sanh et al.,
// 2019), as Hugging Face's DistilBertForSequenceClassification computes it: a
// BERT without token types. Its head is a dense layer with ReLU on the first
// token and a dense classifier; neither is pre-trained. The epsilon of its layer
// norms is fixed.
package distilbert

import (
	"fmt"

	"kenserve/models"
	"kenserve/models/internal/encoder"
	"kenserve/nn"
)

// Family is DistilBERT.
var Family = models.NewFamily("distilbert", "DistilBertForSequenceClassification", []string{
	`"activation":"silu"`,
	`"pruned_heads":{"0":[1]}`,
}, build)

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
}

// settings are the members of a configuration that change the result of a
// classifier. sinusoidal_pos_embds is not among them: it only changes how
// training started, and the checkpoint contains the table in both cases.
type settings struct {
	VocabSize             int              `json:"vocab_size"`
	MaxPositionEmbeddings int              `json:"max_position_embeddings"`
	Layers                int              `json:"n_layers"`
	Heads                 int              `json:"n_heads"`
	Dim                   int              `json:"dim"`
	HiddenDim             int              `json:"hidden_dim"`
	Activation            string           `json:"activation"`
	PrunedHeads           map[string][]int `json:"pruned_heads"`
}

func build(c *models.Config) (models.Architecture, error) {
	s := settings{
		VocabSize: 30522, MaxPositionEmbeddings: 512, Layers: 6, Heads: 12, Dim: 768, HiddenDim: 3072, Activation: "gelu",
	}
	if err := c.Decode(&s); err != nil {
		return nil, err
	}
	if len(s.PrunedHeads) > 0 {
		return nil, fmt.Errorf("pruned_heads lists heads of %d layers; layers without some of their heads are not implemented", len(s.PrunedHeads))
	}
	act, err := models.ParseActivation(s.Activation)
	if err != nil {
		return nil, err
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
