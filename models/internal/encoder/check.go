package encoder

import (
	"fmt"

	"kenserve/models"
)

// The largest sizes that are accepted, far above any published encoder: they
// keep products of sizes within an int.
const (
	MaxLayers  = 1 << 10
	MaxWidth   = 1 << 20
	MaxEntries = 1 << 24 // entries of an embedding table
)

// Check returns an error unless the sizes are those of an encoder.
func (c Config) Check() error {
	for _, check := range []error{
		models.CheckSize("num_hidden_layers", c.Layers, MaxLayers),
		models.CheckSize("hidden_size", c.Hidden, MaxWidth),
		models.CheckSize("num_attention_heads", c.Heads, MaxWidth),
		models.CheckSize("intermediate_size", c.Intermediate, MaxWidth),
	} {
		if check != nil {
			return check
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
