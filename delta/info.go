package delta

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"kenserve/delta/internal/container"
)

// Info is the metadata of a delta file. The package comment specifies each key.
// An empty string, 0 and nil mean that an optional key is absent.
type Info struct {
	BaseSHA256   string // fingerprint of the base
	BaseName     string
	Architecture string // the classifier's class, "BertForSequenceClassification"
	ProblemType  string // Hugging Face's problem_type
	Labels       []string
	Config       string // the tuned model's config.json
	Selection    string
	K            int                // values kept per row
	Keep         float64            // share of the values that is kept, in (0, 1]
	Budget       string             // the unit in which K and Keep count: "row", "tensor" or "model"
	Factor       float64            // by which kept changes were multiplied
	Factors      map[string]float64 // further factors, by kind of tensor
	Scope        string             // "all" or "attention"
	HeadFitted   bool               // the head was fitted to the pruned model
	Coding       Coding
	VectorCoding Coding // of tensors of one dimension, if it is not Coding
	BasePrefix   string
	TunedPrefix  string
	Absent       []string // tensors of the base that the tuned checkpoint lacks
	Producer     string
	SourceName   string
	SourceSHA256 string
	Notes        string
	// Temperature divides logits before they become probabilities.
	Temperature float64
	// Thresholds are the probabilities from which each label is predicted, in the order
	// of Labels.
	Thresholds []float64
	Recipe     string // a JSON object: how the task was tuned
	// Rows has the tables whose number of rows is not the base's, by their names in the
	// base: how many the tuned checkpoint's table has.
	Rows map[string]int
	// OwnTokenizer means that the file has the tuned checkpoint's tokenizer, because it
	// is not the base's.
	OwnTokenizer bool
}

// The values of metadata keys that are the same in every file.
const (
	formatName = "kenserve-delta"
	headFitted = "fitted"
)

// The flags: features that a reader must know.
const (
	flagRows      = "rows"
	flagTokenizer = "tokenizer"
)

// flags returns the value of the key "flags".
func (i *Info) flags() string {
	var flags []string
	if i.Rows != nil {
		flags = append(flags, flagRows)
	}
	if i.OwnTokenizer {
		flags = append(flags, flagTokenizer)
	}
	return strings.Join(flags, ",")
}

// TunedName returns the name in the tuned checkpoint of the base's tensor with
// the given name.
func (i *Info) TunedName(base string) string {
	rest, ok := strings.CutPrefix(base, i.BasePrefix)
	if !ok {
		return base
	}
	for old, name := range layerNormNames {
		if stem, ok := strings.CutSuffix(rest, old); ok {
			return i.TunedPrefix + stem + name
		}
	}
	return i.TunedPrefix + rest
}

// LegacyName returns the name that a layer norm's tensor of this name has in the
// oldest checkpoints, which were converted from TensorFlow, and whether it has one.
func LegacyName(name string) (string, bool) {
	for old, new := range layerNormNames {
		if stem, ok := strings.CutSuffix(name, new); ok {
			return stem + old, true
		}
	}
	return "", false
}

// layerNormNames maps the names of a layer norm's tensors in the oldest
// checkpoints to the names in checkpoints that were tuned from them.
var layerNormNames = map[string]string{
	"LayerNorm.gamma": "LayerNorm.weight",
	"LayerNorm.beta":  "LayerNorm.bias",
}

