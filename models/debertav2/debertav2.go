// Package debertav2 is the second and third DeBERTa for sequence classification
// (He et al., 2021 and 2023), as Hugging Face's
// DebertaV2ForSequenceClassification computes it: a BERT with disentangled
// attention. Distances are in logarithmic buckets, whose embeddings may go
// through a layer norm. Content and positions may share projections. The larger
// models of the second DeBERTa have a convolution parallel to the first layer.
package debertav2

import (
	"fmt"
	"strings"

	"kenserve/models"
	"kenserve/models/internal/disentangled"
	"kenserve/models/internal/encoder"
)

// Family is DeBERTa-v2 and DeBERTa-v3.
var Family = models.Family{
	ModelType: "deberta-v2", Class: "DebertaV2ForSequenceClassification", Build: build,
	Table: disentangled.Table, Refuses: append([]string{
		`"relative_attention":true,"pos_att_type":["c2p"],"conv_kernel_size":4`,
		`"relative_attention":true,"pos_att_type":["c2p"],"conv_kernel_size":3,"conv_groups":2`,
		`"relative_attention":true,"pos_att_type":["c2p"],"conv_kernel_size":3,"conv_act":"silu"`,
		`"relative_attention":true,"pos_att_type":["c2p"],"attention_head_size":5`,
		`"relative_attention":true,"pos_att_type":["c2p"],"position_buckets":9000000`,
		`"relative_attention":true,"pos_att_type":["c2p"],"position_buckets":1`,
	}, disentangled.RefusedSettings...),
}

func build(c *models.Config) (models.Architecture, error) {
	s := struct {
		disentangled.Settings
		ShareAttKey       bool   `json:"share_att_key"`
		PositionBuckets   int    `json:"position_buckets"`
		NormRelEbd        string `json:"norm_rel_ebd"`
		ConvKernelSize    int    `json:"conv_kernel_size"`
		ConvGroups        int    `json:"conv_groups"`
		ConvAct           string `json:"conv_act"`
		AttentionHeadSize *int   `json:"attention_head_size"`
	}{Settings: disentangled.DefaultSettings(), PositionBuckets: -1, NormRelEbd: "none", ConvGroups: 1, ConvAct: "tanh"}
	s.VocabSize, s.HiddenSize, s.NumHiddenLayers, s.NumAttentionHeads, s.IntermediateSize = 128100, 1536, 24, 24, 6144
	if err := c.Decode(&s); err != nil {
		return nil, err
	}
	layout := disentangled.Separate
	if s.ShareAttKey {
		layout = disentangled.Shared
	}
	m, err := s.Model(layout)
	if err != nil {
		return nil, err
	}
	if s.PositionBuckets > 0 {
		if s.PositionBuckets < 2 || s.PositionBuckets > encoder.MaxEntries/2 || m.MaxDistance <= s.PositionBuckets/2+1 {
			return nil, fmt.Errorf("position_buckets is %d, want 2 to %d, and half of it plus 1 below the maximum distance %d", s.PositionBuckets, encoder.MaxEntries/2, m.MaxDistance)
		}
		m.Buckets, m.Distances = s.PositionBuckets, 2*s.PositionBuckets
	}
	for name := range strings.SplitSeq(strings.ToLower(s.NormRelEbd), "|") {
		m.NormDistances = m.NormDistances || strings.TrimSpace(name) == "layer_norm"
	}
	if s.AttentionHeadSize != nil && *s.AttentionHeadSize*s.NumAttentionHeads != s.HiddenSize {
		return nil, fmt.Errorf("attention_head_size is %d, but hidden_size %d must be attention_head_size times num_attention_heads", *s.AttentionHeadSize, s.HiddenSize)
	}
	if s.ConvKernelSize > 0 {
		if s.ConvKernelSize%2 == 0 || s.ConvKernelSize > 99 {
			return nil, fmt.Errorf("conv_kernel_size is %d, want an odd number below 100", s.ConvKernelSize)
		}
		if s.ConvGroups != 1 {
			return nil, fmt.Errorf("conv_groups is %d; only 1 is implemented", s.ConvGroups)
		}
		m.ConvolutionWidth = s.ConvKernelSize
		if m.KernelAct, err = models.ParseActivation(s.ConvAct); err != nil {
			return nil, fmt.Errorf("conv_act: %w", err)
		}
	}
	return m.Architecture()
}
