package ken

import "testing"

func TestKind(t *testing.T) {
	tests := []struct {
		name, kind, layer string
		layered           bool
	}{
		{"encoder.layer.3.attention.self.query.weight", "encoder.layer.*.attention.self.query.weight", "encoder.layer.3.*", true},
		{"transformer.layer.11.ffn.lin1.weight", "transformer.layer.*.ffn.lin1.weight", "transformer.layer.11.*", true},
		{"h.0.mlp.dense_h_to_4h.weight", "h.*.mlp.dense_h_to_4h.weight", "h.0.*", true},
		{"embeddings.word_embeddings.weight", "embeddings.word_embeddings.weight", "", false},
		{"pooler.dense.weight", "pooler.dense.weight", "", false},
	}
	for _, test := range tests {
		if kind, layered := kindOf(test.name); kind != test.kind || layered != test.layered {
			t.Errorf("%s: %q %v", test.name, kind, layered)
		}
		if layer := layerOf(test.name); layer != test.layer {
			t.Errorf("%s: layer %q", test.name, layer)
		}
	}
}

func TestScope(t *testing.T) {
	for name, inLayer := range map[string]bool{
		"encoder.layer.3.output.dense.weight": true, "bert.encoder.layer.11.attention.self.query.bias": true,
		"transformer.layer.0.ffn.lin1.weight": true, "h.7.mlp.dense_h_to_4h.weight": true, "layers.2.attn.Wqkv.weight": true,
		"embeddings.word_embeddings.weight": false, "pooler.dense.weight": false, "encoder.rel_embeddings.weight": false,
	} {
		if got := ScopeAttention.includes(name); got != inLayer {
			t.Errorf("%s in a layer: %v", name, got)
		}
		if !ScopeAll.includes(name) {
			t.Errorf("%s is not in all", name)
		}
	}
}
