// Package deberta is the first DeBERTa for sequence classification (He et al.,
// 2021), as Hugging Face's DebertaForSequenceClassification computes it: a BERT
// with disentangled attention. One matrix projects queries, keys and values;
// keys have no bias. Positions have their own projections, and each distance has
// its own embedding.
package deberta

import (
	"slices"

	"kenserve/internal/settings"
	"kenserve/models"
	"kenserve/models/internal/disentangled"
)

// Family is DeBERTa.
var Family = models.Family{
	ModelType: "deberta", Class: "DebertaForSequenceClassification", Build: build,
	Table: append(slices.Clone(disentangled.Table), settings.Refused("talking_head", "projections between heads are not implemented", "false")),
	Refuses: append([]string{
		`"relative_attention":true,"pos_att_type":["c2p"],"talking_head":true`,
	}, disentangled.RefusedSettings...),
}

func build(c *models.Config) (models.Architecture, error) {
	s := disentangled.DefaultSettings()
	s.VocabSize, s.HiddenSize, s.NumHiddenLayers, s.NumAttentionHeads, s.IntermediateSize = 50265, 768, 12, 12, 3072
	if err := c.Decode(&s); err != nil {
		return nil, err
	}
	m, err := s.Model(disentangled.Fused)
	if err != nil {
		return nil, err
	}
	return m.Architecture()
}
