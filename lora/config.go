package lora

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// The files of an adapter's folder.
const (
	configFile  = "adapter_config.json"
	weightsFile = "adapter_model.safetensors"
)

// errUnsupported means an adapter that this package does not implement.
var errUnsupported = errors.New("not a LoRA adapter of a supported kind")

// config is the part of the configuration that changes the meaning of the tensors.
type config struct {
	Type        string             `json:"peft_type"`
	Rank        int                `json:"r"`
	Alpha       float64            `json:"lora_alpha"`
	RSLoRA      bool               `json:"use_rslora"`
	Transposed  bool               `json:"fan_in_fan_out"`
	RankPattern map[string]float64 `json:"rank_pattern"`
}

// ignoredKeys are the keys that do not change the meaning of the tensors: how the adapter
// was trained, where it belongs, or which tensors it has, which their names tell.
var ignoredKeys = []string{
	"peft_type", "r", "lora_alpha", "use_rslora", "fan_in_fan_out", "rank_pattern", // read above
	"task_type", "inference_mode", "base_model_name_or_path", "revision", "auto_mapping", "peft_version",
	"target_modules", "exclude_modules", "modules_to_save", "layers_to_transform", "layers_pattern",
	"lora_dropout", "init_lora_weights", "bias", "runtime_config", "loftq_config", "eva_config", "corda_config",
	"megatron_config", "megatron_core", "qalora_group_size",
}

// maxConfig bounds the file of the configuration, in bytes.
const maxConfig = 1 << 20

// IsAdapter reports whether a folder holds an adapter instead of a checkpoint.
func IsAdapter(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, configFile))
	return err == nil && info.Mode().IsRegular()
}

// readConfig reads and checks the configuration in a folder.
func readConfig(dir string) (*config, error) {
	f, err := os.Open(filepath.Join(dir, configFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxConfig {
		return nil, fmt.Errorf("%s is longer than %d bytes", configFile, maxConfig)
	}
	return parseConfig(text)
}

func parseConfig(text []byte) (*config, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", configFile, err)
	}
	var c config
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", configFile, err)
	}
	if c.Type != "LORA" {
		return nil, fmt.Errorf("%w: peft_type is %q, want LORA", errUnsupported, c.Type)
	}
	if c.Rank < 1 {
		return nil, fmt.Errorf("%w: r is %d, want at least 1", errUnsupported, c.Rank)
	}
	if math.IsNaN(c.Alpha) || math.IsInf(c.Alpha, 0) {
		return nil, fmt.Errorf("%w: lora_alpha is %g, want a finite number", errUnsupported, c.Alpha)
	}
	for key, value := range all {
		if !slices.Contains(ignoredKeys, key) && !isUnset(value) {
			return nil, fmt.Errorf("%w: %s is %s", errUnsupported, key, value)
		}
	}
	return &c, nil
}

// isUnset reports whether a value of the configuration turns a feature off.
func isUnset(value json.RawMessage) bool {
	switch string(bytes.TrimSpace(value)) {
	case "null", "false", "0", `""`, "{}", "[]":
		return true
	}
	return false
}

// scale returns s, the factor of B·A of the given rank.
func (c *config) scale(rank int) float64 {
	if c.RSLoRA {
		return c.Alpha / math.Sqrt(float64(rank))
	}
	return c.Alpha / float64(rank)
}
