package viz

import (
	"testing"
)

func TestKindOf(t *testing.T) {
	for name, want := range map[string]struct {
		kind  string
		layer int
	}{
		"encoder.layer.3.output.dense.weight":        {"encoder.layer.*.output.dense.weight", 3},
		"transformer.layer.11.ffn.lin1.bias":         {"transformer.layer.*.ffn.lin1.bias", 11},
		"h.0.self_attention.dense.weight":            {"h.*.self_attention.dense.weight", 0},
		"blocks.7.mlp.weight":                        {"blocks.*.mlp.weight", 7},
		"model.layers.2.x":                           {"model.layers.*.x", 2},
		"embeddings.word_embeddings.weight":          {"embeddings.word_embeddings.weight", -1},
		"encoder.layer.weight":                       {"encoder.layer.weight", -1},
		"player.3.weight":                            {"player.3.weight", -1},
		"layer.99999999999999999999.weight":          {"layer.99999999999999999999.weight", -1},
		"encoder.layer.1.layer.2.weight":             {"encoder.layer.*.layer.2.weight", 1},
		"":                                           {"", -1},
		"encoder.layer.4.":                           {"encoder.layer.*.", 4},
		"encoder.layer.05.attention.self.key.weight": {"encoder.layer.*.attention.self.key.weight", 5},
	} {
		if kind, layer := splitName(name); kind != want.kind || layer != want.layer {
			t.Errorf("%q: %q, %d, want %q, %d", name, kind, layer, want.kind, want.layer)
		}
	}
}

func TestNaturalLess(t *testing.T) {
	sorted := []string{"", "a", "a.2", "a.2.b", "a.02.c", "a.10", "a.10.b", "a.b", "b1", "b18446744073709551616", "b18446744073709551617"}
	for i, a := range sorted {
		for j, b := range sorted {
			if got := naturalLess(a, b); got != (i < j) && a != "a.02.c" && b != "a.02.c" {
				t.Errorf("%q before %q is %t", a, b, got)
			}
			if naturalLess(a, b) && naturalLess(b, a) {
				t.Errorf("%q and %q each come before the other", a, b)
			}
		}
	}
}
