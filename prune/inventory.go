package prune

import (
	"fmt"
	"slices"
	"strings"

	"kenserve/models"
	"kenserve/runtime"
)

// takeInventory compares the tensors of the tuned checkpoint with those of the model. It
// adds warnings that list the tensors that nothing uses, and those that the checkpoint
// lacks and that come from the base. A layer of the head that the checkpoint lacks, a
// tensor that neither has, and a tensor with another shape than the configuration says
// are errors.
func (s *Source) takeInventory(adapter bool) error {
	used := map[string]bool{}
	var absent, fromBase []string
	for _, p := range append(s.arch.Parameters(), s.arch.Head(len(s.config.Labels))...) {
		name, t := runtime.FindTensor(s.tuned, s.arch, p.Name)
		if t == nil {
			_, inBase := runtime.FindTensor(s.base, s.arch, p.Name)
			if inBase == nil || p.Head {
				absent = append(absent, p.Name)
			} else {
				fromBase = append(fromBase, p.Name)
			}
			continue
		}
		used[name] = true
		if !slices.Equal(t.Shape, p.Shape) {
			return fmt.Errorf("prune: tensor %s of the tuned checkpoint has shape %v, and %v by its %s", name, t.Shape, p.Shape, models.ConfigFile)
		}
		if !t.DType.Float() {
			return fmt.Errorf("prune: tensor %s of the tuned checkpoint is %s, not F32, F16 or BF16: save the model without quantization", name, t.DType)
		}
	}
	if len(absent) > 0 {
		return s.absentError(absent, adapter)
	}
	if len(fromBase) > 0 {
		s.Warnings = append(s.Warnings, fmt.Sprintf("the tuned checkpoint lacks %s; the base's values are taken", list(fromBase)))
	}
	var unused []string
	candidates := s.tuned.Names()
	if adapter { // the others are the base's
		candidates = s.pair.Head
	}
	for _, name := range candidates {
		if !used[name] && !isBuffer(name) {
			unused = append(unused, name)
		}
	}
	if len(unused) > 0 {
		s.Warnings = append(s.Warnings, fmt.Sprintf("nothing uses %s of the tuned checkpoint", list(unused)))
	}
	return nil
}

// absentError says which tensors are absent and what to do.
func (s *Source) absentError(absent []string, adapter bool) error {
	class := s.config.ModelType
	if len(s.config.Architectures) > 0 {
		class = s.config.Architectures[0]
	}
	if adapter {
		layers := map[string]bool{}
		var modules []string
		for _, name := range absent {
			layer := name[:strings.LastIndexByte(name, '.')]
			module, _, _ := strings.Cut(layer, ".")
			if !layers[module] {
				layers[module] = true
				modules = append(modules, fmt.Sprintf("%q", module))
			}
		}
		return fmt.Errorf("prune: neither the adapter nor the base has %s, which %s needs: in training they were random and were not saved; train with modules_to_save=[%s] beside the classifier, or merge the adapter in the session that trained it and prune the merged checkpoint",
			list(absent), class, strings.Join(modules, ", "))
	}
	return fmt.Errorf("prune: the tuned checkpoint lacks %s, which %s needs: it is not a complete classifier; save it with its head, by save_pretrained of the class it was trained with", list(absent), class)
}

// isBuffer tells whether a tensor is one that transformers saved in older versions and
// computes in newer ones.
func isBuffer(name string) bool {
	return strings.HasSuffix(name, "position_ids") || strings.HasSuffix(name, "embeddings.token_type_ids") || strings.HasSuffix(name, "rotary_emb.inv_freq")
}

// listed is the number of names in a message.
const listed = 10

// list is a number of tensors and the names of the first.
func list(names []string) string {
	if len(names) == 1 {
		return "the tensor " + names[0]
	}
	text := fmt.Sprintf("%d tensors: %s", len(names), strings.Join(names[:min(len(names), listed)], ", "))
	if len(names) > listed {
		text += fmt.Sprintf(" and %d more", len(names)-listed)
	}
	return text
}
