package lora

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"kenserve/internal/lfs"
	"kenserve/internal/regular"
	"kenserve/internal/settings"
)

// The files of an adapter's folder.
const (
	configFile  = "adapter_config.json"
	weightsFile = "adapter_model.safetensors"

	oldWeightsFile = "adapter_model.bin" // of older versions of PEFT; not read
)

// errUnsupported is wrapped by errors about adapters that are not understood.
var errUnsupported = errors.New("not a LoRA adapter of a supported kind")

// config has the settings that the meaning of the tensors depends on.
type config struct {
	Type         string       `json:"peft_type"`
	Rank         int          `json:"r"`
	Alpha        float64      `json:"lora_alpha"`
	RSLoRA       bool         `json:"use_rslora"`
	Transposed   bool         `json:"fan_in_fan_out"`
	RankPattern  patterns     `json:"rank_pattern"`
	AlphaPattern patterns     `json:"alpha_pattern"`
	Tokens       tokenIndices `json:"trainable_token_indices"`
	Base         any          `json:"base_model_name_or_path"`
	promises
}

// convert is the remedy for an adapter whose training began with changed base weights.
const convert = "the adapter was trained on base weights that its initialisation replaced; convert it first, with PEFT's " +
	"save_pretrained(FOLDER, path_initial_model_for_weight_conversion=INITIAL_ADAPTER), or merge it with PEFT and prune the merged checkpoint"

// merged is the remedy for a kind of adapter that is not computed here.
const merged = "merge it with PEFT's merge_and_unload, and prune the merged checkpoint"

// knownSettings are the settings of adapter_config.json, those of PEFT's LoraConfig. A
// setting that is not listed may change the result, so it is refused.
var knownSettings = settings.Table(slices.Concat(
	[]settings.Setting{
		settings.Used("peft_type"), settings.Used("r"), settings.Used("lora_alpha"), settings.Used("use_rslora"),
		settings.Used("fan_in_fan_out"), settings.Used("rank_pattern"), settings.Used("alpha_pattern"), settings.Used("trainable_token_indices"),
		// PiSSA, CorDA, OLoRA, LoftQ and LoRA-GA replace weights of the base. The other
		// initialisations only set A and B, which the adapter has.
		settings.Refused("init_lora_weights", convert, "true", "false", `"gaussian"`, `"eva"`, `"orthogonal"`),
		settings.Refused("task_type", "only sequence classification is served, SEQ_CLS", `"SEQ_CLS"`, `"FEATURE_EXTRACTION"`),
		settings.Refused("use_dora", merged, "false"),
		settings.Refused("lora_bias", merged, "false"),
		settings.Refused("layer_replication", "the adapter repeats layers of its base; "+merged, "[]"),
		settings.Refused("use_qalora", merged, "false"),
		settings.Refused("target_parameters", merged, "[]"),
		settings.Refused("alora_invocation_tokens", "it applies to a part of the text only, which no merged checkpoint can express", "[]"),
		settings.Refused("arrow_config", "it chooses between adapters for each token, which no merged checkpoint can express", "{}"),
		settings.Refused("ensure_weight_tying", merged, "false"),
		settings.Refused("monteclora_config", merged, "{}"),
		settings.Refused("use_bdlora", merged, "null", "false", "{}"),
		settings.Refused("velora_config", merged, "{}"),
		settings.Refused("kasa_config", merged, "{}"),
	},
	settings.Harmless("the tensors themselves show where they belong; prune warns of those that are named here and absent", "target_modules", "exclude_modules", "modules_to_save", "layers_to_transform", "layers_pattern", "bias"),
	settings.Harmless("only training uses it", "lora_dropout", "inference_mode", "runtime_config", "loftq_config", "eva_config", "corda_config", "lora_ga_config", "megatron_config", "megatron_core", "qalora_group_size"),
	settings.Harmless("it says where the adapter comes from", "base_model_name_or_path", "revision", "auto_mapping", "peft_version"),
))

// patterns are numbers by module, in the order of the file. A key is a module's name, or
// the end of one after a dot; PEFT also takes it for a regular expression.
type patterns struct {
	keys   []string
	values []float64
}

