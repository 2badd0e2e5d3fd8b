package lora

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kenserve/safetensors"
)

// promises are the settings that say which modules were trained. The tensors say it too:
// where these have less, the adapter is not complete, and PEFT would leave the base's
// values without a word.
type promises struct {
	Targets json.RawMessage `json:"target_modules"`  // a list of names, or an expression
	Exclude json.RawMessage `json:"exclude_modules"` // modules that the targets do not count for
	Layers  json.RawMessage `json:"layers_to_transform"`
	Saved   json.RawMessage `json:"modules_to_save"` // a list of names
	Bias    string          `json:"bias"`            // none, all or lora_only
}

// broken returns a warning that lists what is promised and absent; empty: nothing. names
// are those of the merged model, of which the adapter changes some modules, has whole
// tensors, and has rows of tables.
func (c *config) broken(names []string, changes map[string]*loraPair, whole, tokens map[string]*safetensors.Tensor) string {
	has := func(module string) bool {
		return changes[module] != nil || whole[module+".weight"] != nil || whole[module+".bias"] != nil || tokens[module] != nil
	}
	parts := firstParts(changes)
	var modules []string // of the changed part of the model, without heads of other tasks
	biases := false
	for _, name := range names {
		if module, ok := strings.CutSuffix(name, ".weight"); ok && parts[firstPart(module)] {
			modules = append(modules, module)
		}
		biases = biases || strings.HasSuffix(name, ".bias")
	}
	var absent []string
	some := !isUnset(c.Exclude) || !isUnset(c.Layers)
	for _, target := range listOf(c.Targets) {
		found := slices.DeleteFunc(slices.Clone(modules), func(m string) bool { return !isNamed(m, target) })
		lacking := slices.DeleteFunc(slices.Clone(found), has)
		if some && len(lacking) < len(found) {
			continue
		}
		absent = append(absent, lacking...)
	}
	for _, saved := range listOf(c.Saved) {
		for _, m := range modules {
			if (isNamed(m, saved) || strings.Contains("."+m+".", "."+saved+".")) && whole[m+".weight"] == nil {
				absent = append(absent, m)
			}
		}
	}
	if c.Bias == "all" || c.Bias == "lora_only" {
		inAdapter := func(name string) bool { return strings.HasSuffix(name, ".bias") && parts[firstPart(name)] }
		if biases && !slices.ContainsFunc(slices.Collect(maps.Keys(whole)), inAdapter) {
			absent = append(absent, "biases")
		}
	}
	if len(c.Tokens.list)+len(c.Tokens.byTable) > 0 && len(tokens) == 0 {
		absent = append(absent, "rows of trainable_token_indices")
	}
	slices.Sort(absent)
	absent = slices.Compact(absent)
	if len(absent) == 0 {
		return ""
	}
	more := ""
	if n := len(absent); n > 10 {
		absent, more = absent[:10], fmt.Sprintf(" and %d more", n-10)
	}
	return fmt.Sprintf("the adapter has no tensors of modules that its %s says were trained: %s%s; the base's values are taken", configFile, strings.Join(absent, ", "), more)
}

// isNamed tells whether a module has a name, or ends in it after a dot, as PEFT matches
// target_modules.
func isNamed(module, name string) bool {
	return module == name || strings.HasSuffix(module, "."+name)
}

// listOf returns a list of names; none for a single text, which is an expression.
func listOf(value json.RawMessage) []string {
	var names []string
	if json.Unmarshal(value, &names) != nil {
		return nil
	}
	return names
}

func firstPart(name string) string {
	first, _, _ := strings.Cut(name, ".")
	return first
}

func firstParts(changes map[string]*loraPair) map[string]bool {
	parts := map[string]bool{}
	for module := range changes {
		parts[firstPart(module)] = true
	}
	return parts
}
