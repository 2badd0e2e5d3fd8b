package modernbert

import (
	"fmt"

	"kenserve/models"
	"kenserve/models/internal/encoder"
)

// attentionKinds are the settings that say which layers attend to near tokens only, and how
// far. transformers 4 writes global_attn_every_n_layers, 5 writes layer_types, which counts
// if both are there.
type attentionKinds struct {
	GlobalEvery    int      `json:"global_attn_every_n_layers"`
	LocalAttention int      `json:"local_attention"`
	SlidingWindow  *int     `json:"sliding_window"`
	LayerTypes     []string `json:"layer_types"`
}

// local tells for each layer whether it attends to near tokens only.
func (k *attentionKinds) local(layers int) ([]bool, error) {
	if k.LocalAttention < 2 {
		return nil, fmt.Errorf("local_attention is %d, want at least 2", k.LocalAttention)
	}
	if k.SlidingWindow != nil && *k.SlidingWindow != k.LocalAttention/2 {
		// transformers 4 ignores it, transformers 5 believes it.
		return nil, fmt.Errorf("sliding_window is %d, but local_attention is %d: remove sliding_window, which is half of local_attention", *k.SlidingWindow, k.LocalAttention)
	}
	local := make([]bool, layers)
	if k.LayerTypes == nil {
		if err := models.CheckSize("global_attn_every_n_layers", k.GlobalEvery, encoder.MaxLayers); err != nil {
			return nil, err
		}
		for i := range local {
			local[i] = i%k.GlobalEvery != 0
		}
		return local, nil
	}
	if len(k.LayerTypes) != layers {
		return nil, fmt.Errorf("layer_types has %d entries, num_hidden_layers is %d: they must be equal", len(k.LayerTypes), layers)
	}
	for i, kind := range k.LayerTypes {
		switch kind {
		case fullAttention:
		case slidingAttention:
			local[i] = true
		default:
			return nil, fmt.Errorf("layer_types has %q, want %s or %s", kind, fullAttention, slidingAttention)
		}
	}
	return local, nil
}

// The kinds of layers, in layer_types and rope_parameters.
const (
	fullAttention    = "full_attention"
	slidingAttention = "sliding_attention"
)