func (p *patterns) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return err // null
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var value float64
		if err := d.Decode(&value); err != nil {
			return err
		}
		p.keys, p.values = append(p.keys, key.(string)), append(p.values, value)
	}
	return nil
}

// find returns the value of the first key that matches a module, as PEFT's
// get_pattern_key does: (.*\.)?(KEY)$ from the module's beginning.
func (p *patterns) find(setting, module string) (float64, bool, error) {
	for i, key := range p.keys {
		expression, err := regexp.Compile(`^(?:.*\.)?(?:` + key + `)$`)
		if err != nil {
			return 0, false, fmt.Errorf("%w: %s has the key %q, which is not a regular expression that is understood here: %s", errUnsupported, setting, key, merged)
		}
		if expression.MatchString(module) {
			return p.values[i], true, nil
		}
	}
	return 0, false, nil
}

// maxConfig bounds the file of the configuration, in bytes.
const maxConfig = 1 << 20

// IsAdapter tells whether a folder holds an adapter and not a checkpoint.
func IsAdapter(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, configFile))
	return err == nil && info.Mode().IsRegular()
}

// readConfig reads and checks the configuration in a folder.
func readConfig(dir string) (*config, error) {
	text, err := regular.Read(filepath.Join(dir, configFile), maxConfig)
	if err != nil {
		return nil, err
	}
	if err := lfs.Check(text); err != nil {
		return nil, fmt.Errorf("%s: %w", configFile, err)
	}
	return parseConfig(text)
}

func parseConfig(text []byte) (*config, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil || all == nil {
		return nil, fmt.Errorf("%w: %s is not a JSON object", errUnsupported, configFile)
	}
	c := config{Rank: 8, Alpha: 8} // PEFT's defaults
	for _, name := range []string{"r", "lora_alpha"} {
		if value, ok := all[name]; ok && string(bytes.TrimSpace(value)) == "null" {
			return nil, fmt.Errorf("%w: %s is null, want a number", errUnsupported, name)
		}
	}
	if value, ok := all["init_lora_weights"]; ok && strings.EqualFold(string(value), `"gaussian"`) {
		all["init_lora_weights"] = json.RawMessage(`"gaussian"`) // PEFT takes any case
	}
	if err := json.Unmarshal(text, &c); err != nil {
		var mistyped *json.UnmarshalTypeError
		if errors.As(err, &mistyped) {
			return nil, fmt.Errorf("%w: %s: %s is a JSON %s, which is not what PEFT writes", errUnsupported, configFile, mistyped.Field, mistyped.Value)
		}
		return nil, fmt.Errorf("%w: %s cannot be read", errUnsupported, configFile)
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
	unknown, err := settings.Check(all, knownSettings)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnsupported, err)
	}
	for _, name := range unknown {
		if !isUnset(all[name]) {
			return nil, fmt.Errorf("%w: %s has the setting %q = %s, which is unknown and may change the result: %s", errUnsupported, configFile, name, all[name], merged)
		}
	}
	return &c, nil
}

// isUnset tells whether a value asks for nothing.
func isUnset(value json.RawMessage) bool {
	switch string(bytes.TrimSpace(value)) {
	case "", "null", "false", "0", `""`, "{}", "[]":
		return true
	}
	return false
}

// rank returns the rank that the settings give a module.
func (c *config) rank(module string) (float64, error) {
	if value, ok, err := c.RankPattern.find("rank_pattern", module); ok || err != nil {
		return value, err
	}
	return float64(c.Rank), nil
}

// scale returns the factor of B·A for a module, with the rank of its tensors.
func (c *config) scale(module string, rank int) (float64, error) {
	alpha := c.Alpha
	if value, ok, err := c.AlphaPattern.find("alpha_pattern", module); err != nil {
		return 0, err
	} else if ok {
		alpha = value
	}
	if c.RSLoRA {
		return alpha / math.Sqrt(float64(rank)), nil
	}
	return alpha / float64(rank), nil
}
