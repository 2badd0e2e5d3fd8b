package encoder

import (
	"fmt"

	"kenserve/models"
)

// The maximum sizes. They are far above any published encoder and keep products
// of sizes within an int.
const (
	MaxLayers  = 1 << 10
	MaxWidth   = 1 << 20
	MaxEntries = 1 << 24 // entries of an embedding table
)

// Check returns an error unless the sizes are valid.
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
		return fmt.Errorf("layer_norm_eps is %v, want a number between 0 and 1", c.Eps)
	}
	return nil
}
