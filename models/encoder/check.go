package encoder

import "fmt"

// The largest sizes that Check accepts, far above any published encoder: they
// keep products of sizes within an int.
const (
	maxLayers = 1 << 10
	maxWidth  = 1 << 20
)

// Check returns an error unless the sizes are those of an encoder.
func (c Config) Check() error {
	for _, s := range []struct {
		name  string
		value int
		most  int
	}{
		{"num_hidden_layers", c.Layers, maxLayers},
		{"hidden_size", c.Hidden, maxWidth},
		{"num_attention_heads", c.Heads, maxWidth},
		{"intermediate_size", c.Intermediate, maxWidth},
	} {
		if s.value < 1 || s.value > s.most {
			return fmt.Errorf("%s is %d, want 1 to %d", s.name, s.value, s.most)
		}
	}
	if c.Hidden%c.Heads != 0 {
		return fmt.Errorf("hidden_size %d is not a multiple of num_attention_heads %d", c.Hidden, c.Heads)
	}
	if !(c.Eps > 0 && c.Eps < 1) {
		return fmt.Errorf("layer_norm_eps is %v, want a small positive number", c.Eps)
	}
	return nil
}
