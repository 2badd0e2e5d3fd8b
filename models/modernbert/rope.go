package modernbert

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"kenserve/internal/settings"
)

// ropeSettings are the settings of rotary positions: global_rope_theta, local_rope_theta and
// rope_scaling of transformers 4; rope_parameters of transformers 5, which has one object
// for each kind of layer.
type ropeSettings struct {
	GlobalTheta    float64                    `json:"global_rope_theta"`
	LocalTheta     *float64                   `json:"local_rope_theta"` // null: the global one
	RopeScaling    map[string]json.RawMessage `json:"rope_scaling"`
	RopeParameters map[string]json.RawMessage `json:"rope_parameters"`
}

func defaultRope() ropeSettings {
	local := 10000.0
	return ropeSettings{GlobalTheta: 160000, LocalTheta: &local}
}

// rotationKind says by which angles positions turn the columns of a head.
type rotationKind struct {
	name  string // default, linear, yarn or llama3
	theta float64
	// factor is by how much a text may be longer than in training.
	factor float64
	// Positions in training, for yarn and llama3.
	original float64
	// scale multiplies sines and cosines; it is 1 but for yarn.
	scale float64
	// For yarn: numbers of turns in training above which a pair is not slowed down, and
	// below which it is slowed down by factor. For llama3: the same, the other way round.
	fast, slow float64
}