// metadata returns the header's strings in the fast layout, with a digest of zeros.
func (i *Info) metadata() (map[string]string, error) {
	m := map[string]string{
		"format": formatName, container.VersionKey: container.Version2, container.LayoutKey: container.LayoutFast,
		"base_sha256": i.BaseSHA256, "selection": i.Selection, "coding": string(i.Coding),
		"producer": i.Producer, container.DigestKey: container.NoDigest, container.DataDigestKey: container.NoDigest,
	}
	optional := map[string]string{
		"base_name": i.BaseName, "architecture": i.Architecture, "problem_type": i.ProblemType,
		"config": i.Config, "budget": i.Budget, "scope": i.Scope, "vector_coding": string(i.VectorCoding),
		"base_prefix": i.BasePrefix, "tuned_prefix": i.TunedPrefix,
		"source_name": i.SourceName, "source_sha256": i.SourceSHA256, "notes": i.Notes, "recipe": i.Recipe,
		"flags": i.flags(),
	}
	if i.Temperature != 0 {
		optional["temperature"] = strconv.FormatFloat(i.Temperature, 'g', -1, 64)
	}
	if i.Thresholds != nil {
		text, err := json.Marshal(i.Thresholds)
		if err != nil {
			return nil, fmt.Errorf("delta: write metadata thresholds: %w", err)
		}
		optional["thresholds"] = string(text)
	}
	if i.K != 0 {
		optional["k"] = strconv.Itoa(i.K)
	}
	if i.Keep != 0 {
		optional["keep"] = strconv.FormatFloat(i.Keep, 'g', -1, 64)
	}
	if i.Factor != 0 {
		optional["factor"] = strconv.FormatFloat(i.Factor, 'g', -1, 64)
	}
	if i.HeadFitted {
		optional["head"] = headFitted
	}
	if i.Factors != nil {
		text, err := json.Marshal(i.Factors)
		if err != nil {
			return nil, fmt.Errorf("delta: write metadata factors: %w", err)
		}
		optional["factors"] = string(text)
	}
	if i.Rows != nil {
		text, err := json.Marshal(i.Rows)
		if err != nil {
			return nil, fmt.Errorf("delta: write metadata rows: %w", err)
		}
		optional["rows"] = string(text)
	}
	for key, list := range map[string][]string{"labels": i.Labels, "absent": i.Absent} {
		if list != nil {
			text, err := json.Marshal(list)
			if err != nil {
				return nil, fmt.Errorf("delta: write metadata %s: %w", key, err)
			}
			optional[key] = string(text)
		}
	}
	for key, value := range optional {
		if value != "" {
			m[key] = value
		}
	}
	// Never write metadata that the reader refuses.
	if _, err := ParseInfo(m, container.LayoutFast); err != nil {
		return nil, fmt.Errorf("delta: write metadata: %w", err)
	}
	return m, nil
}

// ParseInfo checks and reads the metadata of a file in the given layout, except
// for the digest, which needs the whole file.
func ParseInfo(m map[string]string, layout string) (Info, error) {
	if m["format"] != formatName {
		return Info{}, fmt.Errorf("metadata: format %q, want %q", m["format"], formatName)
	}
	version := m[container.VersionKey]
	if version != container.Version1 && version != container.Version2 {
		return Info{}, fmt.Errorf("metadata: version %q, this program reads %q and %q", version, container.Version1, container.Version2)
	}
	if m[container.LayoutKey] != layout {
		return Info{}, fmt.Errorf("%w: %q, want %q", ErrLayout, m[container.LayoutKey], layout)
	}
	var i Info
	for key, value := range m {
		var err error
		switch key {
		case "format", container.VersionKey, container.LayoutKey, container.DigestKey:
		case "flags":
			// Compared below with what the other keys say.
			i.OwnTokenizer = slices.Contains(strings.Split(value, ","), flagTokenizer)
		case "rows":
			i.Rows, err = rowsByTable(value)
		case container.DataDigestKey:
			if _, err = container.HexDigest(value); err == nil && version == container.Version1 {
				err = errors.New("version 1 does not have this key")
			}
		case container.FastDigestKey:
			if _, err = container.HexDigest(value); err == nil && layout != container.LayoutSmall {
				err = errors.New("the key belongs to the small layout alone")
			}
		case "base_sha256":
			i.BaseSHA256, err = container.HexDigest(value)
		case "source_sha256":
			i.SourceSHA256, err = container.HexDigest(value)
		case "base_name":
			i.BaseName = value
		case "architecture":
			i.Architecture = value
		case "problem_type":
			switch value {
			case "single_label_classification", "multi_label_classification", "regression":
				i.ProblemType = value
			default:
				err = fmt.Errorf("unknown problem_type %q", value)
			}
		case "labels":
			i.Labels, err = stringList(value)
		case "absent":
			i.Absent, err = stringList(value)
		case "config":
			i.Config = value
			err = checkObject(value)
		case "recipe":
			i.Recipe = value
			err = checkObject(value)
		case "temperature":
			if i.Temperature, err = strconv.ParseFloat(value, 64); err == nil && !(i.Temperature > 0 && i.Temperature <= math.MaxFloat32) {
				err = fmt.Errorf("%s is not positive and finite", value)
			}
		case "thresholds":
			i.Thresholds, err = thresholds(value)
		case "selection":
			i.Selection = value
		case "k":
			if i.K, err = strconv.Atoi(value); err == nil && i.K < 1 {
				err = fmt.Errorf("%d is not positive", i.K)
			}
		case "keep":
			if i.Keep, err = strconv.ParseFloat(value, 64); err == nil && !(i.Keep > 0 && i.Keep <= 1) {
				err = fmt.Errorf("%s is not in (0, 1]", value)
			}
		case "budget":
			i.Budget = value
			if value != "row" && value != "tensor" && value != "model" {
				err = fmt.Errorf("%q is not row, tensor or model", value)
			}
		case "factor":
			if i.Factor, err = strconv.ParseFloat(value, 64); err == nil && !(i.Factor > 0 && i.Factor <= math.MaxFloat32) {
				err = fmt.Errorf("%s is not positive and finite", value)
			}
		case "factors":
			i.Factors, err = factorsByKind(value)
		case "head":
			if i.HeadFitted = value == headFitted; !i.HeadFitted {
				err = fmt.Errorf("%q is not %s", value, headFitted)
			}
		case "scope":
			i.Scope = value
			if value != "all" && value != "attention" {
				err = fmt.Errorf("%q is neither all nor attention", value)
			}
		case "coding":
			i.Coding, err = ParseCoding(value)
		case "vector_coding":
			i.VectorCoding, err = ParseCoding(value)
		case "base_prefix":
			i.BasePrefix = value
		case "tuned_prefix":
			i.TunedPrefix = value
		case "producer":
			i.Producer = value
		case "source_name":
			i.SourceName = value
		case "notes":
			i.Notes = value
		default:
			err = errors.New("unknown key")
		}
		if err != nil {
			return Info{}, fmt.Errorf("metadata: %s: %w", key, err)
		}
	}
	if flags := m["flags"]; flags != i.flags() {
		return Info{}, fmt.Errorf("metadata: flags are %q, and %q by the other keys: this program knows the flags %s and %s", flags, i.flags(), flagRows, flagTokenizer)
	}
	required := []string{"base_sha256", "selection", "coding", "producer", container.DigestKey}
	if layout == container.LayoutSmall {
		required = append(required, container.FastDigestKey)
	}
	if version != container.Version1 {
		required = append(required, container.DataDigestKey)
	}
	for _, key := range required {
		if m[key] == "" {
			return Info{}, fmt.Errorf("metadata: %s is missing", key)
		}
	}
	if i.Thresholds != nil && len(i.Thresholds) != len(i.Labels) {
		return Info{}, fmt.Errorf("metadata: thresholds: %d numbers for %d labels", len(i.Thresholds), len(i.Labels))
	}
	return i, nil
}

// checkObject refuses text that is not a JSON object.
func checkObject(text string) error {
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &object) != nil || object == nil {
		return errors.New("not a JSON object")
	}
	return nil
}

// thresholds reads a JSON array of numbers between 0 and 1.
func thresholds(text string) ([]float64, error) {
	var list []*float64
	if err := json.Unmarshal([]byte(text), &list); err != nil || list == nil {
		return nil, errors.New("not a JSON array of numbers")
	}
	out := make([]float64, len(list))
	for i, f := range list {
		if f == nil || !(*f > 0 && *f < 1) {
			return nil, fmt.Errorf("entry %d is not a number between 0 and 1", i)
		}
		out[i] = *f
	}
	return out, nil
}

// factorsByKind reads a JSON object from kinds of tensors to factors.
func factorsByKind(text string) (map[string]float64, error) {
	var factors map[string]float64
	if err := json.Unmarshal([]byte(text), &factors); err != nil || factors == nil {
		return nil, errors.New("not a JSON object of numbers")
	}
	for kind, f := range factors {
		if !(f > 0 && f <= math.MaxFloat32) {
			return nil, fmt.Errorf("%g for %q is not positive and finite", f, kind)
		}
	}
	return factors, nil
}

// rowsByTable reads a JSON object from names of tables to their numbers of rows.
func rowsByTable(text string) (map[string]int, error) {
	var rows map[string]int
	if err := json.Unmarshal([]byte(text), &rows); err != nil || len(rows) == 0 {
		return nil, errors.New("not a JSON object of integers with at least one member")
	}
	for name, n := range rows {
		if n < 1 || n > maxDimension {
			return nil, fmt.Errorf("%d rows of %q, want 1 to %d", n, name, maxDimension)
		}
	}
	return rows, nil
}

// stringList reads a JSON array of strings. It refuses null among them.
func stringList(text string) ([]string, error) {
	var list []*string
	if err := json.Unmarshal([]byte(text), &list); err != nil || list == nil {
		return nil, errors.New("not a JSON array of strings")
	}
	out := make([]string, len(list))
	for i, s := range list {
		if s == nil {
			return nil, errors.New("not a JSON array of strings")
		}
		out[i] = *s
	}
	return out, nil
}