// kinds returns the rotations of layers that attend to all tokens, and of the others.
func (r *ropeSettings) kinds(maxTokens int) (global, local rotationKind, err error) {
	local.theta = r.GlobalTheta
	if r.LocalTheta != nil {
		local.theta = *r.LocalTheta
	}
	global.theta = r.GlobalTheta
	if !validTheta(global.theta) {
		return global, local, fmt.Errorf("global_rope_theta is %v, want a positive number", global.theta)
	}
	if !validTheta(local.theta) {
		return global, local, fmt.Errorf("local_rope_theta is %v, want a positive number", local.theta)
	}
	scaled, err := r.scaling()
	if err != nil {
		return global, local, fmt.Errorf("rope_scaling: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(r.RopeParameters)) {
		if name != fullAttention && name != slidingAttention {
			return global, local, fmt.Errorf("rope_parameters has %q beside %s and %s, where transformers does not read it: move it into both", name, fullAttention, slidingAttention)
		}
	}
	for _, layer := range []struct {
		name string
		kind *rotationKind
	}{{fullAttention, &global}, {slidingAttention, &local}} {
		parameters, where := r.RopeScaling, "rope_scaling"
		if value, ok := r.RopeParameters[layer.name]; ok {
			where = "rope_parameters." + layer.name
			var own map[string]json.RawMessage
			if json.Unmarshal(value, &own) != nil {
				return global, local, fmt.Errorf("%s is %s, want an object", where, value)
			}
			if scaled && own != nil {
				return global, local, fmt.Errorf("rope_scaling is there beside %s: remove it, and write what it says into rope_parameters", where)
			}
			if !scaled {
				parameters = own
			}
		}
		if err := layer.kind.read(parameters, maxTokens); err != nil {
			return global, local, fmt.Errorf("%s: %w", where, err)
		}
	}
	return global, local, nil
}

// scaling tells whether rope_scaling asks for anything but default rotations. It refuses
// members that transformers 4 and 5 understand differently.
func (r *ropeSettings) scaling() (bool, error) {
	name, ok := r.RopeScaling["rope_type"]
	if !ok {
		if kind, old := r.RopeScaling["type"]; old && string(kind) != `"default"` {
			return false, fmt.Errorf("type %s is read by transformers 4 and ignored by 5: call it rope_type", kind)
		}
	}
	if _, ok := r.RopeScaling["rope_theta"]; ok {
		return false, fmt.Errorf("rope_theta is ignored by transformers 4 and read by 5: remove it, and set global_rope_theta and local_rope_theta")
	}
	return ok && string(name) != `"default"`, nil
}

func validTheta(theta float64) bool { return theta > 0 && theta <= math.MaxFloat32 }

// ropeTable are the parameters of all types of rotation, but for those in ropeTypes.
var ropeTable = settings.Table{
	settings.Used("rope_type"), settings.Used("type"), settings.Used("rope_theta"),
	settings.Refused("partial_rotary_factor", "rotary positions turn all columns of a head", "1", "1.0"),
}

// ropeTypes are the types of rotation that are implemented, with their own parameters.
// dynamic only differs from default for texts longer than max_position_embeddings, which
// are refused or truncated.
var ropeTypes = map[string]settings.Table{
	"default": slices.Concat(settings.Harmless("rope_type default does not scale", "factor", "original_max_position_embeddings")),
	"dynamic": {settings.Used("factor")},
	"linear":  {settings.Used("factor")},
	"yarn": {
		settings.Used("factor"), settings.Used("original_max_position_embeddings"), settings.Used("attention_factor"),
		settings.Used("beta_fast"), settings.Used("beta_slow"), settings.Used("mscale"), settings.Used("mscale_all_dim"),
		// transformers 4 reads it, 5 looks for it in the wrong place.
		settings.Refused("truncate", "transformers 4 and 5 compute different angles: remove it", "true"),
	},
	"llama3": {
		settings.Used("factor"), settings.Used("original_max_position_embeddings"),
		settings.Used("low_freq_factor"), settings.Used("high_freq_factor"),
	},
}

// read reads the parameters of one kind of layer. The theta that it has is the default.
func (k *rotationKind) read(parameters map[string]json.RawMessage, maxTokens int) error {
	k.name, k.factor, k.scale, k.original = "default", 1, 1, float64(maxTokens)
	for _, key := range []string{"type", "rope_type"} { // the latter counts
		if value, ok := parameters[key]; ok && string(value) != "null" {
			if json.Unmarshal(value, &k.name) != nil {
				return fmt.Errorf("%s is %s, want a text", key, value)
			}
		}
	}
	table, ok := ropeTypes[k.name]
	if !ok {
		return fmt.Errorf("rope_type %q is not implemented, only default, dynamic, linear, llama3 and yarn", k.name)
	}
	unknown, err := settings.Check(parameters, ropeTable, table)
	if err != nil {
		return err
	}
	if len(unknown) > 0 {
		return fmt.Errorf("%s is not a parameter of rope_type %s: remove it", unknown[0], k.name)
	}
	var wrong error
	number := func(name string, missing float64) float64 {
		value, ok := parameters[name]
		if !ok || string(value) == "null" {
			return missing
		}
		v := missing
		if json.Unmarshal(value, &v) != nil && wrong == nil {
			wrong = fmt.Errorf("%s is %s, want a number", name, value)
		}
		return v
	}
	if k.theta = number("rope_theta", k.theta); wrong == nil && !validTheta(k.theta) {
		return fmt.Errorf("rope_theta is %v, want a positive number", k.theta)
	}
	if k.name == "default" || k.name == "dynamic" {
		k.name = "default"
		return wrong
	}
	if k.factor = number("factor", 0); wrong == nil && !(k.factor > 0) {
		return fmt.Errorf("rope_type %s needs a factor above 0", k.name)
	}
	k.original = number("original_max_position_embeddings", k.original)
	switch k.name {
	case "yarn":
		k.fast, k.slow = orElse(number("beta_fast", 0), 32), orElse(number("beta_slow", 0), 1)
		k.scale = yarnScale(k.factor, 1)
		if a, b := number("mscale", 0), number("mscale_all_dim", 0); a != 0 && b != 0 {
			k.scale = yarnScale(k.factor, a) / yarnScale(k.factor, b)
		}
		k.scale = number("attention_factor", k.scale)
	case "llama3":
		k.slow, k.fast = number("low_freq_factor", 0), number("high_freq_factor", 0)
		if wrong == nil && !(k.slow > 0 && k.fast > k.slow) {
			return fmt.Errorf("rope_type llama3 needs low_freq_factor above 0 and high_freq_factor above it")
		}
	}
	if wrong == nil && !(k.original >= 1) {
		return fmt.Errorf("original_max_position_embeddings is %v, want at least 1", k.original)
	}
	return wrong
}

func orElse(value, other float64) float64 {
	if value == 0 {
		return other
	}
	return value
}

// yarnScale is YaRN's scale of queries and keys (Peng et al., 2023).
func yarnScale(factor, m float64) float64 {
	if factor <= 1 {
		return 1
	}
	return 0.1*m*math.Log(factor) + 1
}

// frequencies returns the angles between neighbouring positions, of each pair of a head's
// columns, computed in float32 as PyTorch does.
func (k rotationKind) frequencies(width int) []float32 {
	list := make([]float32, width/2)
	low, high := k.yarnRange(width)
	for c := range list {
		power := float32(math.Pow(k.theta, float64(float32(2*c)/float32(width))))
		f := 1 / power
		switch k.name {
		case "linear":
			f /= float32(k.factor)
		case "yarn":
			ramp := min(max((float32(c)-float32(low))/float32(high-low), 0), 1)
			keep := 1 - ramp
			f = 1/(float32(k.factor)*power)*(1-keep) + f*keep
		case "llama3":
			f = k.llama3(f)
		}
		list[c] = f
	}
	return list
}

// yarnRange returns the pairs between which YaRN goes from not slowing down to slowing down
// by the factor.
func (k rotationKind) yarnRange(width int) (low, high float64) {
	if k.name != "yarn" {
		return 0, 1
	}
	pair := func(turns float64) float64 {
		return float64(width) * math.Log(k.original/(turns*2*math.Pi)) / (2 * math.Log(k.theta))
	}
	low, high = max(math.Floor(pair(k.fast)), 0), min(math.Ceil(pair(k.slow)), float64(width-1))
	if low == high {
		high += 0.001
	}
	return low, high
}

// llama3 slows down the frequencies of long waves, as Llama 3.1 does.
func (k rotationKind) llama3(f float32) float32 {
	wave := float32(2*math.Pi) / f
	slowed := f
	if wave > float32(k.original/k.slow) {
		slowed = f / float32(k.factor)
	}
	if wave < float32(k.original/k.fast) || wave > float32(k.original/k.slow) {
		return slowed
	}
	smooth := (float32(k.original)/wave - float32(k.slow)) / float32(k.fast-k.slow)
	return (1-smooth)*slowed/float32(k.factor) + smooth*slowed
}
